//! One kernel over the whole recording.

use std::sync::Arc;
use std::time::Duration;

use ringscope::histogram::Histogram;
use ringscope::snapshot::Waiting;
use ringscope::{KernelState, KernelTelemetry};

use super::column::{Sums, merge};

/// What one kernel or host actor did, column by column, and in all.
#[derive(Debug)]
pub struct KernelPast {
    pub id: Arc<str>,
    /// One for each column; `None` where the kernel was not there.
    pub columns: Vec<Option<Sums>>,
    /// How it was at the last reading that had it.
    pub last: KernelTelemetry,
    /// Messages that it had handled before the recording began.
    pub handled_before: u64,
    /// How often its counts began anew.
    pub resets: u64,
    /// What it had counted until then.
    earlier: Sums,
    earlier_most_waiting: u64,
    /// What it did since the last column ended; its latencies are added when it ends.
    open: Sums,
    latency_at: Option<Arc<Histogram>>,
    waiting_at: Option<Arc<Waiting>>,
}

impl KernelPast {
    /// Of a kernel that is there for the first time; `counted` where what it has counted is from before the recording.
    pub fn new(kernel: &KernelTelemetry, counted: bool) -> KernelPast {
        KernelPast {
            id: Arc::clone(&kernel.kernel_id),
            columns: Vec::new(),
            last: kernel.clone(),
            handled_before: if counted { kernel.handled() } else { 0 },
            resets: 0,
            earlier: Sums::new(kernel.state),
            earlier_most_waiting: 0,
            open: Sums::new(kernel.state),
            latency_at: counted.then(|| Arc::clone(&kernel.histogram)),
            waiting_at: kernel.waiting.as_ref().filter(|_| counted).cloned(),
        }
    }

    /// Counts what it did before the first reading that had it as done since the reading before that.
    pub fn begin(&mut self, now: &KernelTelemetry, over: Duration) {
        self.open.count(None, now, over);
    }

    /// Counts what it did since the reading before; whether its counts began anew.
    pub fn take(&mut self, now: &KernelTelemetry, over: Duration, told_of_reset: bool) -> bool {
        let reset = told_of_reset || is_anew(&self.last, now);
        if reset {
            self.forget();
        }
        self.open.count(if reset { None } else { Some(&self.last) }, now, over);
        self.last.clone_from(now);
        reset
    }

    /// Another program's kernel of the same name: nothing of what it counted is between two readings.
    pub fn restart(&mut self, now: &KernelTelemetry) {
        self.forget();
        (self.latency_at, self.waiting_at) = (Some(Arc::clone(&now.histogram)), now.waiting.clone());
        self.last.clone_from(now);
    }

    /// Moves what was counted so far to what lies behind.
    fn forget(&mut self) {
        self.take_latencies();
        let last = &self.last;
        self.earlier.processed += last.messages_processed;
        self.earlier.errors += last.errors;
        self.earlier.bytes_in += last.bytes_in;
        self.earlier.busy += last.busy_time;
        merge(&mut self.earlier.latency, &last.histogram);
        if let Some(waiting) = &last.waiting {
            merge(&mut self.earlier.waiting, &waiting.histogram);
        }
        self.earlier_most_waiting = self.earlier_most_waiting.max(last.queue_high_water);
        self.resets += 1;
        (self.latency_at, self.waiting_at) = (None, None);
    }

    fn take_latencies(&mut self) {
        let since =
            |now: &Histogram, before: Option<&Histogram>| before.map_or_else(|| now.clone(), |at| now.since(at));
        merge(&mut self.open.latency, &since(&self.last.histogram, self.latency_at.as_deref()));
        if let Some(waiting) = &self.last.waiting {
            let before = self.waiting_at.as_deref().map(|waiting| &*waiting.histogram);
            merge(&mut self.open.waiting, &since(&waiting.histogram, before));
        }
    }

    /// Ends the column that is open, as the one of that index.
    pub fn close(&mut self, index: usize) {
        self.take_latencies();
        (self.latency_at, self.waiting_at) = (Some(Arc::clone(&self.last.histogram)), self.last.waiting.clone());
        self.columns.resize_with(index, || None);
        let open = std::mem::replace(&mut self.open, Sums::new(self.last.state));
        self.columns.push((open.readings > 0).then_some(open));
    }

    /// Joins columns: each range of `ranges` becomes one.
    pub fn join(&mut self, ranges: &[std::ops::Range<usize>]) {
        let joined = |range: &std::ops::Range<usize>| {
            let columns = self.columns.get(range.start..range.end.min(self.columns.len())).unwrap_or_default();
            let mut there = columns.iter().flatten();
            let mut sums = there.next()?.clone();
            there.for_each(|next| sums.add(next));
            Some(sums)
        };
        self.columns = ranges.iter().map(joined).collect();
    }

    /// Messages handled without error, whatever was reset meanwhile, with those from before the recording.
    pub fn processed(&self) -> u64 {
        self.earlier.processed + self.last.messages_processed
    }

    /// Messages refused.
    pub fn errors(&self) -> u64 {
        self.earlier.errors + self.last.errors
    }

    /// Errors per message handled; `None` where none was.
    pub fn error_rate(&self) -> Option<f64> {
        let handled = self.processed() + self.errors();
        (handled > 0).then(|| self.errors() as f64 / handled as f64)
    }

    /// The most messages that ever waited.
    pub fn most_waiting(&self) -> u64 {
        self.earlier_most_waiting.max(self.last.queue_high_water)
    }

    /// Latencies of all messages.
    pub fn latency(&self) -> Histogram {
        let mut all = self.earlier.latency.clone();
        merge(&mut all, &self.last.histogram);
        all
    }

    /// Times of waiting of all messages.
    pub fn waiting(&self) -> Histogram {
        let mut all = self.earlier.waiting.clone();
        if let Some(waiting) = &self.last.waiting {
            merge(&mut all, &waiting.histogram);
        }
        all
    }

    /// What it did in the recording, all columns together.
    pub fn recorded(&self) -> Sums {
        let mut all = Sums::new(KernelState::Launched);
        self.columns.iter().flatten().for_each(|sums| all.add(sums));
        all
    }
}

/// Whether counts went back, which those of one life never do.
fn is_anew(before: &KernelTelemetry, now: &KernelTelemetry) -> bool {
    let counts: [fn(&KernelTelemetry) -> u64; 4] =
        [|k| k.messages_processed, |k| k.errors, |k| k.messages_received, |k| k.histogram.count()];
    counts.iter().any(|count| count(now) < count(before))
}
