//! The value of a histogram over the user's bounds, as [`crate::histogram::Histogram`] is that of an exponential one.

use std::sync::Arc;

/// Largest number of bounds of one histogram.
pub const MAX_BOUNDS: usize = 1024;

/// Why a list of bounds was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundsError {
    /// The list is empty.
    #[error("there are none: give at least one")]
    Empty,
    /// There are more than [`MAX_BOUNDS`].
    #[error("there are {bounds}, at most {MAX_BOUNDS} are allowed: take fewer, or an exponential histogram")]
    TooMany {
        /// Number of bounds.
        bounds: usize,
    },
    /// A bound is NaN or an infinity.
    #[error("number {index} is {bound}: bounds are finite, the last bucket reaches to infinity by itself")]
    NotFinite {
        /// Index in the list, from 0.
        index: usize,
        /// The bound.
        bound: String,
    },
    /// A bound is not above the one before it.
    #[error("number {index} is {bound}, not above {before} before it: sort them, and give each once")]
    NotAscending {
        /// Index in the list, from 0.
        index: usize,
        /// The bound.
        bound: String,
        /// The bound before it.
        before: String,
    },
}

/// Why two histograms were not merged: they do not have the same bounds.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the histograms have other bounds: merge those of one metric")]
#[non_exhaustive]
pub struct OtherBounds;

/// Whether these can be a histogram's bounds: finite, each above the one before.
pub(super) fn check_bounds(bounds: &[f64]) -> Result<(), BoundsError> {
    if bounds.is_empty() {
        return Err(BoundsError::Empty);
    }
    if bounds.len() > MAX_BOUNDS {
        return Err(BoundsError::TooMany { bounds: bounds.len() });
    }
    for (index, bound) in bounds.iter().enumerate() {
        let before = index.checked_sub(1).map_or(f64::NEG_INFINITY, |i| bounds[i]);
        if !bound.is_finite() {
            return Err(BoundsError::NotFinite { index, bound: bound.to_string() });
        }
        if *bound <= before {
            return Err(BoundsError::NotAscending { index, bound: bound.to_string(), before: before.to_string() });
        }
    }
    Ok(())
}

/// Counts of doubles by bucket. A bucket holds the values above the bound before it up to and including its own, as
/// Prometheus's `le`; the last one has no bound.
///
/// ```
/// use ringscope::metrics::ExplicitHistogram;
///
/// let mut waits = ExplicitHistogram::new(&[0.1, 1.0])?; // seconds, say
/// [0.05, 0.1, 0.5, 30.0].into_iter().for_each(|wait| assert!(waits.record(wait)));
/// assert_eq!(waits.counts(), [2, 1, 1]);
/// assert_eq!(waits.percentile(50.0), waits.quantile(0.5));
/// # Ok::<(), ringscope::metrics::BoundsError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExplicitHistogram {
    bounds: Arc<[f64]>,
    counts: Vec<u64>,
    sum: f64,
    extremes: Option<(f64, f64)>,
}

impl ExplicitHistogram {
    /// Makes an empty histogram over `bounds`, and a last bucket without a bound.
    ///
    /// # Errors
    /// Returns [`BoundsError`] for no bounds, more than [`MAX_BOUNDS`], and bounds that are not finite or not ascending.
    pub fn new(bounds: &[f64]) -> Result<Self, BoundsError> {
        check_bounds(bounds)?;
        Ok(ExplicitHistogram { bounds: bounds.into(), counts: vec![0; bounds.len() + 1], sum: 0.0, extremes: None })
    }

    /// Makes a histogram from checked bounds and a count for each bucket. The extremes are those of all values.
    pub(crate) fn from_counts(
        bounds: Arc<[f64]>,
        counts: Vec<u64>,
        sum: f64,
        extremes: Option<(f64, f64)>,
    ) -> ExplicitHistogram {
        ExplicitHistogram { bounds, counts, sum, extremes }
    }

    /// What was recorded since `earlier`, an older state of this histogram; `None` if it is none: a count is smaller, or the bounds
    /// are others. The extremes are not known any more.
    #[cfg(any(feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
    pub(crate) fn since(&self, earlier: &ExplicitHistogram) -> Option<ExplicitHistogram> {
        if self.bounds != earlier.bounds {
            return None;
        }
        let pairs = self.counts.iter().zip(&earlier.counts);
        let counts = pairs.map(|(now, before)| now.checked_sub(*before)).collect::<Option<Vec<_>>>()?;
        let sum = self.sum - earlier.sum;
        Some(ExplicitHistogram { bounds: self.shared_bounds(), counts, sum, extremes: None })
    }

    pub(crate) fn shared_bounds(&self) -> Arc<[f64]> {
        Arc::clone(&self.bounds)
    }

    /// Counts one value. Returns `false` and changes nothing if it is not finite.
    pub fn record(&mut self, value: f64) -> bool {
        if value.is_finite() {
            self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
            self.sum += value;
            let (min, max) = self.extremes.unwrap_or((value, value));
            self.extremes = Some((min.min(value), max.max(value)));
        }
        value.is_finite()
    }

    /// Adds all of `other`; the counts exactly, the sum as doubles add.
    ///
    /// # Errors
    /// Returns [`OtherBounds`] if the bounds are not the same; then nothing changes.
    pub fn merge(&mut self, other: &ExplicitHistogram) -> Result<(), OtherBounds> {
        if self.bounds != other.bounds {
            return Err(OtherBounds);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
        self.extremes = match (self.extremes, other.extremes) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (mine, theirs) => mine.or(theirs),
        };
        Ok(())
    }

    /// Returns the bounds, ascending.
    pub fn bounds(&self) -> &Arc<[f64]> {
        &self.bounds
    }
    /// Returns the count of each bucket, not cumulative; the last is that of the bucket without a bound.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// Returns the sum of the values.
    pub fn sum(&self) -> f64 {
        self.sum
    }
    /// Returns the smallest value; `None` if there are no values.
    pub fn min(&self) -> Option<f64> {
        self.extremes.map(|(min, _)| min)
    }
    /// Returns the largest value; `None` if there are no values.
    pub fn max(&self) -> Option<f64> {
        self.extremes.map(|(_, max)| max)
    }

    /// Returns the `q`-quantile, `q` in 0..=1 (clamped), as Prometheus's `histogram_quantile` computes it: values are
    /// assumed to lie evenly in their bucket, the first bucket to begin at 0 if its bound is positive, and a value in the
    /// bucket without a bound to be the last bound. 0.0 if there are no values. See [`percentile`](Self::percentile) for
    /// the same from 0 to 100.
    pub fn quantile(&self, q: f64) -> f64 {
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        let rank = q * self.count() as f64;
        let mut below = 0;
        for (i, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            if (below + count) as f64 >= rank {
                return self.within(i, (rank - below as f64) / *count as f64);
            }
            below += count;
        }
        0.0
    }

    /// Returns the `p`-th percentile, `p` in 0..=100 (clamped): `percentile(99.0)` is `quantile(0.99)`.
    pub fn percentile(&self, p: f64) -> f64 {
        self.quantile(p / 100.0)
    }

    /// Where a part of the way through bucket `i` lies.
    fn within(&self, i: usize, part: f64) -> f64 {
        let Some(high) = self.bounds.get(i) else { return self.bounds[i - 1] };
        let low = match i.checked_sub(1) {
            Some(before) => self.bounds[before],
            None if *high > 0.0 => 0.0,
            None => return *high,
        };
        low + (high - low) * part
    }
}
