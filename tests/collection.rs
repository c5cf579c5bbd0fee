//! Periodic collection: its history, its subscribers, what it counts of itself, rates over windows.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringscope::collector::{HookKind, StandardMetrics};
use ringscope::{KernelTelemetry, Snapshot, TelemetryCollector, TelemetryConfig, TelemetryError};

const SOON: Duration = Duration::from_secs(60);

fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + SOON;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until the snapshot that was in hand when collection was stopped has come, and none behind it.
fn wait_for_the_last(collector: &TelemetryCollector) {
    wait_until("it stops", || {
        let seen = collector.latest().unwrap().sequence;
        std::thread::sleep(Duration::from_millis(100));
        collector.latest().unwrap().sequence == seen
    });
}

fn with(change: impl FnOnce(&mut TelemetryConfig)) -> TelemetryCollector {
    let mut config = TelemetryConfig { hook_queue: 10_000, ..TelemetryConfig::default() };
    change(&mut config);
    TelemetryCollector::with_config(true, config).unwrap()
}

/// Everything that a snapshot says but for the GPUs, which a test of their own looks at.
fn assert_same(a: &Snapshot, b: &Snapshot) {
    assert_eq!(a.sequence, b.sequence);
    assert_eq!((a.time, a.copy_duration, a.copied_bytes), (b.time, b.copy_duration, b.copied_bytes));
    assert_eq!(a.kernels, b.kernels, "snapshot {}", a.sequence);
    for (a, b) in a.kernels.iter().zip(&b.kernels) {
        assert_eq!(a.histogram, b.histogram);
    }
    assert_eq!(a.metrics, b.metrics);
    assert_eq!((&a.self_metrics, &a.system), (&b.self_metrics, &b.system));
}

#[test]
fn the_history_gives_back_every_snapshot_as_it_was() {
    let collector = with(|config| config.windows = [20, 50].map(Duration::from_millis).into());
    let taken = Arc::new(Mutex::new(Vec::<Arc<Snapshot>>::new()));
    let keep = Arc::clone(&taken);
    let keep = move |notification: &ringscope::collector::Notification| {
        keep.lock().unwrap().extend(notification.snapshot().cloned())
    };
    collector.add_hook(HookKind::Snapshot, keep).unwrap();
    collector.install(StandardMetrics::Messaging).unwrap();
    let load = collector.histogram("load_ratio", "Load").unwrap().buckets(&[0.25, 0.5]).on_host().unwrap();
    let depth = collector.gauge("depth", "Depth").unwrap().on_host().unwrap();
    let batch = collector.histogram("batch", "Batch").unwrap().on_host().unwrap();
    let a = collector.actor("a").unwrap();
    collector.start_collection(Duration::from_millis(1)).unwrap();
    for n in 0..200u64 {
        a.record_receive();
        a.record_bytes(n, 3 * n);
        a.record_processed_in(Duration::from_nanos(n * n * n));
        load.observe(n as f64 / 200.0);
        depth.set(n as f64 * -1.5);
        batch.observe(n);
        match n {
            50 => collector.record_error("b", "the first of another kernel").unwrap(),
            80 => collector.record_error("b", "the second, and longer").unwrap(),
            100 => collector.reset(Some("a")).unwrap(),
            120 => drop(collector.counter("late", "A metric that comes late").unwrap().on_host().unwrap()),
            _ => {}
        }
        let seen = collector.latest().map_or(0, |s| s.sequence);
        wait_until("the next snapshot", || collector.latest().is_some_and(|s| s.sequence > seen));
    }
    collector.stop_collection();
    wait_for_the_last(&collector);
    let history = collector.history();
    let past = collector.snapshots();
    assert_eq!((history.len(), past.len()), (history.iter().count(), history.len()));
    assert!(past.len() >= 199 && history.bytes() > 0, "{history:?}");
    let newest = past.last().unwrap().sequence;
    wait_until("the hook has all of them", || taken.lock().unwrap().iter().any(|s| s.sequence >= newest));
    let taken = taken.lock().unwrap();
    for past in &past {
        let as_it_was = taken.iter().find(|s| s.sequence == past.sequence).expect("each was taken");
        assert_same(past, as_it_was);
    }
    assert!(past.iter().any(|s| s.kernels.iter().any(|k| k.rates.iter().len() == 2)));
    assert!(past.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    assert_eq!(collector.snapshot().unwrap().self_metrics.history_snapshots, past.len());
    assert_eq!(collector.snapshots().len(), past.len(), "one that was asked for is not of the periodic ones");
}

#[test]
fn the_history_is_bounded_by_count_by_age_and_by_memory() {
    let few = with(|config| config.history_snapshots = 40);
    few.record_receive("a").unwrap();
    few.start_collection(Duration::from_micros(100)).unwrap();
    wait_until("more snapshots than fit", || few.latest().is_some_and(|s| s.sequence > 150));
    few.stop_collection();
    wait_for_the_last(&few);
    let past = few.snapshots();
    let newest = few.latest().unwrap().sequence;
    let sequences: Vec<u64> = past.iter().map(|s| s.sequence).collect();
    assert_eq!(sequences, (newest - 39..=newest).collect::<Vec<_>>());
    assert_eq!(few.snapshot().unwrap().self_metrics.dropped.history, newest - 40);

    let young = with(|config| config.history_age = Duration::from_millis(30));
    young.start_collection(Duration::from_millis(1)).unwrap();
    wait_until("some are too old", || young.latest().is_some_and(|s| s.self_metrics.dropped.history > 5));
    young.stop_collection();

    let small = with(|config| config.history_bytes = 20_000);
    small.record_receive("a").unwrap();
    small.start_collection(Duration::from_micros(100)).unwrap();
    wait_until("some do not fit", || small.latest().is_some_and(|s| s.self_metrics.dropped.history > 100));
    small.stop_collection();
    assert!(small.history().bytes() <= 20_000 && !small.history().is_empty());

    let none = with(|config| config.history_snapshots = 0);
    none.start_collection(Duration::from_millis(1)).unwrap();
    wait_until("it runs", || none.latest().is_some_and(|s| s.sequence > 3));
    assert!(none.snapshots().is_empty());
}

#[tokio::test]
async fn a_subscriber_gets_the_newest_and_knows_what_it_missed() {
    let collector = TelemetryCollector::new(true);
    collector.record_receive("a").unwrap();
    let first = collector.snapshot().unwrap();
    let (mut quick, mut slow) = (collector.subscribe().unwrap(), collector.subscribe().unwrap());
    assert_eq!(quick.next().await.unwrap().sequence, first.sequence, "the newest there is comes first");
    assert_eq!(slow.next().await.unwrap().sequence, first.sequence);
    for n in 2..=10 {
        collector.snapshot().unwrap();
        assert_eq!(quick.next().await.unwrap().sequence, n);
    }
    assert_eq!(slow.next().await.unwrap().sequence, 10);
    assert_eq!((quick.missed(), slow.missed()), (0, 8));
    assert_eq!(collector.snapshot().unwrap().self_metrics.dropped.subscribers, 8);
    // One that subscribes while there are none to write for begins with the newest as well.
    drop((quick, slow));
    collector.snapshot().unwrap();
    let mut late = collector.subscribe().unwrap();
    assert_eq!(late.next().await.unwrap().sequence, 12);
    let none = tokio::time::timeout(Duration::from_millis(20), late.next()).await;
    assert!(none.is_err(), "nobody took another");
    drop(collector);
    assert!(late.next().await.is_none(), "the collector is gone");
}

#[tokio::test]
async fn a_subscription_is_a_stream_and_loses_nothing_when_it_is_cancelled() {
    use futures_core::Stream;
    let collector = TelemetryCollector::new(true);
    let mut subscription = std::pin::pin!(collector.subscribe().unwrap());
    let none = tokio::time::timeout(Duration::from_millis(20), subscription.next()).await;
    assert!(none.is_err(), "nothing was taken");
    let take = {
        let collector = collector.clone();
        move || collector.snapshot().unwrap().sequence
    };
    // Taken by another thread while it waits.
    let taken = std::thread::spawn({
        let take = take.clone();
        move || {
            std::thread::sleep(Duration::from_millis(10));
            take()
        }
    });
    let first = std::future::poll_fn(|context| subscription.as_mut().poll_next(context)).await.unwrap();
    assert_eq!(first.sequence, taken.join().unwrap());
    take();
    drop(subscription.next());
    assert_eq!(subscription.next().await.unwrap().sequence, 2, "the future that was dropped took nothing");
    assert_eq!(subscription.missed(), 0);
    // Two wait at a time; each is woken, and by the end as well.
    let (mut a, mut b) = (collector.subscribe().unwrap(), collector.subscribe().unwrap());
    let all = |mut s: ringscope::Subscription| async move {
        let mut seen = Vec::new();
        while let Some(snapshot) = s.next().await {
            seen.push(snapshot.sequence);
        }
        seen
    };
    assert_eq!((a.next().await.unwrap().sequence, b.next().await.unwrap().sequence), (2, 2));
    let (a, b) = (tokio::spawn(all(a)), tokio::spawn(all(b)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    take();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop((collector, take));
    assert_eq!((a.await.unwrap(), b.await.unwrap()), (vec![3], vec![3]));
    let end = std::future::poll_fn(|context| subscription.as_mut().poll_next(context)).await;
    assert_eq!(end.map(|s| s.sequence), Some(3), "what came before the end");
    assert!(subscription.next().await.is_none());
}

#[test]
fn a_collector_that_is_off_refuses() {
    let off = TelemetryCollector::new(false);
    assert_eq!(off.subscribe().map(drop), Err(TelemetryError::Disabled));
    assert_eq!(off.add_hook(HookKind::Event, |_| {}).map(drop), Err(TelemetryError::Disabled));
    assert_eq!(off.install(StandardMetrics::Messaging), Err(TelemetryError::Disabled));
    assert_eq!(off.start_collection(Duration::from_secs(1)), Err(TelemetryError::Disabled));
    assert!(off.snapshots().is_empty());
}

#[test]
fn it_counts_what_collecting_costs() {
    let collector = TelemetryCollector::new(true);
    drop(collector.counter("c", "C").unwrap().label("l", "1").on_host().unwrap());
    drop(collector.counter("c", "C").unwrap().label("l", "2").on_host().unwrap());
    for n in 1..=5u64 {
        let snapshot = collector.snapshot().unwrap();
        let self_metrics = &snapshot.self_metrics;
        assert_eq!((self_metrics.collection_runs_total, self_metrics.collection_failures_total), (n, 0));
        assert_eq!((self_metrics.metrics_count, self_metrics.metric_series), (1, 2));
        assert_eq!((self_metrics.copy_duration.count(), self_metrics.collection_duration.count()), (n, n - 1));
        assert_eq!(self_metrics.skew, snapshot.copy_duration);
    }
    assert!(collector.snapshot().unwrap().self_metrics.collection_duration.sum() > 0);
}

#[test]
fn tasks_are_all_kernels_together() {
    let collector = TelemetryCollector::new(true);
    assert_eq!(collector.snapshot().unwrap().tasks(), ringscope::Tasks::default());
    // 1 to 100 ms by two kernels.
    for ms in 1..=100u64 {
        let id = if ms % 2 == 0 { "even" } else { "odd" };
        collector.record_processed(id, Some(Duration::from_millis(ms))).unwrap();
    }
    collector.record_error("odd", "no").unwrap();
    let snapshot = collector.snapshot().unwrap();
    let tasks = snapshot.tasks();
    assert_eq!((tasks.tasks_executed, tasks.tasks_failed, tasks.tasks_pending), (100, 1, 0));
    assert!((tasks.avg_latency_ms - 50.5).abs() < 1e-9);
    for (is, should) in [(tasks.p50_latency_ms, 50.0), (tasks.p95_latency_ms, 95.0), (tasks.p99_latency_ms, 99.0)] {
        assert!((is - should).abs() <= 0.0433 * should, "{is}, not {should}");
    }
    let sum: f64 = snapshot.kernels.iter().map(|k| k.throughput).sum();
    assert_eq!((tasks.throughput_per_second, tasks.error_rate), (sum, 1.0 / 101.0));
}

#[test]
fn starting_and_stopping_again_and_again_leaves_one_thread_at_most() {
    let collector = TelemetryCollector::new(true);
    for _ in 0..50 {
        collector.start_collection(Duration::from_millis(1)).unwrap();
        collector.start_collection(Duration::from_secs(1000)).unwrap();
        collector.stop_collection();
        collector.stop_collection();
    }
    let (tell, told) = channel();
    collector
        .add_hook(HookKind::Snapshot, move |_| {
            let _ = tell.send(());
        })
        .unwrap();
    while told.recv_timeout(Duration::from_millis(100)).is_ok() {}
    collector.start_collection(Duration::from_millis(1)).unwrap();
    assert!(told.recv_timeout(SOON).is_ok());
}

/// What a test does to one actor between two snapshots.
#[derive(Clone, Debug)]
enum Step {
    Process(u64),
    Fail,
    Reset,
    Pause(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..100).prop_map(Step::Process),
        1 => Just(Step::Fail),
        1 => Just(Step::Reset),
        2 => (0u64..4).prop_map(Step::Pause),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn no_reset_makes_a_rate_negative_or_huge(steps in prop::collection::vec(step(), 1..30)) {
        let windows = [2, 5, 1000].map(Duration::from_millis);
        let config = TelemetryConfig { windows: windows.into(), ..TelemetryConfig::default() };
        let collector = TelemetryCollector::with_config(true, config).unwrap();
        let actor = collector.actor("a").unwrap();
        let (mut processed, mut failed) = (0, 0);
        for step in steps {
            match step {
                Step::Process(n) => {
                    (0..n).for_each(|_| actor.record_processed());
                    processed += n;
                }
                Step::Fail => {
                    actor.record_error("no");
                    failed += 1;
                }
                Step::Reset => collector.reset(None).unwrap(),
                Step::Pause(ms) => std::thread::sleep(Duration::from_millis(ms)),
            }
            let t: KernelTelemetry = collector.telemetry("a").unwrap();
            prop_assert!(t.windowed_throughput >= 0.0 && t.windowed_throughput.is_finite());
            prop_assert!(t.rates.iter().len() == 0 || t.rates.iter().len() == windows.len());
            for rate in t.rates.iter() {
                // Never more than was counted at all, nor over less than an eighth of the shortest window.
                prop_assert!(rate.over >= windows[0] / 8, "{rate:?}");
                let (messages, errors) =
                    (rate.messages_per_second * rate.over.as_secs_f64(), rate.errors_per_second * rate.over.as_secs_f64());
                prop_assert!((0.0..=processed as f64 + 1e-6).contains(&messages), "{rate:?}, {processed}");
                prop_assert!((0.0..=f64::from(failed) + 1e-6).contains(&errors), "{rate:?}, {failed}");
                prop_assert!((0.0..=1.0).contains(&rate.error_rate()));
            }
        }
    }
}
