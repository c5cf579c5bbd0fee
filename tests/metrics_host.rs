//! Metrics of host threads: threads that come and go, readers beside writers, values that cannot be counted.

use std::sync::Barrier;

use ringscope::TelemetryCollector;
use ringscope::metrics::ExplicitHistogram;

/// Each thread does its part, all beginning together.
fn at_once<T: Sync>(threads: &[Vec<T>], one: impl Fn(&T) + Sync) {
    let barrier = Barrier::new(threads.len());
    std::thread::scope(|scope| {
        for part in threads {
            scope.spawn(|| {
                barrier.wait();
                part.iter().for_each(&one);
            });
        }
    });
}

#[test]
fn threads_that_come_and_go_lose_nothing() {
    let telemetry = TelemetryCollector::new(true);
    let counter = telemetry.counter("c", "A counter").unwrap().on_host().unwrap();
    let histogram = telemetry.histogram("h", "A histogram").unwrap().on_host().unwrap();
    for round in 0..100u64 {
        at_once(&[vec![1; 10], vec![2; 10], vec![3; 10]], |by| {
            counter.inc_by(*by);
            histogram.observe(*by);
        });
        assert_eq!((counter.get(), histogram.count()), (60 * (round + 1), 30 * (round + 1)));
    }
}

#[test]
fn what_is_counted_while_a_thread_ends_counts() {
    struct AtTheEnd(ringscope::Counter);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            self.0.inc();
        }
    }
    thread_local!(static LATE: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) });
    let telemetry = TelemetryCollector::new(true);
    let counter = telemetry.counter("c", "A counter").unwrap().on_host().unwrap();
    for first in [true, false] {
        let counter = counter.clone();
        let body = move || {
            // Once its destructor runs before that of the lane, once after it.
            if first {
                counter.inc();
            }
            LATE.set(Some(AtTheEnd(counter.clone())));
            counter.inc();
        };
        std::thread::spawn(body).join().unwrap();
    }
    assert_eq!(counter.get(), 5);
}

#[test]
fn a_count_only_rises_while_it_is_read() {
    let telemetry = TelemetryCollector::new(true);
    let counter = telemetry.counter("c", "A counter").unwrap().on_host().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..200_000).for_each(|_| counter.inc()));
        }
        let mut before = 0;
        while before < 600_000 {
            let now = telemetry.snapshot().unwrap().metric("c").unwrap().series[0].value.counter().unwrap();
            assert!((before..=600_000).contains(&now), "{now} after {before}");
            before = now;
        }
    });
}

#[test]
fn extremes_are_numbers_of_a_kind_while_the_first_value_comes() {
    for _ in 0..300 {
        let telemetry = TelemetryCollector::new(true);
        let whole = telemetry.histogram("w", "Exponential").unwrap().on_host().unwrap();
        let explicit = telemetry.histogram("e", "Explicit").unwrap().buckets(&[1e3]).on_host().unwrap();
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                whole.observe(1000);
                explicit.observe(1000);
            });
            barrier.wait();
            for value in (0..20).flat_map(|_| [whole.value(), explicit.value()]) {
                let near = |extreme: Option<f64>| extreme.is_none_or(|e| (e - 1000.0).abs() < 100.0);
                assert!(near(value.min()) && near(value.max()), "{value:?}");
            }
        });
    }
}

#[test]
fn a_gauge_loses_no_addition_of_any_thread() {
    let telemetry = TelemetryCollector::new(true);
    let gauge = telemetry.gauge("g", "A gauge").unwrap().on_host().unwrap();
    at_once(&[vec![1.0; 20_000], vec![-0.5; 20_000], vec![2.0; 20_000]], |by| gauge.add(*by));
    assert_eq!(gauge.get(), 50_000.0);
    gauge.set(f64::NAN);
    gauge.max(3.0);
    assert_eq!(gauge.get(), 3.0, "a NaN is replaced");
    gauge.min(f64::NAN);
    assert_eq!(gauge.get(), 3.0, "and changes nothing");
}

#[test]
fn what_a_histogram_cannot_hold_is_dropped_and_said() {
    let telemetry = TelemetryCollector::new(true);
    let explicit = telemetry.histogram("e", "Explicit").unwrap().buckets(&[0.0, 1.0]).on_host().unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        explicit.observe(value);
    }
    [-5.0, 0.0, 0.5, 1.0, 7.0].iter().for_each(|value| explicit.observe(*value));
    explicit.observe(-1); // any number will do
    let value = explicit.value();
    assert_eq!((value.dropped, value.count(), value.sum()), (3, 6, 2.5));
    assert_eq!((value.min(), value.max(), value.mean()), (Some(-5.0), Some(7.0), 2.5 / 6.0));
    assert_eq!(value.buckets(), [(0.0, 3), (1.0, 2), (f64::INFINITY, 1)]);

    let whole = telemetry.histogram("w", "Exponential").unwrap().on_host().unwrap();
    for value in [f64::NAN, f64::INFINITY, -1.0, 18_446_744_073_709_551_616.0] {
        whole.observe(value);
    }
    whole.observe(-3i32);
    whole.observe(2.5f32); // to the nearest
    whole.observe(u64::MAX);
    let value = whole.value();
    assert_eq!((value.dropped, value.count(), value.min()), (5, 2, Some(3.0)));
}

#[test]
fn percentiles_are_those_of_histogram_quantile() {
    let telemetry = TelemetryCollector::new(true);
    let h = telemetry.histogram("h", "A histogram").unwrap().buckets(&[1.0, 2.0, 4.0]).on_host().unwrap();
    assert_eq!((h.quantile(0.5), h.mean(), h.sum(), h.count()), (0.0, 0.0, 0.0, 0));
    [0.5, 1.5, 1.5, 3.0].iter().for_each(|v| h.observe(*v));
    // Ranks 0 to 4 over the buckets' 1, 2 and 1 values, evenly inside each.
    for (q, exact) in [(0.0, 0.0), (0.125, 0.5), (0.25, 1.0), (0.5, 1.5), (0.75, 2.0), (0.875, 3.0), (1.0, 4.0)] {
        assert_eq!(h.quantile(q), exact, "{q}");
    }
    assert_eq!((h.quantile(7.0), h.quantile(f64::NAN)), (4.0, 0.0));
    (0..4).for_each(|_| h.observe(100));
    assert_eq!(h.quantile(0.99), 4.0, "the last bucket has no bound: its lower one");
    let h = telemetry.histogram("negative", "Below zero").unwrap().buckets(&[-1.0, 1.0]).on_host().unwrap();
    [-5.0, -3.0].iter().for_each(|v| h.observe(*v));
    assert_eq!(h.quantile(0.5), -1.0, "a first bucket below zero has no lower bound");
}

#[test]
fn other_bounds_do_not_merge() {
    let mut one = ExplicitHistogram::new(&[1.0]).unwrap();
    assert!(!one.record(f64::NAN) && one.record(0.5));
    let before = one.clone();
    assert!(one.merge(&ExplicitHistogram::new(&[2.0]).unwrap()).is_err());
    assert_eq!(one, before);
}
