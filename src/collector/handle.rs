//! The collector as its users have it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use super::actor::{Actor, ActorHandle};
use super::config::{self, TelemetryConfig};
use super::core::Core;
use super::error::TelemetryError;
use super::history::SnapshotHistory;
use super::notify::{HookId, HookKind, HookReport, Notification, Subscription};
#[cfg(feature = "publish")]
use super::publishers::CountsPublishing;
use super::registration::KernelRegistration;
use super::standard::StandardMetrics;
use crate::abi::KernelRef;
use crate::device::{Memory, MetricTable, SharedDevice};
use crate::snapshot::{BlackBox, KernelTelemetry, Snapshot, Summary};
use crate::trace::{Stream, StreamConfig, TraceFilter};

/// Collects what kernels count: device kernels by reading their slab, host actors by their handles' cells.
/// Clones share one collector.
///
/// A collector that is off hands out handles that do nothing: callers need not ask whether it is on. Reading from it, and
/// asking it to tell somebody, is [`TelemetryError::Disabled`].
#[derive(Clone)]
pub struct TelemetryCollector {
    pub(super) core: Arc<Core>,
}

impl TelemetryCollector {
    /// Makes a collector of host actors with the default config. One that is not enabled records nothing.
    pub fn new(enabled: bool) -> Self {
        Self::from_core(Core::new(enabled, &TelemetryConfig::default(), Vec::new()))
    }

    /// Makes a collector of host actors with bounds and times of one's own.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`], as [`TelemetryConfig::check`].
    pub fn with_config(enabled: bool, config: TelemetryConfig) -> Result<Self, TelemetryError> {
        config.check()?;
        Ok(Self::from_core(Core::new(enabled, &config, Vec::new())))
    }

    /// Makes a collector of the kernels of `device`, and of host actors. Allocates its slab: make it before the first
    /// launch. [`builder`](Self::builder) makes one of several devices.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`], as [`TelemetryConfig::check`]; [`TelemetryError::Device`].
    pub fn on_device(device: SharedDevice, config: TelemetryConfig) -> Result<Self, TelemetryError> {
        Self::builder().device(device).config(config).build()
    }

    pub(super) fn from_core(core: Core) -> Self {
        TelemetryCollector { core: Arc::new(core) }
    }

    /// Adds a destination to what snapshots count, and returns the name that it has there.
    #[cfg(feature = "publish")]
    pub(crate) fn add_publisher(&self, name: &str, counts: Arc<dyn CountsPublishing>) -> Arc<str> {
        self.core.publishers.add(name, counts)
    }

    /// Returns when it was made: since then it counts.
    pub fn started(&self) -> SystemTime {
        self.core.started
    }

    /// Returns whether it records.
    pub fn enabled(&self) -> bool {
        self.core.enabled
    }

    // ---- device kernels ------------------------------------------------------------------------------

    /// Registers a kernel of `blocks` blocks on the first device, and returns what to pass to it by value; a null reference, with which the
    /// kernel counts nothing, from a collector that is off. The kernel's state is what its blocks say. The reference is for
    /// one launch: another with the same one would add to its counts and start its clock again. The collector, or its
    /// [`memory`](Self::memory), must outlive the kernel.
    ///
    /// # Errors
    /// A name that is empty, too long or taken; a bound that is reached; [`TelemetryError::NoDevice`].
    pub fn register(&self, id: &str, blocks: u32) -> Result<KernelRef, TelemetryError> {
        self.kernel(id).shards(blocks).register()
    }

    /// Describes a kernel of which more is known than its blocks: roles that have shards of their own, names of its
    /// waypoints, events and spans. [`register`](KernelRegistration::register) registers it.
    pub fn kernel(&self, id: impl Into<String>) -> KernelRegistration {
        KernelRegistration::new(Arc::clone(&self.core), id.into())
    }

    /// Returns the memory that registered kernels and their metrics write to. It must outlive their blocks; the collector
    /// keeps it as well. Empty without a device. The host cannot write to it, on no device: kernels follow addresses in it.
    pub fn memory(&self) -> Vec<Memory> {
        (0..self.core.device_count()).flat_map(|device| self.core.memory(device)).collect()
    }

    /// What kernels of one device write to.
    pub(crate) fn memory_of(&self, device: usize) -> Vec<Memory> {
        self.core.memory(device)
    }

    /// Returns where kernels of the first device look up the metrics that were made for them; `None` without a device.
    pub fn metric_table(&self) -> Option<MetricTable> {
        self.metric_table_of(0)
    }

    /// Returns where kernels of the device of that index look up the metrics that were made for them; `None` if there is no
    /// such device.
    pub fn metric_table_of(&self, device: usize) -> Option<MetricTable> {
        self.core.metrics.table(device)
    }

    /// Returns what the black box says of each shard of kernel `id` that has begun, in the order of the shards:
    /// where it was, what it did before, and what a `ringscope::check` that failed said. It is host memory, read without the
    /// driver: at any time, also after an illegal address, a trap or the context's death, and after the kernel has ended.
    ///
    /// # Errors
    /// [`TelemetryError::NoBlackBox`] without [`black_box_records`](TelemetryConfig::black_box_records), and of host actors;
    /// [`TelemetryError::UnknownKernel`]; [`TelemetryError::Disabled`].
    pub fn black_box(&self, id: &str) -> Result<Vec<BlackBox>, TelemetryError> {
        self.core.black_box(id)
    }

    // ---- host actors ---------------------------------------------------------------------------------

    /// Returns a handle that counts for the host actor `id`, which is registered if it is new. It is for the hot path of
    /// one thread; take one for each. The handle of a collector that is off counts nothing.
    ///
    /// # Errors
    /// A bad name, a bound that is reached, or the id of a device kernel.
    pub fn actor(&self, id: &str) -> Result<ActorHandle, TelemetryError> {
        match self.core.enabled {
            true => Ok(self.core.actor(id)?.handle()),
            false => Ok(ActorHandle::disabled()),
        }
    }

    /// Counts a received message for the host actor `id`, which is registered if it is new. A collector that is off does
    /// nothing.
    ///
    /// # Errors
    /// As [`actor`](Self::actor).
    pub fn record_receive(&self, id: &str) -> Result<(), TelemetryError> {
        self.with_actor(id, Actor::receive)
    }

    /// Counts a sent message; see [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`actor`](Self::actor).
    pub fn record_send(&self, id: &str) -> Result<(), TelemetryError> {
        self.with_actor(id, Actor::send)
    }

    /// Counts a message that was handled, and how long that took if it is known; see
    /// [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`actor`](Self::actor).
    pub fn record_processed(&self, id: &str, took: Option<Duration>) -> Result<(), TelemetryError> {
        self.with_actor(id, |actor| actor.processed(took))
    }

    /// Counts an error and keeps its text; see [`record_receive`](Self::record_receive).
    ///
    /// # Errors
    /// As [`actor`](Self::actor).
    pub fn record_error(&self, id: &str, error: &str) -> Result<(), TelemetryError> {
        self.with_actor(id, |actor| actor.error(error))
    }

    fn with_actor(&self, id: &str, what: impl FnOnce(&Actor)) -> Result<(), TelemetryError> {
        if self.core.enabled {
            what(&*self.core.actor(id)?);
        }
        Ok(())
    }

    // ---- reading -------------------------------------------------------------------------------------

    /// Reads everything now. May be called from any thread at any rate while kernels run; calls wait for one
    /// another, and never for a kernel. It blocks for the time of the copy: from async code prefer
    /// [`latest`](Self::latest).
    ///
    /// A kernel records a message after it replied to it, and a GPU shows the words of a record one by one, within a microsecond
    /// or two: a reading at the moment of the reply may lack some.
    /// [`RingKernelRuntime::snapshot`](crate::RingKernelRuntime::snapshot), which knows the replies, reads again until it has
    /// all.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; [`TelemetryError::Device`] if all devices failed: then [`latest`](Self::latest)
    /// has the last good numbers, with their kernels `Failed` unless the copy was merely late or they had ended before. Of
    /// several devices one that can be read is enough: which ones could not, [`Snapshot::devices`] says.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, TelemetryError> {
        self.core.snapshot()
    }

    /// Returns the newest snapshot, whichever thread took it; `None` before the first. Takes no lock.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.core.latest()
    }

    /// Reads everything now, and returns one kernel.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn telemetry(&self, id: &str) -> Result<KernelTelemetry, TelemetryError> {
        self.core.check_enabled()?;
        self.core.index_of(id)?;
        let snapshot = self.snapshot()?;
        match snapshot.kernel(id) {
            Some(kernel) => Ok(kernel.clone()),
            None => Err(TelemetryError::UnknownKernel { id: id.to_owned(), registered: snapshot.kernels.len() }),
        }
    }

    /// Reads everything now, and returns each kernel by its id.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn all_telemetry(&self) -> Result<BTreeMap<Arc<str>, KernelTelemetry>, TelemetryError> {
        Ok(self.snapshot()?.summary().per_kernel.to_map())
    }

    /// Reads everything now, and adds it up.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub fn summary(&self) -> Result<Summary, TelemetryError> {
        Ok(self.snapshot()?.summary())
    }

    /// Sets the counts of `id`, or of all kernels, to zero here and now. It moves a baseline on the host; the device
    /// is not written to, and nothing that comes later is lost. Under traffic the counters' zero and the buckets' may
    /// lie one copy apart; those of an idle kernel are the same.
    ///
    /// # Errors
    /// [`TelemetryError::UnknownKernel`], and as [`snapshot`](Self::snapshot).
    pub fn reset(&self, id: Option<&str>) -> Result<(), TelemetryError> {
        self.core.reset(id)
    }

    // ---- periodic reading ----------------------------------------------------------------------------

    /// Takes a snapshot every `interval` on a thread of its own, until it is stopped or the last clone of the
    /// collector is dropped. A second call changes the interval. An interval under 100 µs counts as 100 µs.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`] for an interval of 0; [`TelemetryError::Disabled`];
    /// [`TelemetryError::NoThread`].
    pub fn start_collection(&self, interval: Duration) -> Result<(), TelemetryError> {
        self.core.check_enabled()?;
        let must = "longer than 0: stop_collection() ends periodic collection";
        config::within("interval", interval, Duration::from_nanos(1)..=Duration::MAX, must)?;
        let collector = Arc::downgrade(&self.core);
        // If the user's last clone went meanwhile, `tick` drops the collector; nothing waits for that.
        let tick = move || {
            Weak::upgrade(&collector).is_some_and(|core| {
                core.tick();
                true
            })
        };
        self.core.start_periodic(interval, tick)
    }

    /// Returns whether snapshots are taken periodically.
    pub fn is_collecting(&self) -> bool {
        self.core.is_periodic()
    }

    /// Stops the periodic reading, after the snapshot in hand; does nothing where there is none.
    pub fn stop_collection(&self) {
        self.core.stop_periodic();
    }

    /// Returns the snapshots that [periodic collection](Self::start_collection) took, the oldest first, without those that
    /// others took. Bounded by [count](TelemetryConfig::history_snapshots), [age](TelemetryConfig::history_age) and
    /// [bytes](TelemetryConfig::history_bytes). They are kept small, and each is decoded here: to look at one after the
    /// other, take [`history`](Self::history).
    pub fn snapshots(&self) -> Vec<Arc<Snapshot>> {
        self.history().iter().collect()
    }

    /// Returns the snapshots that [periodic collection](Self::start_collection) took, as they are kept.
    pub fn history(&self) -> SnapshotHistory {
        self.core.history().share()
    }

    // ---- telling -------------------------------------------------------------------------------------

    /// Returns snapshots as they come, whichever thread takes them, the newest there is first; as a
    /// [`Stream`](futures_core::Stream), or by [`Subscription::next`]. Something must take them, for example
    /// [`start_collection`](Self::start_collection).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ringscope::TelemetryError> {
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let mut snapshots = telemetry.subscribe()?;
    /// telemetry.start_collection(Duration::from_millis(5))?;
    /// let first = snapshots.next().await.expect("the collector is there");
    /// let second = snapshots.next().await.expect("the collector is there");
    /// assert!(second.sequence > first.sequence);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`].
    pub fn subscribe(&self) -> Result<Subscription, TelemetryError> {
        self.core.check_enabled()?;
        Ok(self.core.notifier.subscribe())
    }

    /// Calls `callback` with every snapshot, or every event of a kind, on a thread of its own and in their order.
    /// Collection does not wait for it: what does not fit its [queue](TelemetryConfig::hook_queue) is dropped.
    /// Panics, slow calls and drops are counted in [`hooks`](Self::hooks) and in every snapshot's
    /// [`self_metrics`](Snapshot::self_metrics). The thread ends when the hook is removed or the collector goes; a callback
    /// that holds a clone of the collector keeps it alive. In a callback look at the notification or at
    /// [`latest`](Self::latest): a snapshot taken there is told to every hook on snapshots, this one included, again.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use ringscope::collector::HookKind;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let (tell, told) = channel();
    /// telemetry.add_hook(HookKind::Snapshot, move |notification| {
    ///     let snapshot = notification.snapshot().expect("that is what it hears of");
    ///     let _ = tell.send(snapshot.sequence);
    /// })?;
    /// telemetry.snapshot()?;
    /// assert_eq!(told.recv(), Ok(1));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`], [`TelemetryError::TooManyHooks`], [`TelemetryError::NoThread`].
    pub fn add_hook(
        &self,
        kind: HookKind,
        callback: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<HookId, TelemetryError> {
        self.core.check_enabled()?;
        self.core.notifier.add_hook(kind, callback)
    }

    /// Removes a hook; it still hears what it was told already. Returns whether it was there.
    pub fn remove_hook(&self, id: HookId) -> bool {
        self.core.notifier.remove_hook(id)
    }

    /// Returns what became of each hook's calls, in the order in which the hooks were added.
    pub fn hooks(&self) -> Vec<HookReport> {
        self.core.notifier.hooks()
    }

    /// Returns what kernels at [`Level::Events`](crate::Level::Events) record from now on, with default bounds: events, spans,
    /// samples, log lines, and the messages that their [filter](Self::trace) chooses. While there are streams, a thread reads
    /// the kernels' rings; what they overwrite before it is there is [lost](crate::trace::RecordKind::Lost), and said in its
    /// place.
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; [`TelemetryError::NoTraceRecords`] without
    /// [`trace_records`](TelemetryConfig::trace_records); [`TelemetryError::Device`]; [`TelemetryError::NoThread`].
    pub fn trace_stream(&self) -> Result<Stream, TelemetryError> {
        self.trace_stream_with(StreamConfig::new())
    }

    /// Returns what kernels record from now on as [`trace_stream`](Self::trace_stream) does, with bounds of one's own.
    ///
    /// # Errors
    /// As [`trace_stream`](Self::trace_stream).
    pub fn trace_stream_with(&self, config: StreamConfig) -> Result<Stream, TelemetryError> {
        self.core.trace_stream(config)
    }

    /// Changes of which messages a kernel leaves a span, while it runs: those that end from then on, a copy to the device
    /// later. The default is of those that fail. What the kernel's author records is not filtered.
    ///
    /// # Errors
    /// [`TelemetryError::Filter`] for a filter that makes no sense, and [`TelemetryError::UnknownKernel`],
    /// [`TelemetryError::NotTraced`]: then the filter stays as it was. [`TelemetryError::Disabled`];
    /// [`TelemetryError::Device`].
    pub fn trace(&self, id: &str, filter: TraceFilter) -> Result<(), TelemetryError> {
        self.core.trace(id, filter)
    }

    /// Registers a set of metrics, and fills it with every snapshot from the next one on. What kernels counted before
    /// is counted too. A second time changes nothing but the limits of health.
    ///
    /// ```
    /// use ringscope::collector::StandardMetrics;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.install(StandardMetrics::Messaging)?;
    /// telemetry.record_receive("parser")?;
    /// let snapshot = telemetry.snapshot()?;
    /// let received = snapshot.metric("messages_received").unwrap().value(&[("kernel_id", "parser")]);
    /// assert_eq!(received.and_then(|v| v.counter()), Some(1));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; names that are taken by other metrics, or no room for more.
    pub fn install(&self, set: StandardMetrics) -> Result<(), TelemetryError> {
        self.core.check_enabled()?;
        self.core.collection().install(set)
    }
}

impl std::fmt::Debug for TelemetryCollector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let registered = self.core.registry().len();
        write!(f, "TelemetryCollector({registered} kernels, enabled: {})", self.enabled())
    }
}
