//! From a reading to a snapshot: what one reader at a time needs.

mod costs;
mod rate_windows;
mod tracker;
mod watchdog;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clock::{SteadyClock, nanoseconds};
use super::config::TelemetryConfig;
use super::counts::Counts;
use super::error::TelemetryError;
use super::notify::EventKind;
use super::ops::{EndedMessage, ErrorSpans, ErrorsSeen, Switch};
use super::publishers::Publishers;
use super::registry::{Entry, Origin, Registry};
use super::standard::{ObservedKernel, Registrar, StandardMetrics, StandardSets};
use super::trace::Counted;
use crate::abi::{Counter, KernelRef};
use crate::device::{ClockSample, Memory};
use crate::machine::Sampler;
use crate::metrics::{Registry as MetricRegistry, View};
use crate::reader::{KernelSums, Reader, Reading, ShardRange};
use crate::snapshot::{
    DeviceClock, KernelPlaces, KernelState, KernelTelemetry, Places, RatesBuilder, ReadClock, Snapshot,
};

use costs::Costs;
use rate_windows::RateWindows;
use tracker::{KernelTracker, ReadContext, window_counts};
use watchdog::{Look, Pauses};

/// How often a reset reads again where traffic came between counters and buckets.
const RESET_TRIES: usize = 32;

/// Makes snapshots, one at a time.
pub(super) struct Collection {
    reader: Option<Reader>,
    clock: SteadyClock,
    stall_limit: Duration,
    sample_interval: Duration,
    /// Of the whole collector.
    counts: Arc<Counts>,
    metric_registry: Arc<MetricRegistry>,
    metrics: View,
    /// The registry's entries as of `version`: they change rarely, and are read often.
    entries: Arc<[Arc<Entry>]>,
    shards: Vec<ShardRange>,
    /// What snapshots know of them beside their blocks' words.
    places: Arc<[KernelPlaces]>,
    version: u64,
    /// What the host actors have counted, in their order; the reader has the same of the device's kernels.
    actor_sums: Vec<KernelSums>,
    trackers: Vec<KernelTracker>,
    rate_windows: RateWindows,
    /// How many counts the windows of the last snapshot had.
    window_counts: usize,
    pauses: Pauses,
    /// How long before the last reading blocks may not have run.
    excused_ns: u64,
    sequence: u64,
    costs: Costs,
    /// Operations of the application, and the kernels' errors among them.
    ops: Arc<Switch>,
    publishers: Arc<Publishers>,
    errors_seen: ErrorsSeen,
    standard: StandardSets,
    /// Samples the machine, from the first snapshot on.
    machine: Option<Sampler>,
}

/// A reading as a snapshot, and what it says happened.
pub(super) struct Derived {
    pub(super) snapshot: Snapshot,
    pub(super) transitions: Vec<Transition>,
}

/// What happened to a kernel that no runtime commands, or what the watchdog found.
pub(super) struct Transition {
    /// The kernel's place in the snapshot.
    pub(super) index: usize,
    pub(super) kind: EventKind,
}

impl Collection {
    pub(super) fn new(
        config: &TelemetryConfig,
        clock: SteadyClock,
        reader: Option<Reader>,
        metric_registry: Arc<MetricRegistry>,
        (ops, publishers, counts): (Arc<Switch>, Arc<Publishers>, Arc<Counts>),
    ) -> Self {
        Collection {
            reader,
            clock,
            stall_limit: config.stall_limit,
            sample_interval: config.sample_interval,
            counts,
            metrics: View::new(Arc::clone(&metric_registry)),
            metric_registry,
            entries: Arc::new([]),
            shards: Vec::new(),
            places: Arc::new([]),
            version: 0,
            actor_sums: Vec::new(),
            trackers: Vec::new(),
            rate_windows: RateWindows::new(&config.windows),
            window_counts: 0,
            pauses: Pauses::default(),
            excused_ns: 0,
            sequence: 0,
            costs: Costs::new(config.scale),
            ops,
            publishers,
            errors_seen: ErrorsSeen::default(),
            standard: StandardSets::default(),
            machine: None,
        }
    }

    /// How many shards its slab has; `None` without a device.
    pub(super) fn shards(&self) -> Option<u32> {
        self.reader.as_ref().map(Reader::shards)
    }

    /// The memory that kernels write to.
    pub(super) fn slab(&self) -> Option<Memory> {
        self.reader.as_ref().map(Reader::slab)
    }

    /// What a kernel needs to record in these shards; null without a device.
    pub(super) fn kernel_ref(&self, shards: ShardRange) -> KernelRef {
        self.reader.as_ref().map(|reader| reader.kernel_ref(shards)).unwrap_or_default()
    }

    pub(super) fn install(&mut self, set: StandardMetrics) -> Result<(), TelemetryError> {
        Ok(self.standard.install(set, Registrar(&self.metric_registry))?)
    }

    /// The entries as of the last reading, in the order of the snapshot's kernels.
    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    // ---- reading -------------------------------------------------------------------------------------

    /// Reads the sums of all entries, in their order.
    pub(super) fn read(&mut self, registry: &RwLock<Registry>) -> Result<Reading, TelemetryError> {
        self.catch_up(registry);
        let reading = match &mut self.reader {
            Some(reader) => {
                let reading = reader.read(&self.shards)?;
                let copied_bytes = reading.copied_bytes + self.metric_registry.read_device()?;
                Reading { copied_bytes, copy_duration: reading.at.elapsed(), ..reading }
            }
            None => without_device(),
        };
        self.actor_sums.clear();
        self.actor_sums.extend(self.entries.iter().filter_map(|e| e.actor()).map(|actor| actor.totals()));
        Ok(reading)
    }

    fn catch_up(&mut self, registry: &RwLock<Registry>) {
        let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
        if registry.version() != self.version {
            self.version = registry.version();
            self.entries = registry.entries().into();
            self.shards = self.entries.iter().filter_map(|e| e.shards()).collect();
            let place = |entry: &Arc<Entry>| {
                let (id, names) = (Arc::clone(&entry.id), entry.names.clone());
                Some(KernelPlaces { id, names, blocks: entry.shards()? })
            };
            self.places = self.entries.iter().filter_map(place).collect();
            self.trackers.resize_with(self.entries.len(), KernelTracker::default);
        }
    }

    /// The entries, with what was read of each.
    fn sums(&self) -> impl Iterator<Item = (&Arc<Entry>, &KernelSums)> + Clone {
        let mut of_kernels = self.reader.as_ref().map_or(&[][..], Reader::totals).iter();
        let mut of_actors = self.actor_sums.iter();
        self.entries.iter().filter_map(move |entry| {
            let sums = match entry.origin {
                Origin::Device(_) => of_kernels.next(),
                Origin::Host(_) => of_actors.next(),
            };
            sums.map(|sums| (entry, sums))
        })
    }

    /// Lets counts start from zero, of `only` or of all entries. Counters and buckets are copied one after the other, and
    /// a baseline of moments that lie apart would keep them apart for ever; under traffic it is the best of some tries.
    pub(super) fn reset(&mut self, registry: &RwLock<Registry>, only: Option<usize>) -> Result<(), TelemetryError> {
        let mut reading = self.read(registry)?;
        for _ in 0..RESET_TRIES {
            if !self.is_torn(only) {
                break;
            }
            reading = self.read(registry)?;
        }
        let steady_ns = self.clock.ns_at(reading.at);
        let mut trackers = std::mem::take(&mut self.trackers);
        for (i, ((entry, sums), tracker)) in self.sums().zip(&mut trackers).enumerate() {
            if only.is_none_or(|only| only == i) {
                tracker.reset(entry, sums, &reading, steady_ns);
            }
        }
        self.trackers = trackers;
        Ok(())
    }

    /// Whether the last reading of `only`, or of any kernel, has counters and buckets of different moments.
    fn is_torn(&self, only: Option<usize>) -> bool {
        self.sums().enumerate().any(|(i, (_, sums))| only.is_none_or(|only| only == i) && sums.is_torn())
    }

    // ---- deriving ------------------------------------------------------------------------------------

    /// Makes a snapshot of the last reading, where readings are planned at that interval.
    pub(super) fn derive(&mut self, reading: &Reading, planned: Duration) -> Derived {
        self.costs.begin(reading);
        let (kernels, transitions) = self.derive_kernels(reading, planned);
        if self.rate_windows.is_due(reading.at) {
            self.rate_windows.push(reading.at, self.sums().map(|(_, sums)| window_counts(sums)).collect());
        }
        if self.sequence == 0 {
            self.machine = Sampler::start(self.sample_interval);
        }
        self.sequence += 1;
        self.fill_standard_metrics(&kernels);
        let metrics = self.metrics.read();
        self.feed_errors(reading);
        let operations = self.ops.get().map(|monitor| Arc::new(monitor.telemetry()));
        let sample = self.machine.as_ref().map(Sampler::newest).unwrap_or_default();
        let snapshot = Snapshot {
            sequence: self.sequence,
            time: UNIX_EPOCH + Duration::from_nanos(reading.unix_ns),
            copy_duration: reading.copy_duration,
            copied_bytes: reading.copied_bytes,
            device_clock: DeviceClock {
                uncertainty: Duration::from_nanos(reading.device_uncertainty_ns),
                drift_ppb: reading.device_drift_ppb,
                restarts_total: reading.device_clock_restarts,
            },
            places: self.places(reading, &kernels),
            kernels,
            self_metrics: self.costs.metrics(&self.counts, reading, &metrics, operations.as_deref()),
            metrics,
            operations,
            publishers: self.publishers.read(),
            system: sample.system,
            gpus: sample.gpus,
        };
        self.costs.end(reading);
        Derived { snapshot, transitions }
    }

    fn derive_kernels(&mut self, reading: &Reading, planned: Duration) -> (Vec<KernelTelemetry>, Vec<Transition>) {
        let mut trackers = std::mem::take(&mut self.trackers);
        let bases = self.rate_windows.bases(reading.at);
        let (now_ns, limit_ns) = (self.clock.ns_at(reading.at), nanoseconds(self.stall_limit));
        let excused_ns = self.pauses.note(now_ns, limit_ns, nanoseconds(planned));
        self.excused_ns = excused_ns;
        let mut context = ReadContext {
            reading,
            look: Look {
                now_ns,
                device_ns: reading.device_ns.saturating_sub(reading.device_uncertainty_ns),
                excused_ns,
                limit_ns,
            },
            longest: (0..bases.len()).max_by_key(|i| bases[*i].over).unwrap_or(0),
            blocks: self.reader.as_ref().map_or(&[], |reader| &reader.blocks()[..]),
            bases: &bases,
            rates: None,
            room: self.window_counts,
        };
        let (mut kernels, mut transitions) = (Vec::with_capacity(self.entries.len()), Vec::new());
        // A loop, not `extend`: that moves each value once more, which shows with thousands of kernels.
        for (index, ((entry, sums), tracker)) in self.sums().zip(&mut trackers).enumerate() {
            let stalled = tracker.stalls();
            kernels.push(tracker.derive(index, entry, sums, &mut context));
            note(entry, stalled, kernels[index].state, |kind| transitions.push(Transition { index, kind }));
        }
        self.window_counts = context.rates.map_or(0, RatesBuilder::finish);
        self.trackers = trackers;
        (kernels, transitions)
    }

    /// Where the blocks are; after the kernels were derived.
    fn places(&self, reading: &Reading, kernels: &[KernelTelemetry]) -> Places {
        let Some(reader) = &self.reader else { return Places::default() };
        let of_devices = self.entries.iter().zip(kernels).filter(|(entry, _)| entry.shards().is_some());
        let stalls =
            of_devices.enumerate().filter_map(|(i, (_, kernel))| Some((i, Arc::clone(kernel.stall.as_ref()?))));
        Places {
            words: Arc::clone(reader.blocks()),
            kernels: Arc::clone(&self.places),
            clock: ReadClock {
                device_ns: reading.device_ns,
                unix_ns: reading.unix_ns,
                certain_ns: reading
                    .device_ns
                    .saturating_sub(reading.device_uncertainty_ns)
                    .saturating_sub(self.excused_ns),
                timeline: reading.timeline.clone(),
            },
            limit_ns: nanoseconds(self.stall_limit),
            stalled: stalls.collect(),
        }
    }

    /// Adds what kernels counted as errors since the last reading to the lists of operations, where spans do not tell them:
    /// how many, and the code and time of the newest, which is what is known without spans.
    fn feed_errors(&mut self, reading: &Reading) {
        let Some(monitor) = self.ops.get() else { return };
        let now_ns = self.clock.ns_at(reading.at);
        let mut seen = std::mem::take(&mut self.errors_seen);
        let looks = self.counts.trace_looks.load(Ordering::Acquire).checked_sub(1);
        let spans_of = |entry: &Entry| {
            let told = |counted: &Arc<Counted>| ErrorSpans {
                added: counted.errors_listed(),
                looks: looks.filter(|_| counted.tells_errors()),
            };
            entry.traced.get().map(told).unwrap_or_default()
        };
        for (index, (entry, sums)) in self.sums().enumerate().filter(|(_, (entry, _))| entry.shards().is_some()) {
            let (code, noted_ns) = (sums.lines.last_error_code as u32, sums.lines.last_error_ns);
            // Copied between the first error's count and its note: the next reading has both.
            let messages =
                if noted_ns == 0 { 0 } else { seen.new_ones(index, sums.counter(Counter::Errors), spans_of(entry)) };
            if messages > 0 {
                let ago = reading.device_ns.saturating_sub(noted_ns);
                let (kernel, begun_ns) = (&entry.id, now_ns.saturating_sub(ago));
                let (block, number, duration) = (None, None, Duration::ZERO);
                monitor.device_message(&EndedMessage { kernel, block, number, begun_ns, duration, code, messages });
            }
        }
        self.errors_seen = seen;
    }

    /// From the reading that the snapshot is made of, and before its metrics are read: so they agree with its kernels.
    fn fill_standard_metrics(&mut self, kernels: &[KernelTelemetry]) {
        if self.standard.are_empty() {
            return;
        }
        let mut standard = std::mem::take(&mut self.standard);
        let kernels =
            self.sums().zip(kernels).map(|((entry, sums), telemetry)| ObservedKernel { entry, sums, telemetry });
        standard.fill(kernels, Registrar(&self.metric_registry), &self.counts.dropped_series);
        self.standard = standard;
    }

    // ---- failing -------------------------------------------------------------------------------------

    /// Brings the newest good snapshot up to date after a reading that failed. Where the device died, `reason` says what a
    /// kernel died of.
    pub(super) fn fail(
        &mut self,
        newest: &mut Option<Snapshot>,
        reason: Option<impl Fn(&Entry) -> Arc<str>>,
    ) -> Vec<Arc<Entry>> {
        let failures = self.costs.fail();
        let told = reason.map_or(Vec::new(), |reason| self.fail_kernels(newest, reason));
        if let Some(snapshot) = newest {
            snapshot.self_metrics.collection_failures_total = failures;
            snapshot.metrics = self.metrics.read();
        }
        told
    }

    /// The device died, and its kernels with it, unless they had ended before. Returns those whose state has to be told.
    fn fail_kernels(&self, newest: &mut Option<Snapshot>, died_of: impl Fn(&Entry) -> Arc<str>) -> Vec<Arc<Entry>> {
        let mut failed = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.shards().is_some()) {
            let is = |k: &&mut KernelTelemetry| k.kernel_id == entry.id;
            let mut state = KernelState::Failed;
            if let Some(kernel) = newest.as_mut().and_then(|snapshot| snapshot.kernels.iter_mut().find(is)) {
                entry.fail(kernel, || died_of(entry));
                state = kernel.state;
            }
            if state == KernelState::Failed {
                failed.push(Arc::clone(entry));
            }
        }
        // It does not hang, it is dead.
        newest.iter_mut().for_each(|snapshot| snapshot.places.stalled.clear());
        let kernels = newest.iter().flat_map(|snapshot| &snapshot.kernels);
        self.standard.fail(kernels.filter(|k| k.state == KernelState::Failed).map(|k| &*k.kernel_id));
        failed
    }
}

/// What happened to a kernel that nobody commands, and what the watchdog found.
#[inline(always)]
fn note(entry: &Entry, stalled: bool, state: KernelState, mut happened: impl FnMut(EventKind)) {
    let stalls = state == KernelState::Stalled;
    if stalls && !stalled {
        happened(EventKind::Stalled);
    }
    // One that was told to stop, died or has ended has not recovered.
    let runs = matches!(state, KernelState::Launched | KernelState::Active | KernelState::Deactivated);
    if stalled && runs {
        happened(EventKind::Recovered);
    }
    let tells = state == KernelState::Failed || entry.speaks_for_itself();
    if !stalls && tells && entry.tell_once(state) {
        happened(EventKind::from_state(state));
    }
}

/// A reading of a collector without a device.
fn without_device() -> Reading {
    let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    Reading::at(&ClockSample::of_unix(unix_ns))
}
