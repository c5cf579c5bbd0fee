//! Histograms over bounds of the user's choice: the value, as [`crate::histogram::Histogram`] is that of exponential
//! ones.

use std::sync::Arc;

/// Most bounds of one histogram.
pub const MAX_BOUNDS: usize = 1024;

/// What is wrong with a list of bounds.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BoundsError {
    /// No bounds.
    #[error("there are none: give at least one")]
    Empty,
    /// More than [`MAX_BOUNDS`].
    #[error("there are {bounds}, at most {MAX_BOUNDS} are allowed: take fewer, or an exponential histogram")]
    TooMany {
        /// How many.
        bounds: usize,
    },
    /// A NaN or an infinity.
    #[error("number {index} is {bound}: bounds are finite, the last bucket reaches to infinity by itself")]
    NotFinite {
        /// Its place in the list, from 0.
        index: usize,
        /// What it is.
        bound: String,
    },
    /// A bound that is not above the one before.
    #[error("number {index} is {bound}, not above {before} before it: sort them, and give each once")]
    NotAscending {
        /// Its place in the list, from 0.
        index: usize,
        /// What it is.
        bound: String,
        /// What comes before.
        before: String,
    },
}

/// Two histograms whose bounds are not the same do not add up.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the histograms have other bounds: merge those of one metric")]
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

/// Counts by bucket. A bucket holds what is above the bound before it and at most its own, as Prometheus's `le`; the
/// last one has no bound.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplicitHistogram {
    bounds: Arc<[f64]>,
    counts: Vec<u64>,
    sum: f64,
    extremes: Option<(f64, f64)>,
}

impl ExplicitHistogram {
    /// An empty one.
    ///
    /// # Errors
    /// Bounds that are not finite or not ascending, none, or too many.
    pub fn new(bounds: &[f64]) -> Result<Self, BoundsError> {
        check_bounds(bounds)?;
        Ok(ExplicitHistogram { bounds: bounds.into(), counts: vec![0; bounds.len() + 1], sum: 0.0, extremes: None })
    }

    /// From checked bounds and a count for each bucket. The extremes are those of all values.
    pub(crate) fn from_counts(
        bounds: Arc<[f64]>,
        counts: Vec<u64>,
        sum: f64,
        extremes: Option<(f64, f64)>,
    ) -> ExplicitHistogram {
        ExplicitHistogram { bounds, counts, sum, extremes }
    }

    pub(crate) fn shared_bounds(&self) -> Arc<[f64]> {
        Arc::clone(&self.bounds)
    }

    /// Counts one value; one that is not finite is refused, and changes nothing.
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
    /// Other bounds; then nothing changes.
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

    /// The bounds, ascending.
    pub fn bounds(&self) -> &Arc<[f64]> {
        &self.bounds
    }
    /// A count for each bound, and that of the bucket without one.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
    /// Number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
    /// Sum of the values.
    pub fn sum(&self) -> f64 {
        self.sum
    }
    /// Smallest value, `None` of no values.
    pub fn min(&self) -> Option<f64> {
        self.extremes.map(|(min, _)| min)
    }
    /// Largest value, `None` of no values.
    pub fn max(&self) -> Option<f64> {
        self.extremes.map(|(_, max)| max)
    }

    /// The `q`-quantile, `q` in 0..=1 (clamped), as Prometheus's `histogram_quantile` has it: the values are taken to
    /// lie evenly in their bucket, the first bucket to begin at 0 if its bound is positive, and the bucket without a
    /// bound to be its lower one. 0.0 of no values.
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
