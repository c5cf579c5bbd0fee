//! One operation from its start to its end, a network operation, and an event, on one thread and on two that share the
//! names and the lists; and the same calls where nothing is monitored. Host only.
//!
//! With two threads the time is that of the slower one over what each did, so that 1.0 of the time on one thread is
//! perfect scaling.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use ringscope::TelemetryCollector;

/// How long `threads` threads take for `iterations` calls of `work` each.
fn time(threads: usize, iterations: u64, work: &(impl Fn() + Sync)) -> Duration {
    let barrier = Barrier::new(threads);
    let run = || {
        // The first call may set things up.
        work();
        barrier.wait();
        let start = Instant::now();
        (0..iterations).for_each(|_| work());
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

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: impl Fn() + Sync) {
    for threads in [1, 2] {
        group.bench_with_input(BenchmarkId::new(name, threads), &threads, |b, threads| {
            b.iter_custom(|iterations| time(*threads, iterations, &work));
        });
    }
}

fn operations(c: &mut Criterion) {
    let mut group = c.benchmark_group("operation");
    let telemetry = TelemetryCollector::new(true);
    let start = || black_box(&telemetry).operation(black_box("resize")).start().expect("a good name");
    bench(&mut group, "off", || start().succeed());
    telemetry.monitor_operations().expect("it is enabled");
    bench(&mut group, "succeed", || start().succeed());
    bench(&mut group, "fail", || start().fail("no memory"));
    bench(&mut group, "id and label", || {
        let operation = telemetry.operation("resize").id(81_213).label("width", 640);
        operation.start().expect("a good name").succeed();
    });
    let request = || telemetry.network_operation("http", "example.org", 80).expect("a good name");
    bench(&mut group, "network", || {
        let mut request = request();
        request.sent(18);
        request.received(1256);
        request.succeed();
    });
    bench(&mut group, "event", || {
        telemetry.record_event("deploy", 1.0, &[("stage", "live")], &[]).expect("a good event");
    });
}

/// What a snapshot costs beside 100 names that are all in use.
fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot of operations");
    let telemetry = TelemetryCollector::new(true);
    telemetry.monitor_operations().expect("it is enabled");
    let names: Vec<String> = (0..100).map(|n| format!("name {n}")).collect();
    let end = |name: &String| telemetry.operation(name).start().expect("a good name").succeed();
    names.iter().for_each(end);
    group.bench_function("100 names at rest", |b| b.iter(|| telemetry.snapshot()));
    group.bench_function("100 names that move", |b| {
        b.iter(|| {
            names.iter().for_each(end);
            telemetry.snapshot()
        });
    });
}

criterion_group!(benches, operations, snapshot);
criterion_main!(benches);
