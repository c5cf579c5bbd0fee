//! The words of a histogram of whole numbers, over exponential buckets.

use super::page::{COUNTS, MAX, NOT_MIN, SUM, counts, highest};
use super::shard::{Cells, Change, Writer};
use super::sync::AtomicU64;
use crate::abi::buckets;
use crate::histogram::{Coarseness, Histogram as ExponentialHistogram};

/// Counts one value.
pub(super) struct ObserveWhole {
    pub(super) value: u64,
    pub(super) coarseness: Coarseness,
}

impl Change for ObserveWhole {
    #[inline(always)]
    fn apply<W: Writer>(self, page: &[AtomicU64]) {
        let Some((head, counts)) = page.split_first_chunk::<COUNTS>() else { return };
        W::raise(&head[NOT_MIN], !self.value);
        W::raise(&head[MAX], self.value);
        W::add(&head[SUM], self.value);
        W::add(&counts[self.coarseness.slot_of(self.value)], 1);
    }
}

pub(super) fn read(cells: &Cells, scale: u32) -> ExponentialHistogram {
    let counts = counts(cells, buckets(scale));
    // While the very first value is being observed, its bucket may be seen before its extremes are.
    let extremes = (!highest(cells, NOT_MIN), highest(cells, MAX));
    let known = (extremes.0 <= extremes.1).then_some(extremes);
    ExponentialHistogram::from_slots(scale, 0, &counts, cells.sum(SUM), u64::MAX, 0).with_extremes(known)
}
