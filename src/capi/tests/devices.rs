//! Several devices in one collector, and lives of a kernel.

use super::*;

const HOST: ringscope_device_choice =
    ringscope_device_choice { device: ringscope_device::Host as u32, cuda_ordinal: 0 };

fn open_on(devices: &[ringscope_device_choice], off: u32) -> (R, *mut ringscope_collector) {
    let config = options!(ringscope_config {
        devices: devices.as_ptr(),
        device_count: devices.len(),
        max_kernels: 4,
        max_blocks: 8,
        off: off,
    });
    let mut collector = null_mut();
    // SAFETY: all are there.
    (unsafe { ringscope_open(C_ABI, &config, &mut collector) }, collector)
}

fn two() -> *mut ringscope_collector {
    let (result, collector) = open_on(&[HOST; 2], 0);
    assert_eq!(result, R::Ok, "{}", last_error());
    collector
}

fn registered_on(collector: *const ringscope_collector, id: &CStr, device: u32, shards: u32) -> (R, KernelRef) {
    let kernel = options!(ringscope_kernel { id: id.as_ptr(), shards: shards, device: device });
    let mut to = KernelRef::default();
    // SAFETY: texts and places that live here.
    (unsafe { ringscope_register(collector, &kernel, &mut to) }, to)
}

fn retired(collector: *const ringscope_collector, id: &CStr) -> R {
    // SAFETY: a text that lives for ever.
    unsafe { ringscope_retire(collector, id.as_ptr()) }
}

/// What a device is, and of the snapshot what it was read as.
fn device_at(collector: *const ringscope_collector, index: usize) -> (R, ringscope_device_fields) {
    let mut fields = options!(ringscope_device_fields {});
    // SAFETY: a place that lives here.
    (unsafe { ringscope_device_at(collector, index, &mut fields) }, fields)
}

/// Whether a text of the library's is empty.
fn is_empty(text: *const c_char) -> bool {
    // SAFETY: what it belongs to is not freed.
    unsafe { CStr::from_ptr(text) }.is_empty()
}

#[test]
fn kernels_are_on_the_device_that_they_name() {
    let collector = two();
    for (index, expected) in [(0, R::Ok), (1, R::Ok), (2, R::Unknown)] {
        let (result, fields) = device_at(collector, index);
        assert_eq!(result, expected);
        if expected == R::Ok {
            assert_eq!((fields.device, fields.count), (HOST.device, 2));
            assert!(!is_empty(fields.name) && is_empty(fields.uuid));
        }
    }
    assert_eq!(last_error(), "the collector has 2 devices, and no index 2");
    let (result, a) = registered_on(collector, c"a", 0, 8);
    assert_eq!(result, R::Ok, "{}", last_error());
    let (result, b) = registered_on(collector, c"b", 1, 8);
    assert_eq!(result, R::Ok, "each has max_blocks for itself: {}", last_error());
    assert_ne!(a.shards, b.shards);
    assert_eq!(registered_on(collector, c"c", 2, 1).0, R::NoDevice);
    // SAFETY: a text that lives for ever.
    assert_eq!(unsafe { ringscope_record_received(collector, c"parser".as_ptr()) }, R::Ok);

    let snapshot = taken(collector);
    for (id, device) in [(c"a", 0), (c"b", 1), (c"parser", RINGSCOPE_NO_INDEX)] {
        let kernel = kernel_of(snapshot, id);
        assert_eq!((kernel.device, kernel.generation), (device, 1), "{id:?}");
        assert!(is_empty(kernel.device_uuid));
    }
    let mut fields = options!(ringscope_snapshot_fields {});
    // SAFETY: a place that lives here.
    assert_eq!(unsafe { ringscope_snapshot_read(snapshot, &mut fields) }, R::Ok);
    assert_eq!((fields.devices, fields.kernels), (2, 3));
    let mut copied = 0;
    for index in 0..2 {
        let mut reading = options!(ringscope_device_reading {});
        // SAFETY: a place that lives here.
        assert_eq!(unsafe { ringscope_snapshot_device(snapshot, index, &mut reading) }, R::Ok, "{}", last_error());
        assert_eq!((reading.device, reading.readable), (HOST.device, 1));
        assert!(is_empty(reading.error) && !is_empty(reading.name) && is_empty(reading.uuid));
        copied += reading.copied_bytes;
    }
    assert_eq!(copied, fields.copied_bytes);
    let mut reading = options!(ringscope_device_reading {});
    // SAFETY: as above.
    assert_eq!(unsafe { ringscope_snapshot_device(snapshot, 2, &mut reading) }, R::Unknown);
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}

#[test]
fn a_list_of_devices_that_makes_no_sense_is_refused() {
    let choice = |device: u32| ringscope_device_choice { device, cuda_ordinal: 0 };
    for (device, said) in
        [(0, "`devices[1].device` is 0"), (3, "`devices[1].device` is 3"), (4, "`devices[1].device` is 4")]
    {
        assert_eq!(open_on(&[HOST, choice(device)], 0).0, R::BadArgument);
        assert!(last_error().starts_with(said), "{}", last_error());
    }
    let beyond = ringscope_device_choice { device: ringscope_device::Cuda as u32, cuda_ordinal: 1 << 20 };
    assert_eq!(open_on(&[HOST, beyond], 0).0, R::NoDevice, "{}", last_error());
    let both = options!(ringscope_config { device: 1, devices: [HOST].as_ptr(), device_count: 1 });
    let nothing = options!(ringscope_config { device_count: 2 });
    for (config, said) in [(both, "leave out one of both"), (nothing, "`devices` is null, and has 2 of them")] {
        let mut collector = null_mut();
        // SAFETY: all are there.
        assert_eq!(unsafe { ringscope_open(C_ABI, &config, &mut collector) }, R::BadArgument);
        assert!(last_error().contains(said) && collector.is_null(), "{}", last_error());
    }
}

#[test]
fn a_metric_is_registered_on_each_device() {
    let counter = |name: &CStr, kind: u32| {
        options!(ringscope_metric_options { kind: kind, name: name.as_ptr(), help: c"Of a test".as_ptr() })
    };
    let collector = two();
    let (steps, level) = (counter(c"steps", metric_kind::COUNTER), counter(c"level", metric_kind::GAUGE));
    let mut metrics = [MetricRef::default(); 3];
    let on_each = |options: &ringscope_metric_options, metrics: &mut [MetricRef]| {
        // SAFETY: texts and places that live here.
        unsafe { ringscope_device_metrics(collector, options, metrics.as_mut_ptr(), metrics.len()) }
    };
    assert_eq!(on_each(&steps, &mut metrics), R::BadArgument);
    assert_eq!(last_error(), "`count` is 3, and the collector has 2 devices");
    assert_eq!(metrics[0], MetricRef::default());
    // SAFETY: as above.
    let of_one = unsafe { ringscope_device_metric(collector, &steps, &mut metrics[0]) };
    assert_eq!(of_one, R::BadArgument, "{}", last_error());
    // SAFETY: null is allowed.
    assert_eq!(unsafe { ringscope_device_metrics(collector, &steps, null_mut(), 2) }, R::BadArgument);
    assert_eq!(on_each(&steps, &mut metrics[..2]), R::Ok, "{}", last_error());
    assert_eq!((metrics[0].index, metrics[1].index), (0, 0));
    assert_eq!(on_each(&level, &mut metrics[1..]), R::Ok, "{}", last_error());
    assert_eq!((metrics[1].index, metrics[2].index), (1, 1));
    let snapshot = taken(collector);
    assert_eq!(metric_of(snapshot, c"steps", &[]).kind, metric_kind::COUNTER);
    for device in [c"0", c"1"] {
        let labels = [ringscope_label { name: c"device".as_ptr(), value: device.as_ptr() }];
        assert_eq!(metric_of(snapshot, c"level", &labels).kind, metric_kind::GAUGE);
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
    // While telemetry is off there is nothing to count in, on any.
    let (result, off) = open_on(&[HOST; 2], 1);
    assert_eq!(result, R::Ok, "{}", last_error());
    // SAFETY: as above.
    assert_eq!(unsafe { ringscope_device_metrics(off, &steps, metrics.as_mut_ptr(), 2) }, R::Ok, "{}", last_error());
    assert_eq!(metrics[..2], [MetricRef::default(); 2]);
    closed(off);
}

#[test]
fn a_kernel_that_was_retired_lives_again_in_its_place() {
    let collector = two();
    let (result, first) = registered_on(collector, c"k", 1, 6);
    assert_eq!((result, first.shard_count), (R::Ok, 6));
    assert_eq!(registered_on(collector, c"k", 1, 6).0, R::Taken);
    let before = taken(collector);
    assert_eq!(kernel_of(before, c"k").generation, 1);
    assert_eq!(retired(collector, c"k"), R::Ok, "{}", last_error());
    assert_eq!(retired(collector, c"k"), R::Ok, "a second time it does nothing");
    // More lives than there are places for kernels or shards, here and on the other device.
    for life in 2..40u64 {
        let (device, id) = ((life % 2) as u32, c"k");
        let (result, to) = registered_on(collector, id, device, 6);
        assert_eq!((result, to.shard_count), (R::Ok, 6), "{life}: {}", last_error());
        let snapshot = taken(collector);
        let kernel = kernel_of(snapshot, id);
        assert_eq!((kernel.generation, kernel.device, kernel.messages_processed), (life, device, 0));
        assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
        assert_eq!(retired(collector, id), R::Ok, "{}", last_error());
    }
    assert_eq!(kernel_of(before, c"k").generation, 1, "a snapshot does not change");
    assert_eq!(ringscope_snapshot_free(before), R::Ok);
    assert_eq!(retired(collector, c"nobody"), R::Unknown);
    // SAFETY: a text that lives for ever.
    assert_eq!(unsafe { ringscope_record_received(collector, c"parser".as_ptr()) }, R::Ok);
    assert_eq!(retired(collector, c"parser"), R::Unknown, "a host actor");
    let snapshot = taken(collector);
    let since = kernel_of(snapshot, c"parser").counted_since_unix_ns;
    assert!(since > 0 && since == kernel_of(snapshot, c"parser").start_unix_ns);
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    // A reset is another begin of counting.
    // SAFETY: as above.
    assert_eq!(unsafe { ringscope_reset(collector, c"parser".as_ptr()) }, R::Ok);
    let snapshot = taken(collector);
    let parser = kernel_of(snapshot, c"parser");
    assert!(parser.counted_since_unix_ns >= since && parser.start_unix_ns <= parser.counted_since_unix_ns);
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}
