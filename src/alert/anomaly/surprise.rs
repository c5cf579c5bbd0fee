//! How unusual a number is among those of its kind that came before.

/// Learns the logarithm of a positive number: its mean and how much it varies. Numbers of this kind (distances, sizes of changes)
/// have a long tail, and their logarithms much less of one.
#[derive(Clone, Debug)]
pub(super) struct Surprise {
    seen: f64,
    mean: f64,
    variance: f64,
    /// Numbers that it remembers, in the order of magnitude.
    memory: f64,
}

/// Fewer numbers say nothing.
const FEWEST: f64 = 30.0;
/// After so many numbers it believes half of what they say.
const HALF_SURE: f64 = 30.0;
/// Further off, a number is learned from as if it were so far off, in standard deviations.
const FURTHEST: f64 = 4.0;
/// A logarithm varies by this at least: 5 %.
const LEAST_DEVIATION: f64 = 0.05;

impl Surprise {
    pub(super) fn new(memory: f64) -> Self {
        Surprise { seen: 0.0, mean: 0.0, variance: 0.0, memory }
    }

    /// Returns by how many standard deviations the logarithm of the number is above its mean, less as long as few are known; and
    /// learns it.
    pub(super) fn push(&mut self, number: f64) -> f64 {
        let off = number.max(f64::MIN_POSITIVE).ln() - self.mean;
        let deviation = self.variance.sqrt().max(LEAST_DEVIATION);
        let is_known = self.seen >= FEWEST;
        self.seen += 1.0;
        let weight = (1.0 / self.seen).max(1.0 / self.memory);
        let learned = if is_known { off.min(FURTHEST * deviation) } else { off };
        self.mean += weight * learned;
        self.variance += weight * (learned * learned - self.variance);
        if is_known { off / deviation * self.seen / (self.seen + HALF_SURE) } else { 0.0 }
    }
}
