//! Histograms for receivers that want values and not buckets: each bucket as one value, with the bucket's count as its
//! weight.
//!
//! The value that stands for a bucket `(a, b]` of an exponential histogram is the one that its quantiles have as well,
//! `2ab / (a + b)`: off by at most [`relative_error`](crate::histogram::relative_error) anywhere in the bucket, 4.4 % at scale
//! 3, and never outside of the smallest and the largest value. A bucket of one whole number is that number. Over bounds of the
//! user's own it is the middle of the bucket; the first begins at 0 where its bound is positive, and is its bound otherwise; of
//! the last, which has no upper bound, it is the largest value, or the last bound where that is not known.

use super::catalog::Values;
use crate::histogram::{Histogram, slot_bounds, slot_values};
use crate::metrics::ExplicitHistogram;

/// Calls `each` with the value that stands for a bucket, in the metric's unit, and the bucket's count, which is not 0;
/// ascending.
pub(super) fn each_value(values: &Values<'_>, each: impl FnMut(f64, u64)) {
    match values {
        Values::Seconds(histogram) => exponential(histogram, 1e9, each),
        Values::Native(histogram) | Values::Exponential(histogram) => exponential(histogram, 1.0, each),
        Values::Explicit(histogram) => explicit(histogram, each),
    }
}

fn exponential(histogram: &Histogram, divisor: f64, mut each: impl FnMut(f64, u64)) {
    let known = histogram.min().zip(histogram.max()).filter(|(min, max)| min <= max);
    for (slot, count) in histogram.slots().filter(|(_, count)| *count > 0) {
        let value = of_slot(slot, histogram.scale());
        let value = known.map_or(value, |(min, max)| value.clamp(min as f64, max as f64));
        each(value / divisor, count);
    }
}

fn of_slot(slot: usize, scale: u32) -> f64 {
    let whole = slot_values(slot, scale);
    if whole.start() == whole.end() {
        return *whole.start() as f64;
    }
    let (low, high) = slot_bounds(slot, scale);
    2.0 * low * high / (low + high)
}

fn explicit(histogram: &ExplicitHistogram, mut each: impl FnMut(f64, u64)) {
    let bounds = histogram.bounds();
    for (i, count) in histogram.counts().iter().enumerate().filter(|(_, count)| **count > 0) {
        let below = match i {
            0 => bounds[0].min(0.0),
            _ => bounds[i - 1],
        };
        let value = match bounds.get(i) {
            Some(bound) => below + (bound - below) / 2.0,
            None => histogram.max().unwrap_or(below),
        };
        each(value, *count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::histogram::relative_error;

    fn values_of(values: &Values<'_>) -> Vec<(f64, u64)> {
        let mut all = Vec::new();
        each_value(values, |value, count| all.push((value, count)));
        all
    }

    proptest! {
        #[test]
        fn counts_are_exact_and_values_are_within_the_error(scale in 0u32..=5, values in prop::collection::vec(any::<u64>(), 1..200), shift in 0u32..60) {
            let mut histogram = Histogram::new(scale);
            let mut sorted: Vec<u64> = values.iter().map(|v| v >> shift).collect();
            sorted.iter().for_each(|v| histogram.record(*v));
            sorted.sort_unstable();
            let weighted = values_of(&Values::Exponential(&histogram));
            prop_assert_eq!(weighted.iter().map(|(_, count)| count).sum::<u64>(), sorted.len() as u64);
            prop_assert!(weighted.is_sorted_by(|a, b| a.0 < b.0));
            let unfolded = weighted.iter().flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize));
            for (value, exact) in unfolded.zip(&sorted) {
                let error = (value - *exact as f64).abs();
                prop_assert!(error <= *exact as f64 * relative_error(scale) * (1.0 + 1e-9), "{} for {}", value, exact);
            }
        }
    }

    #[test]
    fn values_over_bounds_of_the_users_own_are_the_middle_of_their_bucket() {
        let mut histogram = ExplicitHistogram::new(&[1.0, 2.0, 8.0]).expect("bounds");
        [0.5, 0.25, 1.5, 5.0, 100.0].into_iter().for_each(|v| assert!(histogram.record(v)));
        assert_eq!(values_of(&Values::Explicit(&histogram)), [(0.5, 2), (1.5, 1), (5.0, 1), (100.0, 1)]);
        let mut later = histogram.clone();
        later.record(300.0);
        let since = later.since(&histogram).expect("the same bounds");
        assert_eq!(values_of(&Values::Explicit(&since)), [(8.0, 1)], "the largest is not known any more");
    }
}
