//! Two host devices.

use std::sync::Arc;

use ringscope::device::{DeviceKind, HostDevice, SharedDevice};
use ringscope::runtime::LaunchOptions;
use ringscope::trace::{RecordKind, Span, Trace, TraceCursor, TraceFilter, Tracer};
use ringscope::{
    DeviceSpec, RingKernelRuntime, RuntimeError, Snapshot, TelemetryCollector, TelemetryConfig, TelemetryError,
};

use crate::{processed, soon, traffic};

fn device() -> SharedDevice {
    Arc::new(HostDevice::new())
}

fn runtime() -> RingKernelRuntime {
    let config = TelemetryConfig { max_blocks: 16, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device()).on(device()).telemetry(true).telemetry_config(config);
    builder.slots(16).slot_bytes(64).max_kernels(6).build().expect("a runtime")
}

fn start(runtime: &RingKernelRuntime, id: &str, options: LaunchOptions) -> usize {
    runtime.launch_blocking(id, &options).expect("it is launched");
    runtime.activate_blocking(id).expect("it is activated");
    runtime.device_of(id).expect("it was launched")
}

#[test]
fn kernels_on_each_device_are_counted_by_device_and_id() {
    let runtime = runtime();
    for (id, device) in [("a", 0), ("b", 1), ("c", 1), ("d", 0)] {
        assert_eq!(start(&runtime, id, LaunchOptions::new().device(device).blocks(2)), device);
    }
    let parser = runtime.collector().actor("parser").expect("a host actor");
    parser.record_receive();
    for (id, count) in [("a", 30), ("b", 20), ("c", 10), ("d", 5)] {
        traffic(&runtime, id, count);
    }
    // One block of two may have done all the work before the other one began.
    let ids = ["a", "b", "c", "d"];
    let begun = |snapshot: &Snapshot, id: &str| snapshot.kernel(id).is_some_and(|kernel| kernel.blocks_started == 2);
    soon("all blocks begin", || runtime.snapshot_blocking().is_ok_and(|now| ids.iter().all(|id| begun(&now, id))));
    let snapshot = runtime.snapshot_blocking().expect("both can be read");
    let counted = ["a", "b", "c", "d", "parser"].map(|id| processed(&snapshot, id));
    assert_eq!(counted, [(Some(0), 30), (Some(1), 20), (Some(1), 10), (Some(0), 5), (None, 0)]);
    let devices = snapshot.devices.iter().map(|d| (d.index, d.kind, d.uuid.is_none(), d.error.is_none()));
    assert_eq!(devices.collect::<Vec<_>>(), [(0, DeviceKind::Host, true, true), (1, DeviceKind::Host, true, true)]);
    assert_eq!(snapshot.copied_bytes, snapshot.devices.iter().map(|d| d.copied_bytes).sum::<usize>());
    assert!(snapshot.devices.iter().all(|d| d.copied_bytes > 0));
    // The blocks of each are looked up on its own device.
    for id in ids {
        let blocks = snapshot.blocks(id).expect("it has blocks");
        assert!(blocks.len() == 2 && blocks.iter().all(|block| block.last_sign_of_life.is_some()), "{id}: {blocks:?}");
    }
    // A reset of one is not one of the other.
    runtime.collector().reset(Some("b")).expect("it is known");
    let snapshot = runtime.latest().expect("the reset took one");
    assert_eq!((processed(&snapshot, "b"), processed(&snapshot, "c")), ((Some(1), 0), (Some(1), 10)));
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
}

#[test]
fn a_launch_without_a_device_takes_the_least_busy_one() {
    let runtime = runtime();
    assert_eq!(start(&runtime, "a", LaunchOptions::new().blocks(3)), 0, "of two that are idle the first");
    assert_eq!(start(&runtime, "b", LaunchOptions::new().blocks(1)), 1);
    assert_eq!(start(&runtime, "c", LaunchOptions::new().blocks(1)), 1, "one block is less than three");
    assert_eq!(start(&runtime, "d", LaunchOptions::new().blocks(2)), 1, "two are less than three");
    assert_eq!(start(&runtime, "e", LaunchOptions::new().blocks(1)), 0, "three are less than four");
    runtime.terminate_blocking("d").expect("it ends");
    runtime.terminate_blocking("b").expect("it ends");
    assert_eq!(start(&runtime, "f", LaunchOptions::new()), 1, "what has ended is not there any more");
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
}

#[test]
fn what_makes_no_sense_is_refused_by_its_type() {
    let twice = device();
    let error =
        TelemetryCollector::builder().device(device()).device(Arc::clone(&twice)).device(Arc::clone(&twice)).build();
    assert!(matches!(error, Err(TelemetryError::DeviceTwice { first: 1, second: 2, .. })), "{error:?}");
    let error = RingKernelRuntime::builder().on(Arc::clone(&twice)).on(twice).build();
    let expected =
        matches!(error, Err(RuntimeError::Telemetry(TelemetryError::DeviceTwice { first: 0, second: 1, .. })));
    assert!(expected, "{error:?}");
    let error = RingKernelRuntime::builder().devices([]).build().map(drop);
    assert!(matches!(error, Err(RuntimeError::BadValue { .. })), "{error:?}");

    let collector = TelemetryCollector::builder().devices([device(), device()]).build().expect("a collector");
    let error = collector.kernel("w").device(2).register();
    assert_eq!(error, Err(TelemetryError::UnknownDevice { device: 2, devices: 2 }));
    assert!(collector.kernel("w").device(1).register().is_ok(), "the id is not taken by what was refused");
    assert_eq!(collector.register("w", 1), Err(TelemetryError::AlreadyRegistered { id: "w".into() }));
    let none = TelemetryCollector::builder().build().expect("one of host actors");
    assert_eq!(none.register("w", 1), Err(TelemetryError::NoDevice));

    let runtime = runtime();
    let error = runtime.launch_blocking("w", &LaunchOptions::new().device(2));
    assert_eq!(error, Err(RuntimeError::UnknownDevice { device: 2, devices: 2 }));
    assert!(runtime.snapshot_blocking().expect("a snapshot").kernels.is_empty(), "nothing was registered");
    assert_eq!(runtime.devices().len(), 2);
}

#[test]
fn each_device_has_the_bounds_for_itself() {
    let config = TelemetryConfig { max_blocks: 2, ..TelemetryConfig::default() };
    let collector =
        TelemetryCollector::builder().devices([device(), device()]).config(config).build().expect("a collector");
    assert!(collector.kernel("a").device(0).shards(2).register().is_ok());
    assert!(collector.kernel("b").device(1).shards(2).register().is_ok());
    let full = collector.kernel("c").device(1).register();
    assert_eq!(full, Err(TelemetryError::TooManyBlocks { asked: 1, free: 0, limit: 2 }));
}

#[test]
fn pages_say_on_which_device_something_was_counted() {
    let runtime = runtime();
    start(&runtime, "a", LaunchOptions::new().device(0));
    start(&runtime, "b", LaunchOptions::new().device(1));
    traffic(&runtime, "b", 7);
    runtime.collector().record_receive("parser").expect("a host actor");
    let snapshot = runtime.snapshot_blocking().expect("a snapshot");
    let page = snapshot.export_prometheus();
    for line in [
        "ringscope_kernel_messages_processed_total{kernel=\"a\",device=\"0\"} 0",
        "ringscope_kernel_messages_processed_total{kernel=\"b\",device=\"1\"} 7",
        "ringscope_kernel_messages_received_total{kernel=\"parser\"} 1",
        "ringscope_kernel_state{kernel=\"b\",device=\"1\",state=\"active\"} 1",
        "ringscope_device_readable{device=\"1\"} 1",
    ] {
        assert!(page.lines().any(|l| l == line), "{line}: {page}");
    }
    assert!(page.contains("ringscope_device_info{device=\"0\",name=\"") && page.contains("kind=\"host\"} 1"));
    let json: serde_json::Value = serde_json::from_str(&snapshot.export_json_full().expect("JSON")).expect("JSON");
    let of = |id: &str| {
        let kernels = json["kernels"].as_array().expect("an array");
        kernels.iter().find(|k| k["kernel_id"] == id).expect("it is there")["device"].clone()
    };
    assert_eq!((of("a"), of("b"), of("parser")), (0.into(), 1.into(), serde_json::Value::Null));
    assert_eq!(json["devices"][1]["kind"], "host");
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
}

#[test]
fn a_runtime_opens_the_devices_that_it_is_told() {
    let specs = [DeviceSpec::Host, DeviceSpec::Host];
    let runtime = RingKernelRuntime::builder().devices(specs).max_kernels(1).slots(2).build().expect("a runtime");
    assert_eq!(runtime.devices().map(|device| device.kind).collect::<Vec<_>>(), [DeviceKind::Host; 2]);
    // Without telemetry kernels are placed as well.
    assert_eq!(start(&runtime, "a", LaunchOptions::new()), 0);
    assert_eq!(start(&runtime, "b", LaunchOptions::new()), 1, "and each device has room for max_kernels");
    traffic(&runtime, "b", 3);
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
}

#[test]
fn metrics_of_kernels_are_on_each_device_and_add_up_but_for_gauges() {
    use ringscope::metrics::MetricError;

    let collector = TelemetryCollector::builder().devices([device(), device()]).build().expect("a collector");
    let hits = || collector.counter("hits", "Hits").expect("a name");
    let refused = hits().on_device().map(|one| one.index());
    assert!(matches!(refused, Err(MetricError::SeveralDevices { devices: 2, .. })), "{refused:?}");
    let on_each = hits().on_devices().expect("there is room");
    assert_eq!(on_each.iter().map(|one| one.index()).collect::<Vec<_>>(), [0, 0], "kernels on each look it up alike");
    assert_eq!(hits().on_devices().expect("it is there").len(), 2);
    let level = collector.gauge("level", "A level").expect("a name").label("of", "tank").on_devices();
    assert_eq!(level.expect("there is room").len(), 2);
    collector.histogram("sizes", "Sizes").expect("a name").on_devices().expect("there is room");
    let snapshot = collector.snapshot().expect("a snapshot");
    let labels = |name: &str| {
        let series = &snapshot.metric(name).expect("it is registered").series;
        series.iter().map(|one| one.labels.get("device").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!((labels("hits"), labels("sizes")), (vec![None], vec![None]));
    assert_eq!(labels("level"), [Some("0".to_owned()), Some("1".to_owned())]);
    let tables = [0, 1, 2].map(|index| collector.metric_table_of(index).is_some());
    assert_eq!(tables, [true, true, false]);
}

#[test]
fn what_two_devices_count_in_one_metric_adds_up() {
    crate::counts::add_up([device(), device()]);
}

/// Kernels `a` and `b`, each on a device of its own, that leave a span of each message.
fn traced() -> RingKernelRuntime {
    let config = TelemetryConfig { max_blocks: 4, trace_records: 256, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device()).on(device()).telemetry(true).telemetry_config(config);
    let runtime = builder.slots(16).slot_bytes(64).max_kernels(2).build().expect("a runtime");
    for (id, device) in [("a", 0), ("b", 1)] {
        start(&runtime, id, LaunchOptions::new().device(device).trace(TraceFilter::none().one_of(1)));
    }
    runtime
}

#[test]
fn a_recorded_trace_has_the_spans_of_all_devices() {
    let runtime = traced();
    let tracer = Tracer::new("a test");
    let recorder = runtime.collector().record_trace(&tracer, 100).expect("records are kept");
    let spans = |trace: &Trace| {
        let of = |kernel: &str, index: u32| {
            let here = |span: &&Arc<Span>| span.track.device().is_some_and(|device| device.ordinal == index);
            let is = |span: &&Arc<Span>| span.message.as_ref().is_some_and(|message| &*message.kernel == kernel);
            trace.spans.iter().filter(here).filter(is).count()
        };
        [of("a", 0), of("b", 1), of("a", 1), of("b", 0)]
    };
    let mut cursor = TraceCursor::new();
    for (a, b, in_all) in [(5, 3, [5, 3]), (2, 4, [7, 7])] {
        traffic(&runtime, "a", a);
        traffic(&runtime, "b", b);
        // A kernel writes of a message when it has replied.
        soon("all is recorded", || {
            let counts = recorder.counts();
            let of = |id: &str| counts.get(id).map_or(0, |counts| counts.messages as usize);
            [of("a"), of("b")] == in_all
        });
        let trace = recorder.trace();
        assert_eq!(spans(&trace), [in_all[0], in_all[1], 0, 0]);
        assert_eq!(trace.clocks.iter().map(|clock| clock.device.ordinal).collect::<Vec<_>>(), [0, 1]);
        // Who reads what is new has each device's.
        let since = recorder.trace_since(&mut cursor, false);
        assert_eq!((spans(&since), cursor.missed()), ([a as usize, b as usize, 0, 0], 0));
        let places = recorder.places();
        assert_eq!((places.written, places.lost), (places.read, 0));
    }
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
}

#[test]
fn a_stream_has_the_records_of_all_devices() {
    let runtime = traced();
    let mut stream = runtime.collector().trace_stream().expect("records are kept");
    traffic(&runtime, "a", 5);
    traffic(&runtime, "b", 3);
    let mut messages = (0, 0);
    while messages != (5, 3) {
        let record = stream.next_blocking(crate::WAIT).expect("the messages leave spans");
        match (&record.kind, &*record.kernel, record.device) {
            (RecordKind::Message { .. }, "a", 0) => messages.0 += 1,
            (RecordKind::Message { .. }, "b", 1) => messages.1 += 1,
            (RecordKind::Message { .. }, ..) => panic!("{record:?}"),
            _ => {}
        }
    }
    assert!(runtime.shutdown_blocking(crate::WAIT).abandoned.is_empty());
    drop(runtime);
    while stream.next_blocking(crate::WAIT).is_some() {}
    assert!(stream.end().is_some(), "it ends with the last of them");
}
