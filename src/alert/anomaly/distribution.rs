//! The detector of a change of a distribution, by histograms.

use std::sync::Arc;
use std::time::SystemTime;

use super::detector::{FOUND, Said, Scored, confidence};
use super::finding::{Finding, FindingKind, Moved};
use super::surprise::Surprise;
use crate::histogram::{Histogram, slot_bounds};

/// Detects that values are distributed in another way than before, by comparing histograms, also where their mean and their
/// median stay what they were.
///
/// The distance of two histograms is how far, in octaves, a value has to be moved on average to make the one of the other
/// (Wasserstein's distance on the logarithm of the values). It is compared with what it would be by chance, and with what it
/// usually is. At most sixteen distributions are remembered: one that was seen before is none.
#[derive(Clone, Debug)]
pub struct Distribution {
    series: Arc<str>,
    /// What was recorded since the last comparison.
    recent: Option<Histogram>,
    known: Vec<Shape>,
    compared: u64,
    surprise: Surprise,
    said: Said,
}

/// Fewer values are not compared: they wait for more.
const FEWEST: u64 = 200;
/// Distributions that are remembered.
const SHAPES: usize = 16;
/// Values that a remembered distribution has at most: then the older ones count less.
const MOST: f64 = 100_000.0;
/// Distributions that are nearer to each other are one, in multiples of what is expected by chance.
const RADIUS: f64 = 2.0;
/// Octaves that are added to what is expected by chance, since nothing stays exactly as it is: 1.4 %.
const NEAR: f64 = 0.02;
/// Distances that are learned from, in the order of magnitude.
const LEARNED: f64 = 2000.0;

impl Distribution {
    /// Makes a detector that has seen nothing, of a series of this name.
    pub fn new(series: impl Into<Arc<str>>) -> Self {
        Distribution {
            series: series.into(),
            recent: None,
            known: Vec::new(),
            compared: 0,
            surprise: Surprise::new(LEARNED),
            said: Said::default(),
        }
    }

    /// Scores the next histogram: what was recorded since the one before, not since the start. Histograms of fewer than 200 values
    /// are added to the next ones, and have the score 0.
    pub fn push(&mut self, time: SystemTime, recorded: &Histogram) -> Scored {
        match &mut self.recent {
            Some(recent) => recent.merge(recorded),
            None => self.recent = Some(recorded.clone()),
        }
        match self.recent.take_if(|recent| recent.count() >= FEWEST) {
            Some(recent) => self.compare(time, Shape::new(&recent)),
            None => Scored { score: 0.0, finding: None },
        }
    }

    fn compare(&mut self, time: SystemTime, new: Shape) -> Scored {
        self.compared += 1;
        if self.known.iter().any(|known| known.scale != new.scale) {
            // Buckets of another width: what was learned is of no use.
            *self = Distribution::new(Arc::clone(&self.series));
        }
        let distances = self.known.iter().enumerate().map(|(i, known)| (i, known.distance(&new)));
        let Some((nearest, distance)) = distances.min_by(|a, b| a.1.ratio().total_cmp(&b.1.ratio())) else {
            self.known.push(new);
            return Scored { score: 0.0, finding: None };
        };
        let deviations = self.said.filter(self.surprise.push(distance.ratio()).max(0.0));
        // Distances of samples have a normal tail, which is at most this.
        let score = confidence(0.5 * (-0.5 * deviations * deviations).exp());
        let finding = (score >= FOUND).then(|| {
            let values = (distance.by_chance, distance.octaves);
            let moved = self.known[nearest].moved(&new);
            let finding = Finding::new(time, &self.series, FindingKind::Distribution, values, score);
            Finding { moved, ..finding }
        });
        self.remember(nearest, distance, new);
        Scored { score, finding }
    }

    fn remember(&mut self, nearest: usize, distance: Distance, mut new: Shape) {
        new.met = self.compared;
        if distance.ratio() <= RADIUS {
            self.known[nearest].add(&new);
        } else if self.known.len() < SHAPES {
            self.known.push(new);
        } else if let Some(oldest) = self.known.iter_mut().min_by_key(|known| known.met) {
            *oldest = new;
        }
    }
}

/// How far two distributions are from each other.
#[derive(Clone, Copy, Debug)]
struct Distance {
    octaves: f64,
    /// What is expected if both are samples of one distribution.
    by_chance: f64,
}

impl Distance {
    fn ratio(&self) -> f64 {
        self.octaves / (self.by_chance + NEAR)
    }
}

/// Counts by bucket, which may fade.
#[derive(Clone, Debug)]
struct Shape {
    scale: u32,
    first: usize,
    counts: Vec<f64>,
    total: f64,
    /// The number of the comparison at which it was met the last time.
    met: u64,
}

impl Shape {
    fn new(histogram: &Histogram) -> Self {
        let counts: Vec<f64> = histogram.slots().map(|(_, count)| count as f64).collect();
        let first = histogram.slots().next().map_or(0, |(slot, _)| slot);
        Shape { scale: histogram.scale(), first, total: counts.iter().sum(), counts, met: 0 }
    }

    fn end(&self) -> usize {
        self.first + self.counts.len()
    }

    fn share(&self, slot: usize) -> f64 {
        let count = slot.checked_sub(self.first).and_then(|at| self.counts.get(at)).copied();
        count.unwrap_or(0.0) / self.total
    }

    /// The slots that either has, with the shares of both.
    fn beside<'a>(&'a self, other: &'a Shape) -> impl Iterator<Item = (usize, f64, f64)> + 'a {
        let slots = self.first.min(other.first)..self.end().max(other.end());
        slots.map(|slot| (slot, self.share(slot), other.share(slot)))
    }

    fn distance(&self, other: &Shape) -> Distance {
        // The standard deviation of the difference of two sampled shares is sqrt(share (1 - share) (1/n + 1/m)), and the mean of
        // a normal variable's absolute value is sqrt(2/π) of it.
        let chance = (std::f64::consts::FRAC_2_PI * (1.0 / self.total + 1.0 / other.total)).sqrt();
        let all = self.total + other.total;
        let (mut mine, mut theirs, mut off, mut by_chance) = (0.0, 0.0, 0.0, 0.0);
        for (_, share, other_share) in self.beside(other) {
            mine += share;
            theirs += other_share;
            off += f64::abs(mine - theirs);
            let both = (mine * self.total + theirs * other.total) / all;
            by_chance += chance * (both * (1.0 - both)).max(0.0).sqrt();
        }
        let octave = f64::from(1u32 << self.scale);
        Distance { octaves: off / octave, by_chance: by_chance / octave }
    }

    /// The neighbouring slots that have the most more than here.
    fn moved(&self, new: &Shape) -> Option<Moved> {
        let (mut sum, mut from, mut most, mut best) = (0.0, None, 0.0, None);
        for (slot, expected, seen) in self.beside(new) {
            if sum <= 0.0 {
                (sum, from) = (0.0, Some(slot));
            }
            sum += seen - expected;
            if sum > most {
                (most, best) = (sum, from.map(|from| (from, slot)));
            }
        }
        let (from, to) = best?;
        let share = |shape: &Shape| (from..=to).map(|slot| shape.share(slot)).sum();
        Some(Moved {
            from: slot_bounds(from, self.scale).0,
            to: slot_bounds(to, self.scale).1,
            expected_share: share(self),
            seen_share: share(new),
        })
    }

    fn add(&mut self, other: &Shape) {
        let keep = (1.0 - (self.total + other.total - MOST) / self.total).clamp(0.0, 1.0);
        let first = self.first.min(other.first);
        let mut counts = vec![0.0; self.end().max(other.end()) - first];
        for (at, count) in self.counts.iter().enumerate() {
            counts[self.first - first + at] = count * keep;
        }
        for (at, count) in other.counts.iter().enumerate() {
            counts[other.first - first + at] += count;
        }
        (self.first, self.total, self.met) = (first, counts.iter().sum(), other.met);
        self.counts = counts;
    }
}
