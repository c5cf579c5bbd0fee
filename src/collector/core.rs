//! What a collector does: it reads, publishes, keeps, tells, and says what went wrong.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;

use super::boxes::Boxes;
use super::clock::SteadyClock;
use super::collect::{Collection, OneDevice, Transition};
use super::config::TelemetryConfig;
use super::counts::Counts;
use super::error::TelemetryError;
use super::history::{Bounds, History};
use super::log::Message;
use super::notify::{EventKind, Notifier};
use super::ops::Switch;
use super::periodic::{Periodic, kept_interval};
use super::publishers::Publishers;
use super::registry::{Entry, Registry};
use super::trace::Drain;
use crate::device::{DeviceError, Memory};
use crate::metrics::{DeviceMetrics, Registry as MetricRegistry};
use crate::snapshot::{BlackBox, KernelState, Snapshot};
use crate::trace::{Queue, Stream, StreamConfig, TraceFilter};

/// What all clones of a collector share.
pub(super) struct Core {
    pub(super) enabled: bool,
    pub(super) started: SystemTime,
    pub(super) metrics: Arc<MetricRegistry>,
    pub(super) notifier: Notifier,
    /// Operations of the application.
    pub(super) ops: Arc<Switch>,
    /// Destinations that something is published to.
    #[cfg_attr(not(feature = "publish"), allow(dead_code))]
    pub(super) publishers: Arc<Publishers>,
    /// Events and spans, where they are kept, by device.
    pub(super) drains: Vec<Drain>,
    /// Where kernels leave their last words, by device.
    pub(super) boxes: Vec<Boxes>,
    registry: RwLock<Registry>,
    pub(super) counts: Arc<Counts>,
    pub(super) clock: SteadyClock,
    collection: Mutex<Collection>,
    latest: ArcSwapOption<Snapshot>,
    history: Mutex<History>,
    periodic: Mutex<Option<Periodic>>,
    /// The interval of periodic reading; 0 without.
    planned_ns: AtomicU64,
}

impl Core {
    /// With a config that was checked.
    pub(super) fn new(enabled: bool, config: &TelemetryConfig, devices: Vec<(OneDevice, DeviceMetrics)>) -> Self {
        let (devices, device_metrics) = devices.into_iter().unzip();
        let metrics = match enabled {
            true => MetricRegistry::new(config.max_series, config.scale, device_metrics),
            false => MetricRegistry::disabled(config.max_series, config.scale),
        };
        let (metrics, clock, counts) = (Arc::new(metrics), SteadyClock::start(), Arc::<Counts>::default());
        let bounds =
            Bounds { snapshots: config.history_snapshots, age: config.history_age, bytes: config.history_bytes };
        let ops = Arc::new(Switch::new(config.scale, clock, Arc::clone(&counts)));
        let publishers = Arc::<Publishers>::default();
        let shared = (Arc::clone(&ops), Arc::clone(&publishers), Arc::clone(&counts));
        let collection = Collection::new(config, clock, devices, Arc::clone(&metrics), shared);
        Core {
            drains: Vec::new(),
            boxes: Vec::new(),
            enabled,
            started: SystemTime::now(),
            metrics,
            ops,
            publishers,
            notifier: Notifier::new(Arc::clone(&counts), config.hook_queue, config.hook_limit),
            registry: RwLock::new(Registry::new(config.max_kernels, config.scale, clock)),
            counts,
            clock,
            collection: Mutex::new(collection),
            latest: ArcSwapOption::empty(),
            history: Mutex::new(History::new(bounds)),
            periodic: Mutex::default(),
            planned_ns: AtomicU64::new(0),
        }
    }

    /// Makes a stream of what kernels record from now on, on each device that can be read.
    pub(super) fn trace_stream(&self, config: StreamConfig) -> Result<Stream, TelemetryError> {
        self.check_enabled()?;
        if self.drains.is_empty() {
            return Err(TelemetryError::NoTraceRecords);
        }
        let (queue, stream) = Queue::open(config, self.drains.len());
        let opened: Vec<_> = self.drains.iter().map(|drain| drain.open(&queue)).collect();
        match opened.iter().any(Result::is_ok) {
            true => Ok(stream),
            false => opened.into_iter().collect::<Result<Vec<()>, _>>().map(|_| stream),
        }
    }

    /// Looks at the rings of each device so far, from 1; 0 while nobody reads them.
    pub(super) fn trace_looks(&self) -> Vec<u64> {
        self.drains.iter().map(Drain::looks).collect()
    }

    /// Places of rings that were written while there were streams, by all kernels.
    pub(super) fn written_to_rings(&self) -> u64 {
        let registry = self.registry();
        registry.entries().iter().filter_map(|entry| entry.traced.get()).map(|counted| counted.records().written).sum()
    }

    /// Changes of which messages a kernel leaves a span.
    pub(super) fn trace(&self, id: &str, filter: TraceFilter) -> Result<(), TelemetryError> {
        self.check_enabled()?;
        let word = filter.word()?;
        let index = self.index_of(id)?;
        let entry = Arc::clone(&self.registry().entries()[index]);
        match (entry.device().and_then(|device| self.drains.get(device)), entry.traced.get()) {
            (Some(drain), Some(counted)) => Ok(drain.set_filter(index, counted, word)?),
            _ => Err(TelemetryError::NotTraced { id: id.to_owned() }),
        }
    }

    pub(super) fn check_enabled(&self) -> Result<(), TelemetryError> {
        if self.enabled { Ok(()) } else { Err(TelemetryError::Disabled) }
    }

    /// Nobody panics while holding it; if somebody did, the trackers are those of the last reading.
    pub(super) fn collection(&self) -> MutexGuard<'_, Collection> {
        self.collection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn registry_mut(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- kernels and actors --------------------------------------------------------------------------

    /// What kernels write to on a device.
    pub(super) fn memory(&self, device: usize) -> Vec<Memory> {
        let slab = self.collection().slabs().nth(device);
        let traces = self.drains.get(device).map(Drain::memory);
        let boxes = self.boxes.get(device).map(Boxes::memory);
        let metrics = self.metrics.table(device).map(|table| table.memory);
        [slab, traces, boxes, metrics].into_iter().flatten().map(Memory::opaque).collect()
    }

    pub(super) fn device_count(&self) -> usize {
        self.collection().slabs().count()
    }

    pub(super) fn index_of(&self, id: &str) -> Result<usize, TelemetryError> {
        let found = self.registry().index_of(id);
        found.inspect_err(|_| self.notifier.say(Message::UnknownKernel { kernel_id: id }))
    }

    /// Notes and tells what state a kernel was commanded to.
    pub(super) fn set_state(&self, entry: &Entry, state: KernelState) {
        entry.set_state(state);
        self.announce(entry, state, None);
    }

    /// Notes and tells that a kernel is dead, and of what.
    pub(super) fn set_failed(&self, entry: &Entry, died_of: &str) {
        entry.set_failed(died_of);
        if self.announce(entry, KernelState::Failed, entry.failure()) {
            self.notifier.say(Message::KernelFailed { kernel_id: &entry.id, reason: died_of });
        }
    }

    /// What each shard's black box says. It is host memory: no driver is called.
    pub(super) fn black_box(&self, id: &str) -> Result<Vec<BlackBox>, TelemetryError> {
        self.check_enabled()?;
        let index = self.index_of(id)?;
        let entry = self.registry().entries().get(index).cloned();
        let boxes = entry.and_then(|entry| self.boxes_of(&entry));
        boxes.ok_or_else(|| TelemetryError::NoBlackBox { id: id.to_owned() })
    }

    /// What a kernel died of, with what its black boxes say of it.
    pub(super) fn quoted(&self, entry: &Entry, died_of: DeviceError) -> DeviceError {
        match self.quote(entry) {
            Some(quote) => died_of.quoting(&quote),
            None => died_of,
        }
    }

    pub(super) fn boxes_of(&self, entry: &Entry) -> Option<Vec<BlackBox>> {
        self.boxes.get(entry.device()?)?.read(entry)
    }

    fn quote(&self, entry: &Entry) -> Option<String> {
        BlackBox::quote(&self.boxes_of(entry)?)
    }

    /// The same as text, where the device's death was found by a reading.
    fn reason(&self, entry: &Entry, died_of: &TelemetryError) -> Arc<str> {
        match (entry.failure(), died_of) {
            (Some(known), _) => Arc::clone(known),
            (None, TelemetryError::Device(error)) => self.quoted(entry, error.clone()).to_string().into(),
            (None, other) => other.to_string().into(),
        }
    }

    /// Tells that a kernel is in a state, unless that was told last. Whether it did.
    fn announce(&self, entry: &Entry, state: KernelState, died_of: Option<&Arc<str>>) -> bool {
        let tells = entry.tell_once(state);
        if tells {
            self.notifier.event_with(&entry.id, EventKind::from_state(state), None, died_of);
        }
        tells
    }

    // ---- reading -------------------------------------------------------------------------------------

    pub(super) fn latest(&self) -> Option<Arc<Snapshot>> {
        self.latest.load_full()
    }

    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>, TelemetryError> {
        self.check_enabled()?;
        let outcome = self.collect(&mut self.collection());
        self.say(&outcome);
        outcome.result
    }

    pub(super) fn reset(&self, id: Option<&str>) -> Result<(), TelemetryError> {
        self.check_enabled()?;
        let only = id.map(|id| self.index_of(id)).transpose()?;
        let outcome = {
            let mut collection = self.collection();
            collection.reset(&self.registry, only)?;
            for (_, entry) in collection.entries().iter().enumerate().filter(|(i, _)| only.is_none_or(|o| o == *i)) {
                self.notifier.event(&entry.id, EventKind::Reset);
            }
            self.collect(&mut collection)
        };
        self.say(&outcome);
        outcome.result.map(drop)
    }

    /// Reads, publishes and tells, while nobody else does: so that snapshots and events come in their order.
    pub(super) fn collect(&self, collection: &mut Collection) -> Outcome {
        let dropped_before = self.counts.dropped_series.load(Ordering::Relaxed);
        let reading = match collection.read(&self.registry) {
            Ok(reading) => reading,
            Err(error) => return self.collection_failed(collection, error),
        };
        let before = self.latest.load_full();
        let misses_before = before
            .as_ref()
            .map_or((0, 0), |latest| (latest.self_metrics.lookup_misses_total, latest.self_metrics.role_misses_total));
        let planned = Duration::from_nanos(self.planned_ns.load(Ordering::Relaxed));
        let reason = |entry: &Entry, error: &TelemetryError| self.reason(entry, error);
        let derived = collection.derive(&reading, planned, (before.as_deref(), &reason));
        drop(before);
        let snapshot = Arc::new(derived.snapshot);
        // Before its events: whoever hears of one finds it in the newest snapshot.
        self.latest.store(Some(Arc::clone(&snapshot)));
        for transition in &derived.transitions {
            let kernel = &snapshot.kernels[transition.index];
            let (stall, died_of) = (kernel.stall.as_ref(), kernel.last_error.as_ref());
            self.notifier.event_with(&kernel.kernel_id, transition.kind, stall, died_of);
        }
        let errors = collection.errors();
        let failed = self.tell_failed(derived.failed, &errors);
        self.notifier.snapshot(&snapshot);
        let dropped = self.counts.dropped_series.load(Ordering::Relaxed);
        let series_dropped = (dropped > dropped_before).then_some(dropped);
        let more = |now: u64, before: u64| (now > before).then_some(now);
        let lookup_misses = more(reading.lookup_misses, misses_before.0);
        let role_misses = more(reading.role_misses, misses_before.1);
        let transitions = derived.transitions;
        Outcome { series_dropped, lookup_misses, role_misses, transitions, failed, errors, result: Ok(snapshot) }
    }

    /// The last good numbers stay, and say that nothing newer could be read; their device kernels are `Failed`, unless the
    /// copy was merely late.
    fn collection_failed(&self, collection: &mut Collection, error: TelemetryError) -> Outcome {
        let mut newest = self.latest.load_full().as_deref().cloned();
        let failed = collection.fail(&mut newest, &|entry, error| self.reason(entry, error));
        let newest = newest.map(Arc::new);
        newest.iter().for_each(|newest| self.latest.store(Some(Arc::clone(newest))));
        let errors = collection.errors();
        let failed = self.tell_failed(failed, &errors);
        newest.iter().for_each(|newest| self.notifier.snapshot(newest));
        Outcome {
            failed,
            errors,
            transitions: Vec::new(),
            series_dropped: None,
            lookup_misses: None,
            role_misses: None,
            result: Err(error),
        }
    }

    /// Tells which kernels their devices took with them, by those devices' errors. Returns those that were not told before,
    /// with why.
    fn tell_failed(&self, failed: Vec<Arc<Entry>>, errors: &[Option<TelemetryError>]) -> Vec<(Arc<Entry>, Arc<str>)> {
        let why = |entry: Arc<Entry>| {
            let error = errors.get(entry.device()?)?.as_ref()?;
            let reason = self.reason(&entry, error);
            self.announce(&entry, KernelState::Failed, Some(&reason)).then_some((entry, reason))
        };
        failed.into_iter().filter_map(why).collect()
    }

    /// Says what there is to say of a collection, when the lock is free again: the user's subscriber may collect itself.
    pub(super) fn say(&self, outcome: &Outcome) {
        let say = |message: Message<'_>| self.notifier.say(message);
        self.notifier.say_dropped();
        if let Ok(snapshot) = &outcome.result {
            for transition in &outcome.transitions {
                self.say_transition(transition, snapshot);
            }
        }
        for error in outcome.errors.iter().flatten() {
            say(match error.is_late_copy() {
                true => Message::CollectionFailed { error },
                false => Message::DeviceFailed { error },
            });
        }
        for (entry, reason) in &outcome.failed {
            say(Message::KernelFailed { kernel_id: &entry.id, reason });
        }
        if let Some(dropped) = outcome.series_dropped {
            say(Message::SeriesDropped { dropped });
        }
        if let Some(misses) = outcome.lookup_misses {
            say(Message::MetricNotFound { misses });
        }
        if let Some(misses) = outcome.role_misses {
            say(Message::RoleNotFound { misses });
        }
    }

    fn say_transition(&self, transition: &Transition, snapshot: &Snapshot) {
        let kernel = &snapshot.kernels[transition.index];
        let kernel_id = &*kernel.kernel_id;
        match transition.kind {
            EventKind::Stalled => {
                let block = kernel.stall.as_ref().map_or(0, |stall| stall.block);
                let stuck = snapshot.stuck_kernel(kernel_id).map(|stuck| stuck.to_string()).unwrap_or_default();
                self.notifier.say(Message::KernelStalled { kernel_id, block, stuck: &stuck });
            }
            EventKind::Recovered => self.notifier.say(Message::KernelRecovered { kernel_id }),
            EventKind::Failed => {
                let reason = kernel.last_error.as_deref().unwrap_or_default();
                self.notifier.say(Message::KernelFailed { kernel_id, reason });
            }
            _ => {}
        }
    }

    // ---- periodic reading ----------------------------------------------------------------------------

    /// Calls `tick` at that interval, or changes the interval of the one that runs.
    pub(super) fn start_periodic(
        &self,
        interval: Duration,
        tick: impl FnMut() -> bool + Send + 'static,
    ) -> Result<(), TelemetryError> {
        let mut periodic = self.periodic.lock().unwrap_or_else(PoisonError::into_inner);
        match &*periodic {
            Some(running) => running.set_interval(interval),
            None => *periodic = Some(Periodic::start(interval, tick)?),
        }
        let planned = kept_interval(interval).as_nanos() as u64;
        self.planned_ns.store(planned, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_periodic(&self) -> bool {
        self.periodic.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn stop_periodic(&self) {
        let mut periodic = self.periodic.lock().unwrap_or_else(PoisonError::into_inner);
        periodic.take();
        self.planned_ns.store(0, Ordering::Relaxed);
    }

    /// Takes a snapshot and keeps it. On the periodic reader's thread, beside those who take the next one.
    pub(super) fn tick(&self) {
        let _range = crate::nvtx::range("ringscope: tick");
        // `latest` shows a failure; a late copy is tried again.
        let Ok(snapshot) = self.snapshot() else { return };
        let dropped = {
            let mut history = self.history();
            let dropped = history.push(&snapshot, Instant::now());
            self.counts.history_snapshots.store(history.len() as u64, Ordering::Relaxed);
            self.counts.history_bytes.store(history.bytes() as u64, Ordering::Relaxed);
            dropped
        };
        if dropped > 0 {
            self.counts.dropped_history.fetch_add(dropped, Ordering::Relaxed);
            self.notifier.say(Message::SnapshotsForgotten { dropped });
        }
    }
}

/// What came of one collection.
pub(super) struct Outcome {
    pub(super) result: Result<Arc<Snapshot>, TelemetryError>,
    transitions: Vec<Transition>,
    /// The kernels that a device took with it, and what they died of.
    failed: Vec<(Arc<Entry>, Arc<str>)>,
    /// Why devices could not be read, by their indices.
    errors: Vec<Option<TelemetryError>>,
    /// All series that had no room so far, if there are more of them now.
    series_dropped: Option<u64>,
    /// All look-ups of metrics by kernels that found none, if there are more of them now.
    lookup_misses: Option<u64>,
    role_misses: Option<u64>,
}
