//! The classic buckets of a histogram: how many values are at most each of some bounds.

use crate::export::catalog::Values;

/// The classic buckets of an exponential histogram: some powers of two, the same on every page. Buckets that came only
/// with their first value would have no increase at it, and `rate` would be wrong.
#[derive(Clone, Copy, Debug)]
struct ClassicBounds {
    first: u32,
    step: usize,
    last: u32,
    /// What a bound is divided by: 1e9 where nanoseconds are exported as seconds.
    divisor: f64,
}

/// 256 ns to 17 s, each twice the one before.
const DURATIONS: ClassicBounds = ClassicBounds { first: 8, step: 1, last: 34, divisor: 1e9 };
/// 1 to 10^12, each four times the one before: nothing is known of a user's values.
const WHOLE_NUMBERS: ClassicBounds = ClassicBounds { first: 0, step: 2, last: 40, divisor: 1.0 };

impl ClassicBounds {
    fn exponents(self) -> impl Iterator<Item = u32> {
        (self.first..=self.last).step_by(self.step)
    }

    fn bounds(self) -> Vec<f64> {
        self.exponents().map(|k| 2f64.powi(k as i32) / self.divisor).collect()
    }
}

/// The upper bounds of the classic buckets but for the last one's, which is infinity.
pub(in crate::export) fn bounds(values: &Values<'_>) -> Vec<f64> {
    match values {
        Values::Seconds(_) => DURATIONS.bounds(),
        Values::Exponential(_) => WHOLE_NUMBERS.bounds(),
        Values::Explicit(histogram) => histogram.bounds().to_vec(),
        Values::Native(_) => Vec::new(),
    }
}

/// How many values are at most each of [`bounds`], in the place of what is in `into`.
pub(in crate::export) fn cumulative(values: &Values<'_>, into: &mut Vec<u64>) {
    into.clear();
    let mut below = 0;
    let mut add = |count: u64| {
        below += count;
        below
    };
    let (histogram, bounds) = match values {
        Values::Seconds(histogram) => (histogram, DURATIONS),
        Values::Exponential(histogram) => (histogram, WHOLE_NUMBERS),
        Values::Explicit(h) => return into.extend(h.counts()[..h.bounds().len()].iter().map(|count| add(*count))),
        Values::Native(_) => return,
    };
    let mut slots = histogram.slots().peekable();
    for k in bounds.exponents() {
        // The slot whose upper bound is 2^k: a power of two is a bound at every scale.
        let last = ((k as usize) << histogram.scale()) + 1;
        while let Some((_, count)) = slots.next_if(|(slot, _)| *slot <= last) {
            add(count);
        }
        into.push(add(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Histogram;

    /// Against counting one value after the other, at and around every bound, at every scale.
    #[test]
    fn classic_buckets_of_exponential_ones_are_exact() {
        type Wrap = for<'a> fn(&'a Histogram) -> Values<'a>;
        for scale in 0..=5 {
            let forms: [(Wrap, _); 2] =
                [(|h| Values::Seconds(h), DURATIONS), (|h| Values::Exponential(h), WHOLE_NUMBERS)];
            for (wrap, bounds) in forms {
                let edges = bounds.exponents().map(|k| 1u64 << k);
                let values: Vec<u64> = edges.flat_map(|edge| [edge - 1, edge, edge + 1]).chain([0, u64::MAX]).collect();
                let mut histogram = Histogram::new(scale);
                values.iter().for_each(|v| histogram.record(*v));
                let counted = |k: u32| values.iter().filter(|v| **v <= 1 << k).count() as u64;
                let mut counts = Vec::new();
                cumulative(&wrap(&histogram), &mut counts);
                assert_eq!(counts, bounds.exponents().map(counted).collect::<Vec<_>>());
                cumulative(&wrap(&Histogram::new(scale)), &mut counts);
                assert!(counts.iter().all(|count| *count == 0));
            }
        }
    }
}
