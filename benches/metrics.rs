//! One addition to a counter and one observation of a histogram, on one thread and on two that share it, beside other
//! crates, in one run. Host only.
//!
//! With two threads the time is that of the slower one over what each did, so that 1.0 of the time on one thread is
//! perfect scaling.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use hdrhistogram::sync::{Recorder, SyncHistogram};
use metrics_util::storage::AtomicBucket;
use prometheus_client::metrics::counter::Counter as PrometheusCounter;
use prometheus_client::metrics::gauge::Gauge as PrometheusGauge;
use prometheus_client::metrics::histogram::Histogram as PrometheusHistogram;
use ringscope::TelemetryCollector;

/// How long `threads` threads take for `iterations` calls each of what `worker` makes for them.
fn time<W: FnMut(u64)>(threads: usize, iterations: u64, worker: impl Fn() -> W + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    let run = || {
        let mut work = worker();
        // The first call may set things up.
        work(1);
        barrier.wait();
        let start = Instant::now();
        for i in 0..iterations {
            work(i);
        }
        start.elapsed()
    };
    if threads == 1 {
        return run();
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|t| t.join().expect("a time")).max().expect("a thread")
    })
}

fn bench<W: FnMut(u64)>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, worker: impl Fn() -> W + Sync) {
    for threads in [1, 2] {
        group.bench_with_input(BenchmarkId::new(name, threads), &threads, |b, threads| {
            b.iter_custom(|iterations| time(*threads, iterations, &worker));
        });
    }
}

fn counters(c: &mut Criterion) {
    let mut group = c.benchmark_group("counter");
    let telemetry = TelemetryCollector::new(true);
    let ours = telemetry.counter("hits", "Hits").expect("a builder").on_host().expect("a counter");
    bench(&mut group, "ringscope", || |_| black_box(&ours).inc());
    let theirs: PrometheusCounter = PrometheusCounter::default();
    bench(&mut group, "prometheus-client", || |_| _ = black_box(&theirs).inc());
    let theirs = metrics::Counter::from_arc(Arc::new(AtomicU64::new(0)));
    bench(&mut group, "metrics", || |_| black_box(&theirs).increment(1));
    let atomic = AtomicU64::new(0);
    bench(&mut group, "AtomicU64 fetch_add", || |_| _ = black_box(&atomic).fetch_add(1, Ordering::Relaxed));
    // The least that two threads can take: they share a processor, but not a word.
    bench(&mut group, "AtomicU64 of the thread's own, load and store", || {
        let own = AtomicU64::new(0);
        move |_| black_box(&own).store(own.load(Ordering::Relaxed) + 1, Ordering::Relaxed)
    });
    group.finish();
}

/// Values over some octaves, so that no branch predictor learns one bucket.
fn value(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (44 + (i & 7))
}

const BOUNDS: [f64; 11] = [1e2, 2.5e2, 5e2, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5];

fn histograms(c: &mut Criterion) {
    let mut group = c.benchmark_group("histogram");
    let telemetry = TelemetryCollector::new(true);
    let builder = |name| telemetry.histogram(name, "Values").expect("a builder");
    let ours = builder("exponential").scale(3).on_host().expect("a histogram");
    bench(&mut group, "ringscope exponential", || |i| black_box(&ours).observe(value(i)));
    let ours = builder("explicit").buckets(&BOUNDS).on_host().expect("a histogram");
    bench(&mut group, "ringscope explicit, 11 bounds", || |i| black_box(&ours).observe(value(i) as f64));
    let theirs = PrometheusHistogram::new(BOUNDS);
    bench(&mut group, "prometheus-client explicit, 11 bounds", || |i| black_box(&theirs).observe(value(i) as f64));
    // One thread's own, which no other may read.
    bench(&mut group, "hdrhistogram, not shared", || {
        let mut own = hdrhistogram::Histogram::<u64>::new(2).expect("a histogram");
        move |i| black_box(&mut own).record(value(i)).expect("in range")
    });
    let synced: SyncHistogram<u64> = hdrhistogram::Histogram::new(2).expect("a histogram").into_sync();
    bench(&mut group, "hdrhistogram, recorder of a synced one", || {
        let mut recorder: Recorder<u64> = synced.recorder();
        move |i| recorder.record(value(i)).expect("in range")
    });
    // Keeps every value until a reader takes them all, which belongs to the cost of keeping one.
    let bucket = Arc::new(AtomicBucket::new());
    let theirs = metrics::Histogram::from_arc(Arc::clone(&bucket));
    bench(&mut group, "metrics", || {
        |i| {
            black_box(&theirs).record(value(i) as f64);
            if i % 65_536 == 65_535 {
                bucket.clear();
            }
        }
    });
    group.finish();
}

fn gauges(c: &mut Criterion) {
    let mut group = c.benchmark_group("gauge");
    let telemetry = TelemetryCollector::new(true);
    let ours = telemetry.gauge("depth", "Depth").expect("a builder").on_host().expect("a gauge");
    let theirs: PrometheusGauge<f64, AtomicU64> = PrometheusGauge::default();
    group.bench_function("ringscope set", |b| b.iter(|| black_box(&ours).set(black_box(1.5))));
    group.bench_function("prometheus-client set", |b| b.iter(|| black_box(&theirs).set(black_box(1.5))));
    group.bench_function("ringscope inc", |b| b.iter(|| black_box(&ours).inc()));
    group.bench_function("prometheus-client inc", |b| b.iter(|| black_box(&theirs).inc()));
    group.finish();
}

/// What metrics add to a snapshot.
fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot of metrics");
    for series in [0u32, 100, 4000] {
        let telemetry = TelemetryCollector::new(true);
        for i in 0..series {
            let counter = telemetry.counter("hits", "Hits").expect("a builder").label("number", &i.to_string());
            counter.on_host().expect("a counter").inc();
        }
        group.bench_with_input(BenchmarkId::new("counters", series), &series, |b, _| {
            b.iter(|| black_box(telemetry.snapshot().expect("a snapshot")));
        });
    }
    let telemetry = TelemetryCollector::new(true);
    let histogram = telemetry.histogram("sizes", "Sizes").expect("a builder").on_host().expect("a histogram");
    (0..100_000).for_each(|i| histogram.observe(value(i)));
    group.bench_function("a histogram of scale 3", |b| {
        b.iter(|| black_box(telemetry.snapshot().expect("a snapshot")));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = counters, gauges, histograms, snapshots
}
criterion_main!(benches);
