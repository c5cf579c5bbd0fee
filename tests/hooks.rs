//! Hooks, events, and the ready-made sets of metrics.
#![cfg(feature = "host")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringscope::collector::{EventKind, HealthLimits, HookKind, MAX_HOOKS, MAX_PANICS, Notification, StandardMetrics};
use ringscope::{
    DeviceSpec, LaunchOptions, RingKernelRuntime, RuntimeBuilder, Snapshot, TelemetryCollector, TelemetryConfig,
    TelemetryError,
};

const SOON: Duration = Duration::from_secs(60);

fn builder() -> RuntimeBuilder {
    RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true)
}

fn events_of(collector: &TelemetryCollector, kind: HookKind) -> Receiver<(String, EventKind)> {
    let (tell, told) = channel();
    let hook = move |notification: &Notification| {
        let event = notification.event().expect("it hears of events");
        let _ = tell.send((event.kernel_id.to_string(), event.kind));
    };
    collector.add_hook(kind, hook).unwrap();
    told
}

fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + SOON;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_kernels_life_is_told_as_it_happens() {
    use EventKind::{Activated, Deactivated, Launched, Reset, Terminated, Terminating};
    let runtime = builder().build().unwrap();
    let (all, states) =
        (events_of(runtime.collector(), HookKind::Event), events_of(runtime.collector(), HookKind::StateChange));
    let stalls = events_of(runtime.collector(), HookKind::Stall);
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.snapshot_blocking().unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime.deactivate_blocking("w").unwrap();
    runtime.snapshot_blocking().unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime.reset_telemetry_blocking(Some("w")).unwrap();
    runtime.terminate_blocking("w").unwrap();
    runtime.snapshot_blocking().unwrap();
    let life = [Launched, Activated, Deactivated, Activated, Reset, Terminating, Terminated];
    for kind in life {
        assert_eq!(all.recv_timeout(SOON), Ok(("w".to_owned(), kind)));
    }
    for kind in life.into_iter().filter(|kind| *kind != Reset) {
        assert_eq!(states.recv_timeout(SOON), Ok(("w".to_owned(), kind)));
    }
    let quiet = Duration::from_millis(50);
    assert!(all.recv_timeout(quiet).is_err() && states.recv_timeout(quiet).is_err());
    assert!(stalls.recv_timeout(quiet).is_err());
    assert_eq!(runtime.snapshot_blocking().unwrap().self_metrics.events_total, life.len() as u64);
}

#[test]
fn a_stall_and_its_end_are_told() {
    let config = TelemetryConfig { stall_limit: Duration::from_millis(400), ..TelemetryConfig::default() };
    let runtime = builder().kernel("compute").telemetry_config(config).build().unwrap();
    let stalls = events_of(runtime.collector(), HookKind::Stall);
    runtime.collector().install(StandardMetrics::Health(HealthLimits::default())).unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    let message = |rounds: u32| [rounds.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat();
    // The quickest of some: a block that has to give its core away meanwhile takes longer.
    let took = |_| {
        let before = runtime.telemetry_blocking("w").unwrap().busy_time;
        runtime.send_blocking("w", &message(20_000_000)).unwrap();
        runtime.receive_blocking("w", SOON).unwrap();
        (runtime.telemetry_blocking("w").unwrap().busy_time - before).as_nanos() as f64
    };
    let took = (0..5).map(took).fold(f64::INFINITY, f64::min);
    let (tell, health) = channel();
    let health_of_a_stall = move |told: &Notification| {
        let snapshot = told.snapshot().expect("it is told of snapshots");
        if snapshot.kernel("w").is_some_and(|w| w.state == ringscope::KernelState::Stalled) {
            let _ = tell.send(gauge(snapshot, "health_status", &[]));
        }
    };
    runtime.collector().add_hook(HookKind::Snapshot, health_of_a_stall).unwrap();
    runtime.send_blocking("w", &message((20e6 * 3e9 / took) as u32)).unwrap();
    runtime.collector().start_collection(Duration::from_millis(5)).unwrap();
    assert_eq!(stalls.recv_timeout(SOON), Ok(("w".to_owned(), EventKind::Stalled)));
    assert_eq!(health.recv_timeout(SOON), Ok(3.0));
    assert_eq!(stalls.recv_timeout(SOON), Ok(("w".to_owned(), EventKind::Recovered)));
    wait_until("it is well again", || gauge(&runtime.latest().unwrap(), "health_status", &[]) == 1.0);
}

#[test]
fn a_hook_that_panics_is_counted_and_in_the_end_left_alone() {
    let collector = TelemetryCollector::new(true);
    let bad = collector.add_hook(HookKind::Snapshot, |_| panic!("I do not like it")).unwrap();
    // Not in a row: it stays.
    let turn = AtomicU64::new(0);
    let moody =
        move |_: &Notification| assert!(!turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(2), "every other time");
    let moody = collector.add_hook(HookKind::Snapshot, moody).unwrap();
    let heard = Arc::new(AtomicU64::new(0));
    let hear = Arc::clone(&heard);
    let hear = move |_: &Notification| {
        hear.fetch_add(1, Ordering::Relaxed);
    };
    collector.add_hook(HookKind::Snapshot, hear).unwrap();
    for n in 1..=40 {
        collector.snapshot().unwrap();
        wait_until("the good hook hears of all", || heard.load(Ordering::Relaxed) == n);
    }
    let report = |id| collector.hooks().into_iter().find(|hook| hook.id == id).unwrap();
    wait_until("all have heard", || report(bad).disabled && report(moody).calls + report(moody).panics == 40);
    assert_eq!((report(bad).panics, report(bad).calls), (MAX_PANICS, 0));
    assert_eq!(report(bad).last_panic.as_deref(), Some("I do not like it"));
    assert_eq!((report(moody).calls, report(moody).panics, report(moody).disabled), (20, 20, false));
    let self_metrics = &collector.snapshot().unwrap().self_metrics;
    assert_eq!((self_metrics.hooks_disabled, self_metrics.hook_panics_total), (1, MAX_PANICS + 20));
    assert!(collector.remove_hook(bad) && !collector.remove_hook(bad));
}

#[test]
fn a_hook_that_is_stuck_holds_nobody_up() {
    let config = TelemetryConfig { hook_queue: 4, hook_limit: Duration::from_millis(1), ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    let (entered, free) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (tell, wait) = (Arc::clone(&entered), Arc::clone(&free));
    let stuck = move |_: &Notification| {
        tell.store(true, Ordering::SeqCst);
        while !wait.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let stuck = collector.add_hook(HookKind::Snapshot, stuck).unwrap();
    collector.snapshot().unwrap();
    wait_until("it is called", || entered.load(Ordering::SeqCst));
    // Four wait, the others are lost; nobody waited for it.
    for _ in 0..100 {
        collector.snapshot().unwrap();
    }
    let report = || collector.hooks().into_iter().find(|hook| hook.id == stuck).unwrap();
    assert_eq!(report().dropped, 96);
    assert_eq!(collector.snapshot().unwrap().self_metrics.dropped.hooks, 96);
    std::thread::sleep(Duration::from_millis(5));
    free.store(true, Ordering::SeqCst);
    wait_until("it goes on", || report().calls == 5);
    assert!(report().slow >= 1);
    assert!(collector.remove_hook(stuck));
    assert_eq!(collector.snapshot().unwrap().self_metrics.dropped.hooks, 97, "what a removed one lost stays counted");
}

#[test]
fn hooks_are_bounded_and_may_use_the_collector() {
    let collector = TelemetryCollector::new(true);
    let seen = Arc::new(Mutex::new(0));
    let (own, keep) = (collector.clone(), Arc::clone(&seen));
    // Adding one, and reading, from within.
    let hook = move |_: &Notification| {
        *keep.lock().unwrap() = own.hooks().len();
    };
    let first = collector.add_hook(HookKind::Snapshot, hook).unwrap();
    for _ in 1..MAX_HOOKS {
        collector.add_hook(HookKind::Event, |_| {}).unwrap();
    }
    let refused = collector.add_hook(HookKind::Event, |_| {});
    assert_eq!(refused, Err(TelemetryError::TooManyHooks { limit: MAX_HOOKS }));
    collector.snapshot().unwrap();
    wait_until("it has heard", || *seen.lock().unwrap() == MAX_HOOKS);
    // Or it would keep the collector.
    assert!(collector.remove_hook(first));
}

fn counter(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> u64 {
    snapshot.metric(name).and_then(|m| m.value(labels)).and_then(|v| v.counter()).unwrap_or_else(|| panic!("{name}"))
}

fn gauge(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> f64 {
    snapshot.metric(name).and_then(|m| m.value(labels)).and_then(|v| v.gauge()).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn the_ready_made_sets_count_what_the_kernels_count() {
    let runtime = builder().kernel("crc32c").interval(Duration::from_millis(3)).build().unwrap();
    let collector = runtime.collector();
    collector.install(StandardMetrics::Coordination).unwrap();
    for id in ["a", "b"] {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(2)).unwrap();
        runtime.activate_blocking(id).unwrap();
    }
    let traffic = |id: &str, messages: u32| {
        for n in 0..messages {
            runtime.send_blocking(id, &n.to_le_bytes()).unwrap();
            runtime.receive_blocking(id, SOON).unwrap();
        }
    };
    traffic("a", 300);
    // One that comes late counts what was before; a reset takes nothing away.
    collector.install(StandardMetrics::Messaging).unwrap();
    collector.install(StandardMetrics::Messaging).unwrap();
    runtime.reset_telemetry_blocking(None).unwrap();
    traffic("a", 200);
    traffic("b", 100);
    runtime.reset_telemetry_blocking(Some("b")).unwrap();
    traffic("b", 50);
    let snapshot = runtime.snapshot_blocking().unwrap();
    for (id, messages) in [("a", 500), ("b", 150)] {
        let of = [("kernel_id", id)];
        assert_eq!(counter(&snapshot, "messages_sent_total", &of), messages);
        assert_eq!(counter(&snapshot, "messages_received_total", &of), messages);
        assert_eq!(gauge(&snapshot, "message_queue_size", &of), snapshot.kernel(id).unwrap().queue_depth as f64);
        let processing = snapshot.metric("message_processing_duration_seconds").unwrap().value(&of).unwrap();
        assert_eq!(processing.histogram().unwrap().count(), messages);
    }
    assert_eq!(counter(&snapshot, "coordination_messages_total", &[]), 650);
    assert_eq!(gauge(&snapshot, "coordination_active_nodes", &[]), 2.0);
    let latency = snapshot.metric("coordination_message_latency_seconds").unwrap().value(&[]).unwrap();
    let latency = latency.histogram().unwrap();
    assert_eq!((latency.count(), latency.dropped), (650, 0));
    runtime.deactivate_blocking("b").unwrap();
    runtime.terminate_blocking("a").unwrap();
    assert_eq!(gauge(&runtime.snapshot_blocking().unwrap(), "coordination_active_nodes", &[]), 0.0);
}

#[test]
fn latencies_fall_in_the_same_buckets_as_the_kernels() {
    let collector = TelemetryCollector::new(true);
    collector.install(StandardMetrics::Messaging).unwrap();
    let mut sum = 0.0;
    for octave in 0..40u32 {
        for ns in [(1u64 << octave) - 1, 1 << octave, (1 << octave) + 1] {
            collector.record_processed("a", Some(Duration::from_nanos(ns))).unwrap();
            sum += ns as f64 / 1e9;
            if octave % 3 == 0 {
                collector.snapshot().unwrap();
            }
        }
    }
    let snapshot = collector.snapshot().unwrap();
    let histogram = snapshot.metric("message_processing_duration_seconds").unwrap();
    let histogram = histogram.value(&[("kernel_id", "a")]).unwrap().histogram().unwrap();
    let mut below = 0;
    for (bound, count) in histogram.buckets() {
        below += count;
        let should = (0..40u32).flat_map(|o| [(1u64 << o) - 1, 1 << o, (1 << o) + 1]);
        let should = should.filter(|ns| *ns as f64 / 1e9 <= bound).count() as u64;
        assert_eq!(below, should, "up to {bound} s");
    }
    assert_eq!(histogram.count(), 120);
    assert!((histogram.sum() - sum).abs() < 1e-9 * sum);
    // Exactly those of the histogram they come from, since nothing was reset.
    assert_eq!((histogram.min(), histogram.max()), (Some(0.0), Some(((1u64 << 39) + 1) as f64 / 1e9)));
}

#[test]
fn health_is_judged_by_errors_with_limits_that_one_sets() {
    let windows = vec![Duration::from_millis(200)];
    let config = TelemetryConfig { windows, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    let limits = HealthLimits { degraded_error_rate: 0.2, unhealthy_error_rate: 0.5 };
    collector.install(StandardMetrics::Health(limits)).unwrap();
    assert_eq!(gauge(&collector.snapshot().unwrap(), "health_status", &[]), 0.0, "nothing runs");
    let (a, b) = (collector.actor("a").unwrap(), collector.actor("b").unwrap());
    let status = |errors: u32, of_ten: u32| {
        let mut status = (0.0, 0.0, 0.0);
        wait_until("a rate over a window", || {
            for n in 0..10 {
                b.record_processed();
                if n < errors { a.record_error("no") } else { a.record_processed() }
            }
            let snapshot = collector.snapshot().unwrap();
            let of = |id| gauge(&snapshot, "kernel_health_status", &[("kernel_id", id)]);
            status = (gauge(&snapshot, "health_status", &[]), of("a"), of("b"));
            let rate = snapshot.kernel("a").unwrap().rates.iter().next().map(|r| r.error_rate());
            rate.is_some_and(|rate| (rate - f64::from(errors) / f64::from(of_ten)).abs() < 0.02)
        });
        status
    };
    assert_eq!(status(0, 10), (1.0, 1.0, 1.0));
    assert_eq!(status(3, 10), (2.0, 2.0, 1.0));
    assert_eq!(status(7, 10), (3.0, 3.0, 1.0));
    assert_eq!(status(1, 10), (1.0, 1.0, 1.0));
    let snapshot = collector.snapshot().unwrap();
    assert_eq!(counter(&snapshot, "health_checks_total", &[]), snapshot.sequence);
    let took = snapshot.metric("health_check_duration_seconds").unwrap().value(&[]).unwrap();
    assert_eq!(took.histogram().unwrap().count(), snapshot.sequence);
}

#[test]
fn kernels_without_room_for_their_series_are_counted_together() {
    // Four series of the overflow, four of the first kernel.
    let config = TelemetryConfig { max_series: 8, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    collector.install(StandardMetrics::Messaging).unwrap();
    for (id, messages) in [("a", 3), ("b", 5), ("c", 7)] {
        (0..messages).for_each(|_| collector.record_receive(id).unwrap());
    }
    collector.snapshot().unwrap();
    let snapshot = collector.snapshot().unwrap();
    assert_eq!(counter(&snapshot, "messages_received", &[("kernel_id", "a")]), 3);
    assert_eq!(counter(&snapshot, "messages_received", &[("kernel_id", "overflow")]), 12);
    assert_eq!(snapshot.self_metrics.dropped.series, 2);
    assert!(matches!(collector.install(StandardMetrics::Coordination), Err(TelemetryError::Metric(_))));
}
