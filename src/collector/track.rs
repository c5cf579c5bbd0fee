//! What is remembered of one kernel between readings, and what a reading means for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::rate_windows::Base;
use super::registry::{Entry, Origin};
use super::watchdog::Watch;
use crate::abi::{COUNTERS, Counter};
use crate::histogram::Histogram;
use crate::reader::{KernelSums, Reading};
use crate::snapshot::{KernelState, KernelTelemetry, Latency, Rates, RatesBuilder, Waiting, WindowCounts, rate, ratio};

/// What is remembered of one kernel between readings.
#[derive(Default)]
pub(super) struct KernelTracker {
    pub(super) baseline: Option<Box<Baseline>>,
    /// The last latency histogram, what it is since the baseline, and what that says.
    pub(super) derived: Option<(Arc<Histogram>, Arc<Histogram>, Option<Latency>)>,
    /// The last histogram of waiting, and what it says since the baseline.
    pub(super) waited: Option<(Arc<Histogram>, Option<Arc<Waiting>>)>,
    pub(super) watch: Watch,
}

/// What all kernels of one reading are derived from.
pub(super) struct ReadContext<'a> {
    pub(super) reading: &'a Reading,
    /// The reading on the collector's steady clock.
    pub(super) now_ns: u64,
    pub(super) stall_limit: Duration,
    /// Where the windows' rates reach back to; empty where nobody looked long enough ago.
    pub(super) bases: &'a [Base],
    /// Which of them reaches back the farthest.
    pub(super) longest: usize,
    /// Made for the first kernel that has something to tell.
    pub(super) rates: Option<RatesBuilder>,
    /// As many counts as the snapshot before had.
    pub(super) room: usize,
}

/// A reset: what was counted before it does not count.
pub(super) struct Baseline {
    pub(super) uptime: Duration,
    pub(super) counters: [u64; COUNTERS],
    pub(super) latency: Arc<Histogram>,
    pub(super) waiting: Arc<Histogram>,
    pub(super) queue_full: u64,
    pub(super) last_error_ns: u64,
    pub(super) last_error: Option<Arc<str>>,
}

impl Baseline {
    pub(super) fn new(entry: &Entry, totals: &KernelSums, reading: &Reading) -> Self {
        let uptime = TimeAnchor::of(entry, reading).uptime(totals);
        Baseline {
            uptime,
            counters: totals.lines.counters,
            latency: Arc::clone(&totals.latency),
            waiting: Arc::clone(&totals.waiting),
            queue_full: entry.queue_full.load(Ordering::Relaxed),
            last_error_ns: totals.lines.last_error_ns,
            last_error: entry.last_error(),
        }
    }
}

impl KernelTracker {
    /// What `totals` mean for the kernel at that place; inlined, so that it is built in its place.
    #[inline(always)]
    pub(super) fn derive(
        &mut self,
        index: usize,
        entry: &Entry,
        totals: &KernelSums,
        moment: &mut ReadContext<'_>,
    ) -> KernelTelemetry {
        let reading = moment.reading;
        let count = |c: Counter| {
            let now = totals.counter(c);
            self.baseline.as_ref().map_or(now, |b| now.saturating_sub(b.counters[c as usize]))
        };
        let clock = TimeAnchor::of(entry, reading);
        let uptime = clock.uptime(totals);
        // A kernel that has ended stops the clock of its rates.
        let counted = uptime.saturating_sub(self.baseline.as_ref().map_or(Duration::ZERO, |b| b.uptime));
        let (processed, errors) = (count(Counter::Processed), count(Counter::Errors));
        let throughput = rate(processed, counted);
        let rates = moment.rates(index, totals);
        let state = entry.state(totals);
        let stall = self.watch.look(state, &totals.lines, moment.now_ns, moment.stall_limit, |at| clock.time(at));
        let busy_time = Duration::from_nanos(count(Counter::BusyNs));
        let blocks = entry.span().map_or(0, |s| s.count);
        let (received, sent) = (count(Counter::Received), count(Counter::Sent));
        let (retries, polls) = (count(Counter::Retries), count(Counter::Polls));
        let (bytes_in, bytes_out) = (count(Counter::BytesIn), count(Counter::BytesOut));
        let dropped = count(Counter::Dropped) + count(Counter::RepliesDropped);
        let wait_time = Duration::from_nanos(count(Counter::WaitNs));
        let (last_error_code, last_error) = self.last_error(entry, totals, errors);
        let (histogram, latency) = self.latency(&totals.latency);
        KernelTelemetry {
            kernel_id: Arc::clone(&entry.id),
            state: if stall.is_some() { KernelState::Stalled } else { state },
            messages_received: received,
            messages_sent: sent,
            messages_processed: processed,
            errors,
            start_time: clock.time(totals.lines.start_ns),
            last_message_time: clock.time(totals.lines.last_message_ns),
            last_sign_of_life: clock.time(totals.lines.heartbeat_ns),
            stall,
            throughput,
            windowed_throughput: match moment.bases.first() {
                Some(_) if rates.is_idle() => 0.0,
                Some(base) => rate(window_counts(totals).since(&base.of(index)).processed, base.over),
                None => rate(totals.counter(Counter::Processed), uptime),
            },
            rates,
            uptime,
            error_rate: ratio(errors as f64, (processed + errors) as f64),
            last_error_code,
            last_error,
            latency,
            waiting: self.waiting(&totals.waiting),
            queue_depth: totals.lines.queue_depth,
            queue_high_water: totals.lines.queue_high_water,
            queue_full: entry
                .queue_full
                .load(Ordering::Relaxed)
                .saturating_sub(self.baseline.as_ref().map_or(0, |b| b.queue_full)),
            bytes_in,
            bytes_out,
            // Work that began before the reset, and threads of one actor, would make it more than all.
            busy_ratio: ratio(busy_time.as_secs_f64(), counted.as_secs_f64() * f64::from(blocks.max(1))).min(1.0),
            retries,
            dropped,
            polls,
            busy_time,
            wait_time,
            blocks,
            histogram,
            sent_since_launch: totals.counter(Counter::Sent),
        }
    }

    /// The last error since the reset: its code where a kernel gave one, its text where a host actor did. What a kernel
    /// died of, or what keeps it from being read at all, no reset takes away.
    fn last_error(&self, entry: &Entry, totals: &KernelSums, errors: u64) -> (Option<u32>, Option<Arc<str>>) {
        let lines = &totals.lines;
        if lines.foreign_abi != 0 {
            let (theirs, ours) = (lines.foreign_abi, crate::abi::ABI_VERSION);
            let text =
                format!("the kernel was built with version {theirs} of ringscope's layout, this is {ours}: rebuild it");
            return (None, Some(text.into()));
        }
        let since = self.baseline.as_ref().map_or(0, |b| b.last_error_ns);
        let code = (lines.last_error_ns > since).then_some(lines.last_error_code as u32);
        if let Some(died_of) = entry.failure.get() {
            return (code, Some(Arc::clone(died_of)));
        }
        // An actor's text that was the last one before the reset is so again only if there were more errors.
        let stale = |text: &Arc<str>| {
            errors == 0 && self.baseline.as_ref().is_some_and(|b| b.last_error.as_ref() == Some(text))
        };
        (code, entry.last_error().filter(|text| !stale(text)))
    }

    /// As [`latency`](Self::latency), of waiting.
    fn waiting(&mut self, now: &Arc<Histogram>) -> Option<Arc<Waiting>> {
        if let Some((of, waiting)) = &self.waited
            && Arc::ptr_eq(of, now)
        {
            return waiting.clone();
        }
        let histogram = match &self.baseline {
            Some(b) => Arc::new(now.since(&b.waiting)),
            None => Arc::clone(now),
        };
        let waiting = Latency::of(&histogram).map(|latency| Arc::new(Waiting { latency, histogram }));
        self.waited = Some((Arc::clone(now), waiting.clone()));
        waiting
    }

    /// Since the baseline, worked out once for each new histogram.
    pub(super) fn latency(&mut self, now: &Arc<Histogram>) -> (Arc<Histogram>, Option<Latency>) {
        if let Some((of, since, latency)) = &self.derived
            && Arc::ptr_eq(of, now)
        {
            return (Arc::clone(since), *latency);
        }
        let since = match &self.baseline {
            Some(b) => Arc::new(now.since(&b.latency)),
            None => Arc::clone(now),
        };
        let latency = Latency::of(&since);
        self.derived = Some((Arc::clone(now), Arc::clone(&since), latency));
        (since, latency)
    }
}

/// What the windows' rates are differences of.
pub(super) fn window_counts(totals: &KernelSums) -> WindowCounts {
    WindowCounts {
        processed: totals.counter(Counter::Processed),
        errors: totals.counter(Counter::Errors),
        bytes_in: totals.counter(Counter::BytesIn),
        bytes_out: totals.counter(Counter::BytesOut),
    }
}

impl ReadContext<'_> {
    /// A kernel that did nothing since the farthest base did nothing in any window.
    #[inline(always)]
    fn rates(&mut self, index: usize, totals: &KernelSums) -> Rates {
        let Some(longest) = self.bases.get(self.longest) else { return Rates::default() };
        let now = window_counts(totals);
        if longest.sum_of(index) == now.sum() {
            return Rates::default();
        }
        let (bases, room) = (self.bases, self.room);
        let builder = || {
            let windows = bases.iter().map(|base| (base.window, base.over)).collect();
            RatesBuilder::new(windows, bases.iter().map(Base::counts).collect(), room)
        };
        self.rates.get_or_insert_with(builder).add_now(index, now)
    }
}

/// From an entry's clock to Unix time.
#[derive(Clone, Copy)]
pub(super) struct TimeAnchor {
    pub(super) now_ns: u64,
    pub(super) unix_ns: u64,
}

impl TimeAnchor {
    pub(super) fn of(entry: &Entry, reading: &Reading) -> Self {
        match entry.origin {
            Origin::Device(_) => TimeAnchor { now_ns: reading.device_ns, unix_ns: reading.unix_ns },
            Origin::Host(_) => TimeAnchor { now_ns: reading.unix_ns, unix_ns: reading.unix_ns },
        }
    }

    /// The time of a word; 0 is never.
    pub(super) fn time(self, ns: u64) -> Option<SystemTime> {
        let ago = i128::from(self.now_ns) - i128::from(ns);
        let unix = u64::try_from(i128::from(self.unix_ns) - ago).unwrap_or(0);
        (ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(unix))
    }

    pub(super) fn uptime(self, totals: &KernelSums) -> Duration {
        let end = if totals.lines.end_ns == 0 { self.now_ns } else { totals.lines.end_ns };
        Duration::from_nanos(if totals.lines.start_ns == 0 { 0 } else { end.saturating_sub(totals.lines.start_ns) })
    }
}
