//! One kernel of two runs, as blocks of neighbouring readings that can be added up in any selection.

use std::time::Duration;

use ringscope::histogram::{Histogram, slot_bounds};

use super::metric::Metric;
use crate::cli::past::{Column, KernelPast, Sums};

/// The blocks of both runs, those of a first.
#[derive(Debug)]
pub struct Sample {
    blocks: Vec<Block>,
    /// How many of them are of a.
    pub of_a: usize,
    pub latency: Buckets,
    pub waiting: Buckets,
}

/// What happened in a block, but for the latencies.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    seconds: f64,
    processed: f64,
    errors: f64,
    busy: f64,
    block_seconds: f64,
    readings: f64,
    waited: f64,
}

/// Counts of latencies, with a row for each block.
#[derive(Debug)]
pub struct Buckets {
    /// Bounds of each bucket.
    pub bounds: Vec<(f64, f64)>,
    rows: Vec<Vec<f64>>,
    /// The largest value of each block.
    max: Vec<f64>,
}

/// Blocks added up.
#[derive(Clone, Debug)]
pub struct Total {
    sums: Block,
    pub latency: Distribution,
    pub waiting: Distribution,
}

/// How many values fell into each bucket.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub counts: Vec<f64>,
    pub count: f64,
    max: f64,
}

impl Sample {
    /// Of a kernel in both runs. Gaps of a recording are left out.
    pub fn new(a: (&[Column], &KernelPast), b: (&[Column], &KernelPast)) -> Sample {
        let (of_a, of_b) = (blocks(a.0, a.1), blocks(b.0, b.1));
        let all: Vec<&Sums> = of_a.iter().chain(&of_b).copied().collect();
        let latencies: Vec<&Histogram> = all.iter().map(|sums| &sums.latency).collect();
        let waiting: Vec<&Histogram> = all.iter().map(|sums| &sums.waiting).collect();
        Sample {
            blocks: all.iter().map(|sums| Block::of(sums)).collect(),
            of_a: of_a.len(),
            latency: Buckets::of(&latencies),
            waiting: Buckets::of(&waiting),
        }
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Adds up some blocks.
    pub fn total(&self, chosen: &[usize]) -> Total {
        let mut sums = Block::default();
        chosen.iter().for_each(|at| sums.add(&self.blocks[*at]));
        Total { sums, latency: self.latency.total(chosen), waiting: self.waiting.total(chosen) }
    }
}

/// Blocks with readings of the kernel.
fn blocks<'a>(columns: &[Column], kernel: &'a KernelPast) -> Vec<&'a Sums> {
    let there = columns.iter().zip(&kernel.columns).filter(|(column, _)| !column.gap);
    there.filter_map(|(_, sums)| sums.as_ref()).filter(|sums| !sums.time.is_zero()).collect()
}

impl Block {
    fn of(sums: &Sums) -> Block {
        let seconds = |time: Duration| time.as_secs_f64();
        Block {
            seconds: seconds(sums.time),
            processed: sums.processed as f64,
            errors: sums.errors as f64,
            busy: seconds(sums.busy),
            block_seconds: seconds(sums.block_time),
            readings: f64::from(sums.readings),
            waited: sums.waited as f64,
        }
    }

    fn add(&mut self, more: &Block) {
        self.seconds += more.seconds;
        self.processed += more.processed;
        self.errors += more.errors;
        self.busy += more.busy;
        self.block_seconds += more.block_seconds;
        self.readings += more.readings;
        self.waited += more.waited;
    }
}

impl Buckets {
    /// At the coarsest of their scales, at which buckets add up exactly.
    fn of(all: &[&Histogram]) -> Buckets {
        let used = || all.iter().filter(|one| one.count() > 0);
        let scale = used().map(|one| one.scale()).min().unwrap_or(0);
        let coarse: Vec<Histogram> = all.iter().map(|one| one.downscaled(scale)).collect();
        let slots = || coarse.iter().flat_map(Histogram::slots).filter(|(_, count)| *count > 0).map(|(slot, _)| slot);
        let (Some(first), Some(last)) = (slots().min(), slots().max()) else {
            return Buckets { bounds: Vec::new(), rows: vec![Vec::new(); all.len()], max: vec![0.0; all.len()] };
        };
        let row = |one: &Histogram| {
            let mut row = vec![0.0; last - first + 1];
            one.slots().filter(|(_, count)| *count > 0).for_each(|(slot, count)| row[slot - first] = count as f64);
            row
        };
        Buckets {
            bounds: (first..=last).map(|slot| slot_bounds(slot, scale)).collect(),
            rows: coarse.iter().map(row).collect(),
            max: all.iter().map(|one| one.max().unwrap_or(0) as f64).collect(),
        }
    }

    fn total(&self, chosen: &[usize]) -> Distribution {
        let mut counts = vec![0.0; self.bounds.len()];
        for at in chosen {
            counts.iter_mut().zip(&self.rows[*at]).for_each(|(sum, count)| *sum += count);
        }
        let max = chosen.iter().map(|at| self.max[*at]).fold(0.0, f64::max);
        Distribution { count: counts.iter().sum(), counts, max }
    }

    /// The `q`-quantile; `None` where nothing was counted. Inside its bucket `(low, high]` values are taken to be spread evenly
    /// by their logarithms, so that a small change is a small change, and not none or a whole bucket.
    pub fn quantile(&self, of: &Distribution, q: f64) -> Option<f64> {
        let rank = q * of.count;
        let mut below = 0.0;
        for (count, (low, high)) in of.counts.iter().zip(&self.bounds) {
            if *count > 0.0 && below + count >= rank {
                let part = ((rank - below) / count).clamp(0.0, 1.0);
                let value = if *low > 0.0 { low * (high / low).powf(part) } else { *high };
                return Some(value.min(of.max));
            }
            below += count;
        }
        None
    }

    /// The part of the values that are at most as large as each bucket's upper bound.
    pub fn below(of: &Distribution) -> Vec<f64> {
        let mut sum = 0.0;
        let part = |count: &f64| {
            sum += count;
            if of.count > 0.0 { sum / of.count } else { 0.0 }
        };
        of.counts.iter().map(part).collect()
    }
}

impl Total {
    /// The value of a metric; `None` where there is none, such as a latency without a message.
    pub fn value(&self, metric: Metric, of: &Sample) -> Option<f64> {
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        let max = |all: &Distribution| (all.count > 0.0).then_some(all.max);
        let sums = &self.sums;
        match metric {
            Metric::Throughput => ratio(sums.processed, sums.seconds),
            Metric::ErrorRate => ratio(sums.errors, sums.processed + sums.errors),
            Metric::Queue => ratio(sums.waited, sums.readings),
            Metric::Busy => ratio(sums.busy, sums.block_seconds),
            Metric::P50 => of.latency.quantile(&self.latency, 0.5),
            Metric::P90 => of.latency.quantile(&self.latency, 0.9),
            Metric::P99 => of.latency.quantile(&self.latency, 0.99),
            Metric::Max => max(&self.latency),
            Metric::WaitingP50 => of.waiting.quantile(&self.waiting, 0.5),
            Metric::WaitingP90 => of.waiting.quantile(&self.waiting, 0.9),
            Metric::WaitingP99 => of.waiting.quantile(&self.waiting, 0.99),
            Metric::WaitingMax => max(&self.waiting),
            // Of two runs, not of one.
            Metric::Shape => None,
        }
    }
}

/// The largest difference of the parts of the values that are below any value (the distance of Kolmogorov and Smirnov), and the
/// bucket at which it is; `None` where one of them has no values.
pub fn distance(a: &Distribution, b: &Distribution) -> Option<(f64, usize)> {
    if a.count == 0.0 || b.count == 0.0 {
        return None;
    }
    let (a, b) = (Buckets::below(a), Buckets::below(b));
    let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).enumerate();
    differences.map(|(at, difference)| (difference, at)).max_by(|a, b| a.0.total_cmp(&b.0))
}
