//! A histogram of the host.

use std::sync::Arc;

use super::explicit::ExplicitHistogram;
use super::kind::Buckets;
use super::shard::{Cells, Change, Writer};
use super::sync::AtomicU64;
use super::thread::write;
use super::value::{Distribution, HistogramValue};
use crate::abi::buckets;
use crate::histogram::{Histogram as ExponentialHistogram, slot_of, slot_values};

// The words of a page. All start at zero, so what is not there yet must be zero: extremes are kept as numbers that
// only rise, the minimum's complemented.
const SUM: usize = 0;
const MIN: usize = 1;
const MAX: usize = 2;
const DROPPED: usize = 3;
const COUNTS: usize = 4;

/// Values counted by bucket. Clones count together; any thread may use any of them, each adds to words of its own.
///
/// An exponential histogram is of whole numbers from 0 to 2^64 - 1: choose a unit in which they mean something,
/// nanoseconds rather than seconds. A fraction is rounded to the nearest. One with explicit buckets is of doubles.
/// What a histogram cannot hold (NaN, infinities; in an exponential one negative values too) is not counted in any
/// bucket, nor in count and sum, but in [`dropped`](HistogramValue::dropped).
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let batch = telemetry.histogram("batch_tokens", "Tokens in a batch")?.scale(5).on_host()?;
/// (1..=1000u64).for_each(|tokens| batch.observe(tokens));
/// assert_eq!((batch.count(), batch.sum(), batch.mean()), (1000, 500_500.0, 500.5));
/// assert!((batch.quantile(0.99) - 990.0).abs() < 990.0 * 0.011);
///
/// let load = telemetry.histogram("load_ratio", "Load")?.buckets(&[0.25, 0.5, 1.0]).on_host()?;
/// load.observe(0.5); // bounds belong to the bucket below them
/// assert_eq!(load.quantile(1.0), 0.5);
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone)]
pub struct Histogram {
    core: Arc<Core>,
}

struct Core {
    buckets: Buckets,
    cells: Cells,
}

impl Histogram {
    /// Without values, for good if it is not enabled.
    pub(super) fn new(layout: &Buckets, enabled: bool) -> Self {
        let counts = match layout {
            Buckets::Exponential { scale } => buckets(*scale),
            Buckets::Explicit(bounds) => bounds.len() + 1,
        };
        let words = if enabled { COUNTS + counts } else { 0 };
        Histogram { core: Arc::new(Core { buckets: layout.clone(), cells: Cells::new(words) }) }
    }

    /// Counts one value.
    #[inline]
    pub fn observe(&self, value: impl Observation) {
        let core = &*self.core;
        match &core.buckets {
            Buckets::Exponential { scale } => match value.whole() {
                Some(value) => write(&core.cells, ObserveWhole { value, scale: *scale }),
                None => write(&core.cells, CountDropped),
            },
            Buckets::Explicit(bounds) => match value.real() {
                value if value.is_finite() => write(&core.cells, ObserveReal { value, bounds }),
                _ => write(&core.cells, CountDropped),
            },
        }
    }

    /// Counts the values of an exponential histogram of nanoseconds, as seconds: each in the bucket that the upper bound
    /// of its own belongs to. Exact where the bounds here are powers of two of nanoseconds, which are bounds at every
    /// scale. Of one with exponential buckets nothing is counted: they are of whole numbers.
    pub(crate) fn add_nanoseconds(&self, values: &ExponentialHistogram) {
        // Of a reading under traffic, the sum may come with the next one: it counts though there is no value with it.
        let any = values.count() > 0 || values.sum() > 0;
        if let (Buckets::Explicit(bounds), true) = (&self.core.buckets, any) {
            write(&self.core.cells, AddNanoseconds { values, bounds });
        }
    }

    /// What was observed so far, by all threads. Observations that come meanwhile may be in some of its numbers only.
    pub fn value(&self) -> HistogramValue {
        let cells = &self.core.cells;
        let distribution = match &self.core.buckets {
            Buckets::Exponential { scale } => Distribution::Exponential(read_whole(cells, *scale)),
            Buckets::Explicit(bounds) => Distribution::Explicit(read_real(cells, bounds)),
        };
        HistogramValue { distribution, dropped: cells.sum(DROPPED) }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.value().count()
    }

    /// Sum of the values.
    pub fn sum(&self) -> f64 {
        self.value().sum()
    }

    /// Arithmetic mean, 0.0 of no values.
    pub fn mean(&self) -> f64 {
        self.value().mean()
    }

    /// The `q`-quantile, `q` in 0..=1; see [`HistogramValue::percentile`]. For more than one, take
    /// [`value`](Self::value) first.
    pub fn quantile(&self, q: f64) -> f64 {
        self.value().quantile(q)
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Histogram({} values)", self.count())
    }
}

struct ObserveWhole {
    value: u64,
    scale: u32,
}

impl Change for ObserveWhole {
    #[inline(always)]
    fn apply<W: Writer>(self, words: &[AtomicU64]) {
        let Some((head, counts)) = words.split_first_chunk::<COUNTS>() else { return };
        W::raise(&head[MIN], !self.value);
        W::raise(&head[MAX], self.value);
        W::add(&head[SUM], self.value);
        W::add(&counts[slot_of(self.value, self.scale)], 1);
    }
}

/// A finite value.
struct ObserveReal<'a> {
    value: f64,
    bounds: &'a [f64],
}

impl Change for ObserveReal<'_> {
    #[inline(always)]
    fn apply<W: Writer>(self, words: &[AtomicU64]) {
        let Some((head, counts)) = words.split_first_chunk::<COUNTS>() else { return };
        W::raise(&head[MIN], !rank(self.value));
        W::raise(&head[MAX], rank(self.value));
        W::add_f64(&head[SUM], self.value);
        // The first bound at or above the value; after the last one, the bucket that has none.
        W::add(&counts[self.bounds.partition_point(|bound| *bound < self.value)], 1);
    }
}

/// The values of another histogram.
struct AddNanoseconds<'a> {
    values: &'a ExponentialHistogram,
    bounds: &'a [f64],
}

impl Change for AddNanoseconds<'_> {
    fn apply<W: Writer>(self, words: &[AtomicU64]) {
        let Some((head, counts)) = words.split_first_chunk::<COUNTS>() else { return };
        let seconds = |ns: u64| ns as f64 / 1e9;
        for (slot, count) in self.values.slots().filter(|(_, count)| *count > 0) {
            let upper = seconds(*slot_values(slot, self.values.scale()).end());
            W::add(&counts[self.bounds.partition_point(|bound| *bound < upper)], count);
        }
        W::add_f64(&head[SUM], seconds(self.values.sum()));
        if let (Some(min), Some(max)) = (self.values.min(), self.values.max()) {
            W::raise(&head[MIN], !rank(seconds(min)));
            W::raise(&head[MAX], rank(seconds(max)));
        }
    }
}

/// A value that no bucket can hold.
struct CountDropped;

impl Change for CountDropped {
    fn apply<W: Writer>(self, words: &[AtomicU64]) {
        W::add(&words[DROPPED], 1);
    }
}

/// A number in the order of the doubles, above 0 for every finite one.
const fn rank(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

const fn of_rank(rank: u64) -> f64 {
    f64::from_bits(if rank >> 63 == 1 { rank & !(1 << 63) } else { !rank })
}

fn read_whole(cells: &Cells, scale: u32) -> ExponentialHistogram {
    let counts = counts(cells, buckets(scale));
    let (mut min, mut max) = (!highest(cells, MIN), highest(cells, MAX));
    // While the very first value is being observed, its bucket may be seen before its extremes are.
    if min > max {
        let used = |count: &u64| *count > 0;
        min = counts.iter().position(used).map_or(min, |slot| *slot_values(slot, scale).start());
        max = counts.iter().rposition(used).map_or(max, |slot| *slot_values(slot, scale).end());
    }
    ExponentialHistogram::from_slots(scale, 0, &counts, cells.sum(SUM), min, max)
}

fn read_real(cells: &Cells, bounds: &Arc<[f64]>) -> ExplicitHistogram {
    let counts = counts(cells, bounds.len() + 1);
    let sum = cells.pages().map(|page| f64::from_bits(page.load(SUM))).sum();
    let (min, max) = (highest(cells, MIN), highest(cells, MAX));
    // Both, or none: the first value's may be seen one after the other.
    let extremes = (min != 0 && max != 0).then(|| (of_rank(!min), of_rank(max)));
    ExplicitHistogram::from_counts(Arc::clone(bounds), counts, sum, extremes)
}

fn highest(cells: &Cells, index: usize) -> u64 {
    cells.pages().map(|page| page.load(index)).max().unwrap_or(0)
}

fn counts(cells: &Cells, buckets: usize) -> Vec<u64> {
    let mut counts = vec![0u64; buckets];
    for page in cells.pages() {
        for (i, count) in counts.iter_mut().enumerate() {
            *count = count.wrapping_add(page.load(COUNTS + i));
        }
    }
    counts
}

/// What a [`Histogram`] can observe: the numbers of Rust.
pub trait Observation: sealed::Number {}

impl<T: sealed::Number> Observation for T {}

mod sealed {
    pub trait Number: Copy {
        /// As a whole number, if it is one of an exponential histogram's.
        fn whole(self) -> Option<u64>;
        fn real(self) -> f64;
    }

    macro_rules! integer {
        ($($t:ty)*) => {$(
            impl Number for $t {
                #[inline(always)]
                fn whole(self) -> Option<u64> {
                    u64::try_from(self).ok()
                }
                #[inline(always)]
                fn real(self) -> f64 {
                    self as f64
                }
            }
        )*};
    }
    integer!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

    /// 2^64, the first double beyond the u64.
    const END: f64 = 18_446_744_073_709_551_616.0;

    impl Number for f64 {
        #[inline(always)]
        fn whole(self) -> Option<u64> {
            // NaN is in no range.
            (0.0..END).contains(&self).then(|| self.round() as u64)
        }
        #[inline(always)]
        fn real(self) -> f64 {
            self
        }
    }

    impl Number for f32 {
        #[inline(always)]
        fn whole(self) -> Option<u64> {
            f64::from(self).whole()
        }
        #[inline(always)]
        fn real(self) -> f64 {
            f64::from(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading under traffic has buckets of one moment and a sum of another.
    #[test]
    fn a_sum_that_comes_after_its_values_counts() {
        let seconds = Histogram::new(&Buckets::Explicit([1.0].into()), true);
        seconds.add_nanoseconds(&ExponentialHistogram::from_slots(3, 0, &[], 500_000_000, u64::MAX, 0));
        assert_eq!((seconds.count(), seconds.sum()), (0, 0.5));
    }
}
