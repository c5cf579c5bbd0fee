//! What kernels record as a stream: of running kernels, with filters that change meanwhile, and with what is missing counted.
#![cfg(feature = "host")]

use std::time::{Duration, Instant};

use ringscope::device::DeviceSpec;
use ringscope::snapshot::TraceRecords;
use ringscope::trace::{DeviceRecord, RecordKind, Stream, StreamConfig, StreamEnd, TraceFilter};
use ringscope::{LaunchOptions, RingKernelRuntime, TelemetryCollector, TelemetryConfig, TelemetryError};

const SOON: Duration = Duration::from_secs(60);

fn runtime(records: u32) -> RingKernelRuntime {
    let config = TelemetryConfig { trace_records: records, ..TelemetryConfig::default() };
    RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config).build().unwrap()
}

fn launch(runtime: &RingKernelRuntime, id: &str, options: LaunchOptions) {
    runtime.launch_blocking(id, &options).unwrap();
    runtime.activate_blocking(id).unwrap();
}

fn echo(runtime: &RingKernelRuntime, id: &str, messages: u64) {
    let kernel = runtime.kernel(id).unwrap();
    for _ in 0..messages {
        kernel.call_blocking(b"hello", SOON).unwrap();
    }
}

fn messages(stream: &mut Stream, count: usize) -> Vec<DeviceRecord> {
    stream.blocking(SOON).take(count).collect()
}

fn records(runtime: &RingKernelRuntime, id: &str) -> TraceRecords {
    runtime.snapshot_blocking().unwrap().kernel(id).unwrap().trace.unwrap()
}

/// The kernel's counts, once all of its records so far were seen to be there.
fn records_at_rest(runtime: &RingKernelRuntime, id: &str, written: u64) -> TraceRecords {
    let begun = Instant::now();
    loop {
        let now = records(runtime, id);
        if now.written >= written && now.written == now.read + now.lost {
            return now;
        }
        assert!(begun.elapsed() < SOON, "{now:?} of {written}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn messages_leave_spans_while_the_kernel_runs() {
    let runtime = runtime(1024);
    let mut stream = runtime.collector().trace_stream().unwrap();
    launch(&runtime, "w", LaunchOptions::new().trace(TraceFilter::all()));
    let before = std::time::SystemTime::now();
    echo(&runtime, "w", 10);
    let found = messages(&mut stream, 10);
    let numbers: Vec<u64> = found.iter().map(|r| r.number).collect();
    assert_eq!(numbers, (0..20).step_by(2).collect::<Vec<_>>());
    for (i, record) in found.iter().enumerate() {
        let RecordKind::Message { number, duration_ns, status } = record.kind else { panic!("{record:?}") };
        assert_eq!((&*record.kernel, record.shard, number, status), ("w", 0, Some(i as u64), 0));
        assert!(record.sm.is_some(), "{record:?}");
        let at = std::time::UNIX_EPOCH + Duration::from_nanos(record.time.unix_ns);
        // The wall clock may be set meanwhile, by a little.
        let since = at.duration_since(before - Duration::from_secs(1)).unwrap();
        assert!(since < SOON && Duration::from_nanos(duration_ns) < SOON, "{record:?}");
    }
    assert_eq!((stream.read(), stream.lost(), stream.end()), (20, 0, None));
    let counted = records_at_rest(&runtime, "w", 20);
    assert_eq!((counted.written, counted.read, counted.lost), (20, 20, 0));
}

#[test]
fn the_filter_changes_while_the_kernel_runs() {
    let runtime = runtime(1024);
    let mut stream = runtime.collector().trace_stream().unwrap();
    launch(&runtime, "w", LaunchOptions::new());
    echo(&runtime, "w", 5);
    runtime.trace_blocking("w", TraceFilter::all()).unwrap();
    echo(&runtime, "w", 2);
    // A message is recorded after its reply: the one before may be among them, none of these may pass, the last must have by now.
    while !matches!(messages(&mut stream, 1)[0].kind, RecordKind::Message { number: Some(6), .. }) {}
    runtime.trace_blocking("w", TraceFilter::none()).unwrap();
    echo(&runtime, "w", 5);
    runtime.trace_blocking("w", TraceFilter::all()).unwrap();
    echo(&runtime, "w", 1);
    let last = messages(&mut stream, 1);
    assert!(matches!(last[0].kind, RecordKind::Message { number: Some(12 | 11), .. }), "{last:?}");
}

#[test]
fn what_cannot_be_traced_is_an_error_and_changes_nothing() {
    let traced = runtime(64);
    launch(&traced, "w", LaunchOptions::new().trace(TraceFilter::all()));
    let mut stream = traced.collector().trace_stream().unwrap();
    let filter = TraceFilter::none().one_of(3);
    assert!(matches!(traced.collector().trace("w", filter), Err(TelemetryError::Filter(_))));
    assert!(matches!(traced.collector().trace("v", TraceFilter::all()), Err(TelemetryError::UnknownKernel { .. })));
    let refused = traced.launch_blocking("v", &LaunchOptions::new().trace(filter)).unwrap_err();
    assert!(refused.to_string().contains("power of two"), "{refused}");
    launch(&traced, "v", LaunchOptions::new());
    traced.collector().record_receive("actor").unwrap();
    let actor = traced.collector().trace("actor", TraceFilter::all());
    assert!(matches!(actor, Err(TelemetryError::NotTraced { .. })));
    echo(&traced, "w", 3);
    assert_eq!((messages(&mut stream, 3).len(), stream.lost()), (3, 0));

    let untraced = runtime(0);
    launch(&untraced, "w", LaunchOptions::new());
    assert!(matches!(untraced.collector().trace_stream(), Err(TelemetryError::NoTraceRecords)));
    assert!(matches!(untraced.collector().trace("w", TraceFilter::all()), Err(TelemetryError::NotTraced { .. })));
    assert_eq!(untraced.snapshot_blocking().unwrap().kernel("w").unwrap().trace, None);
    let off = TelemetryCollector::new(false);
    assert!(matches!(off.trace_stream(), Err(TelemetryError::Disabled)));
}

#[test]
fn a_stream_that_is_too_slow_says_what_it_missed_in_its_place() {
    let runtime = runtime(4096);
    let mut stream = runtime.collector().trace_stream_with(StreamConfig::new().queue_records(4)).unwrap();
    launch(&runtime, "w", LaunchOptions::new().trace(TraceFilter::all()));
    echo(&runtime, "w", 50);
    records_at_rest(&runtime, "w", 100);
    echo(&runtime, "w", 1);
    records_at_rest(&runtime, "w", 102);
    let mut next = 0;
    while next < 102 {
        let record = stream.next_blocking(SOON).expect("there are more");
        assert_eq!(record.number, next);
        next += match record.kind {
            RecordKind::Lost { records } => records,
            _ => 2,
        };
    }
    assert_eq!((stream.read() + stream.lost(), next), (102, 102));
    assert!(stream.lost() >= 2 && stream.read() >= 2, "{stream:?}");
}

#[test]
fn a_stream_ends_with_its_collector_behind_what_was_written() {
    let runtime = runtime(1024);
    let mut stream = runtime.collector().trace_stream().unwrap();
    launch(&runtime, "w", LaunchOptions::new().trace(TraceFilter::all()));
    echo(&runtime, "w", 7);
    runtime.terminate_blocking("w").unwrap();
    drop(runtime);
    assert_eq!(stream.blocking(SOON).count(), 7);
    assert_eq!(stream.end(), Some(StreamEnd::Closed));
    assert_eq!(stream.next_blocking(SOON), None);
}
