//! [`TelemetryCollector`]: who the kernels are, since when they are counted, and what a reading means for them.

mod actor;
mod error;
mod history;
mod periodic;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;

use crate::abi::{COUNTERS, Counter, KernelRef, block_state};
use crate::device::SharedDevice;
use crate::histogram::Histogram;
use crate::reader::{Reader, Reading, Span, Totals};
use crate::snapshot::{KernelState, KernelTelemetry, Latency, Snapshot, Summary, rate, ratio};

pub use actor::KernelHandle;
pub use error::TelemetryError;

use actor::{Actor, CoarseClock};
use history::History;
use periodic::Periodic;

/// Bounds and times of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Most kernels and actors, the ended ones included. Default 1024.
    pub max_kernels: usize,
    /// Most blocks of all device kernels together; each has a shard of 256 bytes and its buckets. Default 1024.
    pub max_blocks: u32,
    /// Histogram scale, 0 to 5: 2^scale buckets an octave. Default 3, an error under 4.4 %.
    pub scale: u32,
    /// What windowed rates reach back. Default 1 s.
    pub window: Duration,
    /// The longest that one copy from the device may take. Default 2 s.
    pub copy_limit: Duration,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig {
            max_kernels: 1024,
            max_blocks: 1024,
            scale: 3,
            window: Duration::from_secs(1),
            copy_limit: Duration::from_secs(2),
        }
    }
}

/// Longest kernel id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

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
    core: Mutex<Core>,
    latest: ArcSwapOption<Snapshot>,
    periodic: Mutex<Option<Periodic>>,
}

#[derive(Default)]
struct Registry {
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<Arc<str>, usize>,
    used_blocks: u32,
    /// Counts the changes of `entries`.
    version: u64,
    clock: Option<CoarseClock>,
}

/// One kernel or actor.
struct Entry {
    id: Arc<str>,
    origin: Origin,
    /// A [`KernelState`] that whoever commands the kernel knows better than its blocks, or [`FROM_BLOCKS`].
    state: AtomicU8,
}

enum Origin {
    Device(Span),
    Host(Arc<Actor>),
}

const FROM_BLOCKS: u8 = u8::MAX;

/// What a reading needs, one reader at a time.
struct Core {
    reader: Option<Reader>,
    /// The registry's entries as of `version`: they change rarely, and are read often.
    entries: Arc<[Arc<Entry>]>,
    spans: Vec<Span>,
    version: u64,
    /// Of the host actors, in their order; the reader has those of the device's kernels.
    of_actors: Vec<Totals>,
    tracks: Vec<Track>,
    history: History,
    sequence: u64,
}

/// What is remembered of one kernel between readings.
#[derive(Default)]
struct Track {
    baseline: Option<Box<Baseline>>,
    /// The last latency histogram, what it is since the baseline, and what that says.
    derived: Option<(Arc<Histogram>, Arc<Histogram>, Option<Latency>)>,
}

/// A reset: what was counted before it does not count.
struct Baseline {
    at: Instant,
    counters: [u64; COUNTERS],
    latency: Arc<Histogram>,
    error: (u64, Option<Arc<str>>),
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
        let reader = Reader::new(device, config.max_blocks, config.scale, config.copy_limit)?;
        Ok(Self::build(true, config, Some(reader)))
    }

    fn build(enabled: bool, config: TelemetryConfig, reader: Option<Reader>) -> Self {
        let history = History::new(config.window);
        let core = Core {
            reader,
            entries: Arc::new([]),
            spans: Vec::new(),
            version: 0,
            of_actors: Vec::new(),
            tracks: Vec::new(),
            history,
            sequence: 0,
        };
        TelemetryCollector {
            inner: Arc::new(Inner {
                enabled,
                config,
                registry: RwLock::default(),
                core: Mutex::new(core),
                latest: ArcSwapOption::empty(),
                periodic: Mutex::new(None),
            }),
        }
    }

    /// Whether it records.
    pub fn enabled(&self) -> bool {
        self.inner.enabled
    }

    // ---- device kernels ------------------------------------------------------------------------------

    /// Registers a kernel of `blocks` blocks, and returns what to pass to it by value. Its state is what its
    /// blocks say. The collector, or its [`slab`](Self::slab), must outlive the kernel.
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
        let span = Span { first: registry.used_blocks, count: blocks };
        registry.insert(id, Origin::Device(span), FROM_BLOCKS, &inner.config)?;
        registry.used_blocks += blocks;
        Ok(reader.kernel_ref(span))
    }

    /// The memory that registered kernels write to, which must outlive their blocks; the collector keeps it as
    /// well. `None` without a device.
    pub fn slab(&self) -> Option<crate::device::Memory> {
        self.inner.core().reader.as_ref().map(Reader::slab)
    }

    /// Takes back a registration of which nothing was launched, if nothing was registered since.
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
            registry.entries[*index].state.store(state as u8, Ordering::Relaxed);
        }
    }

    // ---- host actors ---------------------------------------------------------------------------------

    /// A handle that counts for the host actor `id`, which is registered if it is new. For the hot path of one
    /// thread; take one for each.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`], a bad name, a bound that is reached, or the id of a device kernel.
    pub fn kernel(&self, id: &str) -> Result<KernelHandle, TelemetryError> {
        if !self.inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        Ok(self.actor(id)?.handle())
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
            what(&*self.actor(id)?);
        }
        Ok(())
    }

    fn actor(&self, id: &str) -> Result<Arc<Actor>, TelemetryError> {
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
    /// has the last good numbers, with its kernels `Failed` unless the copy was merely late.
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
        let index = self.inner.index_of(id)?;
        Ok(self.snapshot()?.kernels[index].clone())
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
    /// is not written to, and nothing that comes later is lost.
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
        let reading = core.read(inner)?;
        let baselines: Vec<Baseline> = core.totals().map(|(e, totals)| Baseline::new(e, totals, reading.at)).collect();
        for (i, (track, baseline)) in core.tracks.iter_mut().zip(baselines).enumerate() {
            if only.is_none_or(|only| only == i) {
                *track = Track { baseline: Some(Box::new(baseline)), derived: None };
            }
        }
        inner.snapshot_of(&mut core).map(drop)
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

/// Whether `id` may be a name at all.
pub(crate) fn check_id(id: &str) -> Result<(), TelemetryError> {
    if id.is_empty() {
        return Err(TelemetryError::EmptyId);
    }
    if id.len() > MAX_ID_BYTES {
        let start = id.chars().take(16).collect();
        return Err(TelemetryError::IdTooLong { start, bytes: id.len(), limit: MAX_ID_BYTES });
    }
    Ok(())
}

impl Registry {
    /// The host actor of that name, if there is one.
    fn actor(&self, id: &str) -> Result<Option<Arc<Actor>>, TelemetryError> {
        match self.by_id.get(id).map(|i| &self.entries[*i].origin) {
            Some(Origin::Host(actor)) => Ok(Some(Arc::clone(actor))),
            Some(Origin::Device(_)) => Err(TelemetryError::CountsForItself { id: id.to_owned() }),
            None => Ok(None),
        }
    }

    /// Whether `id` may be registered.
    fn check(&self, id: &str, config: &TelemetryConfig) -> Result<(), TelemetryError> {
        check_id(id)?;
        if self.by_id.contains_key(id) {
            return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() });
        }
        if self.entries.len() >= config.max_kernels {
            return Err(TelemetryError::TooManyKernels { limit: config.max_kernels });
        }
        Ok(())
    }

    fn insert(&mut self, id: &str, origin: Origin, state: u8, config: &TelemetryConfig) -> Result<(), TelemetryError> {
        self.check(id, config)?;
        let id: Arc<str> = id.into();
        self.by_id.insert(Arc::clone(&id), self.entries.len());
        self.version += 1;
        self.entries.push(Arc::new(Entry { id, origin, state: AtomicU8::new(state) }));
        Ok(())
    }
}

impl Inner {
    /// Nobody panics while holding it; if somebody did, the tracks are those of the last reading.
    fn core(&self) -> MutexGuard<'_, Core> {
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

    fn snapshot_of(&self, core: &mut Core) -> Result<Arc<Snapshot>, TelemetryError> {
        let reading = core.read(self).inspect_err(|error| self.publish_failure(error))?;
        let snapshot = Arc::new(core.derive(&reading));
        self.latest.store(Some(Arc::clone(&snapshot)));
        Ok(snapshot)
    }

    /// The last good numbers stay; their device kernels are `Failed`, unless the copy was merely late.
    fn publish_failure(&self, error: &TelemetryError) {
        let Some(last) = self.latest.load_full() else { return };
        if matches!(error, TelemetryError::Device(crate::device::DeviceError::CopyTimedOut { .. })) {
            return;
        }
        let mut failed = (*last).clone();
        for kernel in failed.kernels.iter_mut().filter(|k| k.blocks > 0 && k.state != KernelState::Terminated) {
            kernel.state = KernelState::Failed;
        }
        self.latest.store(Some(Arc::new(failed)));
    }
}

impl Core {
    /// Reads the totals of all entries, in their order.
    fn read(&mut self, inner: &Inner) -> Result<Reading, TelemetryError> {
        self.catch_up(&inner.registry);
        let reading = match &mut self.reader {
            Some(reader) => reader.read(&self.spans)?,
            None => Reading::without_device(),
        };
        self.of_actors.clear();
        self.of_actors.extend(self.entries.iter().filter_map(|e| e.actor()).map(|actor| actor.totals()));
        Ok(reading)
    }

    /// The entries, with what was read of each.
    fn totals(&self) -> impl Iterator<Item = (&Arc<Entry>, &Totals)> {
        let mut of_device = self.reader.as_ref().map_or(&[][..], Reader::totals).iter();
        let mut of_actors = self.of_actors.iter();
        self.entries.iter().filter_map(move |entry| {
            let totals = match entry.origin {
                Origin::Device(_) => of_device.next(),
                Origin::Host(_) => of_actors.next(),
            };
            totals.map(|totals| (entry, totals))
        })
    }

    fn catch_up(&mut self, registry: &RwLock<Registry>) {
        let registry = registry.read().unwrap_or_else(PoisonError::into_inner);
        if registry.version != self.version {
            self.version = registry.version;
            self.entries = registry.entries.as_slice().into();
            self.spans = self.entries.iter().filter_map(|e| e.span()).collect();
            self.tracks.resize_with(self.entries.len(), Track::default);
        }
    }

    fn derive(&mut self, reading: &Reading) -> Snapshot {
        let mut tracks = std::mem::take(&mut self.tracks);
        let window = self.history.base(reading.at);
        let mut kernels = Vec::with_capacity(self.entries.len());
        // A loop, not `extend`: that moves each value once more, which shows with thousands of kernels.
        for (i, ((entry, totals), track)) in self.totals().zip(&mut tracks).enumerate() {
            let before = window.map(|(age, counts)| (age, counts.get(i).copied().unwrap_or(0)));
            kernels.push(track.derive(entry, totals, reading, before));
        }
        self.tracks = tracks;
        if self.history.is_due(reading.at) {
            let processed = self.totals().map(|(_, t)| t.counter(Counter::Processed)).collect();
            self.history.push(reading.at, processed);
        }
        self.sequence += 1;
        Snapshot {
            sequence: self.sequence,
            time: UNIX_EPOCH + Duration::from_nanos(reading.unix_ns),
            copy_duration: reading.copy_duration,
            copied_bytes: reading.copied_bytes,
            kernels,
        }
    }
}

impl Reading {
    /// Of a collector without a device.
    fn without_device() -> Self {
        let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        Reading { at: Instant::now(), copy_duration: Duration::ZERO, copied_bytes: 0, device_ns: unix_ns, unix_ns }
    }
}

impl Entry {
    fn span(&self) -> Option<Span> {
        match self.origin {
            Origin::Device(span) => Some(span),
            Origin::Host(_) => None,
        }
    }

    fn actor(&self) -> Option<&Actor> {
        match &self.origin {
            Origin::Device(_) => None,
            Origin::Host(actor) => Some(actor),
        }
    }

    fn state(&self, totals: &Totals) -> KernelState {
        if totals.lines.foreign_abi != 0 {
            return KernelState::Failed;
        }
        let known = KernelState::from_u8(self.state.load(Ordering::Relaxed));
        known.unwrap_or_else(|| state_of_blocks(&totals.lines.blocks_in_state))
    }

    fn last_error(&self) -> Option<Arc<str>> {
        self.actor()?.last_error()
    }
}

fn state_of_blocks(blocks: &[u32; 4]) -> KernelState {
    let any = |state: u64| blocks[state as usize] > 0;
    if any(block_state::ACTIVE) || (any(block_state::ENDED) && any(block_state::NONE)) {
        KernelState::Active
    } else if any(block_state::HELD) || any(block_state::NONE) {
        KernelState::Launched
    } else {
        KernelState::Terminated
    }
}

impl Baseline {
    fn new(entry: &Entry, totals: &Totals, at: Instant) -> Self {
        let error = (totals.lines.last_error_code, entry.last_error());
        Baseline { at, counters: totals.lines.counters, latency: Arc::clone(&totals.latency), error }
    }
}

impl Track {
    /// What `totals` mean; inlined, so that it is built in its place. `before` is the window's age and the processed count at its start.
    #[inline(always)]
    fn derive(
        &mut self,
        entry: &Entry,
        totals: &Totals,
        reading: &Reading,
        before: Option<(Duration, u64)>,
    ) -> KernelTelemetry {
        let count = |c: Counter| {
            let now = totals.counter(c);
            self.baseline.as_ref().map_or(now, |b| now.saturating_sub(b.counters[c as usize]))
        };
        let clock = Clock::of(entry, reading);
        let uptime = clock.uptime(totals);
        let counted = match &self.baseline {
            Some(b) => reading.at.saturating_duration_since(b.at).min(uptime),
            None => uptime,
        };
        let (processed, errors) = (count(Counter::Processed), count(Counter::Errors));
        let throughput = rate(processed, counted);
        let windowed = before.map(|(age, then)| (totals.counter(Counter::Processed).saturating_sub(then), age));
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
            state: entry.state(totals),
            messages_received: received,
            messages_sent: sent,
            messages_processed: processed,
            errors,
            start_time: clock.time(totals.lines.start_ns),
            last_message_time: clock.time(totals.lines.last_message_ns),
            throughput,
            windowed_throughput: windowed.map_or(throughput, |(count, age)| rate(count, age)),
            uptime,
            error_rate: ratio(errors as f64, (processed + errors) as f64),
            last_error_code,
            last_error,
            latency,
            queue_depth: totals.lines.queue_depth,
            queue_high_water: totals.lines.queue_high_water,
            bytes_in,
            bytes_out,
            busy_ratio: ratio(busy_time.as_secs_f64(), counted.as_secs_f64() * f64::from(blocks.max(1))),
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

    /// The last error since the reset: an error that was the last one before it counts again only if there
    /// were more.
    fn last_error(&self, entry: &Entry, totals: &Totals, errors: u64) -> (Option<u32>, Option<Arc<str>>) {
        let now = (totals.lines.last_error_code, entry.last_error());
        if errors == 0 && self.baseline.as_ref().is_some_and(|b| b.error == now) {
            return (None, None);
        }
        ((now.0 != 0).then_some(now.0 as u32), now.1)
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
        let latency = Latency::of(&since);
        self.derived = Some((Arc::clone(now), Arc::clone(&since), latency));
        (since, latency)
    }
}

/// From an entry's clock to Unix time.
#[derive(Clone, Copy)]
struct Clock {
    now_ns: u64,
    unix_ns: u64,
}

impl Clock {
    fn of(entry: &Entry, reading: &Reading) -> Self {
        match entry.origin {
            Origin::Device(_) => Clock { now_ns: reading.device_ns, unix_ns: reading.unix_ns },
            Origin::Host(_) => Clock { now_ns: reading.unix_ns, unix_ns: reading.unix_ns },
        }
    }

    /// The time of a word; 0 is never.
    fn time(self, ns: u64) -> Option<SystemTime> {
        let ago = i128::from(self.now_ns) - i128::from(ns);
        let unix = u64::try_from(i128::from(self.unix_ns) - ago).unwrap_or(0);
        (ns != 0).then(|| UNIX_EPOCH + Duration::from_nanos(unix))
    }

    fn uptime(self, totals: &Totals) -> Duration {
        let end = if totals.lines.end_ns == 0 { self.now_ns } else { totals.lines.end_ns };
        Duration::from_nanos(if totals.lines.start_ns == 0 { 0 } else { end.saturating_sub(totals.lines.start_ns) })
    }
}
