//! How many bytes a reading copies, by how many calls, where kernels have many blocks; and that they are the right ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringscope::abi::{ABI_VERSION, Counter, KernelRef, LINE_BYTES, Word, block_state};
use ringscope::device::DeviceSpec;
use ringscope::device::cuda::CudaDevice;
use ringscope::histogram::slot_of;
use ringscope::{TelemetryCollector, TelemetryConfig};

use crate::stand_in::{Runs, StandIn, assert_clean, on_stand_in, with_stand_in};
use crate::{blocks, builder, start, traffic};

/// A kernel whose words the test writes, as its blocks would. The stand-in's device addresses are the host's.
struct Kernel(KernelRef);

impl Kernel {
    fn add(&self, base: u64, word: usize, by: u64) {
        self.word(base, word).fetch_add(by, Ordering::Relaxed);
    }

    fn word(&self, base: u64, word: usize) -> &AtomicU64 {
        let address = std::ptr::with_exposed_provenance_mut::<u64>(base as usize);
        // SAFETY: a word of the kernel's part of the slab, which its collector keeps; all accesses are atomic.
        unsafe { AtomicU64::from_ptr(address.add(word)) }
    }

    /// A message of `ns` nanoseconds that waited as long, in each block.
    fn record(&self, ns: u64) {
        let words = LINE_BYTES / 8;
        for block in 0..self.0.shard_count {
            let shard = self.0.shards + u64::from(block) * 3 * LINE_BYTES as u64;
            for counter in [Counter::Received, Counter::Processed, Counter::LatencyCount] {
                self.add(shard, counter as usize, 1);
            }
            for counter in [Counter::BusyNs, Counter::LatencySumNs, Counter::QueuedSumNs] {
                self.add(shard, counter as usize, ns);
            }
            for (word, value) in [
                (Word::Abi, u64::from(ABI_VERSION)),
                (Word::StartNs, 1),
                (Word::State, block_state::ACTIVE),
                (Word::LatencyNotMinNs, !ns),
                (Word::QueuedNotMinNs, !ns),
                (Word::LatencyMaxNs, ns),
                (Word::QueuedMaxNs, ns),
            ] {
                self.word(shard, words + word as usize).fetch_max(value, Ordering::Relaxed);
            }
            let stride = self.0.bucket_stride as usize;
            let row = (block & self.0.row_mask) as usize * stride;
            for part in [0, stride / 2] {
                self.add(self.0.buckets, row + part + slot_of(ns, self.0.scale), 1);
            }
        }
    }
}

/// Reads so many kernels of so many blocks under traffic of these latencies: bytes and calls of the driver's copies.
fn read(driver: &StandIn, kernels: u32, blocks: u32, latencies: &[u64]) -> (usize, u64) {
    let config = TelemetryConfig { max_blocks: kernels * blocks, ..TelemetryConfig::default() };
    let device = Arc::new(CudaDevice::open(0).expect("a device"));
    let collector = TelemetryCollector::on_device(device, config).expect("a slab");
    let register = |n| Kernel(collector.register(&format!("w{n}"), blocks).expect("room"));
    let registered: Vec<Kernel> = (0..kernels).map(register).collect();
    let mut read = (0, 0);
    // The second time all histograms were known.
    for round in 1..=2 {
        for ns in latencies {
            registered.iter().for_each(|kernel| kernel.record(*ns));
        }
        let before = driver.get("copies");
        let snapshot = collector.snapshot().expect("a snapshot");
        read = (snapshot.copied_bytes, driver.get("copies") - before);
        for kernel in &snapshot.kernels {
            let values = round * latencies.len() as u64 * u64::from(blocks);
            let waiting = &kernel.waiting.as_ref().expect("known").histogram;
            for histogram in [&kernel.histogram, waiting] {
                let found = (histogram.count(), histogram.min(), histogram.max());
                assert_eq!(found, (values, latencies.iter().min().copied(), latencies.iter().max().copied()));
                let sum: u64 = latencies.iter().sum();
                assert_eq!(histogram.sum(), round * u64::from(blocks) * sum);
            }
        }
    }
    read
}

#[test]
fn a_reading_of_many_blocks_copies_little() {
    if !with_stand_in("rows::a_reading_of_many_blocks_copies_little", Runs::Threads) {
        return;
    }
    let driver = StandIn;
    let all = [0, 1, 1_000, 1_000_000, u64::MAX / 4_000_000];
    // With values in all buckets, and with those of kernels of a microsecond to a millisecond.
    let usual = [900, 4_000, 50_000, 1_000_000];
    for (kernels, blocks, latencies, most) in [
        (10, 132, &all[..], 1_200_000),
        (10, 132, &usual[..], 1_000_000),
        (1, 3_696, &all[..], 2_000_000),
        (28, 132, &all[..], 4_000_000),
        (28, 132, &usual[..], 2_000_000),
        (64, 57, &usual[..], 4_000_000),
    ] {
        let (bytes, copies) = read(&driver, kernels, blocks, latencies);
        let which = format!("{kernels} kernels of {blocks} blocks, {latencies:?}");
        assert!(bytes <= most, "{which}: {bytes} bytes");
        assert!(bytes >= (kernels * blocks) as usize * 3 * LINE_BYTES, "{which}: {bytes} bytes");
        assert!(copies <= 3, "{which}: {copies} copies");
    }
    assert!(driver.get("copies_2d") > 0, "rows were never copied between the same slots");
    assert_clean(&driver);
}

on_stand_in! {
    fn blocks_that_share_rows_count_every_message(driver) {
        // Room for them: here and there a block is a thread, or 32 lanes.
        driver.set("blocks_each", 32);
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        start(&runtime, "w", &blocks(12));
        traffic(&runtime, "w", 240);
        let t = runtime.terminate_blocking("w").and_then(|()| runtime.telemetry_blocking("w")).expect("its numbers");
        assert_eq!(t.messages_processed, 240);
        assert_eq!(t.histogram.count(), 240);
        assert_eq!(t.waiting.map(|waiting| waiting.histogram.count()), Some(240));
        drop(runtime);
        assert_clean(&driver);
    }
}
