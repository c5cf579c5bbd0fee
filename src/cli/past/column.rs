//! A column of time, and what one kernel did in it.

use std::time::{Duration, SystemTime};

use ringscope::histogram::Histogram;
use ringscope::{KernelState, KernelTelemetry};

/// Some time between two readings, one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    pub from: SystemTime,
    pub to: SystemTime,
    /// Readings that it ends at or has inside.
    pub readings: u32,
    /// Nothing was recorded between its two readings, for much longer than between others.
    pub gap: bool,
}

impl Column {
    pub fn length(&self) -> Duration {
        self.to.duration_since(self.from).unwrap_or_default()
    }

    /// Both, and what lies between them.
    pub fn joined(self, next: Column) -> Column {
        Column { to: next.to, readings: self.readings + next.readings, gap: self.gap || next.gap, ..self }
    }
}

/// What one kernel did in a column.
#[derive(Clone, Debug)]
pub struct Sums {
    /// Time between readings that had the kernel, while it ran.
    pub time: Duration,
    pub processed: u64,
    pub errors: u64,
    pub bytes_in: u64,
    /// Time in the handler, all blocks together.
    pub busy: Duration,
    /// `time`, for each block.
    pub block_time: Duration,
    pub readings: u32,
    /// Messages that waited, summed over the readings.
    pub waited: u64,
    /// The most that waited at one reading.
    pub deepest: u64,
    /// The least and the most messages per second between two readings.
    pub slowest: f64,
    pub fastest: f64,
    /// Latencies of handling.
    pub latency: Histogram,
    /// Times of waiting in the queue.
    pub waiting: Histogram,
    /// The state that most needs attention.
    pub state: KernelState,
}

impl Sums {
    /// Nothing yet.
    pub fn new(state: KernelState) -> Sums {
        let empty = || Histogram::new(u32::MAX);
        Sums {
            time: Duration::ZERO,
            processed: 0,
            errors: 0,
            bytes_in: 0,
            busy: Duration::ZERO,
            block_time: Duration::ZERO,
            readings: 0,
            waited: 0,
            deepest: 0,
            slowest: f64::INFINITY,
            fastest: 0.0,
            latency: empty(),
            waiting: empty(),
            state,
        }
    }

    /// What happened from `before`, of which nothing is counted where it is not there, to `now`. Latencies are not in it.
    pub fn count(&mut self, before: Option<&KernelTelemetry>, now: &KernelTelemetry, over: Duration) {
        let since = |of: fn(&KernelTelemetry) -> u64| of(now).saturating_sub(before.map_or(0, of));
        let processed = since(|kernel| kernel.messages_processed);
        self.readings += 1;
        self.processed += processed;
        self.errors += since(|kernel| kernel.errors);
        self.bytes_in += since(|kernel| kernel.bytes_in);
        self.busy += now.busy_time.saturating_sub(before.map_or(Duration::ZERO, |kernel| kernel.busy_time));
        if !before.is_some_and(|kernel| kernel.state.has_ended()) {
            self.time += over;
            self.block_time += over * now.blocks.max(1);
            if !over.is_zero() {
                let rate = processed as f64 / over.as_secs_f64();
                (self.slowest, self.fastest) = (self.slowest.min(rate), self.fastest.max(rate));
            }
        }
        self.waited = self.waited.saturating_add(now.queue_depth);
        self.deepest = self.deepest.max(now.queue_depth);
        self.state = worse(self.state, now.state);
    }

    /// Adds what happened in the column after this one.
    pub fn add(&mut self, next: &Sums) {
        self.time += next.time;
        self.processed += next.processed;
        self.errors += next.errors;
        self.bytes_in += next.bytes_in;
        self.busy += next.busy;
        self.block_time += next.block_time;
        self.readings += next.readings;
        self.waited = self.waited.saturating_add(next.waited);
        self.deepest = self.deepest.max(next.deepest);
        self.slowest = self.slowest.min(next.slowest);
        self.fastest = self.fastest.max(next.fastest);
        merge(&mut self.latency, &next.latency);
        merge(&mut self.waiting, &next.waiting);
        self.state = worse(self.state, next.state);
    }

    /// Messages handled without error per second; `None` over no time.
    pub fn rate(&self) -> Option<f64> {
        self.per_second(self.processed)
    }

    /// Messages refused per second.
    pub fn errors_per_second(&self) -> Option<f64> {
        self.per_second(self.errors)
    }

    fn per_second(&self, count: u64) -> Option<f64> {
        (!self.time.is_zero()).then(|| count as f64 / self.time.as_secs_f64())
    }

    /// Errors per message handled; `None` where none was.
    pub fn error_rate(&self) -> Option<f64> {
        let handled = self.processed + self.errors;
        (handled > 0).then(|| self.errors as f64 / handled as f64)
    }

    /// Time in the handler as a part of the time, per block.
    pub fn busy_ratio(&self) -> Option<f64> {
        (!self.block_time.is_zero()).then(|| self.busy.as_secs_f64() / self.block_time.as_secs_f64())
    }

    /// Messages that waited, on average over the readings.
    pub fn queue(&self) -> Option<f64> {
        (self.readings > 0).then(|| self.waited as f64 / f64::from(self.readings))
    }
}

/// An empty one has no scale of its own.
pub fn merge(all: &mut Histogram, more: &Histogram) {
    if more.count() > 0 {
        all.merge(more);
    }
}

/// What needs more attention; of two that need none, the later.
fn worse(before: KernelState, after: KernelState) -> KernelState {
    if before.needs_attention() && !after.needs_attention() { before } else { after }
}
