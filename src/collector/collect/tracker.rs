//! What is remembered of one kernel between readings, and what a reading means for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::super::registry::Entry;
use super::devices::{Devices, OneDevice};
use super::rate_windows::Base;
use super::watchdog::{Look, Watch};
use crate::abi::{COUNTERS, Counter};
use crate::device::Timeline;
use crate::histogram::Histogram;
use crate::reader::{KernelSums, Reading};
use crate::snapshot::{
    BlockStatus, KernelState, KernelTelemetry, Latency, Rates, RatesBuilder, Stall, Waiting, WindowCounts, ns_between,
    rate, ratio, unix_time,
};

/// What is remembered of one kernel between readings.
#[derive(Default)]
pub(super) struct KernelTracker {
    baseline: Option<Box<Baseline>>,
    /// The last latency histogram, what it is since the baseline, and what that says.
    derived: Option<(Arc<Histogram>, Arc<Histogram>, Option<Latency>)>,
    /// The last histogram of waiting, and what it says since the baseline.
    waited: Option<(Arc<Histogram>, Option<Arc<Waiting>>)>,
    watch: Watch,
}

/// What all kernels of one reading are derived from.
pub(super) struct ReadContext<'a> {
    pub(super) reading: &'a Reading,
    /// But for the device's clock.
    pub(super) look: Look,
    pub(super) devices: &'a Devices,
    /// Where the windows' rates reach back to; empty where no reading is old enough.
    pub(super) bases: &'a [Base],
    /// Which of them reaches back the farthest.
    pub(super) longest: usize,
    /// Made for the first kernel that has something to tell.
    pub(super) rates: Option<RatesBuilder>,
    /// As many counts as the snapshot before had.
    pub(super) room: usize,
}

/// What a kernel had counted when it was reset: it does not count any more.
struct Baseline {
    at: SystemTime,
    uptime: Duration,
    counters: [u64; COUNTERS],
    latency: Arc<Histogram>,
    waiting: Arc<Histogram>,
    queue_full: u64,
    last_error_ns: u64,
    last_error: Option<Arc<str>>,
}

impl Baseline {
    fn new(entry: &Entry, sums: &KernelSums, clock: TimeAnchor<'_>) -> Self {
        Baseline {
            at: UNIX_EPOCH + Duration::from_nanos(clock.unix_ns),
            uptime: clock.uptime(sums),
            counters: sums.lines.counters,
            latency: Arc::clone(&sums.latency),
            waiting: Arc::clone(&sums.waiting),
            queue_full: entry.queue_full.load(Ordering::Relaxed),
            last_error_ns: sums.lines.last_error_ns,
            last_error: entry.last_error(),
        }
    }
}

impl KernelTracker {
    /// Lets counts start from zero at a reading, at that moment of the steady clock.
    pub(super) fn reset(&mut self, entry: &Entry, sums: &KernelSums, reading: &Reading, steady_ns: u64) {
        let baseline = Baseline::new(entry, sums, TimeAnchor::new(entry, reading, steady_ns));
        (self.baseline, self.derived, self.waited) = (Some(Box::new(baseline)), None, None);
    }

    /// Whether the kernel stalled at the last reading.
    pub(super) fn stalls(&self) -> bool {
        self.watch.stalls()
    }

    /// What `sums` mean for the kernel at that place; inlined, so that it is built in its place.
    #[inline(always)]
    pub(super) fn derive(
        &mut self,
        index: usize,
        entry: &Entry,
        sums: &KernelSums,
        context: &mut ReadContext<'_>,
    ) -> KernelTelemetry {
        let device = context.devices.of(entry);
        let reading = device.map_or(context.reading, OneDevice::reading);
        let look = Look { device_ns: device.map_or(0, OneDevice::certain_ns), ..context.look };
        let count = |c: Counter| {
            let now = sums.counter(c);
            self.baseline.as_ref().map_or(now, |b| now.saturating_sub(b.counters[c as usize]))
        };
        let clock = TimeAnchor::new(entry, reading, look.now_ns);
        let uptime = clock.uptime(sums);
        // A kernel that has ended stops the clock of its rates.
        let counted = uptime.saturating_sub(self.baseline.as_ref().map_or(Duration::ZERO, |b| b.uptime));
        let (processed, errors) = (count(Counter::Processed), count(Counter::Errors));
        let throughput = rate(processed, counted);
        let rates = context.rates(index, sums);
        let state = entry.state(sums);
        let stall = self.watch.look(state, &sums.lines, &look, |block| {
            let words = entry.shards().zip(device);
            let words = words.and_then(|(shards, device)| device.blocks().get((shards.first + block) as usize));
            let words = words.copied().unwrap_or_default();
            let status = BlockStatus::new(block, &words, &entry.names, |ns| clock.time(ns), true);
            let since = clock.time(sums.lines.oldest_heartbeat_ns)?;
            Some((Stall::new(since, status), words))
        });
        let busy_time = Duration::from_nanos(count(Counter::BusyNs));
        let blocks = entry.blocks();
        let (received, sent) = (count(Counter::Received), count(Counter::Sent));
        let (retries, polls) = (count(Counter::Retries), count(Counter::Polls));
        let (bytes_in, bytes_out) = (count(Counter::BytesIn), count(Counter::BytesOut));
        let dropped = count(Counter::Dropped) + count(Counter::RepliesDropped);
        let wait_time = Duration::from_nanos(count(Counter::WaitNs));
        let (last_error_code, last_error) = self.last_error(entry, sums, errors);
        let (histogram, latency) = self.latency(&sums.latency);
        KernelTelemetry {
            kernel_id: Arc::clone(&entry.id),
            generation: entry.generation,
            device: entry.device().map(|device| device as u32),
            state: if stall.is_some() { KernelState::Stalled } else { state },
            messages_received: received,
            messages_sent: sent,
            messages_processed: processed,
            errors,
            start_time: clock.time(sums.lines.start_ns),
            // One that begins after its reset counts since its begin.
            counted_since: clock
                .time(sums.lines.start_ns)
                .map(|start| self.baseline.as_ref().map_or(start, |baseline| baseline.at.max(start))),
            last_message_time: clock.time(sums.lines.last_message_ns),
            last_sign_of_life: clock.time(sums.lines.sign_of_life_ns),
            stall,
            throughput,
            windowed_throughput: match context.bases.first() {
                Some(_) if rates.is_idle() => 0.0,
                Some(base) => rate(window_counts(sums).since(&base.counts_of(index)).processed, base.over),
                None => rate(sums.counter(Counter::Processed), uptime),
            },
            rates,
            uptime,
            error_rate: ratio(errors as f64, (processed + errors) as f64),
            last_error_code,
            last_error,
            latency,
            waiting: self.waiting(&sums.waiting),
            queue_depth: sums.lines.queue_depth,
            queue_high_water: sums.lines.queue_high_water,
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
            blocks_started: sums.lines.blocks_in_state[1..].iter().sum(),
            trace: entry.traced.get().map(|counted| counted.records()),
            histogram,
            recorded_since_launch: recorded(sums),
            earlier: entry.earlier.get().filter(|_| self.baseline.is_none()).cloned(),
        }
    }

    /// The last error since the reset: its code if a kernel gave one, its text if a host actor did. What a kernel died of,
    /// or what keeps it from being read at all, no reset takes away.
    fn last_error(&self, entry: &Entry, sums: &KernelSums, errors: u64) -> (Option<u32>, Option<Arc<str>>) {
        let lines = &sums.lines;
        if lines.foreign_abi != 0 {
            let (theirs, ours) = (lines.foreign_abi, crate::abi::ABI_VERSION);
            let text =
                format!("the kernel was built with version {theirs} of ringscope's layout, this is {ours}: rebuild it");
            return (None, Some(text.into()));
        }
        let since = self.baseline.as_ref().map_or(0, |b| b.last_error_ns);
        let code = (lines.last_error_ns > since).then_some(lines.last_error_code as u32);
        if let Some(died_of) = entry.failure() {
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
        let waiting = Latency::from_histogram(&histogram).map(|latency| Arc::new(Waiting { latency, histogram }));
        self.waited = Some((Arc::clone(now), waiting.clone()));
        waiting
    }

    /// Since the baseline, worked out once for each new histogram.
    fn latency(&mut self, now: &Arc<Histogram>) -> (Arc<Histogram>, Option<Latency>) {
        if let Some((of, since, latency)) = &self.derived
            && Arc::ptr_eq(of, now)
        {
            return (Arc::clone(since), *latency);
        }
        let since = match &self.baseline {
            Some(b) => Arc::new(now.since(&b.latency)),
            None => Arc::clone(now),
        };
        let latency = Latency::from_histogram(&since);
        self.derived = Some((Arc::clone(now), Arc::clone(&since), latency));
        (since, latency)
    }
}

/// Messages whose records are in these sums: each of its words becomes visible by itself, so as the one that has the fewest
/// tells it.
fn recorded(sums: &KernelSums) -> u64 {
    let timed = sums.counter(Counter::LatencyCount);
    if sums.lines.last_message_ns == 0 || (timed > 0 && sums.latency_extremes().is_none()) {
        return 0;
    }
    let handled = sums.counter(Counter::Processed).saturating_add(sums.counter(Counter::Errors));
    let counted = sums.counter(Counter::Received).min(sums.counter(Counter::Sent)).min(handled);
    let counted = if timed > 0 { counted.min(timed).min(sums.latency.count()) } else { counted };
    // Of all messages the wait is known, or of none.
    match sums.waiting.count() {
        0 => counted,
        waited => counted.min(waited),
    }
}

/// What the windows' rates are differences of.
pub(super) fn window_counts(sums: &KernelSums) -> WindowCounts {
    WindowCounts {
        processed: sums.counter(Counter::Processed),
        errors: sums.counter(Counter::Errors),
        bytes_in: sums.counter(Counter::BytesIn),
        bytes_out: sums.counter(Counter::BytesOut),
    }
}

impl ReadContext<'_> {
    /// A kernel that did nothing since the farthest base did nothing in any window.
    #[inline(always)]
    fn rates(&mut self, index: usize, sums: &KernelSums) -> Rates {
        let Some(longest) = self.bases.get(self.longest) else { return Rates::default() };
        let now = window_counts(sums);
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

/// From an entry's clock to Unix time: device kernels go by the device's clock, host actors by the collector's steady
/// one, and neither notices when the wall clock is set.
#[derive(Clone, Copy)]
struct TimeAnchor<'a> {
    now_ns: u64,
    unix_ns: u64,
    /// Where the entry's clock is not the host's, the host's times of it.
    timeline: Option<&'a Timeline>,
}

impl<'a> TimeAnchor<'a> {
    fn new(entry: &Entry, reading: &'a Reading, steady_ns: u64) -> Self {
        let (now_ns, timeline) = match entry.device() {
            Some(_) => (reading.device_ns, reading.timeline.as_ref()),
            None => (steady_ns, None),
        };
        TimeAnchor { now_ns, unix_ns: reading.unix_ns, timeline }
    }

    /// The time of a word; 0 is never.
    pub(super) fn time(self, ns: u64) -> Option<SystemTime> {
        unix_time(ns, self.now_ns, self.unix_ns, self.timeline)
    }

    /// Nanoseconds of the host between two times of the entry's clock.
    fn between(self, from: u64, to: u64) -> i128 {
        ns_between(from, to, self.timeline)
    }

    fn uptime(self, sums: &KernelSums) -> Duration {
        let end = if sums.lines.end_ns == 0 { self.now_ns } else { sums.lines.end_ns };
        let up = if sums.lines.start_ns == 0 { 0 } else { self.between(sums.lines.start_ns, end) };
        Duration::from_nanos(u64::try_from(up).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::clock::SteadyClock;
    use super::super::super::registry::Registry;
    use super::*;
    use crate::device::ClockSample;

    const HOUR: u64 = 3_600_000_000_000;

    /// The wall clock is set back by an hour, and then far ahead, while a host actor runs.
    #[test]
    fn host_actors_do_not_notice_that_the_wall_clock_is_set() {
        let mut registry = Registry::new(1, 3, SteadyClock::start());
        let actor = registry.actor_or_new("a").unwrap();
        let entry = Arc::clone(registry.get("a").unwrap());
        let mut tracker = KernelTracker::default();
        let started = actor.totals().lines.start_ns;
        for (seconds, unix_ns) in [(1, 100 * HOUR), (2, 99 * HOUR), (3, 5000 * HOUR)] {
            actor.processed(None);
            actor.receive();
            let reading = Reading::at(&ClockSample::of_unix(unix_ns));
            let now_ns = started + seconds * 1_000_000_000;
            let look = Look { now_ns, device_ns: unix_ns, excused_ns: 0, limit_ns: u64::MAX };
            let devices = Devices::new(Vec::new(), actor.totals());
            let (reading, devices) = (&reading, &devices);
            let mut context = ReadContext { reading, look, devices, bases: &[], longest: 0, rates: None, room: 0 };
            let t = tracker.derive(0, &entry, &actor.totals(), &mut context);
            assert_eq!((t.uptime, t.throughput), (Duration::from_secs(seconds), 1.0));
            // Times of the past are told by the clock as it is now.
            let start = UNIX_EPOCH + Duration::from_nanos(unix_ns) - Duration::from_secs(seconds);
            assert_eq!(t.start_time, Some(start));
            assert!(t.last_message_time.is_some());
        }
    }
}
