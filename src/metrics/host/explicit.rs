//! The words of a histogram of doubles, over the user's bounds.

use std::sync::Arc;

use super::page::{COUNTS, MAX, NOT_MIN, SUM, counts, highest};
use super::shard::{Cells, Change, Writer};
use super::sync::AtomicU64;
use crate::histogram::{Histogram as ExponentialHistogram, slot_values};
use crate::metrics::explicit::ExplicitHistogram;

/// Counts one finite value.
pub(super) struct ObserveReal<'a> {
    pub(super) value: f64,
    pub(super) bounds: &'a [f64],
}

impl Change for ObserveReal<'_> {
    #[inline(always)]
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        let Some((head, counts)) = page.split_first_chunk::<COUNTS>() else { return };
        W::raise(&head[NOT_MIN], !rank(self.value));
        W::raise(&head[MAX], rank(self.value));
        W::add_f64(&head[SUM], self.value);
        // The first bound at or above the value; after the last one, the bucket that has none.
        W::add(&counts[self.bounds.partition_point(|bound| *bound < self.value)], 1);
    }
}

/// Adds the values of a histogram of nanoseconds, as seconds.
pub(super) struct AddNanoseconds<'a> {
    pub(super) values: &'a ExponentialHistogram,
    pub(super) bounds: &'a [f64],
}

impl Change for AddNanoseconds<'_> {
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        let Some((head, counts)) = page.split_first_chunk::<COUNTS>() else { return };
        let seconds = |ns: u64| ns as f64 / 1e9;
        for (slot, count) in self.values.slots().filter(|(_, count)| *count > 0) {
            let upper = seconds(*slot_values(slot, self.values.scale()).end());
            W::add(&counts[self.bounds.partition_point(|bound| *bound < upper)], count);
        }
        W::add_f64(&head[SUM], seconds(self.values.sum()));
        if let (Some(min), Some(max)) = (self.values.min(), self.values.max()) {
            W::raise(&head[NOT_MIN], !rank(seconds(min)));
            W::raise(&head[MAX], rank(seconds(max)));
        }
    }
}

/// Returns a number in the order of the doubles, above 0 for every finite one.
const fn rank(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

const fn from_rank(rank: u64) -> f64 {
    f64::from_bits(if rank >> 63 == 1 { rank & !(1 << 63) } else { !rank })
}

pub(super) fn read(cells: &Cells, bounds: &Arc<[f64]>) -> ExplicitHistogram {
    let counts = counts(cells, bounds.len() + 1);
    let sum = cells.pages().map(|page| f64::from_bits(page.load(SUM))).sum();
    let (min, max) = (highest(cells, NOT_MIN), highest(cells, MAX));
    // Both, or none: the first value's may be seen one after the other.
    let extremes = (min != 0 && max != 0).then(|| (from_rank(!min), from_rank(max)));
    ExplicitHistogram::from_counts(Arc::clone(bounds), counts, sum, extremes)
}
