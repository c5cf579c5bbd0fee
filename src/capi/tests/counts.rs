//! What is counted and read: by fields, by metric, as text.

use super::*;

#[test]
fn host_actors_are_read_by_fields() {
    let collector = opened(ringscope_device::None);
    let (id, error) = (c"parser".as_ptr(), c"no such table".as_ptr());
    // SAFETY: texts that live for ever.
    unsafe {
        for _ in 0..3 {
            assert_eq!(ringscope_record_received(collector, id), R::Ok);
        }
        assert_eq!(ringscope_record_processed(collector, id, 4_000_000), R::Ok);
        assert_eq!(ringscope_record_processed(collector, id, u64::MAX), R::Ok);
        assert_eq!(ringscope_record_error(collector, id, error), R::Ok);
        assert_eq!(ringscope_record_sent(collector, id), R::Ok);
    }
    let snapshot = taken(collector);
    let k = kernel_of(snapshot, c"parser");
    assert_eq!((k.messages_received, k.messages_processed, k.errors, k.messages_sent), (3, 2, 1, 1));
    assert_eq!((k.state, k.shards), (ringscope_kernel_state::Active as u32, 0));
    assert_eq!((k.handling.count, k.handling.min_ns, k.handling.max_ns), (1, 4_000_000, 4_000_000));
    assert!(k.start_unix_ns > 0 && k.uptime_ns > 0);
    // SAFETY: the snapshot's text, which is not freed yet; places that live here.
    unsafe {
        assert_eq!(CStr::from_ptr(k.last_error), c"no such table");
        let mut ns = 0.0;
        for (times, expected) in [(ringscope_times::Handling, 4e6), (ringscope_times::Waiting, 0.0)] {
            assert_eq!(ringscope_snapshot_percentile(snapshot, 0, times as u32, 99.0, &mut ns), R::Ok);
            assert!((ns - expected).abs() <= expected * 0.05, "{ns}");
        }
        assert_eq!(ringscope_snapshot_percentile(snapshot, 0, 2, 99.0, &mut ns), R::BadArgument);
        assert_eq!(ringscope_snapshot_percentile(snapshot, 0, 0, f64::NAN, &mut ns), R::BadArgument);
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    // SAFETY: a text that lives for ever.
    assert_eq!(unsafe { ringscope_reset(collector, id) }, R::Ok);
    let snapshot = taken(collector);
    assert_eq!(kernel_of(snapshot, c"parser").messages_received, 0);
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}

#[test]
fn kernels_are_registered_once_and_as_far_as_there_is_room() {
    let collector = opened(ringscope_device::Host);
    let mut device = options!(ringscope_device_fields {});
    // SAFETY: it is there; the text is the collector's, which is open.
    unsafe {
        assert_eq!(ringscope_device_read(collector, &mut device), R::Ok);
        assert!(device.device == ringscope_device::Host as u32 && !CStr::from_ptr(device.name).is_empty());
    }
    let (result, to) = registered(collector, c"k", 6);
    assert_eq!((result, to.shard_count, to.first_block), (R::Ok, 6, 0));
    assert!(to.shards != 0 && to.buckets != 0);
    let (result, untouched) = registered(collector, c"k", 1);
    assert_eq!((result, untouched), (R::Taken, KernelRef::default()));
    assert_eq!(registered(collector, c"large", 3).0, R::Full);
    assert!(last_error().contains("raise max_blocks"), "{}", last_error());
    // SAFETY: a text that lives for ever.
    assert_eq!(unsafe { ringscope_record_sent(collector, c"k".as_ptr()) }, R::Refused);
    closed(collector);
}

#[test]
fn metrics_of_kernels_and_of_the_host() {
    let collector = opened(ringscope_device::Host);
    let mut to = MetricRef::default();
    let counter = options!(ringscope_metric_options {
        kind: metric_kind::COUNTER,
        name: c"steps".as_ptr(),
        help: c"Steps".as_ptr(),
    });
    let device = |options: &ringscope_metric_options, to: &mut MetricRef| {
        // SAFETY: texts and places that live here.
        unsafe { ringscope_device_metric(collector, options, to) }
    };
    assert_eq!(device(&counter, &mut to), R::Ok, "{}", last_error());
    assert_eq!((to.kind, to.index, to.series), (metric_kind::COUNTER, 0, 0));
    let gauge = ringscope_metric_options { kind: metric_kind::GAUGE, ..counter };
    assert_eq!(device(&gauge, &mut to), R::Taken, "{}", last_error());
    assert_eq!(device(&ringscope_metric_options { kind: 5, ..counter }, &mut to), R::BadArgument);
    // A family, by numbers that are far apart.
    let values = [c"matmul".as_ptr(), c"norm".as_ptr()];
    let indices = [101, 349];
    let family = options!(ringscope_metric_options {
        kind: metric_kind::HISTOGRAM,
        name: c"task_ns".as_ptr(),
        help: c"Times of tasks".as_ptr(),
        unit: c"ns".as_ptr(),
        buckets_per_octave: 4,
        family_label: c"kind".as_ptr(),
        family_values: values.as_ptr(),
        family_indices: indices.as_ptr(),
        family_count: 2,
    });
    assert_eq!(device(&family, &mut to), R::Ok, "{}", last_error());
    assert_eq!((to.index, to.series, to.scale), (1, 2, 2));

    let host = |options: &ringscope_metric_options| {
        let mut metric = null_mut();
        // SAFETY: texts and places that live here.
        (unsafe { ringscope_host_metric_register(collector, options, &mut metric) }, metric)
    };
    assert_eq!(host(&family).0, R::BadArgument);
    let labels = [ringscope_label { name: c"table".as_ptr(), value: c"users".as_ptr() }];
    let bounds = [0.25, 0.5, 1.0];
    let hits = options!(ringscope_metric_options {
        kind: metric_kind::COUNTER,
        name: c"hits".as_ptr(),
        help: c"Hits".as_ptr(),
        labels: labels.as_ptr(),
        label_count: 1,
    });
    let named = |kind, name: &CStr| {
        options!(ringscope_metric_options {
            kind: kind,
            name: name.as_ptr(),
            help: c"Of a test".as_ptr(),
            bounds: bounds.as_ptr(),
            bound_count: if kind == metric_kind::EXPLICIT { 3 } else { 0 },
        })
    };
    let made: Vec<_> = [
        hits,
        named(metric_kind::GAUGE, c"depth"),
        named(metric_kind::HISTOGRAM, c"tokens"),
        named(metric_kind::EXPLICIT, c"load"),
    ]
    .iter()
    .map(|options| match host(options) {
        (R::Ok, metric) => metric,
        other => panic!("{other:?}: {}", last_error()),
    })
    .collect();
    assert_eq!(ringscope_host_metric_add(made[0], 42), R::Ok);
    assert_eq!(ringscope_host_metric_set(made[1], 1.5), R::Ok);
    assert_eq!(ringscope_host_metric_observe(made[2], 1000.0), R::Ok);
    assert_eq!(ringscope_host_metric_observe(made[2], f64::NAN), R::Ok);
    assert_eq!(ringscope_host_metric_observe(made[3], 0.5), R::Ok);
    assert_eq!(ringscope_host_metric_add(made[1], 1), R::Refused);
    assert_eq!(last_error(), "one cannot add whole numbers to a gauge: call ringscope_host_metric_set");
    let snapshot = taken(collector);
    assert_eq!(metric_of(snapshot, c"hits", &labels).count, 42);
    let depth = metric_of(snapshot, c"depth", &[]);
    assert_eq!((depth.kind, depth.value), (metric_kind::GAUGE, 1.5));
    let tokens = metric_of(snapshot, c"tokens", &[]);
    assert_eq!((tokens.kind, tokens.count, tokens.dropped), (metric_kind::HISTOGRAM, 1, 1));
    assert_eq!((tokens.sum, tokens.min, tokens.max), (1000.0, 1000.0, 1000.0));
    let load = metric_of(snapshot, c"load", &[]);
    assert_eq!((load.kind, load.count, load.max), (metric_kind::EXPLICIT, 1, 0.5));
    let kind = [ringscope_label { name: c"kind".as_ptr(), value: c"norm".as_ptr() }];
    assert_eq!(metric_of(snapshot, c"task_ns", &kind).kind, metric_kind::HISTOGRAM);
    let mut fields = options!(ringscope_metric_fields {});
    // SAFETY: texts and places that live here.
    unsafe {
        assert_eq!(ringscope_snapshot_metric(snapshot, c"hits".as_ptr(), null(), 0, &mut fields), R::Unknown);
        assert_eq!(ringscope_snapshot_metric(snapshot, c"hits".as_ptr(), null(), 1, &mut fields), R::BadArgument);
        assert_eq!(ringscope_snapshot_metric(snapshot, c"misses".as_ptr(), null(), 0, &mut fields), R::Unknown);
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    made.iter().for_each(|metric| assert_eq!(ringscope_host_metric_free(*metric), R::Ok));
    closed(collector);
}

#[test]
fn texts_come_into_a_buffer_or_are_given_away() {
    let collector = opened(ringscope_device::None);
    // SAFETY: a text that lives for ever.
    assert_eq!(unsafe { ringscope_record_received(collector, c"parser".as_ptr()) }, R::Ok);
    let snapshot = taken(collector);
    for (format, begin, has) in [
        (ringscope_format::Json, "{", r#""kernel_id":"parser""#),
        (ringscope_format::JsonSums, "{", r#""tasks":"#),
        (ringscope_format::JsonMetrics, "{", r#""running":true"#),
        (ringscope_format::Prometheus, "# HELP", "\nringscope_kernel_messages_received_total{kernel=\"parser\"} 1\n"),
        (ringscope_format::Openmetrics, "# ", "\n# EOF\n"),
    ] {
        let format = format as u32;
        let (mut given, mut bytes, mut buffer) = (null_mut(), 0, vec![7 as c_char; 1 << 20]);
        // SAFETY: places that live here, and the buffer has as many bytes as are said.
        unsafe {
            assert_eq!(ringscope_snapshot_text(snapshot, format, &mut given), R::Ok, "{}", last_error());
            let text = CStr::from_ptr(given).to_str().unwrap().to_owned();
            assert!(text.starts_with(begin) && format!("\n{text}\n").contains(has), "{text}");
            assert_eq!(ringscope_snapshot_write(snapshot, format, null_mut(), 0, &mut bytes), R::TooSmall);
            assert_eq!(bytes, text.len());
            // One byte too few: nothing but a zero byte is written.
            assert_eq!(ringscope_snapshot_write(snapshot, format, buffer.as_mut_ptr(), bytes, null_mut()), R::TooSmall);
            assert_eq!(last_error(), format!("the buffer has {bytes} bytes, and needs {}", bytes + 1));
            assert_eq!((buffer[0], buffer[1], buffer[bytes]), (0, 7, 7));
            assert_eq!(ringscope_snapshot_write(snapshot, format, buffer.as_mut_ptr(), bytes + 1, null_mut()), R::Ok);
            assert_eq!(CStr::from_ptr(buffer.as_ptr()).to_str(), Ok(text.as_str()));
            assert_eq!(buffer[bytes + 1], 7);
        }
        assert_eq!(ringscope_string_free(given), R::Ok);
        assert_eq!(ringscope_string_free(given), R::BadHandle);
        assert_eq!(ringscope_string_free(buffer.as_mut_ptr()), R::BadHandle);
    }
    assert_eq!(ringscope_snapshot_free(snapshot), R::Ok);
    closed(collector);
}
