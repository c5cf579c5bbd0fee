//! One record of a host actor's handle, beside prometheus-client's counter and a plain atomic, in one run. Host only.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use prometheus_client::metrics::counter::Counter;
use ringscope::TelemetryCollector;

fn record(c: &mut Criterion) {
    let mut group = c.benchmark_group("record");
    let counter: Counter = Counter::default();
    group.bench_function("prometheus-client counter.inc", |b| b.iter(|| black_box(&counter).inc()));
    let atomic = AtomicU64::new(0);
    group.bench_function("AtomicU64 fetch_add", |b| b.iter(|| black_box(&atomic).fetch_add(1, Ordering::Relaxed)));
    let collector = TelemetryCollector::new(true);
    let handle = collector.actor("actor").expect("a handle");
    group.bench_function("handle.record_receive", |b| b.iter(|| black_box(&handle).record_receive()));
    group.bench_function("handle.record_send", |b| b.iter(|| black_box(&handle).record_send()));
    let took = Duration::from_nanos(1234);
    group.bench_function("handle.record_processed_in", |b| {
        b.iter(|| black_box(&handle).record_processed_in(black_box(took)))
    });
    group.bench_function("collector.record_receive(id)", |b| b.iter(|| collector.record_receive(black_box("actor"))));
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
