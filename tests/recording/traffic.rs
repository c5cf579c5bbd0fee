//! Busy kernels that need no processor: their slabs are written as their blocks would write them, on a clock that stands where
//! the traffic says. Each kernel has a rate, a size of messages and a latency of its own, and all of it is noisy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringscope::abi::{ABI_VERSION, Counter, KernelRef, Where, Word, at, block_state, ring_place};
use ringscope::device::Device;
use ringscope::device::host::HostDevice;
use ringscope::histogram::slot_of;
use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

/// Words of a shard: counters, single words, places, each a line of 16.
const LINE: usize = 16;

pub struct Random(pub u64);

impl Random {
    /// 0 to 1.
    pub fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normal, with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

struct Kernel {
    telemetry: KernelRef,
    blocks: u32,
    messages_per_second: f64,
    fixed_bytes: u64,
    varying_bytes: f64,
    reply_bytes: u64,
    latency_ns: f64,
    spread: f64,
    fails: f64,
    stride: usize,
    handled: u64,
}

pub struct Traffic {
    pub collector: TelemetryCollector,
    kernels: Vec<Kernel>,
    random: Random,
    device: Arc<HostDevice>,
}

impl Traffic {
    pub fn new(kernels: u32, blocks: u32) -> Traffic {
        let config = TelemetryConfig {
            max_kernels: kernels as usize,
            max_blocks: kernels * blocks,
            ..TelemetryConfig::default()
        };
        let device = Arc::new(HostDevice::new());
        let collector = TelemetryCollector::on_device(device.clone(), config).expect("a slab");
        let mut random = Random(7);
        let kernel = |k: u32| {
            let telemetry = collector.register(&format!("worker_{k}"), blocks).expect("a kernel");
            Kernel {
                telemetry,
                blocks,
                messages_per_second: 10f64.powf(2.0 + 1.5 * random.unit()),
                fixed_bytes: 64 + (4096.0 * random.unit()) as u64,
                // Every other kernel has messages of one size.
                varying_bytes: if k.is_multiple_of(2) { 0.0 } else { 2000.0 * random.unit() },
                reply_bytes: 4,
                latency_ns: 10f64.powf(4.3 + 1.5 * random.unit()),
                spread: 0.25 + 0.25 * random.unit(),
                fails: if k.is_multiple_of(5) { 0.002 } else { 0.0 },
                stride: 3 * LINE,
                handled: 0,
            }
        };
        let kernels = (0..kernels).map(kernel).collect::<Vec<_>>();
        let traffic = Traffic { collector, kernels, random, device };
        traffic.start();
        traffic
    }

    fn now_ns(&self) -> u64 {
        self.device.clock().expect("the host's clock").device_ns
    }

    fn start(&self) {
        let now = self.now_ns();
        for kernel in &self.kernels {
            for block in 0..kernel.blocks {
                kernel.put(block, Word::Abi, u64::from(ABI_VERSION));
                kernel.put(block, Word::StartNs, now);
                kernel.put(block, Word::State, block_state::ACTIVE);
                kernel.put(block, Word::HeartbeatNs, now);
                kernel.place(block, Where::Sm, 1 + u64::from(block));
            }
        }
    }

    /// Lets so many seconds of traffic go by at once.
    pub fn work(&mut self, seconds: f64) {
        let now = self.now_ns();
        for kernel in &mut self.kernels {
            kernel.work(&mut self.random, seconds, now);
        }
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.collector.snapshot().expect("a snapshot")
    }
}

impl Kernel {
    fn word(&self, base: u64, index: usize) -> &AtomicU64 {
        // SAFETY: on the host device the addresses are pointers into the slab, which the collector keeps; all accesses to
        // its words are atomic.
        unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut::<u64>(base as usize).add(index)) }
    }

    fn add(&self, block: u32, counter: Counter, by: u64) {
        let index = block as usize * self.stride + counter as usize;
        self.word(self.telemetry.shards, index).fetch_add(by, Ordering::Relaxed);
    }

    fn put(&self, block: u32, word: Word, value: u64) {
        let index = block as usize * self.stride + LINE + word as usize;
        self.word(self.telemetry.shards, index).store(value, Ordering::Relaxed);
    }

    fn place(&self, block: u32, word: Where, value: u64) {
        let index = block as usize * self.stride + 2 * LINE + word as usize;
        self.word(self.telemetry.shards, index).store(value, Ordering::Relaxed);
    }

    fn bucket(&self, block: u32, row: usize, ns: u64) {
        let stride = self.telemetry.bucket_stride as usize;
        let index =
            (block & self.telemetry.row_mask) as usize * stride + row * stride / 2 + slot_of(ns, self.telemetry.scale);
        self.word(self.telemetry.buckets, index).fetch_add(1, Ordering::Relaxed);
    }

    fn work(&mut self, random: &mut Random, seconds: f64, now: u64) {
        for block in 0..self.blocks {
            let mean = self.messages_per_second * seconds / f64::from(self.blocks);
            let messages = (mean + random.normal() * mean.sqrt()).round().max(0.0) as u64;
            let (mut busy, mut bytes, mut errors, mut waits) = (0, 0, 0, 0);
            for _ in 0..messages {
                let ns = (self.latency_ns * (random.normal() * self.spread).exp()) as u64;
                let queued = (0.3 * self.latency_ns * (random.normal() * 2.0 * self.spread).exp()) as u64;
                self.bucket(block, 0, ns);
                self.bucket(block, 1, queued);
                busy += ns;
                waits += queued;
                bytes += self.fixed_bytes + (self.varying_bytes * random.unit()) as u64;
                errors += u64::from(random.unit() < self.fails);
            }
            let time = (seconds * 1e9) as u64;
            let idle = time.saturating_sub(busy) as f64 * (0.97 + 0.01 * random.unit());
            self.add(block, Counter::Received, messages);
            self.add(block, Counter::Sent, messages);
            self.add(block, Counter::Processed, messages - errors);
            self.add(block, Counter::Errors, errors);
            self.add(block, Counter::BytesIn, bytes);
            self.add(block, Counter::BytesOut, messages * self.reply_bytes);
            self.add(block, Counter::BusyNs, busy);
            self.add(block, Counter::WaitNs, idle as u64);
            self.add(block, Counter::Polls, (idle / 900.0) as u64);
            self.add(block, Counter::LatencyCount, messages);
            self.add(block, Counter::LatencySumNs, busy);
            self.add(block, Counter::QueuedSumNs, waits);
            self.handled += messages;
            let ago = (1e9 / (1.0 + mean / seconds) * random.unit()) as u64;
            self.put(block, Word::LastMessageNs, now - ago);
            self.put(block, Word::HeartbeatNs, now - (ago as f64 * random.unit()) as u64);
            let depth = (3.0 + 2.0 * random.normal()).max(0.0) as u64;
            self.put(block, Word::QueueDepth, depth);
            self.put(block, Word::QueueHighWater, 12);
            let place = if random.unit() < 0.4 { ring_place::HANDLER } else { ring_place::TAKE };
            let began = (now - ago / 2) & at::TIME_MASK;
            self.place(block, Where::At, (at::RING << at::NAME_BITS | place) << at::TIME_BITS | began);
            self.place(block, Where::Message, 1 + self.handled);
        }
    }
}
