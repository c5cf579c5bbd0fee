//! The detectors of one kernel.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::detector::{Detector, Scored};
use super::distribution::Distribution;
use super::finding::{Finding, Measure};
use crate::histogram::{Histogram, slot_bounds};

/// What a kernel did between two snapshots, and what was left to do at the second.
pub(super) struct Interval {
    pub(super) time: SystemTime,
    pub(super) lasted: Duration,
    pub(super) processed: u64,
    pub(super) errors: u64,
    pub(super) latency: Histogram,
    pub(super) queue_depth: u64,
}

impl Interval {
    fn handled(&self) -> u64 {
        self.processed.saturating_add(self.errors)
    }

    /// Returns the value of a measure that is a number; `None` where nothing was handled of which it could be.
    fn value(&self, measure: Measure) -> Option<f64> {
        let of_any = |value: f64, of: u64| (of > 0).then_some(value);
        match measure {
            Measure::Throughput => Some(self.processed as f64 / self.lasted.as_secs_f64()),
            Measure::ErrorRate => of_any(self.errors as f64 / self.handled().max(1) as f64, self.handled()),
            Measure::P50 => smooth_quantile(&self.latency, 0.5),
            Measure::P99 => smooth_quantile(&self.latency, 0.99),
            Measure::QueueDepth => Some(self.queue_depth as f64),
            Measure::Latency => None,
        }
    }
}

/// Returns a quantile that moves when a single value does: inside its bucket it lies where its rank does. One that jumps from bucket
/// to bucket would look like a series of two values.
fn smooth_quantile(histogram: &Histogram, q: f64) -> Option<f64> {
    let rank = q * histogram.count() as f64;
    let mut below = 0.0;
    for (slot, count) in histogram.slots() {
        let count = count as f64;
        if count > 0.0 && below + count >= rank {
            let (low, high) = slot_bounds(slot, histogram.scale());
            let value = if slot < 2 { slot as f64 } else { low * (high / low).powf((rank - below) / count) };
            return Some(value);
        }
        below += count;
    }
    None
}

/// Returns the part of the values that is at most `value`: the inverse of [`smooth_quantile`].
fn smooth_share(histogram: &Histogram, value: f64) -> f64 {
    let inside = |slot: usize| {
        let (low, high) = slot_bounds(slot, histogram.scale());
        let part = if slot < 2 { f64::from(value >= high) } else { (value / low).ln() / (high / low).ln() };
        if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
    };
    let below: f64 = histogram.slots().map(|(slot, count)| inside(slot) * count as f64).sum();
    below / histogram.count().max(1) as f64
}

/// The measures that are numbers.
const NUMBERS: [Measure; 5] =
    [Measure::Throughput, Measure::ErrorRate, Measure::P50, Measure::P99, Measure::QueueDepth];

/// A detector for each measure.
#[derive(Clone, Debug)]
pub(super) struct Detectors {
    numbers: [Detector; NUMBERS.len()],
    latency: Distribution,
    failures: Failures,
}

impl Detectors {
    pub(super) fn new() -> Self {
        let numbers = NUMBERS.map(|measure| Detector::new(measure.name()));
        Detectors { numbers, latency: Distribution::new(Measure::Latency.name()), failures: Failures::default() }
    }

    /// Adds what is found to `found`.
    pub(super) fn push(&mut self, kernel: &Arc<str>, interval: &Interval, found: &mut Vec<Finding>) {
        let mut take = |scored: Scored, measure| {
            let of = |finding| Finding { of: Some((Arc::clone(kernel), measure)), ..finding };
            found.extend(scored.finding.map(of));
        };
        for (detector, measure) in self.numbers.iter_mut().zip(NUMBERS) {
            if let Some(value) = interval.value(measure) {
                let matters = |usual| interval.matters(measure, value, usual, self.failures);
                take(detector.push_if(interval.time, value, matters), measure);
            }
        }
        take(self.latency.push(interval.time, &interval.latency), Measure::Latency);
        self.failures.push(interval);
    }
}

impl Interval {
    /// Whether a change is the kernel's, and cannot be chance. How much it is given to do is others' business: that it does more is
    /// nothing to look at, that it does less is, if messages wait. A queue that is shorter than before, errors that are fewer, are no
    /// trouble either.
    fn matters(&self, measure: Measure, value: f64, usual: f64, failures: Failures) -> bool {
        let moved = |q| !may_be_chance(self.latency.count(), smooth_share(&self.latency, usual), q);
        match measure {
            Measure::Throughput => value < usual && self.queue_depth > 0,
            Measure::ErrorRate => value > usual && !may_be_chance(self.handled(), value, failures.rate()),
            Measure::QueueDepth => value > usual,
            Measure::P50 => moved(0.5),
            Measure::P99 => moved(0.99),
            Measure::Latency => true,
        }
    }
}

/// Whether a share of so many messages may be this one where it usually is that one, without that anything is wrong. By Chernoff's
/// bound its probability is at most `exp(-messages · D)`, where `D` is the relative entropy of the two.
fn may_be_chance(messages: u64, share: f64, usual: f64) -> bool {
    /// What is rarer is no chance.
    const RARE: f64 = 1e-5;
    let term = |share: f64, usual: f64| if share > 0.0 { share * (share / usual).ln() } else { 0.0 };
    let entropy = term(share, usual) + term(1.0 - share, 1.0 - usual);
    -(messages as f64) * entropy > RARE.ln()
}

/// How many messages were handled and failed so far, the older ones counting less.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    handled: f64,
    errors: f64,
}

impl Failures {
    /// What is left of a count after another interval.
    const KEPT: f64 = 1.0 - 1.0 / 2000.0;

    fn push(&mut self, interval: &Interval) {
        self.handled = self.handled * Self::KEPT + interval.handled() as f64;
        self.errors = self.errors * Self::KEPT + interval.errors as f64;
    }

    /// The part that fails usually: as if one more had failed, so that after none at all one may.
    fn rate(&self) -> f64 {
        (self.errors + 1.0) / (self.handled + 2.0)
    }
}
