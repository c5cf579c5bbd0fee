//! What publishing costs the host before anything is sent: 16,000 series as a destination's requests, compressed, with the
//! allocations that this takes. Host only.
#![allow(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringscope::publish::{Destination, Environment, Publication, RemoteWrite, Target};
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

fn remote_write(options: &str) -> RemoteWrite {
    let target = Target::parse(&format!("remote-write+http://localhost{options}")).expect("an address");
    RemoteWrite::from_target(target, &Environment::of([])).expect("good options")
}

fn encode(c: &mut Criterion, what: &str, publication: &Publication) {
    let mut group = c.benchmark_group(what);
    for (name, destination) in
        [("remote write 1.0", remote_write("?version=1")), ("remote write 2.0", remote_write("?version=2"))]
    {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let payloads = destination.encode(publication).expect("payloads");
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let items: u64 = payloads.iter().map(|payload| payload.items).sum();
        let bytes: usize = payloads.iter().map(|payload| payload.bytes.len()).sum();
        println!(
            "{what}, {name}: {items} items in {} requests, {bytes} bytes, {allocations} allocations ({:.2} an item)",
            payloads.len(),
            allocations as f64 / items as f64
        );
        group.throughput(Throughput::Elements(items));
        group.bench_function(name, |b| b.iter(|| destination.encode(black_box(publication)).expect("payloads")));
    }
    group.finish();
}

fn encodings(c: &mut Criterion) {
    let of = |snapshot| Publication::of_snapshot(Arc::new(Source::this_process("bench")), SystemTime::now(), snapshot);
    let mut publication = of(counters(1));
    encode(c, "16,000 counters, for the first time", &publication);
    publication.previous = Some(counters(0));
    encode(c, "16,000 counters, as every time", &publication);
    encode(c, "500 histograms, native and classic", &of(histograms()));
}

criterion_group!(benches, encodings);
criterion_main!(benches);
