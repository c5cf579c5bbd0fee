//! The detector of one series of numbers.

use std::sync::Arc;
use std::time::SystemTime;

use super::drift::Drift;
use super::finding::{Finding, FindingKind};
use super::memory::Memory;
use super::surprise::Surprise;

/// What a value is to a detector.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scored {
    /// How unusual it is, 0 to 1. What has just been said is not said again: while a change lasts, the score is high once.
    pub score: f64,
    /// What was found, once for each change. A spike is told from a shift by what follows, three values later.
    pub finding: Option<Finding>,
}

/// Detects spikes, level shifts and drifts of one series of numbers, on-line: one value at a time, in bounded memory.
///
/// It keeps what the series has looked like: the value, its mean over some ten values and over some hundred, as one of at most 256
/// patterns. The further a new pattern is from all of them, compared with how far new ones usually are, the higher is the score.
/// That is why a cycle that was seen before is none.
#[derive(Clone, Debug)]
pub struct Detector {
    series: Arc<str>,
    seen: u64,
    /// What numbers are counted from, and in, so that neither an offset nor a unit matters: the first value, and the first
    /// change.
    origin: f64,
    unit: f64,
    /// Of all values, the older the less: their mean, and their mean square distance from it.
    mean: f64,
    variance: f64,
    /// Over some ten and some hundred values.
    means: [f64; MEANS.len()],
    memory: Memory<DIMS>,
    surprise: Surprise,
    drift: Drift,
    said: Said,
    unsettled: Option<Unsettled>,
}

/// Weights of a new value in the means: one mean for each order of magnitude.
const MEANS: [f64; 2] = [0.1, 0.01];
const DIMS: usize = 1 + MEANS.len();
/// Patterns that are kept.
const PATTERNS: usize = 256;
/// Patterns that are nearer to each other are one, in standard deviations of the series.
const RADIUS: f64 = 0.25;
/// Added to distances: nearer than this, nearness says nothing.
const NEAR: f64 = 0.05;
/// Values that are learned from, in the order of magnitude.
const LEARNED: f64 = 2000.0;
/// Values that are not scored: there is nothing yet to compare them with.
const UNKNOWN: u64 = 30;
/// The least part of a value that can be told from rounding.
const ROUNDING: f64 = 1e-6;
/// The square of the largest is finite, and so is the sum of some squares.
const LARGEST: f64 = 1e150;
/// Values after a finding that say whether it is a spike.
const SETTLES: u32 = 3;
/// From this score on it is a finding: it is no chance, more likely than not.
pub(super) const FOUND: f64 = 0.5;

impl Detector {
    /// Makes a detector that has seen nothing, of a series of this name.
    pub fn new(series: impl Into<Arc<str>>) -> Self {
        Detector {
            series: series.into(),
            seen: 0,
            origin: 0.0,
            unit: 0.0,
            mean: 0.0,
            variance: 0.0,
            means: [0.0; MEANS.len()],
            memory: Memory::new(PATTERNS),
            surprise: Surprise::new(LEARNED),
            drift: Drift::default(),
            said: Said::default(),
            unsettled: None,
        }
    }

    /// Scores the next value. One that is no finite number has the score 0, and is not learned from.
    pub fn push(&mut self, time: SystemTime, value: f64) -> Scored {
        self.push_if(time, value, |_| true)
    }

    /// As [`push`](Self::push), but what `matters` denies is no finding; it is given the mean of the last values.
    pub(super) fn push_if(&mut self, time: SystemTime, value: f64, matters: impl Fn(f64) -> bool) -> Scored {
        if !value.is_finite() {
            return Scored { score: 0.0, finding: None };
        }
        let value = value.clamp(-LARGEST, LARGEST);
        let level = self.origin + self.means[0];
        let off = self.learn(value);
        let deviations = match confidence(chance_of(off.deviations)) < FOUND || matters(level) {
            true => self.said.filter(off.deviations),
            false => 0.0,
        };
        let score = confidence(chance_of(deviations));
        let settled = self.settle(value);
        if score >= FOUND && self.unsettled.is_none() {
            self.unsettled = Some(Unsettled::new(time, score, off, level, value));
        }
        let drift = self.drift(time, value).filter(|drift| matters(drift.expected));
        let drifts = drift.as_ref().map_or(0.0, |drift| drift.score);
        Scored { score: score.max(drifts), finding: settled.or(drift.filter(|drift| drift.score >= FOUND)) }
    }

    /// Whether the value is the last of a slow way in one direction.
    fn drift(&mut self, time: SystemTime, value: f64) -> Option<Finding> {
        let least = self.variance.sqrt();
        let found = self.drift.push(value - self.origin, least)?;
        let score = confidence(found.chance * Drift::chances(1.0));
        let values = (self.origin + found.from, self.origin + found.to);
        Some(Finding::new(time, &self.series, FindingKind::Drift, values, score))
    }

    /// Compares a value with what is known, and then knows it.
    fn learn(&mut self, value: f64) -> Off {
        if self.seen == 0 {
            self.origin = value;
        }
        self.seen += 1;
        let x = value - self.origin;
        let deviation = self.deviation(x);
        let least = 1.0 / self.seen as f64;
        for (mean, weight) in self.means.iter_mut().zip(MEANS) {
            *mean += weight.max(least) * (x - *mean);
        }
        if self.unit == 0.0 {
            self.unit = x.abs();
        }
        let numbers = [x, self.means[0], self.means[1]];
        let pattern = Memory::pattern(numbers.map(|number| if self.unit > 0.0 { number / self.unit } else { 0.0 }));
        let Some(nearest) = self.memory.nearest(&pattern) else {
            self.memory.insert(&pattern);
            return Off::default();
        };
        let distance =
            if nearest.square == 0.0 { 0.0 } else { f64::from(nearest.square).sqrt() * self.unit / deviation };
        if distance < RADIUS {
            self.memory.merge(nearest.index, &pattern);
        } else {
            self.memory.insert(&pattern);
        }
        if self.seen <= UNKNOWN {
            return Off::default();
        }
        let offs: [f32; DIMS] = std::array::from_fn(|dim| (pattern[dim] - nearest.pattern[dim]).abs());
        let most = (1..DIMS).fold(0, |most, dim| if offs[dim] > offs[most] { dim } else { most });
        let real = |number: f32| self.origin + f64::from(number) * self.unit;
        Off {
            deviations: self.surprise.push(distance + NEAR).max(0.0),
            by: most,
            expected: real(nearest.pattern[most]),
            seen: real(pattern[most]),
        }
    }

    /// How much the values vary, this one included.
    fn deviation(&mut self, x: f64) -> f64 {
        let weight = (1.0 / self.seen as f64).max(1.0 / LEARNED);
        let off = x - self.mean;
        self.mean += weight * off;
        self.variance += weight * (off * off - self.variance);
        let least = ROUNDING * (self.origin + self.mean).abs();
        self.variance.sqrt().max(least).max(f64::MIN_POSITIVE)
    }

    /// Takes a value for what it says of the last finding.
    fn settle(&mut self, value: f64) -> Option<Finding> {
        let unsettled = self.unsettled.as_mut()?;
        let (kind, values) = unsettled.settle(value)?;
        let finding = Finding::new(unsettled.time, &self.series, kind, values, unsettled.score);
        self.unsettled = None;
        Some(finding)
    }
}

/// How far a pattern is from all that are known.
#[derive(Clone, Copy, Debug, Default)]
struct Off {
    /// By how many standard deviations it is further than usual; 0 or more.
    deviations: f64,
    /// The number of the pattern by which it is the most.
    by: usize,
    /// What that number is in the nearest pattern, and in this.
    expected: f64,
    seen: f64,
}

/// Values of a series that is as it was, among which the chance of a finding is what is not sure.
const VALUES: f64 = 10_000.0;

/// Returns how sure it is that something of this probability is no chance: how probable it is that ten thousand values of a series
/// that is as it was have none.
pub(super) fn confidence(chance: f64) -> f64 {
    (-VALUES * chance).exp()
}

/// Returns how probable a distance is that is so many deviations further than usual. Of noise with an exponential tail, one value in
/// a hundred times two to the power of the deviations is so far off; of noise with a normal tail fewer are.
fn chance_of(deviations: f64) -> f64 {
    if deviations > 0.0 { 0.01 * (-deviations).exp2() } else { 1.0 }
}

/// What was said lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    most: f64,
    ago: u32,
}

/// Values after which something may be said again.
const RESTS: u32 = 120;
/// What is left of what was just said.
const REPEATED: f64 = 0.1;

impl Said {
    /// Makes less of what is less than what was said lately.
    pub(super) fn filter(&mut self, deviations: f64) -> f64 {
        self.ago = self.ago.saturating_add(1);
        if deviations <= self.most && self.ago <= RESTS {
            return deviations * REPEATED;
        }
        (self.most, self.ago) = (deviations, 0);
        deviations
    }
}

/// A finding of which it is not yet known what it is.
#[derive(Clone, Debug)]
struct Unsettled {
    time: SystemTime,
    score: f64,
    off: Off,
    /// The mean of the values before.
    level: f64,
    /// The value that is furthest from it.
    furthest: f64,
    after: u32,
    sum: f64,
}

impl Unsettled {
    fn new(time: SystemTime, score: f64, off: Off, level: f64, value: f64) -> Self {
        Unsettled { time, score, off, level, furthest: value, after: 0, sum: 0.0 }
    }

    /// What it is, and the values expected and seen, as soon as that is known.
    fn settle(&mut self, value: f64) -> Option<(FindingKind, (f64, f64))> {
        match self.off.by {
            0 => {}
            _ => return Some((FindingKind::LevelShift, (self.off.expected, self.off.seen))),
        }
        if (value - self.level).abs() > (self.furthest - self.level).abs() {
            self.furthest = value;
        }
        self.after += 1;
        self.sum += value;
        if self.after < SETTLES {
            return None;
        }
        let mean = self.sum / f64::from(self.after);
        let has_stayed =
            (mean - self.level) * (self.furthest - self.level).signum() > 0.5 * (self.furthest - self.level).abs();
        Some(match has_stayed {
            true => (FindingKind::LevelShift, (self.level, mean)),
            false => (FindingKind::Spike, (self.level, self.furthest)),
        })
    }
}
