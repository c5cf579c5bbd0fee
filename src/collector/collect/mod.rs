//! From a reading to a snapshot: what one reader at a time needs.

mod costs;
mod devices;
mod rate_windows;
mod tracker;
mod watchdog;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use super::clock::{SteadyClock, nanoseconds};
use super::config::TelemetryConfig;
use super::counts::Counts;
use super::error::TelemetryError;
use super::notify::EventKind;
use super::ops::{EndedMessage, ErrorSpans, ErrorsSeen, Switch};
use super::publishers::Publishers;
use super::registry::{Entry, LastNumbers, Registry};
use super::standard::{ObservedKernel, Registrar, StandardMetrics, StandardSets};
use super::trace::Counted;
use crate::abi::{Counter, KernelRef};
use crate::device::{DeviceError, Memory, SlabLayout, SlabRange};
use crate::histogram::Histogram;
use crate::machine::Sampler;
use crate::metrics::{Registry as MetricRegistry, View};
use crate::reader::{KernelSums, Reading};
use crate::snapshot::{KernelPlaces, KernelState, KernelTelemetry, Places, RatesBuilder, Snapshot};

use costs::Costs;
pub(super) use devices::OneDevice;
use devices::{Devices, clock_of};
use rate_windows::RateWindows;
use tracker::{KernelTracker, ReadContext, window_counts};
use watchdog::{Look, Pauses};

/// How often a reset reads again where traffic came between counters and buckets.
const RESET_TRIES: usize = 32;
/// As of which try it waits before it reads again, and for how long: a block of the host device may have lost its core.
const RESET_WAITS: (usize, Duration) = (8, Duration::from_micros(200));

/// Makes snapshots, one at a time.
pub(super) struct Collection {
    devices: Devices,
    clock: SteadyClock,
    stall_limit: Duration,
    sample_interval: Duration,
    /// Of the whole collector.
    counts: Arc<Counts>,
    metric_registry: Arc<MetricRegistry>,
    metrics: View,
    /// The registry's entries as of `version`: they change rarely, and are read often.
    entries: Arc<[Arc<Entry>]>,
    /// Those that have left, and were not read since.
    unread: Vec<Arc<Entry>>,
    /// What those had counted that were forgotten, since the last reset of all.
    forgotten: Option<Arc<KernelTelemetry>>,
    /// What that was before the newest registration, if that changed it.
    forgotten_before: Option<Option<Arc<KernelTelemetry>>>,
    /// What snapshots know of them beside their blocks' words.
    places: Arc<[KernelPlaces]>,
    version: u64,
    /// What the host actors have counted, in their order; the readers have the same of the devices' kernels.
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
    /// The kernels that a device took with it.
    pub(super) failed: Vec<Arc<Entry>>,
}

/// Says what a kernel died of whose device could not be read for that reason.
pub(super) type Reason<'a> = &'a dyn Fn(&Entry, &TelemetryError) -> Arc<str>;

/// What is told of kernels beside their numbers.
#[derive(Default)]
struct Told {
    transitions: Vec<Transition>,
    failed: Vec<Arc<Entry>>,
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
        devices: Vec<OneDevice>,
        metric_registry: Arc<MetricRegistry>,
        (ops, publishers, counts): (Arc<Switch>, Arc<Publishers>, Arc<Counts>),
    ) -> Self {
        let nothing = KernelSums::new(Arc::new(Histogram::new(config.scale)));
        Collection {
            devices: Devices::new(devices, nothing),
            clock,
            stall_limit: config.stall_limit,
            sample_interval: config.sample_interval,
            counts,
            metrics: View::new(Arc::clone(&metric_registry)),
            metric_registry,
            entries: Arc::new([]),
            unread: Vec::new(),
            forgotten: None,
            forgotten_before: None,
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

    /// Of the slab of a device; `None` if there is no such device.
    pub(super) fn layout(&self, device: usize) -> Option<SlabLayout> {
        self.devices.get(device).map(OneDevice::layout)
    }

    /// The memory that kernels write to, by device.
    pub(super) fn slabs(&self) -> impl Iterator<Item = Memory> {
        self.devices.iter().map(OneDevice::slab)
    }

    /// What a kernel needs to record in that range of a device's slab; null without one.
    pub(super) fn kernel_ref(&self, device: usize, range: SlabRange) -> KernelRef {
        self.devices.get(device).map(|device| device.kernel_ref(range)).unwrap_or_default()
    }

    /// Why devices could not be read just now, by their indices.
    pub(super) fn errors(&self) -> Vec<Option<TelemetryError>> {
        self.devices.iter().map(|device| device.error().cloned()).collect()
    }

    pub(super) fn install(&mut self, set: StandardMetrics) -> Result<(), TelemetryError> {
        Ok(self.standard.install(set, Registrar(&self.metric_registry))?)
    }

    /// The entries as of the last reading, in the order of the snapshot's kernels.
    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// Whether a reading may have had it.
    pub(super) fn has_seen(&self, entry: &Arc<Entry>) -> bool {
        self.entries.iter().any(|seen| Arc::ptr_eq(seen, entry))
    }

    // ---- reading -------------------------------------------------------------------------------------

    /// Reads the sums of all entries, in their order.
    pub(super) fn read(&mut self, registry: &RwLock<Registry>) -> Result<Reading, TelemetryError> {
        self.catch_up(registry);
        let reading = self.devices.read(&self.metric_registry)?;
        self.actor_sums.clear();
        self.actor_sums.extend(self.entries.iter().filter_map(|e| e.actor()).map(|actor| actor.totals()));
        Ok(reading)
    }

    fn catch_up(&mut self, registry: &RwLock<Registry>) {
        let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
        if registry.version() == self.version {
            return;
        }
        self.version = registry.version();
        self.trackers.resize_with(registry.len(), KernelTracker::default);
        for (index, entry) in registry.entries().iter().enumerate() {
            // Another life, or another kernel: nothing that was before counts for it.
            if self.entries.get(index).is_some_and(|before| !Arc::ptr_eq(before, entry)) {
                self.trackers[index] = KernelTracker::default();
                self.rate_windows.forget(index);
                self.errors_seen.forget(index);
            }
        }
        self.entries = registry.entries().into();
        self.unread = self.entries.iter().filter(|entry| entry.is_unread()).cloned().collect();
        drop(registry);
        self.places = self.devices.catch_up(&self.entries);
    }

    /// All that is known of a kernel, of the last reading, but for its black boxes.
    pub(super) fn last_of(&self, entry: &Arc<Entry>) -> Option<LastNumbers> {
        self.devices.of(entry)?.last_of(entry)
    }

    /// Why a kernel that has left could not be read since, where its device may still be.
    pub(super) fn unread(&self, entry: &Entry) -> Option<&TelemetryError> {
        self.late(entry).filter(|_| entry.is_unread())
    }

    /// Why what is known of a kernel is not of now, where its device may still be.
    pub(super) fn late(&self, entry: &Entry) -> Option<&TelemetryError> {
        self.devices.error_of(entry).filter(|error| error.is_late_copy())
    }

    /// What those had counted that were forgotten.
    pub(super) fn forgotten(&mut self) -> &mut Option<Arc<KernelTelemetry>> {
        &mut self.forgotten
    }

    /// What that was before the newest registration, if that changed it and may be taken back.
    pub(super) fn forgotten_before(&mut self) -> &mut Option<Option<Arc<KernelTelemetry>>> {
        &mut self.forgotten_before
    }

    /// Makes a part of a device's slab zero that nobody writes.
    pub(super) fn clean(&mut self, device: usize, range: SlabRange) -> Result<(), DeviceError> {
        self.devices.get_mut(device).map_or(Ok(()), |device| device.clean(range))
    }

    /// The entries, with what was read of each.
    fn sums(&self) -> impl Iterator<Item = (&Arc<Entry>, &KernelSums)> + Clone {
        self.devices.sums(&self.entries, &self.actor_sums)
    }

    /// Lets counts start from zero, of `only` or of all entries. Counters and buckets are copied one after the other, and
    /// a baseline of moments that lie apart would keep them apart for ever; under traffic it is the best of some tries.
    pub(super) fn reset(&mut self, registry: &RwLock<Registry>, only: Option<usize>) -> Result<(), TelemetryError> {
        let mut reading = self.read(registry)?;
        for tries in 0..RESET_TRIES {
            if !self.is_torn(only) {
                break;
            }
            if tries >= RESET_WAITS.0 {
                std::thread::sleep(RESET_WAITS.1);
            }
            reading = self.read(registry)?;
        }
        self.forgotten = self.forgotten.take().filter(|_| only.is_some());
        let steady_ns = self.clock.ns_at(reading.at);
        let mut trackers = std::mem::take(&mut self.trackers);
        for (i, ((entry, sums), tracker)) in self.sums().zip(&mut trackers).enumerate() {
            if only.is_none_or(|only| only == i) {
                let read = self.devices.of(entry).map_or(&reading, OneDevice::reading);
                tracker.reset(entry, sums, read, steady_ns);
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

    /// Makes a snapshot of the last reading, where readings are planned at that interval. Kernels of a device that could not be
    /// read are as they were in the snapshot before.
    pub(super) fn derive(
        &mut self,
        reading: &Reading,
        planned: Duration,
        (before, reason): (Option<&Snapshot>, Reason<'_>),
    ) -> Derived {
        self.costs.begin(reading);
        if self.devices.iter().any(|device| device.error().is_some()) {
            self.costs.fail();
        }
        let (kernels, told) = self.derive_kernels(reading, planned, (before, reason));
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
            device_clock: clock_of(reading),
            devices: self.devices.summaries(),
            places: self.places(&kernels),
            kernels,
            self_metrics: self.costs.metrics(&self.counts, reading, &metrics, operations.as_deref()),
            metrics,
            operations,
            publishers: self.publishers.read(),
            system: sample.system,
            gpus: sample.gpus,
            forgotten: self.forgotten.clone(),
        };
        // What is on a device that failed was not read.
        let devices = &self.devices;
        let read = self.unread.extract_if(.., |entry| devices.error_of(entry).is_none());
        read.for_each(|entry| entry.note_read());
        self.costs.end(reading);
        Derived { snapshot, transitions: told.transitions, failed: told.failed }
    }

    fn derive_kernels(
        &mut self,
        reading: &Reading,
        planned: Duration,
        (before, reason): (Option<&Snapshot>, Reason<'_>),
    ) -> (Vec<KernelTelemetry>, Told) {
        let mut trackers = std::mem::take(&mut self.trackers);
        let bases = self.rate_windows.bases(reading.at);
        let (now_ns, limit_ns) = (self.clock.ns_at(reading.at), nanoseconds(self.stall_limit));
        let excused_ns = self.pauses.note(now_ns, limit_ns, nanoseconds(planned));
        self.excused_ns = excused_ns;
        let mut context = ReadContext {
            reading,
            look: Look { now_ns, device_ns: 0, excused_ns, limit_ns },
            devices: &self.devices,
            longest: (0..bases.len()).max_by_key(|i| bases[*i].over).unwrap_or(0),
            bases: &bases,
            rates: None,
            room: self.window_counts,
        };
        let (mut kernels, mut told) = (Vec::with_capacity(self.entries.len()), Told::default());
        // A loop, not `extend`: that moves each value once more, which shows with thousands of kernels.
        for (index, ((entry, sums), tracker)) in self.sums().zip(&mut trackers).enumerate() {
            if let Some(error) = self.devices.error_of(entry) {
                let known = last_known(before, index, entry).cloned();
                let mut kernel = known.unwrap_or_else(|| tracker.derive(index, entry, sums, &mut context));
                if self.devices.death_of(entry).is_some() {
                    entry.fail(&mut kernel, || reason(entry, error));
                    told.failed.extend((kernel.state == KernelState::Failed).then(|| Arc::clone(entry)));
                }
                kernels.push(kernel);
                continue;
            }
            let stalled = tracker.stalls();
            kernels.push(tracker.derive(index, entry, sums, &mut context));
            note(entry, stalled, kernels[index].state, |kind| told.transitions.push(Transition { index, kind }));
        }
        self.window_counts = context.rates.map_or(0, RatesBuilder::finish);
        self.trackers = trackers;
        (kernels, told)
    }

    /// Where the blocks are; after the kernels were derived.
    fn places(&self, kernels: &[KernelTelemetry]) -> Places {
        let of_devices = self.entries.iter().zip(kernels).filter(|(entry, _)| entry.is_kernel());
        let stalls =
            of_devices.enumerate().filter_map(|(i, (_, kernel))| Some((i, Arc::clone(kernel.stall.as_ref()?))));
        Places {
            devices: self.devices.places(self.excused_ns),
            kernels: Arc::clone(&self.places),
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
        let spans_of = |entry: &Entry| {
            let told = |counted: &Arc<Counted>| ErrorSpans {
                added: counted.errors_listed(),
                looks: counted.looks().filter(|_| counted.tells_errors()),
            };
            entry.traced.get().map(told).unwrap_or_default()
        };
        for (index, (entry, sums)) in self.sums().enumerate().filter(|(_, (entry, _))| entry.is_kernel()) {
            let (code, noted_ns) = (sums.lines.last_error_code as u32, sums.lines.last_error_ns);
            // Copied between the first error's count and its note: the next reading has both.
            let messages =
                if noted_ns == 0 { 0 } else { seen.new_ones(index, sums.counter(Counter::Errors), spans_of(entry)) };
            if messages > 0 {
                let read = self.devices.of(entry).map_or(reading, OneDevice::reading);
                let ago = read.device_ns.saturating_sub(noted_ns);
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

    /// Brings the newest good snapshot up to date after a reading that failed on all devices. `reason` says what a kernel died
    /// of, where its device did, unless it had ended before. Returns those whose state has to be told.
    pub(super) fn fail(&mut self, newest: &mut Option<Snapshot>, reason: Reason<'_>) -> Vec<Arc<Entry>> {
        let failures = self.costs.fail();
        let mut failed = Vec::new();
        for entry in self.entries.iter() {
            let Some(error) = self.devices.death_of(entry) else { continue };
            let is = |kernel: &&mut KernelTelemetry| entry.is(kernel);
            let mut state = KernelState::Failed;
            if let Some(kernel) = newest.as_mut().and_then(|snapshot| snapshot.kernels.iter_mut().find(is)) {
                entry.fail(kernel, || reason(entry, error));
                state = kernel.state;
            }
            if state == KernelState::Failed {
                failed.push(Arc::clone(entry));
            }
        }
        if let Some(Snapshot { places, kernels, .. }) = newest {
            // What is dead does not hang.
            let is_failed = |id: &Arc<str>| failed.iter().any(|entry| entry.id == *id);
            places.stalled.retain(|(index, _)| places.kernels.get(*index).is_some_and(|kernel| !is_failed(&kernel.id)));
            if self.devices.iter().any(OneDevice::is_dead) {
                let on_devices = kernels.iter().filter(|k| k.device.is_some() && k.state == KernelState::Failed);
                self.standard.fail(on_devices.map(|k| &*k.kernel_id));
            }
        }
        if let Some(snapshot) = newest {
            snapshot.self_metrics.collection_failures_total = failures;
            snapshot.metrics = self.metrics.read();
            snapshot.devices = self.devices.summaries();
        }
        failed
    }
}

/// A life as it was in the snapshot before, in which it most often had the same place.
fn last_known<'a>(before: Option<&'a Snapshot>, index: usize, entry: &Entry) -> Option<&'a KernelTelemetry> {
    let before = before?;
    let known = before.kernels.get(index).filter(|kernel| entry.is(kernel));
    known.or_else(|| before.kernel(&entry.id).filter(|kernel| entry.is(kernel)))
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
