//! What publishing costs the host before anything is sent: 16,000 series as a destination's requests, compressed, with the
//! allocations that this takes; and beside it what the official SDK of OpenTelemetry does of as many series of its own. Host
//! only.
#![allow(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use prost::Message;
use ringscope::publish::{AnyDestination, Destination, Environment, Publication};
use ringscope::trace::Source;
use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

const FAMILIES: usize = 16;
const SERIES: usize = 1000;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's allocator's; counting changes nothing of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps what `dealloc` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Values as counters have them: of all sizes.
fn count(family: usize, series: usize) -> u64 {
    ((family * SERIES + series) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (20 + series % 40)
}

fn counters(add: u64) -> Arc<Snapshot> {
    let config = TelemetryConfig { max_series: FAMILIES * SERIES, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).expect("a collector");
    for family in 0..FAMILIES {
        for series in 0..SERIES {
            let (name, queue) = (format!("family_{family}"), format!("queue-{series}"));
            let counter = collector.counter(&name, "Something").expect("a builder").label("queue", &queue);
            counter.on_host().expect("a counter").inc_by(count(family, series) + add);
        }
    }
    collector.snapshot().expect("a snapshot")
}

/// 500 histograms of 32 values in 32 buckets each, which is as many series in classic form: 23 buckets, sum and count.
fn histograms() -> Arc<Snapshot> {
    let collector = TelemetryCollector::new(true);
    for n in 0..500 {
        let sizes = collector.histogram("sizes", "Sizes").expect("a builder").label("n", &n.to_string());
        let sizes = sizes.on_host().expect("a histogram");
        (0..32).for_each(|k| sizes.observe(1 << k));
    }
    collector.snapshot().expect("a snapshot")
}

/// Addresses; nothing is sent. An item is a series, but for Elasticsearch a document, which has those of a label set.
const DESTINATIONS: [(&str, &str); 6] = [
    ("Elasticsearch bulk", "elasticsearch+http://localhost"),
    ("remote write 1.0", "remote-write+http://localhost?version=1"),
    ("remote write 2.0", "remote-write+http://localhost?version=2"),
    ("OTLP", "otlp+http://localhost?signals=metrics"),
    ("OTLP, gzip", "otlp+http://localhost?signals=metrics&compression=gzip"),
    ("OTLP as JSON", "otlp+http://localhost?signals=metrics&encoding=json"),
];

fn print(what: &str, items: u64, bytes: usize, allocations: u64) {
    let each = allocations as f64 / items as f64;
    println!("{what}: {items} items, {bytes} bytes, {allocations} allocations ({each:.2} an item)");
}

fn encode(c: &mut Criterion, what: &str, publication: &Publication) {
    let mut group = c.benchmark_group(what);
    for (name, address) in DESTINATIONS {
        let destination = AnyDestination::from_url(address, &Environment::of([])).expect("a destination");
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let payloads = destination.encode(publication).expect("payloads");
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let items: u64 = payloads.iter().map(|payload| payload.items).sum();
        let bytes: usize = payloads.iter().map(|payload| payload.bytes.len()).sum();
        print(&format!("{what}, {name}, {} requests", payloads.len()), items, bytes, allocations);
        group.throughput(Throughput::Elements(items));
        group.bench_function(name, |b| b.iter(|| destination.encode(black_box(publication)).expect("payloads")));
    }
    group.finish();
}

/// What the official exporter does of what the SDK collected, but for the sending: its messages are made of it, and they are
/// encoded. What it takes to collect is not in it, as ours has no snapshot in it.
#[derive(Clone, Default)]
struct Exporter {
    /// So often it is to be done.
    times: Arc<AtomicU64>,
    took: Arc<Mutex<(Duration, usize, u64)>>,
}

impl PushMetricExporter for Exporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let (before, begun) = (ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
        let mut bytes = 0;
        for _ in 0..self.times.load(Ordering::Relaxed) {
            bytes = black_box(ExportMetricsServiceRequest::from(black_box(metrics)).encode_to_vec()).len();
        }
        let took = begun.elapsed();
        *self.took.lock().expect("nobody panicked") = (took, bytes, ALLOCATIONS.load(Ordering::Relaxed) - before);
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn official(c: &mut Criterion) {
    let exporter = Exporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(3600)).build();
    let provider = SdkMeterProvider::builder().with_reader(reader).build();
    let meter = provider.meter("bench");
    for family in 0..FAMILIES {
        let counter = meter.u64_counter(format!("family_{family}")).with_description("Something").build();
        (0..SERIES).for_each(|s| counter.add(count(family, s), &[KeyValue::new("queue", format!("queue-{s}"))]));
    }
    let run = |times| {
        exporter.times.store(times, Ordering::Relaxed);
        provider.force_flush().expect("it is flushed");
        *exporter.took.lock().expect("nobody panicked")
    };
    let (_, bytes, allocations) = run(1);
    let items = (FAMILIES * SERIES) as u64;
    print("16,000 counters, OTLP by the official SDK", items, bytes, allocations);
    let mut group = c.benchmark_group("16,000 counters, by the official SDK");
    group.throughput(Throughput::Elements(items));
    group.bench_function("OTLP", |b| b.iter_custom(|times| run(times).0));
    group.finish();
    provider.shutdown().expect("it ends");
}

fn encodings(c: &mut Criterion) {
    let of = |snapshot| Publication::of_snapshot(Arc::new(Source::this_process("bench")), SystemTime::now(), snapshot);
    let mut publication = of(counters(1));
    encode(c, "16,000 counters, for the first time", &publication);
    publication.previous = Some(counters(0));
    encode(c, "16,000 counters, as every time", &publication);
    encode(c, "500 histograms, native and classic", &of(histograms()));
}

criterion_group!(benches, encodings, official);
criterion_main!(benches);
