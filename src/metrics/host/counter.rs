//! A counter of the host.

use std::sync::Arc;

use super::shard::{Cells, Change, FIRST, Writer};
use super::sync::AtomicU64;
use super::thread::write;

/// Counters of one block of cells: they share each thread's page, so that memory grows with the threads that count and
/// not with a padded line for each counter of each thread.
const BLOCK: usize = 64;

/// A count that only rises. Clones share it; any thread may use any of them, and adds to words of its own.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let hits = telemetry.counter("cache_hits", "Cache hits")?.label("table", "users").on_host()?;
/// hits.inc();
/// hits.inc_by(2);
/// assert_eq!(hits.get(), 3);
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone)]
pub struct Counter {
    cells: Arc<Cells>,
    /// Of a word of each page.
    index: usize,
}

impl Counter {
    /// Makes a counter that counts nothing.
    pub(in crate::metrics) fn disabled() -> Self {
        Counter { cells: Arc::new(Cells::new(0)), index: 0 }
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Adds `by`. Takes a load and a store, no lock and no atomic read-modify-write.
    #[inline]
    pub fn inc_by(&self, by: u64) {
        write(&self.cells, Add { index: self.index, by });
    }

    /// Returns what all threads added so far.
    pub fn get(&self) -> u64 {
        self.cells.sum(self.index)
    }
}

struct Add {
    index: usize,
    by: u64,
}

impl Change for Add {
    #[inline(always)]
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        W::add(&page[self.index], self.by);
    }
}

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Counter({})", self.get())
    }
}

/// Makes counters, [`BLOCK`] of them over the same cells.
#[derive(Default)]
pub(crate) struct Counters {
    next: Option<Counter>,
}

impl Counters {
    pub(crate) fn make(&mut self) -> Counter {
        let made = self.next.take().unwrap_or_else(|| Counter { cells: Arc::new(Cells::new(BLOCK)), index: FIRST });
        let index = made.index + 1;
        self.next = (index < FIRST + BLOCK).then(|| Counter { cells: Arc::clone(&made.cells), index });
        made
    }
}
