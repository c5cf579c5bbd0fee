//! Two values of a metric, and whether they differ by more than noise.
//!
//! The test is a permutation test: if the runs did not differ, it would not matter which block of readings is of which. So the
//! blocks of both are mixed and dealt out again, many times, and the difference is more than noise if hardly any deal has one
//! that is as large. It assumes no distribution, and takes percentiles and ratios as they are. docs/reports.md has the formula.

use super::metric::Metric;
use super::sample::{Sample, Total, distance};

/// A difference counts where chance makes one as large in no more than this part of the deals.
pub const LEVEL: f64 = 0.01;
/// How often blocks are dealt out.
const DEALS: u32 = 1999;

/// A metric of one kernel in both runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    pub metric: Metric,
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// The part of the deals with a difference as large; `None` where there are too few blocks to tell.
    pub p: Option<f64>,
}

/// What is to be said of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One of the runs has no value.
    NoValue,
    Same,
    Noise,
    /// Neither can be said.
    TooFew,
    Better,
    Worse,
    /// More than noise, and neither better nor worse.
    Different,
}

impl Comparison {
    /// The change as a part of a; infinite where a is 0 and b is not.
    pub fn relative(&self) -> Option<f64> {
        match (self.a?, self.b?) {
            (a, b) if a == b => Some(0.0),
            (0.0, _) => Some(f64::INFINITY),
            (a, b) => Some((b - a) / a),
        }
    }

    /// The change in the metric's unit.
    pub fn change(&self) -> Option<f64> {
        Some(self.b? - self.a?)
    }

    /// Says it in a word.
    pub fn verdict(&self) -> Verdict {
        let Some(change) = self.change() else { return Verdict::NoValue };
        match (self.p, self.metric.more_is_worse()) {
            _ if change == 0.0 => Verdict::Same,
            (None, _) => Verdict::TooFew,
            (Some(p), _) if p > LEVEL => Verdict::Noise,
            (_, None) => Verdict::Different,
            (_, Some(more_is_worse)) if (change > 0.0) == more_is_worse => Verdict::Worse,
            _ => Verdict::Better,
        }
    }
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::NoValue => "no value",
            Verdict::Same => "no change",
            Verdict::Noise => "noise",
            Verdict::TooFew => "too few readings to tell",
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Different => "different",
        }
    }
}

/// Compares each metric.
pub fn compare(sample: &Sample) -> Vec<Comparison> {
    let (a, b) = halves(sample);
    let (a, b) = (sample.total(&a), sample.total(&b));
    let values = values(sample, &a, &b);
    let seen: Vec<Option<f64>> = values.iter().map(difference).collect();
    let p = if can_tell(sample) { deals(sample, &seen) } else { vec![None; seen.len()] };
    let all = Metric::ALL.into_iter().zip(values).zip(p);
    all.map(|((metric, (a, b)), p)| Comparison { metric, a, b, p }).collect()
}

/// The blocks of a and those of b.
pub fn halves(sample: &Sample) -> (Vec<usize>, Vec<usize>) {
    ((0..sample.of_a).collect(), (sample.of_a..sample.len()).collect())
}

type Values = (Option<f64>, Option<f64>);

/// The values of both, in the order of the metrics.
fn values(sample: &Sample, a: &Total, b: &Total) -> Vec<Values> {
    let of = |metric: Metric| match metric {
        Metric::Shape => match distance(&a.latency, &b.latency) {
            Some((distance, _)) => (Some(0.0), Some(distance)),
            None => (None, None),
        },
        metric => (a.value(metric, sample), b.value(metric, sample)),
    };
    Metric::ALL.into_iter().map(of).collect()
}

fn difference(values: &Values) -> Option<f64> {
    Some((values.1? - values.0?).abs())
}

/// The part of the deals whose difference is at least as large as the one that was seen. The one that was seen is a deal as
/// well, so the part is never 0.
fn deals(sample: &Sample, seen: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut cards: Vec<usize> = (0..sample.len()).collect();
    let mut as_large = vec![1_u32; seen.len()];
    for _ in 0..DEALS {
        chance.shuffle(&mut cards);
        let (a, b) = cards.split_at(sample.of_a);
        let dealt = values(sample, &sample.total(a), &sample.total(b));
        for ((count, seen), dealt) in as_large.iter_mut().zip(seen).zip(&dealt) {
            // Sums in another order differ in their last bits.
            let is_as_large = difference(dealt).zip(*seen).is_some_and(|(dealt, seen)| dealt >= seen * (1.0 - 1e-9));
            *count += u32::from(is_as_large);
        }
    }
    let part = |(count, seen): (u32, &Option<f64>)| seen.map(|_| f64::from(count) / f64::from(DEALS + 1));
    as_large.into_iter().zip(seen).map(part).collect()
}

/// Whether there are so many ways to deal the blocks out that a difference could be rarer than the level.
fn can_tell(sample: &Sample) -> bool {
    let (n, k) = (sample.len(), sample.of_a.min(sample.len() - sample.of_a));
    let ways = (0..k).fold(1.0, |ways, i| ways * (n - i) as f64 / (i + 1) as f64);
    // With as many blocks in both, each deal has one that is its mirror.
    ways * LEVEL >= 2.0
}

/// Chance that is the same every time: the same recordings give the same answer.
struct Chance(u64);

impl Chance {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Puts them into any order, each as likely as the others.
    fn shuffle(&mut self, cards: &mut [usize]) {
        for last in (1..cards.len()).rev() {
            let other = ((u128::from(self.next()) * (last as u128 + 1)) >> 64) as usize;
            cards.swap(last, other);
        }
    }
}
