//! A slow way in one direction, seen from so far that steps become small.

/// Values of a block at the finest scale. A block of each further scale is `COARSER` of those of the one before.
const BLOCK: u32 = 32;
const COARSER: u32 = 4;
const SCALES: usize = 4;
/// Steps from block to block that are looked at.
const STEPS: usize = 8;
/// Blocks after which the range that they lay in is forgotten, in the order of magnitude.
const REMEMBERED: f64 = 256.0;
/// How far outside of that range is outside, as a part of it: peaks of a cycle are not all of one height.
const BEYOND: f64 = 0.25;
/// Blocks before those that are looked at, at least: else a cycle that begins is a drift.
const KNOWN: u32 = STEPS as u32 + 1;

/// Means of blocks at several scales, and whether they go one way.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    scales: [Scale; SCALES],
}

/// What was found at one scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    /// How probable steps of chance are to go one way so evenly.
    pub(super) chance: f64,
    /// The means of the first block and of the last.
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Drift {
    /// Takes the next value; returns a drift by at least `least`, once for so many blocks.
    pub(super) fn push(&mut self, value: f64, least: f64) -> Option<Found> {
        let mut found: Option<Found> = None;
        let mut mean = value;
        let mut values = BLOCK;
        for scale in &mut self.scales {
            let Some(block) = scale.add(mean, values) else { break };
            let here = scale.push(block).filter(|here| (here.to - here.from).abs() >= least);
            if let Some(here) = here.filter(|here| found.is_none_or(|found| here.chance < found.chance)) {
                found = Some(here);
            }
            (mean, values) = (block, COARSER);
        }
        found
    }

    /// Blocks of the finest scale among so many values: how often chance has had its chance.
    pub(super) const fn chances(values: f64) -> f64 {
        values / BLOCK as f64
    }
}

#[derive(Clone, Debug, Default)]
struct Scale {
    sum: f64,
    added: u32,
    /// The last blocks, the newest last.
    blocks: [f64; STEPS + 1],
    /// How many blocks there were.
    seen: u32,
    /// In which range those before lay.
    low: f64,
    high: f64,
    /// Blocks until something may be said again.
    rests: u32,
}

impl Scale {
    /// Adds to the block; returns its mean once it is full.
    fn add(&mut self, value: f64, most: u32) -> Option<f64> {
        self.sum += value;
        self.added += 1;
        (self.added == most).then(|| {
            self.added = 0;
            std::mem::take(&mut self.sum) / f64::from(most)
        })
    }

    fn push(&mut self, block: f64) -> Option<Found> {
        let oldest = self.blocks[0];
        self.blocks.rotate_left(1);
        self.blocks[STEPS] = block;
        self.seen = self.seen.saturating_add(1);
        self.rests = self.rests.saturating_sub(1);
        match self.seen.checked_sub(STEPS as u32 + 2) {
            None => return None,
            Some(0) => (self.low, self.high) = (oldest, oldest),
            Some(_) => self.widen(oldest),
        }
        let is_known = self.seen >= STEPS as u32 + 1 + KNOWN;
        let beyond = (self.low - block).max(block - self.high);
        let is_outside = beyond > BEYOND * (self.high - self.low);
        let found = (is_known && is_outside && self.rests == 0).then(|| self.trend()).flatten();
        if found.is_some_and(|found| found.chance < 1e-3) {
            self.rests = STEPS as u32;
        }
        found
    }

    fn widen(&mut self, block: f64) {
        let middle = 0.5 * (self.low + self.high);
        self.low = (self.low + (middle - self.low) / REMEMBERED).min(block);
        self.high = (self.high + (middle - self.high) / REMEMBERED).max(block);
    }

    /// Whether the steps go one way; by Student's test of their mean.
    fn trend(&self) -> Option<Found> {
        let [from, .., to] = self.blocks;
        let mean = (to - from) / STEPS as f64;
        let steps = || self.blocks.windows(2).map(|pair| pair[1] - pair[0]);
        if mean == 0.0 || steps().any(|step| step * mean.signum() <= 0.0) {
            return None;
        }
        let squares: f64 = steps().map(|step| (step - mean) * (step - mean)).sum();
        let t = mean.abs() * (STEPS as f64 * (STEPS as f64 - 1.0) / squares).sqrt();
        Some(Found { chance: student(t), from, to })
    }
}

/// Returns how probable a Student's t with seven degrees of freedom, `STEPS - 1`, is to be as far from 0 as this or further: the
/// closed form for an odd number (Abramowitz and Stegun, 26.7.3).
fn student(t: f64) -> f64 {
    const FREEDOM: f64 = STEPS as f64 - 1.0;
    let angle = (t / FREEDOM.sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let terms = cosine * (1.0 + cosine * cosine * (2.0 / 3.0 + cosine * cosine * (8.0 / 15.0)));
    (1.0 - std::f64::consts::FRAC_2_PI * (angle + sine * terms)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_test() {
        // From tables: two-sided, seven degrees of freedom.
        for (t, chance) in [(0.0, 1.0), (1.8946, 0.1), (2.3646, 0.05), (3.4995, 0.01), (5.4079, 0.001)] {
            assert!((student(t) - chance).abs() < 1e-4, "{t}: {}", student(t));
        }
        assert!(student(f64::INFINITY) < 1e-9);
    }

    #[test]
    fn a_way_in_one_direction_is_a_drift_and_a_cycle_is_none() {
        let drift = |value: &dyn Fn(u32) -> f64| {
            let mut drift = Drift::default();
            let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 65536.0 - 0.5;
            (0..8000).filter_map(|i| drift.push(value(i) + noise(i), 1.0)).find(|found| found.chance < 1e-4)
        };
        assert_eq!(drift(&|_| 10.0), None);
        assert_eq!(drift(&|i| 10.0 + 5.0 * (f64::from(i) / 100.0).sin()), None);
        assert_eq!(drift(&|i| if i < 4000 { 10.0 } else { 30.0 }), None, "a step is none");
        let leak = drift(&|i| 10.0 + 0.02 * f64::from(i.saturating_sub(4000))).expect("a drift");
        assert!(leak.to > leak.from + 1.0, "{leak:?}");
        assert!(
            drift(&|i| -10.0 - 0.02 * f64::from(i.saturating_sub(4000))).is_some_and(|found| found.to < found.from)
        );
    }
}
