//! The words of a histogram's page, and what is read from the pages of all threads.
//!
//! All words start at zero, so what is not there yet must be zero: extremes are kept as numbers that only rise, the
//! minimum's complemented.

use super::shard::{Cells, Change, FIRST, Writer};
use super::sync::AtomicU64;

pub(super) const SUM: usize = FIRST;
/// The complement of the minimum, in the order of the values.
pub(super) const NOT_MIN: usize = FIRST + 1;
pub(super) const MAX: usize = FIRST + 2;
pub(super) const DROPPED: usize = FIRST + 3;
/// Where the buckets begin.
pub(super) const COUNTS: usize = FIRST + 4;

/// Makes pages for so many buckets.
pub(super) fn cells(buckets: usize) -> Cells {
    Cells::new(COUNTS - FIRST + buckets)
}

/// Counts a value that no bucket can hold.
pub(super) struct CountDropped;

impl Change for CountDropped {
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        W::add(&page[DROPPED], 1);
    }
}

/// Returns the largest value of a word on any page.
pub(super) fn highest(cells: &Cells, word: usize) -> u64 {
    cells.pages().map(|page| page.load(word)).max().unwrap_or(0)
}

/// Returns the sum over all pages of each bucket.
pub(super) fn counts(cells: &Cells, buckets: usize) -> Vec<u64> {
    let mut counts = vec![0u64; buckets];
    for page in cells.pages() {
        for (i, count) in counts.iter_mut().enumerate() {
            *count = count.wrapping_add(page.load(COUNTS + i));
        }
    }
    counts
}
