//! Callbacks that hear of snapshots and events.
//!
//! Each hook has a thread and a bounded queue of its own: one that is slow, or stuck, loses what does not fit its
//! queue, and nobody else notices. A panic is caught and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::costs::Shared;
use super::event::{EventKind, KernelEvent};
use super::{TelemetryCollector, TelemetryError};
use crate::snapshot::Snapshot;

/// Most hooks of a collector.
pub const MAX_HOOKS: usize = 32;
/// A hook that panics so often in a row is not called any more.
pub const MAX_PANICS: u64 = 8;

/// What a hook hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum HookKind {
    /// Every snapshot, whoever took it.
    Snapshot,
    /// Every event.
    Event,
    /// The events after which a kernel's state is another, stalls and recoveries among them.
    StateChange,
    /// Stalls and recoveries.
    Stall,
}

/// What a hook is called with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Notification {
    /// A snapshot was taken.
    Snapshot(Arc<Snapshot>),
    /// Something happened to a kernel.
    Event(KernelEvent),
}

impl Notification {
    /// The snapshot, if it is one.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        if let Notification::Snapshot(snapshot) = self { Some(snapshot) } else { None }
    }

    /// The event, if it is one.
    pub fn event(&self) -> Option<&KernelEvent> {
        if let Notification::Event(event) = self { Some(event) } else { None }
    }
}

/// Names one hook of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HookId(u64);

/// What became of one hook's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HookReport {
    /// Which.
    pub id: HookId,
    /// What it hears of.
    pub kind: HookKind,
    /// Calls that returned.
    pub calls: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// What the last panic said.
    pub last_panic: Option<String>,
    /// Calls that took longer than the limit.
    pub slow: u64,
    /// What it was not told, because its queue was full.
    pub dropped: u64,
    /// Whether it is not called any more: it panicked [`MAX_PANICS`] times in a row.
    pub disabled: bool,
}

#[derive(Default)]
pub(super) struct Hooks {
    list: Mutex<Vec<Hook>>,
    /// How many there are: without any, telling costs one load.
    count: AtomicUsize,
    next: AtomicU64,
}

pub(super) struct Hook {
    id: HookId,
    kind: HookKind,
    queue: SyncSender<Notification>,
    record: Arc<Record>,
}

#[derive(Default)]
struct Record {
    calls: AtomicU64,
    panics: AtomicU64,
    slow: AtomicU64,
    dropped: AtomicU64,
    disabled: AtomicBool,
    last_panic: Mutex<Option<String>>,
}

impl Hook {
    pub(super) fn hears(&self, event: EventKind) -> bool {
        match self.kind {
            HookKind::Snapshot => false,
            HookKind::Event => true,
            HookKind::StateChange => event.is_state_change(),
            HookKind::Stall => event.is_stall(),
        }
    }

    fn report(&self) -> HookReport {
        let record = &self.record;
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        HookReport {
            id: self.id,
            kind: self.kind,
            calls: get(&record.calls),
            panics: get(&record.panics),
            last_panic: record.last_panic.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            slow: get(&record.slow),
            dropped: get(&record.dropped),
            disabled: record.disabled.load(Ordering::Relaxed),
        }
    }
}

impl Hooks {
    /// Tells the hooks that want it; waits for none of them.
    pub(super) fn tell(&self, who: impl Fn(&Hook) -> bool, notice: impl FnOnce() -> Notification) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let list = self.list();
        let mut hearers = list.iter().filter(|hook| who(hook)).peekable();
        if hearers.peek().is_none() {
            return;
        }
        let notice = notice();
        for hook in hearers {
            // One that was disabled has no receiver any more.
            if let Err(TrySendError::Full(_)) = hook.queue.try_send(notice.clone()) {
                hook.record.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn tell_snapshot(&self, snapshot: &Arc<Snapshot>) {
        self.tell(|hook| hook.kind == HookKind::Snapshot, || Notification::Snapshot(Arc::clone(snapshot)));
    }

    fn list(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What hooks were not told, those included that are gone, whose number `of_gone` is; it changes under the same lock.
    pub(super) fn dropped(&self, of_gone: &AtomicU64) -> u64 {
        let list = self.list();
        let of_these: u64 = list.iter().map(|hook| hook.record.dropped.load(Ordering::Relaxed)).sum();
        of_these + of_gone.load(Ordering::Relaxed)
    }
}

/// Most notices that wait for one hook: the queue is allocated when the hook is added.
const MOST_QUEUED: usize = 1 << 16;

impl TelemetryCollector {
    /// Calls `callback` with every snapshot, or every event of a kind, on a thread of its own and in their order.
    /// Collection does not wait for it: what does not fit its [queue](super::TelemetryConfig::hook_queue) is dropped.
    /// Panics, slow calls and drops are counted in [`hooks`](Self::hooks) and in every snapshot's
    /// [`itself`](crate::Snapshot::self_metrics). The thread ends when the hook is removed or the collector goes; a callback
    /// that holds a clone of the collector keeps it alive. In a callback look at the notice or at
    /// [`latest`](Self::latest): a snapshot taken there is told to every hook on snapshots, this one included, again.
    ///
    /// ```
    /// use std::sync::mpsc::channel;
    /// use ringscope::collector::HookKind;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let (tell, told) = channel();
    /// telemetry.add_hook(HookKind::Snapshot, move |notice| {
    ///     let snapshot = notice.snapshot().expect("that is what it hears of");
    ///     let _ = tell.send(snapshot.sequence);
    /// })?;
    /// telemetry.snapshot()?;
    /// assert_eq!(told.recv(), Ok(1));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`], [`TelemetryError::TooManyHooks`], or no thread.
    pub fn add_hook(
        &self,
        kind: HookKind,
        callback: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<HookId, TelemetryError> {
        let inner = &*self.inner;
        if !inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let mut list = inner.hooks.list();
        if list.len() >= MAX_HOOKS {
            return Err(TelemetryError::TooManyHooks { limit: MAX_HOOKS });
        }
        let id = HookId(inner.hooks.next.fetch_add(1, Ordering::Relaxed));
        let (queue, notices) = sync_channel(inner.config.hook_queue.clamp(1, MOST_QUEUED));
        let record = Arc::<Record>::default();
        let runner =
            Runner { record: Arc::clone(&record), counts: Arc::clone(&inner.counts), limit: inner.config.hook_limit };
        std::thread::Builder::new()
            .name("ringscope-hook".into())
            .spawn(move || runner.run(callback, &notices))
            .map_err(|e| TelemetryError::NoThread { what: "a hook", message: e.to_string() })?;
        list.push(Hook { id, kind, queue, record });
        inner.hooks.count.store(list.len(), Ordering::Relaxed);
        Ok(id)
    }

    /// Takes a hook away; what it was told already it still hears. Whether it was there.
    pub fn remove_hook(&self, id: HookId) -> bool {
        let hooks = &self.inner.hooks;
        let mut list = hooks.list();
        let Some(index) = list.iter().position(|hook| hook.id == id) else { return false };
        let gone = list.remove(index);
        self.inner.counts.dropped_hooks.fetch_add(gone.record.dropped.load(Ordering::Relaxed), Ordering::Relaxed);
        hooks.count.store(list.len(), Ordering::Relaxed);
        true
    }

    /// What became of each hook's calls, in the order in which they were added.
    pub fn hooks(&self) -> Vec<HookReport> {
        self.inner.hooks.list().iter().map(Hook::report).collect()
    }
}

/// What a hook's thread has.
struct Runner {
    record: Arc<Record>,
    counts: Arc<Shared>,
    limit: Duration,
}

impl Runner {
    fn run(self, mut callback: impl FnMut(&Notification), notices: &Receiver<Notification>) {
        let mut in_a_row = 0;
        while let Ok(notice) = notices.recv() {
            let begun = Instant::now();
            // What the callback leaves behind is its own to find, if it is called again.
            let result = catch_unwind(AssertUnwindSafe(|| callback(&notice)));
            if begun.elapsed() > self.limit {
                count(&self.record.slow, &self.counts.hook_slow);
            }
            match result {
                Ok(()) => {
                    in_a_row = 0;
                    count(&self.record.calls, &self.counts.hook_calls);
                }
                Err(panic) => {
                    in_a_row += 1;
                    let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
                    let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
                    *self.record.last_panic.lock().unwrap_or_else(PoisonError::into_inner) = said;
                    count(&self.record.panics, &self.counts.hook_panics);
                }
            }
            if in_a_row >= MAX_PANICS {
                self.record.disabled.store(true, Ordering::Relaxed);
                self.counts.hooks_disabled.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

fn count(own: &AtomicU64, all: &AtomicU64) {
    own.fetch_add(1, Ordering::Relaxed);
    all.fetch_add(1, Ordering::Relaxed);
}
