//! [`TelemetryCollector`]: who the kernels are, since when they are counted, and what a reading means for them.

mod actor;
mod core;
mod costs;
mod delta;
mod error;
mod event;
mod health;
mod history;
mod hooks;
mod metrics;
mod periodic;
mod rate_windows;
mod registry;
mod standard;
mod subscription;
mod track;
mod watchdog;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::abi::{KernelRef, MAX_SCALE};
use crate::device::{Memory, MetricTable, SharedDevice};
use crate::metrics::{Capacity, DeviceMetrics};
use crate::reader::{Reader, ShardRange};
use crate::snapshot::{KernelState, KernelTelemetry, Snapshot, Summary};

pub use actor::ActorHandle;
pub use error::TelemetryError;
pub use event::{EventKind, KernelEvent};
pub use health::{Health, HealthLimits};
pub use history::SnapshotHistory;
pub use hooks::{HookId, HookKind, HookReport, MAX_HOOKS, MAX_PANICS, Notification};
pub use registry::MAX_ID_BYTES;
pub(crate) use registry::check_id;
pub use standard::StandardMetrics;
pub use subscription::Subscription;

use actor::{Actor, CoarseClock};
use core::Collection;
use history::{Bounds, History};
use hooks::Hooks;
use periodic::Periodic;
use rate_windows::RateWindows;
use registry::{FROM_BLOCKS, Origin, Registry};
use track::Baseline;

/// Bounds and times of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Most kernels and actors, the ended ones included. Default 1024.
    pub max_kernels: usize,
    /// Most blocks of all device kernels together; each has a shard of 256 bytes and its buckets. Default 1024.
    pub max_blocks: u32,
    /// Most metrics that [kernels count in](crate::metrics::Builder::build), a family of up to eight counters, or one
    /// histogram, being one. Default 256.
    pub device_metrics: usize,
    /// Bucket counts of their histograms together: one of scale 3 has 528. Default 8192.
    pub device_buckets: usize,
    /// Most series of all [metrics](crate::metrics) together, those of overflows included. Default 4096.
    pub max_series: usize,
    /// Histogram scale, 0 to 5 (more counts as 5): 2^scale buckets an octave. Default 3, an error under 4.4 %.
    pub scale: u32,
    /// What windowed rates reach back, at most eight of them; the first is that of `windowed_throughput`. Each costs
    /// some 400 bytes a kernel. Default 1 s, 10 s, 60 s.
    pub windows: Vec<Duration>,
    /// How long a running block may give no sign of life before its kernel is
    /// [`Stalled`](crate::snapshot::KernelState::Stalled). A block gives one with each message, and every so often while
    /// it waits; in the middle of a message it gives none: make this longer than the longest message. A kernel of your
    /// own that waits for work calls its recorder's `heartbeat` meanwhile. `Duration::MAX` is never. Default 10 s.
    pub stall_limit: Duration,
    /// How often the [machine](crate::machine) is asked, with the features `system` and `nvml`; zero is never. Less
    /// than 250 ms counts as that. Default 1 s.
    pub sample_interval: Duration,
    /// The longest that one copy from the device may take. Default 2 s.
    pub copy_limit: Duration,
    /// Most snapshots that the history of periodic collection keeps. Default 600.
    pub history_snapshots: usize,
    /// The age at which a snapshot leaves the history. Default 1 h.
    pub history_age: Duration,
    /// Most memory of the history, in bytes; some 150 for each kernel that is busy, in each snapshot. Default 16 MiB.
    pub history_bytes: usize,
    /// What a hook may leave waiting, before it is not told any more. Default 64.
    pub hook_queue: usize,
    /// Calls of hooks that take longer are counted as slow. Default 100 ms.
    pub hook_limit: Duration,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig {
            max_kernels: 1024,
            max_blocks: 1024,
            max_series: 4096,
            device_metrics: 256,
            device_buckets: 8192,
            scale: 3,
            windows: [1, 10, 60].map(Duration::from_secs).into(),
            stall_limit: Duration::from_secs(10),
            sample_interval: Duration::from_secs(1),
            copy_limit: Duration::from_secs(2),
            history_snapshots: 600,
            history_age: Duration::from_secs(3600),
            history_bytes: 16 << 20,
            hook_queue: 64,
            hook_limit: Duration::from_millis(100),
        }
    }
}

/// How often a reset reads again where traffic came between counters and buckets.
const RESET_TRIES: usize = 32;

/// Collects what kernels count: device kernels by reading their slab, host actors by their handles' cells.
/// Clones share one collector.
#[derive(Clone)]
pub struct TelemetryCollector {
    inner: Arc<Inner>,
}

struct Inner {
    enabled: bool,
    config: TelemetryConfig,
    registry: RwLock<Registry>,
    metrics: Arc<crate::metrics::Registry>,
    core: Mutex<Collection>,
    latest: ArcSwapOption<Snapshot>,
    periodic: Mutex<Option<Periodic>>,
    counts: Arc<costs::Shared>,
    history: Mutex<History>,
    hooks: Hooks,
    subscribers: tokio::sync::watch::Sender<Option<Arc<Snapshot>>>,
}

impl TelemetryCollector {
    /// A collector of host actors. One that is not enabled records nothing, for nothing.
    pub fn new(enabled: bool) -> Self {
        TelemetryCollector::with_config(enabled, TelemetryConfig::default())
    }

    /// A collector of host actors with other bounds.
    pub fn with_config(enabled: bool, config: TelemetryConfig) -> Self {
        Self::build(enabled, config, None)
    }

    /// A collector of the kernels of `device`, and of host actors. Allocates its slab: make it before the first
    /// launch.
    ///
    /// # Errors
    /// [`TelemetryError::Device`].
    pub fn on_device(device: SharedDevice, config: TelemetryConfig) -> Result<Self, TelemetryError> {
        let reader = Reader::new(Arc::clone(&device), config.max_blocks, config.scale, config.copy_limit)?;
        // More than any device has room for; sizes are products of these.
        let room =
            Capacity { metrics: config.device_metrics.min(1 << 20), buckets: config.device_buckets.min(1 << 28) };
        let metrics = DeviceMetrics::new(&device, room, config.copy_limit)?;
        Ok(Self::build(true, config, Some((reader, metrics))))
    }

    fn build(enabled: bool, mut config: TelemetryConfig, device: Option<(Reader, DeviceMetrics)>) -> Self {
        config.scale = config.scale.min(MAX_SCALE);
        let rate_windows = RateWindows::new(&config.windows);
        let (reader, of_device) = device.unzip();
        let metrics = Arc::new(crate::metrics::Registry::new(config.max_series, config.scale, of_device));
        let core = Collection {
            reader,
            entries: Arc::new([]),
            spans: Vec::new(),
            version: 0,
            of_actors: Vec::new(),
            tracks: Vec::new(),
            metrics: crate::metrics::View::new(Arc::clone(&metrics)),
            rate_windows,
            rates: 0,
            sequence: 0,
            costs: costs::Costs::new(config.scale),
            sets: standard::StandardSets::default(),
            machine: None,
            epoch: std::time::Instant::now(),
        };
        let bounds =
            Bounds { snapshots: config.history_snapshots, age: config.history_age, bytes: config.history_bytes };
        TelemetryCollector {
            inner: Arc::new(Inner {
                enabled,
                config,
                registry: RwLock::default(),
                metrics,
                core: Mutex::new(core),
                latest: ArcSwapOption::empty(),
                periodic: Mutex::new(None),
                counts: Arc::default(),
                history: Mutex::new(History::new(bounds)),
                hooks: Hooks::default(),
                subscribers: tokio::sync::watch::Sender::new(None),
            }),
        }
    }

    /// Whether it records.
    pub fn enabled(&self) -> bool {
        self.inner.enabled
    }

    // ---- device kernels ------------------------------------------------------------------------------

    /// Registers a kernel of `blocks` blocks, and returns what to pass to it by value. Its state is what its
    /// blocks say. It is for one launch: another with the same reference would add to its counts and start its
    /// clock again. The collector, or its [`memory`](Self::memory), must outlive the kernel.
    ///
    /// # Errors
    /// A name that is empty, too long or taken; a bound that is reached; no device.
    pub fn register(&self, id: &str, blocks: u32) -> Result<KernelRef, TelemetryError> {
        let inner = &*self.inner;
        if !inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let core = inner.core();
        let reader = core.reader.as_ref().ok_or(TelemetryError::NoDevice)?;
        let mut registry = inner.registry.write().unwrap_or_else(PoisonError::into_inner);
        let free = reader.shards() - registry.used_blocks;
        if blocks == 0 {
            return Err(TelemetryError::NoBlocks { id: id.to_owned() });
        }
        if blocks > free {
            return Err(TelemetryError::TooManyBlocks { asked: blocks, free, limit: reader.shards() });
        }
        let span = ShardRange { first: registry.used_blocks, count: blocks };
        registry.insert(id, Origin::Device(span), FROM_BLOCKS, &inner.config)?;
        registry.used_blocks += blocks;
        let table = inner.metrics.table();
        let (metrics, metric_count) = table.map_or((0, 0), |t| (t.memory.device_address(), t.places));
        Ok(KernelRef { metrics, metric_count, ..reader.kernel_ref(span) })
    }

    /// The memory that registered kernels and their metrics write to, which must outlive their blocks; the collector
    /// keeps it as well. Nothing without a device.
    pub fn memory(&self) -> Vec<Memory> {
        let slab = self.inner.core().reader.as_ref().map(Reader::slab);
        slab.into_iter().chain(self.metric_table().map(|table| table.memory)).collect()
    }

    /// Where kernels look up the metrics that were built for them. `None` without a device.
    pub fn metric_table(&self) -> Option<MetricTable> {
        self.inner.metrics.table()
    }

    /// Takes back a registration of which nothing was launched. If something was registered since, its place stays
    /// taken.
    pub(crate) fn forget(&self, id: &str) {
        let _core = self.inner.core();
        let mut registry = self.inner.registry.write().unwrap_or_else(PoisonError::into_inner);
        let newest = registry.entries.last().filter(|e| &*e.id == id).and_then(|e| e.span());
        if let Some(span) = newest {
            registry.entries.pop();
            registry.version += 1;
            registry.by_id.remove(id);
            registry.used_blocks -= span.count;
        }
    }

    /// Says what state a kernel is in, for whoever commands it.
    pub(crate) fn set_state(&self, id: &str, state: KernelState) {
        let registry = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = registry.by_id.get(id) {
            let entry = &registry.entries[*index];
            entry.state.store(state as u8, Ordering::Relaxed);
            self.inner.announce(entry, state);
        }
    }

    /// Where whoever sends to a kernel counts that its queue was full.
    pub(crate) fn queue_full(&self, id: &str) -> Arc<AtomicU64> {
        let registry = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner);
        let of = |index: &usize| Arc::clone(&registry.entries[*index].queue_full);
        registry.by_id.get(id).map(of).unwrap_or_default()
    }

    /// Says that a kernel is dead, and of what, which its telemetry carries from now on.
    pub(crate) fn set_failed(&self, id: &str, died_of: &str) {
        let registry = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = registry.by_id.get(id) {
            let entry = &registry.entries[*index];
            entry.failure.get_or_init(|| died_of.into());
            entry.state.store(KernelState::Failed as u8, Ordering::Relaxed);
            self.inner.announce(entry, KernelState::Failed);
        }
    }

    // ---- host actors ---------------------------------------------------------------------------------

    /// A handle that counts for the host actor `id`, which is registered if it is new. For the hot path of one
    /// thread; take one for each.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`], a bad name, a bound that is reached, or the id of a device kernel.
    pub fn actor(&self, id: &str) -> Result<ActorHandle, TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        Ok(self.shared_actor(id)?.handle())
    }

    /// Counts a received message for the host actor `id`, which is registered if it is new.
    ///
    /// # Errors
    /// As [`kernel`](Self::kernel), but for `Disabled`: a collector that is off does nothing.
    pub fn record_receive(&self, id: &str) -> Result<(), TelemetryError> {
        self.record(id, Actor::receive)
    }

    /// Counts a sent message; as [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`record_receive`](Self::record_receive).
    pub fn record_send(&self, id: &str) -> Result<(), TelemetryError> {
        self.record(id, Actor::send)
    }

    /// Counts a message that was handled, with how long that took if known; as
    /// [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`record_receive`](Self::record_receive).
    pub fn record_processed(&self, id: &str, took: Option<Duration>) -> Result<(), TelemetryError> {
        self.record(id, |actor| actor.processed(took))
    }

    /// Counts an error and keeps its text; as [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`record_receive`](Self::record_receive).
    pub fn record_error(&self, id: &str, error: &str) -> Result<(), TelemetryError> {
        self.record(id, |actor| actor.error(error))
    }

    fn record(&self, id: &str, what: impl FnOnce(&Actor)) -> Result<(), TelemetryError> {
        if self.inner.enabled {
            what(&*self.shared_actor(id)?);
        }
        Ok(())
    }

    fn shared_actor(&self, id: &str) -> Result<Arc<Actor>, TelemetryError> {
        let found = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner).actor(id)?;
        if let Some(actor) = found {
            return Ok(actor);
        }
        let config = &self.inner.config;
        let mut registry = self.inner.registry.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(actor) = registry.actor(id)? {
            return Ok(actor);
        }
        registry.check(id, config)?;
        let clock = match &registry.clock {
            Some(clock) => clock.share(),
            None => registry.clock.insert(CoarseClock::start()?).share(),
        };
        let actor = Arc::new(Actor::new(config.scale, clock));
        registry.insert(id, Origin::Host(Arc::clone(&actor)), KernelState::Active as u8, config)?;
        Ok(actor)
    }

    // ---- reading -------------------------------------------------------------------------------------

    /// Reads everything now. May be called from any thread at any rate while kernels run; calls wait for one
    /// another, and never for a kernel. It blocks for the time of the copy: from async code prefer
    /// [`latest`](Self::latest).
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; [`TelemetryError::Device`] if the device failed: then [`latest`](Self::latest)
    /// has the last good numbers, with its kernels `Failed` unless the copy was merely late or they had ended before.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, TelemetryError> {
        self.inner.snapshot()
    }

    /// The newest snapshot, whoever took it; `None` before the first. Takes no lock.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.inner.latest.load_full()
    }

    /// Reads everything now, and returns one kernel.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn telemetry(&self, id: &str) -> Result<KernelTelemetry, TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        self.inner.index_of(id)?;
        let snapshot = self.snapshot()?;
        match snapshot.kernel(id) {
            Some(kernel) => Ok(kernel.clone()),
            None => Err(TelemetryError::UnknownKernel { id: id.to_owned(), registered: snapshot.kernels.len() }),
        }
    }

    /// Reads everything now: each kernel by its id.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn all_telemetry(&self) -> Result<std::collections::BTreeMap<Arc<str>, KernelTelemetry>, TelemetryError> {
        Ok(self.snapshot()?.summary().per_kernel.to_map())
    }

    /// Reads everything now, and adds it up.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn summary(&self) -> Result<Summary, TelemetryError> {
        Ok(self.snapshot()?.summary())
    }

    /// Counts of `id`, or of all kernels, start from zero here and now. It moves a baseline on the host; the device
    /// is not written to, and nothing that comes later is lost. Under traffic the counters' zero and the buckets' may
    /// lie one copy apart; of an idle kernel they are the same.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn reset(&self, id: Option<&str>) -> Result<(), TelemetryError> {
        let inner = &*self.inner;
        if !inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let only = id.map(|id| inner.index_of(id)).transpose()?;
        let mut core = inner.core();
        let mut reading = core.read(inner)?;
        // Counters and buckets are copied one after the other. A baseline of moments that lie apart would keep them
        // apart for ever; under traffic it is the best of some tries.
        for _ in 0..RESET_TRIES {
            if !core.is_torn(only) {
                break;
            }
            reading = core.read(inner)?;
        }
        let baselines: Vec<Baseline> = core.totals().map(|(e, totals)| Baseline::new(e, totals, &reading)).collect();
        let core = &mut *core;
        for (i, (track, baseline)) in core.tracks.iter_mut().zip(baselines).enumerate() {
            if only.is_none_or(|only| only == i) {
                (track.baseline, track.derived, track.waited) = (Some(Box::new(baseline)), None, None);
                inner.emit(&core.entries[i].id, EventKind::Reset);
            }
        }
        inner.snapshot_of(core).map(drop)
    }

    // ---- periodic reading ----------------------------------------------------------------------------

    /// Takes a snapshot every `interval` on a thread of its own, until it is stopped or the last clone of the
    /// collector is dropped. A second call changes the interval. An interval under 100 µs counts as 100 µs.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`], or no thread.
    pub fn start_collection(&self, interval: Duration) -> Result<(), TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let mut periodic = self.inner.periodic.lock().unwrap_or_else(PoisonError::into_inner);
        match &*periodic {
            Some(running) => running.set_interval(interval),
            None => *periodic = Some(Periodic::start(Arc::downgrade(&self.inner), interval)?),
        }
        Ok(())
    }

    /// Stops the periodic reading, after the snapshot in hand. Without one it does nothing.
    pub fn stop_collection(&self) {
        self.inner.periodic.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl std::fmt::Debug for TelemetryCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registered = self.inner.registry.read().unwrap_or_else(PoisonError::into_inner).entries.len();
        write!(f, "TelemetryCollector({registered} kernels, enabled: {})", self.inner.enabled)
    }
}

impl Inner {
    /// Nobody panics while holding it; if somebody did, the tracks are those of the last reading.
    fn core(&self) -> MutexGuard<'_, Collection> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_of(&self, id: &str) -> Result<usize, TelemetryError> {
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        let unknown = || TelemetryError::UnknownKernel { id: id.to_owned(), registered: registry.entries.len() };
        registry.by_id.get(id).copied().ok_or_else(unknown)
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, TelemetryError> {
        if !self.enabled {
            return Err(TelemetryError::Disabled);
        }
        self.snapshot_of(&mut self.core())
    }

    fn snapshot_of(&self, core: &mut Collection) -> Result<Arc<Snapshot>, TelemetryError> {
        let reading = match core.read(self) {
            Ok(reading) => reading,
            Err(error) => {
                let failures = core.costs.fail();
                self.publish_failure(core, &error, failures);
                return Err(error);
            }
        };
        let snapshot = Arc::new(core.derive(self, &reading));
        self.publish(&snapshot);
        Ok(snapshot)
    }

    fn publish(&self, snapshot: &Arc<Snapshot>) {
        self.latest.store(Some(Arc::clone(snapshot)));
        if self.subscribers.receiver_count() > 0 {
            self.subscribers.send_replace(Some(Arc::clone(snapshot)));
        }
        self.hooks.tell_snapshot(snapshot);
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last good numbers stay, and say that nothing newer could be read; their device kernels are `Failed`, unless the
    /// copy was merely late.
    fn publish_failure(&self, core: &mut Collection, error: &TelemetryError, failures: u64) {
        let last = self.latest.load_full();
        let mut failed = last.as_deref().cloned();
        if let Some(snapshot) = &mut failed {
            snapshot.self_metrics.collection_failures_total = failures;
        }
        if !matches!(error, TelemetryError::Device(crate::device::DeviceError::CopyTimedOut { .. })) {
            self.fail_kernels(core, &mut failed, &error.to_string().into());
        }
        if let Some(mut failed) = failed {
            failed.metrics = core.metrics.read();
            self.publish(&Arc::new(failed));
        }
    }

    /// The device died, and its kernels with it, unless they had ended before.
    fn fail_kernels(&self, core: &Collection, failed: &mut Option<Snapshot>, died_of: &Arc<str>) {
        for entry in core.entries.iter().filter(|entry| entry.span().is_some()) {
            let of_entry = |k: &&mut KernelTelemetry| k.kernel_id == entry.id;
            match failed.as_mut().and_then(|snapshot| snapshot.kernels.iter_mut().find(of_entry)) {
                Some(kernel) => {
                    entry.fail(kernel, died_of);
                    self.announce(entry, kernel.state);
                }
                None => self.announce(entry, KernelState::Failed),
            }
        }
        if let Some(health) = &core.sets.health {
            let kernels = failed.iter().flat_map(|snapshot| &snapshot.kernels);
            health.fail(kernels.filter(|k| k.state == KernelState::Failed).map(|k| &*k.kernel_id));
        }
    }
}
