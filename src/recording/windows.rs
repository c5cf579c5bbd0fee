//! Rates over windows, which follow from the counts of the moments before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::{KernelTelemetry, Rates, RatesBuilder, WindowCounts, rate};

/// What all kernels had counted, as far back as the longest window reaches.
#[derive(Default)]
pub(super) struct Counted {
    /// The collector's windows, as they were told last.
    pub(super) windows: Vec<Duration>,
    samples: VecDeque<Sample>,
}

struct Sample {
    at: u64,
    counts: Arc<[WindowCounts]>,
}

fn counts(kernel: &KernelTelemetry) -> WindowCounts {
    WindowCounts {
        processed: kernel.messages_processed,
        errors: kernel.errors,
        bytes_in: kernel.bytes_in,
        bytes_out: kernel.bytes_out,
    }
}

impl Counted {
    /// Fills in the rates of kernels that were told without them.
    pub(super) fn derive(&self, now: u64, kernels: &mut [KernelTelemetry]) {
        let bases: Vec<&Sample> = self.windows.iter().map_while(|window| self.base(*window, now)).collect();
        let over = |base: &Sample| Duration::from_nanos(now.saturating_sub(base.at));
        let windows = self.windows.iter().zip(&bases).map(|(window, base)| (*window, over(base))).collect();
        let starts = bases.iter().map(|base| Arc::clone(&base.counts)).collect();
        let longest = bases.iter().min_by_key(|base| base.at);
        let mut builder = RatesBuilder::new(windows, starts, kernels.len());
        for (i, kernel) in kernels.iter_mut().enumerate() {
            let now = counts(kernel);
            let then = |base: &Sample| base.counts.get(i).copied().unwrap_or_default();
            let Some(longest) = longest else {
                kernel.rates = Rates::default();
                kernel.windowed_throughput = rate(now.processed, kernel.uptime);
                continue;
            };
            let is_idle = then(longest) == now;
            kernel.rates = if is_idle { Rates::default() } else { builder.add_now(i, now) };
            let first = bases.first().filter(|_| !is_idle);
            kernel.windowed_throughput = first.map_or(0.0, |base| rate(now.since(&then(base)).processed, over(base)));
        }
        builder.finish();
    }

    /// Takes note of what they have counted now.
    pub(super) fn note(&mut self, now: u64, kernels: &[KernelTelemetry]) {
        let nanoseconds = |window: &Duration| window.as_nanos() as u64;
        let longest = self.windows.iter().map(nanoseconds).max().unwrap_or(0);
        let apart = self.windows.iter().map(nanoseconds).min().unwrap_or(0) / 8;
        if self.samples.back().is_some_and(|last| now.saturating_sub(last.at) < apart) {
            return;
        }
        // One that is older than the longest stays: rates reach back to it.
        while self.samples.get(1).is_some_and(|second| now.saturating_sub(second.at) >= longest) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, counts: kernels.iter().map(counts).collect() });
    }

    /// The youngest of at least the window's age, else the oldest.
    fn base(&self, window: Duration, now: u64) -> Option<&Sample> {
        let is_old = |sample: &&Sample| u128::from(now.saturating_sub(sample.at)) >= window.as_nanos();
        self.samples.iter().rev().find(is_old).or(self.samples.front()).filter(|sample| sample.at < now)
    }
}
