//! A histogram of the host.

use std::sync::Arc;

use super::explicit::{self, AddNanoseconds, ObserveReal};
use super::exponential::{self, ObserveWhole};
use super::page::{self, CountDropped, DROPPED};
use super::shard::Cells;
use super::thread::write;
use crate::abi::buckets;
use crate::histogram::{Coarseness, Histogram as ExponentialHistogram};
use crate::metrics::kind::Buckets;
use crate::metrics::value::{Distribution, HistogramValue};

/// Values counted by bucket. Clones share the counts; any thread may use any of them, and adds to words of its own.
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
/// assert_eq!(batch.percentile(99.0), batch.quantile(0.99));
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
    layout: Layout,
    cells: Cells,
}

/// The buckets, as an observation needs them.
enum Layout {
    Exponential { scale: u32, coarseness: Coarseness },
    Explicit(Arc<[f64]>),
}

impl Histogram {
    /// Makes a histogram without values, which stays so if it is not enabled.
    pub(crate) fn new(layout: &Buckets, enabled: bool) -> Self {
        let (counts, layout) = match layout {
            Buckets::Exponential { scale } => {
                (buckets(*scale), Layout::Exponential { scale: *scale, coarseness: Coarseness::from_scale(*scale) })
            }
            Buckets::Explicit(bounds) => (bounds.len() + 1, Layout::Explicit(Arc::clone(bounds))),
        };
        let cells = if enabled { page::cells(counts) } else { Cells::new(0) };
        Histogram { core: Arc::new(Core { layout, cells }) }
    }

    /// Counts one value, in its bucket, the sum, and the extremes.
    #[inline]
    pub fn observe(&self, value: impl Observation) {
        let core = &*self.core;
        match &core.layout {
            Layout::Exponential { coarseness, .. } => match value.whole() {
                Some(value) => write(&core.cells, ObserveWhole { value, coarseness: *coarseness }),
                None => write(&core.cells, CountDropped),
            },
            Layout::Explicit(bounds) => match value.real() {
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
        if let (Layout::Explicit(bounds), true) = (&self.core.layout, any) {
            write(&self.core.cells, AddNanoseconds { values, bounds });
        }
    }

    /// Returns what all threads observed so far. Observations made during the call may be in some of its numbers only.
    pub fn value(&self) -> HistogramValue {
        let cells = &self.core.cells;
        let distribution = match &self.core.layout {
            Layout::Exponential { scale, .. } => Distribution::Exponential(exponential::read(cells, *scale)),
            Layout::Explicit(bounds) => Distribution::Explicit(explicit::read(cells, bounds)),
        };
        HistogramValue { distribution, dropped: cells.sum(DROPPED) }
    }

    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.value().count()
    }

    /// Returns the sum of the values.
    pub fn sum(&self) -> f64 {
        self.value().sum()
    }

    /// Returns the arithmetic mean; 0.0 if there are no values.
    pub fn mean(&self) -> f64 {
        self.value().mean()
    }

    /// Returns the `q`-quantile, `q` in 0..=1; see [`HistogramValue::quantile`]. For more than one, take
    /// [`value`](Self::value) first: each call reads all buckets.
    pub fn quantile(&self, q: f64) -> f64 {
        self.value().quantile(q)
    }

    /// Returns the `p`-th percentile, `p` in 0..=100: `percentile(99.0)` is `quantile(0.99)`.
    pub fn percentile(&self, p: f64) -> f64 {
        self.value().percentile(p)
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Histogram({} values)", self.count())
    }
}

/// A value that a [`Histogram`] can observe: every integer type of up to 64 bits, `f32` and `f64`. Sealed.
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
