//! A page of 16,000 series, beside prometheus-client's of the same series, in one run; and a snapshot of 10,000 kernels
//! with its pages. Host only.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

const FAMILIES: usize = 16;
const SERIES: usize = 1000;

type Labels = Vec<(String, String)>;

/// Values as counters have them: of all sizes.
fn count(family: usize, series: usize) -> u64 {
    ((family * SERIES + series) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (20 + series % 40)
}

fn real(family: usize, series: usize) -> f64 {
    count(family, series) as f64 / 7.0
}

fn ours(gauges: bool) -> Arc<Snapshot> {
    let config = TelemetryConfig { max_series: FAMILIES * SERIES, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    for family in 0..FAMILIES {
        for series in 0..SERIES {
            let (name, queue) = (format!("family_{family}"), format!("queue-{series}"));
            if gauges {
                let gauge = collector.gauge(&name, "Something").expect("a builder").label("queue", &queue);
                gauge.on_host().expect("a gauge").set(real(family, series));
            } else {
                let counter = collector.counter(&name, "Something").expect("a builder").label("queue", &queue);
                counter.on_host().expect("a counter").inc_by(count(family, series));
            }
        }
    }
    collector.snapshot().expect("a snapshot")
}

fn theirs(gauges: bool) -> Registry {
    let mut registry = Registry::default();
    for family in 0..FAMILIES {
        let name = format!("family_{family}");
        let labels = |series: usize| vec![("queue".to_owned(), format!("queue-{series}"))];
        if gauges {
            let metric = Family::<Labels, Gauge<f64, AtomicU64>>::default();
            (0..SERIES).for_each(|s| _ = metric.get_or_create(&labels(s)).set(real(family, s)));
            registry.register(name, "Something", metric);
        } else {
            let metric = Family::<Labels, Counter>::default();
            (0..SERIES).for_each(|s| _ = metric.get_or_create(&labels(s)).inc_by(count(family, s)));
            registry.register(name, "Something", metric);
        }
    }
    registry
}

fn series(c: &mut Criterion) {
    for (kind, gauges) in [("counters", false), ("gauges", true)] {
        let mut group = c.benchmark_group(format!("16,000 {kind} as text"));
        group.throughput(Throughput::Elements((FAMILIES * SERIES) as u64));
        let (ours, theirs) = (ours(gauges), theirs(gauges));
        let mut page = String::new();
        group.bench_function("ringscope", |b| b.iter(|| black_box(&ours).export_prometheus_into(&mut page)));
        let samples = |page: &str| page.lines().filter(|line| line.starts_with("family_")).count();
        assert_eq!(samples(&page), FAMILIES * SERIES);
        let mut page = String::new();
        group.bench_function("prometheus-client", |b| {
            b.iter(|| {
                page.clear();
                text::encode(&mut page, black_box(&theirs)).expect("a page");
            })
        });
        assert_eq!(samples(&page), FAMILIES * SERIES);
        group.finish();
    }
}

fn kernels(c: &mut Criterion) {
    const KERNELS: usize = 10_000;
    let collector =
        TelemetryCollector::with_config(true, TelemetryConfig { max_kernels: KERNELS, ..TelemetryConfig::default() })
            .unwrap();
    for k in 0..KERNELS {
        let kernel = collector.actor(&format!("worker_{k}")).expect("a handle");
        kernel.record_receive();
        kernel.record_processed_in(Duration::from_nanos(900 + k as u64));
    }
    let snapshot = collector.snapshot().expect("a snapshot");
    let mut group = c.benchmark_group("10,000 kernels");
    group.sample_size(20);
    group.bench_function("snapshot", |b| b.iter(|| collector.snapshot().expect("a snapshot")));
    let mut page = String::new();
    group.bench_function("classic text", |b| b.iter(|| black_box(&snapshot).export_prometheus_into(&mut page)));
    println!("{} samples in {} bytes", page.lines().filter(|l| !l.starts_with('#')).count(), page.len());
    group.bench_function("snapshot and classic text", |b| {
        b.iter(|| collector.snapshot().expect("a snapshot").export_prometheus_into(&mut page))
    });
    group.bench_function("OpenMetrics text", |b| b.iter(|| black_box(&snapshot).export_openmetrics_into(&mut page)));
    let mut page = Vec::new();
    group.bench_function("protobuf", |b| b.iter(|| black_box(&snapshot).export_prometheus_protobuf_into(&mut page)));
    group.bench_function("JSON, everything", |b| b.iter(|| black_box(&snapshot).export_json_full().expect("JSON")));
    group.bench_function("JSON, sums", |b| b.iter(|| black_box(&snapshot).export_json().expect("JSON")));
    group.finish();
}

criterion_group!(benches, series, kernels);
criterion_main!(benches);
