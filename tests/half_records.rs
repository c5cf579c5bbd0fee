//! A reading in the middle of a record, some words of which are there and others are not, contradicts nothing.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringscope::abi::{ABI_VERSION, Counter, Word, block_state};
use ringscope::device::host::HostDevice;
use ringscope::histogram::{slot_of, slot_values};
use ringscope::{KernelRef, KernelTelemetry, LaunchOptions, RingKernelRuntime, TelemetryCollector, TelemetryConfig};

const SOON: Duration = Duration::from_secs(60);

/// A block whose words the test writes.
struct Block {
    collector: TelemetryCollector,
    kernel: KernelRef,
}

impl Block {
    fn started() -> Self {
        let collector = TelemetryCollector::on_device(Arc::new(HostDevice::new()), TelemetryConfig::default()).unwrap();
        let kernel = collector.register("half", 1).unwrap();
        let block = Block { collector, kernel };
        block.put(Word::Abi, ABI_VERSION.into());
        block.put(Word::StartNs, 1);
        block.put(Word::State, block_state::ACTIVE);
        block
    }
    fn word(&self, line: u64, index: usize) -> &AtomicU64 {
        let address = line as usize + index * 8;
        // SAFETY: a word of this kernel's shard or row, all accesses to which are atomic; the collector keeps the slab.
        unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut(address)) }
    }
    fn put(&self, word: Word, value: u64) {
        self.word(self.kernel.shards, 16 + word as usize).store(value, Ordering::Relaxed);
    }
    /// A message of so many nanoseconds, but for its single words.
    fn count(&self, ns: u64) {
        for counter in [Counter::Received, Counter::Sent, Counter::Processed, Counter::LatencyCount] {
            self.word(self.kernel.shards, counter as usize).fetch_add(1, Ordering::Relaxed);
        }
        for counter in [Counter::BusyNs, Counter::LatencySumNs] {
            self.word(self.kernel.shards, counter as usize).fetch_add(ns, Ordering::Relaxed);
        }
        self.word(self.kernel.buckets, slot_of(ns, self.kernel.scale)).fetch_add(1, Ordering::Relaxed);
    }
    fn read(&self) -> KernelTelemetry {
        self.collector.telemetry("half").unwrap()
    }
    /// Smallest and largest value as a snapshot has them.
    fn extremes(&self) -> (u64, u64) {
        let histogram = self.read().histogram;
        (histogram.min().unwrap(), histogram.max().unwrap())
    }
    /// Those of the bucket of a value.
    fn bucket(&self, ns: u64) -> (u64, u64) {
        slot_values(slot_of(ns, self.kernel.scale), self.kernel.scale).into_inner()
    }
}

#[test]
fn extremes_that_are_not_there_yet_are_those_of_the_buckets() {
    let block = Block::started();
    block.count(5000);
    assert_eq!(block.extremes(), block.bucket(5000), "neither is known");
    block.put(Word::LatencyMaxNs, 5000);
    assert_eq!(block.extremes(), block.bucket(5000), "the longest alone");
    block.put(Word::LatencyNotMinNs, !5000);
    assert_eq!(block.extremes(), (5000, 5000), "both, exactly");
    block.count(100);
    block.count(90_000);
    let expected = (block.bucket(100).1, block.bucket(90_000).0);
    assert_eq!(block.extremes(), expected, "those of the message before, as near as they are to the buckets");
    block.put(Word::LatencyMaxNs, 90_000);
    assert_eq!(block.extremes(), (block.bucket(100).1, 90_000));
    block.put(Word::LatencyNotMinNs, !100);
    assert_eq!(block.extremes(), (100, 90_000));
    assert_eq!(block.read().histogram.count(), 3);
}

#[test]
fn the_shortest_time_may_be_nothing() {
    let block = Block::started();
    block.put(Word::LatencyNotMinNs, !0);
    block.count(0);
    assert_eq!(block.extremes(), (0, 0));
}

#[test]
fn for_a_block_that_has_ended_nothing_waits() {
    let block = Block::started();
    block.put(Word::QueueDepth, 7);
    assert_eq!(block.read().queue_depth, 7);
    block.put(Word::EndNs, 2);
    block.put(Word::State, block_state::ENDED);
    assert_eq!(block.read().queue_depth, 0);
}

/// All that a record is made of, after each reply: nothing of it comes with the next reading only.
#[test]
fn what_was_replied_to_is_in_the_next_reading_with_all_its_words() {
    const MESSAGES: u64 = 200;
    for spec in common::devices() {
        let runtime = RingKernelRuntime::builder().device(spec).telemetry(true).build().unwrap();
        runtime.launch_blocking("w", &LaunchOptions::new().kernel("echo")).unwrap();
        runtime.activate_blocking("w").unwrap();
        let mut last_sum = 0;
        for n in 1..=MESSAGES {
            runtime.call_blocking("w", b"12345678", SOON).unwrap();
            let t = runtime.telemetry_blocking("w").unwrap();
            assert_eq!((t.messages_received, t.messages_sent, t.messages_processed, t.errors), (n, n, n, 0), "{spec}");
            assert_eq!((t.bytes_in, t.bytes_out), (8 * n, 8 * n), "{spec}");
            let (h, waiting) = (&t.histogram, t.waiting.as_ref().map(|waiting| waiting.histogram.count()));
            assert_eq!((h.count(), u128::from(h.sum()), waiting), (n, t.busy_time.as_nanos(), Some(n)), "{spec}");
            assert!(t.last_message_time >= t.start_time && t.last_message_time.is_some(), "{spec}");
            let of_this = h.sum() - last_sum;
            assert!((h.min().unwrap()..=h.max().unwrap()).contains(&of_this), "{of_this} of {h:?} on {spec}");
            last_sum = h.sum();
        }
    }
}
