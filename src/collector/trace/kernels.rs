//! The kernels that have rings, and how many of their records were written, read and lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::abi::filter::{ERRORS, SAMPLE_BITS, SLOW_BITS};
use crate::device::ShardRange;
use crate::snapshot::TraceRecords;
use crate::trace::TracedKernel;

/// A kernel that has rings.
pub(in crate::collector) struct Traced {
    pub(super) kernel: Arc<TracedKernel>,
    pub(super) shards: ShardRange,
    pub(super) counted: Arc<Counted>,
}

/// What is counted of a kernel's records, while somebody reads them.
#[derive(Debug, Default)]
pub(in crate::collector) struct Counted {
    /// Looks at the rings of its device.
    looks: Arc<AtomicU64>,
    written: AtomicU64,
    read: AtomicU64,
    lost: AtomicU64,
    /// Its filter's word.
    filter: AtomicU64,
    /// Messages that failed, and were added to the lists of operations.
    errors_listed: AtomicU64,
}

impl Counted {
    pub(super) fn new(looks: Arc<AtomicU64>) -> Self {
        Counted { looks, ..Counted::default() }
    }

    /// Looks at the rings that have ended; `None` while nobody reads them.
    pub(in crate::collector) fn looks(&self) -> Option<u64> {
        self.looks.load(Ordering::Acquire).checked_sub(1)
    }

    /// By the one who reads; `not_wanted` were taken for wanted before.
    pub(super) fn add(&self, written: u64, not_wanted: u64, read: u64, lost: u64) {
        // Whoever sees what was read sees that it was written.
        self.written.fetch_add(written.wrapping_sub(not_wanted), Ordering::Relaxed);
        self.read.fetch_add(read, Ordering::Release);
        self.lost.fetch_add(lost, Ordering::Release);
    }

    pub(in crate::collector) fn records(&self) -> TraceRecords {
        let (read, lost) = (self.read.load(Ordering::Acquire), self.lost.load(Ordering::Acquire));
        TraceRecords::new(self.written.load(Ordering::Relaxed), read, lost)
    }

    pub(super) fn set_filter(&self, word: u64) {
        self.filter.store(word, Ordering::Relaxed);
    }

    /// Whether a message that took so long is slow, as its filter has it.
    pub(super) fn is_slow(&self, duration_ns: u64) -> bool {
        let slow = self.filter.load(Ordering::Relaxed) & ((1 << SLOW_BITS) - 1);
        slow != 0 && duration_ns > slow
    }

    /// Whether every message that fails leaves a span.
    pub(in crate::collector) fn tells_errors(&self) -> bool {
        let word = self.filter.load(Ordering::Relaxed);
        word & ERRORS != 0 || word >> SLOW_BITS & ((1 << SAMPLE_BITS) - 1) == 1
    }

    pub(super) fn list_error(&self) {
        self.errors_listed.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::collector) fn errors_listed(&self) -> u64 {
        self.errors_listed.load(Ordering::Relaxed)
    }
}
