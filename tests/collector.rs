//! The collector: host actors counted by call, resets, windows, periodic reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringscope::abi::KernelRef;
use ringscope::{KernelState, TelemetryCollector, TelemetryConfig, TelemetryError};

#[test]
fn handles_of_many_threads_add_up_exactly() {
    let collector = TelemetryCollector::new(true);
    let threads: u64 = 4;
    let each: u64 = 50_000;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let collector = &collector;
            scope.spawn(move || {
                let handle = collector.actor("actor").unwrap();
                for n in 0..each {
                    handle.record_receive();
                    handle.record_bytes(10, 3);
                    handle.record_processed_in(Duration::from_nanos(n * (thread + 1)));
                    handle.record_send();
                }
                handle.record_error("the last word");
            });
        }
        // Meanwhile: monotone.
        let mut before = 0;
        for _ in 0..200 {
            let now = collector.snapshot().unwrap().kernel("actor").map_or(0, |t| t.messages_received);
            assert!(now >= before);
            before = now;
        }
    });
    let t = collector.telemetry("actor").unwrap();
    let all = threads * each;
    assert_eq!((t.messages_received, t.messages_sent, t.messages_processed, t.errors), (all, all, all, threads));
    assert_eq!((t.bytes_in, t.bytes_out), (10 * all, 3 * all));
    let latency = t.latency.unwrap();
    assert_eq!((latency.count, latency.min_ns, latency.max_ns), (all, 0, threads * (each - 1)));
    let sum = (1..=threads).map(|t| t * each * (each - 1) / 2).sum::<u64>();
    assert_eq!(t.histogram.sum(), sum);
    assert_eq!(t.last_error.as_deref(), Some("the last word"));
    assert_eq!((t.state, t.blocks), (KernelState::Active, 0));
    let recent = SystemTime::now().duration_since(t.last_message_time.unwrap()).unwrap_or_default();
    assert!(recent < Duration::from_secs(60), "{recent:?}");
}

#[test]
fn records_by_id_are_counted_and_summed_up() {
    let collector = TelemetryCollector::new(true);
    for _ in 0..3 {
        collector.record_receive("a").unwrap();
    }
    collector.record_processed("a", Some(Duration::from_micros(5))).unwrap();
    collector.record_processed("a", None).unwrap();
    collector.record_send("a").unwrap();
    collector.record_error("a", "no such key").unwrap();
    collector.record_receive("b").unwrap();
    let all = collector.all_telemetry().unwrap();
    assert_eq!(all.keys().map(|k| &**k).collect::<Vec<_>>(), ["a", "b"]);
    let a = &all["a"];
    assert_eq!((a.messages_received, a.messages_sent, a.messages_processed, a.errors), (3, 1, 2, 1));
    assert_eq!((a.error_rate, a.last_error.as_deref()), (1.0 / 3.0, Some("no such key")));
    let summary = collector.summary().unwrap();
    assert_eq!((summary.kernel_count, summary.total_messages, summary.total_errors), (2, 2, 1), "processed ones");
    assert_eq!(summary.per_kernel.get("b").unwrap().messages_received, 1);
    assert!(collector.telemetry("c").unwrap_err().to_string().contains("no kernel `c` is registered (2 are)"));
}

#[test]
fn a_reset_loses_nothing_that_comes_later() {
    let collector = TelemetryCollector::new(true);
    let (a, b) = (collector.actor("a").unwrap(), collector.actor("b").unwrap());
    for n in 1..=100 {
        a.record_receive();
        a.record_processed_in(Duration::from_micros(n));
        b.record_receive();
    }
    a.record_error("early");
    collector.reset(Some("a")).unwrap();
    let t = collector.telemetry("a").unwrap();
    assert_eq!((t.messages_received, t.errors, t.latency, t.last_error), (0, 0, None, None));
    assert_eq!((t.throughput, t.error_rate), (0.0, 0.0));
    assert_eq!(collector.telemetry("b").unwrap().messages_received, 100, "the other one is as it was");
    a.record_processed_in(Duration::from_millis(5));
    a.record_error("late");
    let t = collector.telemetry("a").unwrap();
    assert_eq!((t.messages_processed, t.errors, t.last_error.as_deref()), (1, 1, Some("late")));
    let latency = t.latency.unwrap();
    assert_eq!((latency.count, latency.mean_ns), (1, 5e6));
    assert!((latency.p50_ns - 5e6).abs() < 5e6 * 0.044 && latency.max_ns.abs_diff(5_000_000) < 500_000);
    collector.reset(None).unwrap();
    assert_eq!(collector.summary().unwrap().total_messages, 0);
}

#[test]
fn a_dropped_handle_leaves_its_counts() {
    let collector = TelemetryCollector::new(true);
    for round in 1..=50u64 {
        let handle = collector.actor("a").unwrap();
        handle.record_receive();
        handle.record_processed_in(Duration::from_nanos(round));
        drop(handle);
        let t = collector.telemetry("a").unwrap();
        assert_eq!((t.messages_received, t.latency.unwrap().max_ns), (round, round));
    }
}

#[test]
fn rates_over_no_time_and_no_messages_are_zero() {
    let collector = TelemetryCollector::new(true);
    assert!(collector.latest().is_none());
    drop(collector.actor("a").unwrap());
    let t = collector.telemetry("a").unwrap();
    assert_eq!((t.throughput, t.windowed_throughput, t.error_rate, t.busy_ratio), (0.0, 0.0, 0.0, 0.0));
    assert_eq!((t.latency, t.last_message_time, t.last_error_code), (None, None, None));
    let empty = TelemetryCollector::new(true).summary().unwrap();
    assert_eq!((empty.kernel_count, empty.total_messages, empty.aggregate_throughput), (0, 0, 0.0));
}

#[test]
fn a_windowed_rate_forgets_and_never_goes_negative() {
    let config = TelemetryConfig { windows: vec![Duration::from_millis(100)], ..Default::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    let handle = collector.actor("a").unwrap();
    collector.snapshot().unwrap();
    (0..1000).for_each(|_| handle.record_processed());
    std::thread::sleep(Duration::from_millis(20));
    let busy = collector.telemetry("a").unwrap();
    assert!(busy.windowed_throughput > 0.0);
    collector.reset(None).unwrap();
    assert!(collector.telemetry("a").unwrap().windowed_throughput >= 0.0);
    // Once the burst is more than a window ago, the rate is zero, though the lifetime's is not.
    let patience = Instant::now() + Duration::from_secs(20);
    while collector.telemetry("a").unwrap().windowed_throughput > 0.0 {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn periodic_reading_runs_stops_and_starts_again() {
    let collector = TelemetryCollector::new(true);
    let handle = collector.actor("a").unwrap();
    collector.start_collection(Duration::from_millis(1)).unwrap();
    collector.start_collection(Duration::from_millis(2)).unwrap();
    let wait_for = |sequence: u64| {
        let patience = Instant::now() + Duration::from_secs(20);
        while collector.latest().is_none_or(|s| s.sequence < sequence) {
            assert!(Instant::now() < patience, "no snapshot {sequence}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    handle.record_receive();
    wait_for(5);
    assert_eq!(collector.latest().unwrap().kernel("a").unwrap().messages_received, 1);
    collector.stop_collection();
    collector.stop_collection();
    // The snapshot in hand may still come, and behind it none.
    let patience = Instant::now() + Duration::from_secs(20);
    let stopped_at = loop {
        let seen = collector.latest().unwrap().sequence;
        std::thread::sleep(Duration::from_millis(100));
        if collector.latest().unwrap().sequence == seen {
            break seen;
        }
        assert!(Instant::now() < patience, "it goes on");
    };
    collector.start_collection(Duration::from_millis(1)).unwrap();
    wait_for(stopped_at + 2);
}

#[test]
fn snapshots_from_many_threads_are_in_order() {
    let collector = TelemetryCollector::new(true);
    let handle = collector.actor("a").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let sequence = collector.snapshot().unwrap().sequence;
                    assert!(sequence > last);
                    // What is latest is never older than what one has in hand.
                    assert!(collector.latest().unwrap().sequence >= sequence);
                    last = sequence;
                }
            });
        }
        for _ in 0..20_000 {
            handle.record_receive();
        }
        done.store(true, Ordering::Relaxed);
    });
    let a: Arc<_> = collector.snapshot().unwrap();
    assert_eq!(a.kernel("a").unwrap().messages_received, 20_000);
}

#[test]
fn sums_that_overflow_wrap() {
    let finest = TelemetryConfig { scale: ringscope::abi::MAX_SCALE, ..Default::default() };
    let collector = TelemetryCollector::with_config(true, finest).unwrap();
    let handles = [collector.actor("a").unwrap(), collector.actor("a").unwrap()];
    for handle in &handles {
        handle.record_processed_in(Duration::MAX);
    }
    let t = collector.telemetry("a").unwrap();
    assert_eq!((t.messages_processed, t.histogram.scale()), (2, ringscope::abi::MAX_SCALE));
    assert!((0.0..=1.0).contains(&t.busy_ratio));
    drop(handles);
    assert_eq!(collector.telemetry("a").unwrap().latency.unwrap().count, 2);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    type Change = fn(&mut TelemetryConfig);
    let changes: &[(&str, Change)] = &[
        ("`max_kernels` is 0", |c| c.max_kernels = 0),
        ("`max_blocks` is 0", |c| c.max_blocks = 0),
        ("`device_metrics` is 1048577", |c| c.device_metrics = (1 << 20) + 1),
        ("`device_buckets` is 268435457", |c| c.device_buckets = (1 << 28) + 1),
        ("`black_box_records` is 63, and must be 0, or a power of two from 64 to 16384", |c| c.black_box_records = 63),
        ("`black_box_records` is 65", |c| c.black_box_records = 65),
        ("`black_box_records` is 100", |c| c.black_box_records = 100),
        ("`black_box_records` is 32768", |c| c.black_box_records = 32768),
        ("`scale` is 77, and must be 0 to 5", |c| c.scale = 77),
        ("`windows.len()` is 0, and must be 1 to 8", |c| c.windows.clear()),
        ("`windows.len()` is 9", |c| c.windows = vec![Duration::from_secs(1); 9]),
        ("`windows` is 0ns, and must be longer than 0", |c| c.windows[1] = Duration::ZERO),
        ("`stall_limit` is 0ns", |c| c.stall_limit = Duration::ZERO),
        ("`copy_limit` is 0ns", |c| c.copy_limit = Duration::ZERO),
        ("`hook_queue` is 0", |c| c.hook_queue = 0),
        ("`hook_queue` is 65537", |c| c.hook_queue = (1 << 16) + 1),
    ];
    for (says, change) in changes {
        let mut config = TelemetryConfig::default();
        assert_eq!(config.check(), Ok(()));
        change(&mut config);
        for enabled in [true, false] {
            let error = TelemetryCollector::with_config(enabled, config.clone()).map(drop).unwrap_err();
            assert!(matches!(error, TelemetryError::BadSetting { .. }) && error.to_string().contains(says), "{error}");
        }
    }
    let error = TelemetryCollector::new(true).start_collection(Duration::ZERO).unwrap_err().to_string();
    assert!(error.contains("`interval` is 0ns") && error.contains("stop_collection()"), "{error}");
}

#[test]
fn a_collector_that_is_off_hands_out_handles_that_do_nothing() {
    let off = TelemetryCollector::new(false);
    let actor = off.actor("a").unwrap();
    actor.record_receive();
    actor.record_send();
    actor.record_processed();
    actor.record_processed_in(Duration::from_secs(1));
    actor.record_error("no");
    actor.record_bytes(1, 2);
    off.record_receive("a").unwrap();
    assert_eq!(off.register("k", 4), Ok(KernelRef::default()));

    let counter = off.counter("c", "C").unwrap().label("l", "1").on_host().unwrap();
    let gauge = off.gauge("g", "G").unwrap().on_host().unwrap();
    let whole = off.histogram("h", "H").unwrap().on_host().unwrap();
    let real = off.histogram("r", "R").unwrap().buckets(&[0.5, 1.0]).on_host().unwrap();
    let family = off.counter("f", "F").unwrap().family(&["l"], &[&["1"], &["2"]]).on_host().unwrap();
    let work = || {
        counter.inc();
        gauge.set(7.0);
        gauge.add(1.0);
        gauge.max(9.0);
        whole.observe(5u64);
        real.observe(0.7);
        family.with(1).inc();
        family.with(9).inc();
    };
    work();
    // Beyond the lanes too, where threads share words.
    std::thread::scope(|scope| (0..200).for_each(|_| drop(scope.spawn(work))));
    assert_eq!((counter.get(), gauge.get(), whole.count(), real.count()), (0, 0.0, 0, 0));
    assert_eq!((whole.sum(), real.sum(), whole.quantile(0.5), real.quantile(0.5)), (0.0, 0.0, 0.0, 0.0));
    assert_eq!((family.with(1).get(), family.overflow().get()), (0, 0));
    let reference = off.counter("d", "D").unwrap().on_device().unwrap();
    assert_eq!(reference, ringscope::metrics::CounterRef::default());
    assert_eq!(off.histogram("dh", "D").unwrap().on_device().unwrap(), ringscope::metrics::HistogramRef::default());
    // What is wrong is wrong with telemetry on as well: it shows at once.
    assert!(off.counter("c", "Another help").unwrap().label("l", "1").on_host().is_err());
    assert!(off.counter("9", "A bad name").unwrap().on_device().is_err());
    assert_eq!(off.snapshot().map(drop), Err(TelemetryError::Disabled));
}

#[test]
fn rings_are_sized_by_rate_within_their_bounds() {
    let sizes = [0, 1, 768, 769, 10_000, 196_608, 196_609, u32::MAX].map(TelemetryConfig::trace_records_for_rate);
    assert_eq!(sizes, [64, 64, 64, 128, 1024, 16_384, 16_384, 16_384]);
    for trace_records in sizes {
        TelemetryConfig { trace_records, ..TelemetryConfig::default() }.check().unwrap();
    }
}
