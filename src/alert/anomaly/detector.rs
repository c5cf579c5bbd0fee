//! The detector of one series of numbers.

use std::sync::Arc;
use std::time::SystemTime;

use super::finding::{Finding, FindingKind};

/// What a value is to a detector.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Scored {
    /// How unusual it is, 0 to 1.
    pub score: f64,
    /// What it is a sign of, once for each change.
    pub finding: Option<Finding>,
}

/// Detects spikes, level shifts and drifts of one series of numbers, on-line: one value at a time, and never again.
#[derive(Clone, Debug)]
pub struct Detector {
    series: Arc<str>,
    seen: u64,
    level: f64,
    spread: f64,
    quiet: u32,
}

const QUIET: u32 = 30;

impl Detector {
    /// Makes a detector that has seen nothing, of a series of this name.
    pub fn new(series: impl Into<Arc<str>>) -> Self {
        Detector { series: series.into(), seen: 0, level: 0.0, spread: 0.0, quiet: 0 }
    }

    /// Scores the next value. A value that is no finite number has the score 0, and is not learned from.
    pub fn push(&mut self, time: SystemTime, value: f64) -> Scored {
        if !value.is_finite() {
            return Scored { score: 0.0, finding: None };
        }
        self.seen += 1;
        let expected = self.level;
        let off = (value - expected).abs();
        let z = if off > 0.0 { off / self.spread.max(1e-9 * expected.abs()).max(f64::MIN_POSITIVE) } else { 0.0 };
        let weight = (1.0 / self.seen as f64).max(0.02);
        self.level += weight * (value - self.level);
        self.spread += weight * (off.min(5.0 * self.spread.max(off * weight)) - self.spread);
        let score = if self.seen < 20 { 0.0 } else { (1.0 - 6.0 / z.max(6.0)).clamp(0.0, 1.0) };
        self.quiet = self.quiet.saturating_sub(1);
        let is_new = score > 0.5 && self.quiet == 0;
        if is_new {
            self.quiet = QUIET;
        }
        let finding = is_new.then(|| Finding::new(time, &self.series, FindingKind::Spike, (expected, value), score));
        Scored { score, finding }
    }
}
