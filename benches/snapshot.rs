//! The cost of a snapshot and its summary against the number of kernels, on the host device. `idle`: nothing changed
//! since the last one. `changed`: every kernel has recorded a message since, so every histogram is read anew.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use ringscope::abi::{Counter, KernelRef, Word, block_state};
use ringscope::device::host::HostDevice;
use ringscope::histogram::slot_of;
use ringscope::{TelemetryCollector, TelemetryConfig};

fn collector(kernels: u32) -> (TelemetryCollector, Vec<KernelRef>) {
    let config = TelemetryConfig { max_kernels: kernels as usize, max_blocks: kernels, ..Default::default() };
    let collector = TelemetryCollector::on_device(Arc::new(HostDevice::new()), config).expect("a slab");
    let refs = (0..kernels).map(|k| collector.register(&format!("worker_{k}"), 1).expect("a kernel")).collect();
    (collector, refs)
}

/// What a block records for a message that took `ns`.
fn record(kernel: &KernelRef, ns: u64) {
    // SAFETY: on the host device the addresses are pointers into the slab, which the collector keeps; all
    // accesses to its words are atomic.
    let add = |base: u64, word: usize, by: u64| unsafe {
        let pointer = std::ptr::with_exposed_provenance_mut::<u64>(base as usize).add(word);
        AtomicU64::from_ptr(pointer).fetch_add(by, Ordering::Relaxed)
    };
    for counter in [Counter::Received, Counter::Sent, Counter::Processed, Counter::LatencyCount] {
        add(kernel.shards, counter as usize, 1);
    }
    add(kernel.shards, Counter::LatencySumNs as usize, ns);
    add(kernel.buckets, slot_of(ns, kernel.scale), 1);
    // SAFETY: as above; the words follow the counters.
    let set = |word: Word, value: u64| unsafe {
        let pointer = std::ptr::with_exposed_provenance_mut::<u64>(kernel.shards as usize).add(16 + word as usize);
        AtomicU64::from_ptr(pointer).store(value, Ordering::Relaxed)
    };
    set(Word::State, block_state::ACTIVE);
    set(Word::Abi, 1);
    set(Word::StartNs, 1);
    set(Word::LastMessageNs, 2);
    set(Word::LatencyNotMinNs, !ns);
    set(Word::LatencyMaxNs, ns);
}

fn snapshot(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot and summary");
    for kernels in [1u32, 10, 100, 1_000, 10_000] {
        let (collector, refs) = collector(kernels);
        refs.iter().for_each(|k| record(k, 1500));
        let read = || black_box(collector.summary().expect("a summary")).total_messages;
        assert_eq!(read(), u64::from(kernels));
        group.bench_with_input(BenchmarkId::new("idle", kernels), &kernels, |b, _| b.iter(read));
        group.bench_with_input(BenchmarkId::new("changed", kernels), &kernels, |b, _| {
            b.iter_batched(|| refs.iter().for_each(|k| record(k, 1500)), |()| read(), BatchSize::PerIteration)
        });
    }
    group.finish();
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
