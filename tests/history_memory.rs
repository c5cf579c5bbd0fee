//! The memory of the history, as an allocator counts it: hundreds of snapshots of a hundred kernels, every one of which
//! did something between any two of them.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ringscope::abi::{Counter, KernelRef, Word, block_state};
use ringscope::device::Device;
use ringscope::device::host::HostDevice;
use ringscope::histogram::slot_of;
use ringscope::{KernelTelemetry, Snapshot, TelemetryCollector, TelemetryConfig};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does it all; here sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KERNELS: usize = 100;
const SNAPSHOTS: usize = 600;
const MESSAGES: u64 = 12;

/// The slab of one kernel, written as its block would.
struct Block {
    kernel: KernelRef,
    min_ns: u64,
    max_ns: u64,
}

impl Block {
    fn word(&self, base: u64, index: usize) -> &AtomicU64 {
        // SAFETY: on the host device the addresses are pointers into the slab, which the collector keeps; all accesses to
        // its words are atomic.
        unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut::<u64>(base as usize).add(index)) }
    }

    fn add(&self, counter: Counter, by: u64) {
        self.word(self.kernel.shards, counter as usize).fetch_add(by, Ordering::Relaxed);
    }

    fn put(&self, word: Word, value: u64) {
        self.word(self.kernel.shards, 16 + word as usize).store(value, Ordering::Relaxed);
    }

    fn start(&self, now_ns: u64) {
        self.put(Word::Abi, u64::from(ringscope::abi::ABI_VERSION));
        self.put(Word::StartNs, now_ns);
        self.put(Word::State, block_state::ACTIVE);
    }

    /// Some messages whose latencies are spread over an order of magnitude, as those of a real handler.
    fn work(&mut self, random: &mut u64, now_ns: u64) {
        for _ in 0..MESSAGES {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let spread = (*random >> 33) as f64 / f64::from(1u32 << 31);
            let ns = (20_000.0 * 10f64.powf(spread)) as u64;
            for counter in [Counter::Received, Counter::Sent, Counter::Processed, Counter::LatencyCount] {
                self.add(counter, 1);
            }
            let noise = *random >> 52;
            let by = [(Counter::BytesIn, 4096), (Counter::BytesOut, 4), (Counter::Polls, noise)];
            by.into_iter().for_each(|(counter, by)| self.add(counter, by));
            let by = [(Counter::LatencySumNs, ns), (Counter::BusyNs, ns), (Counter::WaitNs, 50_000 + noise)];
            by.into_iter().for_each(|(counter, by)| self.add(counter, by));
            self.word(self.kernel.buckets, slot_of(ns, self.kernel.scale)).fetch_add(1, Ordering::Relaxed);
            (self.min_ns, self.max_ns) = (self.min_ns.min(ns), self.max_ns.max(ns));
        }
        self.put(Word::LatencyNotMinNs, !self.min_ns);
        self.put(Word::LatencyMaxNs, self.max_ns);
        self.put(Word::LastMessageNs, now_ns);
        self.put(Word::HeartbeatNs, now_ns + (*random >> 50));
        self.put(Word::QueueDepth, *random >> 60);
    }
}

#[test]
fn six_hundred_snapshots_of_a_hundred_busy_kernels_are_less_than_ten_megabytes() {
    let config = TelemetryConfig { history_snapshots: SNAPSHOTS, ..TelemetryConfig::default() };
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), config).unwrap();
    let now = || device.clock().unwrap().device_ns;
    let block = |k| {
        let kernel = collector.register(&format!("worker_{k}"), 1).unwrap();
        let block = Block { kernel, min_ns: u64::MAX, max_ns: 0 };
        block.start(now());
        block
    };
    let mut blocks: Vec<Block> = (0..KERNELS).map(block).collect();
    let mut random = 1;
    let patience = Instant::now() + Duration::from_secs(300);
    let mut step = || {
        blocks.iter_mut().for_each(|block| block.work(&mut random, now()));
        // The first one comes at once, and no second one before the next step.
        let kept = collector.history().len();
        collector.start_collection(Duration::MAX).unwrap();
        while collector.history().len() == kept {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_micros(200));
        }
        collector.stop_collection();
    };
    (0..50).for_each(|_| step());
    let (before, bytes_before) = (LIVE.load(Ordering::Relaxed), collector.history().bytes());
    while collector.history().len() < SNAPSHOTS {
        step();
    }
    std::thread::sleep(Duration::from_millis(100));
    let grown = LIVE.load(Ordering::Relaxed).saturating_sub(before);
    let history = collector.history();
    assert_eq!(history.len(), SNAPSHOTS);

    let (mut pairs, mut busy) = (0u32, 0u32);
    let mut before: Option<Arc<Snapshot>> = None;
    for snapshot in history.iter() {
        if let Some(before) = before {
            let changed = |(a, b): (&KernelTelemetry, &KernelTelemetry)| a.messages_processed != b.messages_processed;
            busy += before.kernels.iter().zip(&snapshot.kernels).map(changed).map(u32::from).sum::<u32>();
            pairs += KERNELS as u32;
        }
        before = Some(snapshot);
    }
    let per_kernel = history.bytes() as f64 / (SNAPSHOTS * KERNELS) as f64;
    println!(
        "{SNAPSHOTS} snapshots of {KERNELS} kernels: {} bytes by its own count, {per_kernel:.0} for each kernel of each; \
         {grown} more are allocated than with 50; {busy} of {pairs} kernels were busy",
        history.bytes()
    );
    assert_eq!(busy, pairs, "every kernel did something between any two");
    assert!(history.bytes() < 10_000_000);
    assert!(bytes_before + grown < 10_000_000);
    // What it says of itself is what it takes; beside it, the windows keep some counts.
    let said = history.bytes() - bytes_before;
    assert!(grown < said + said / 4 + 300_000 && said < grown + grown / 4, "{said} said, {grown} taken");
}
