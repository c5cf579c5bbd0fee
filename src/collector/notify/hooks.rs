//! Callbacks that hear of snapshots and events.
//!
//! Each hook has a thread and a bounded queue of its own: one that is slow, or stuck, loses what does not fit its
//! queue, and nobody else notices. A panic is caught and counted.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::counts::{Counts, count};
use super::super::error::TelemetryError;
use super::super::log::Message;
use super::event::{EventKind, KernelEvent};
use crate::snapshot::Snapshot;

/// Most hooks of a collector.
pub const MAX_HOOKS: usize = 32;
/// A hook that panics so often in a row is not called any more.
pub const MAX_PANICS: u64 = 8;

/// What a hook hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HookKind {
    /// Every snapshot, whichever thread took it.
    Snapshot,
    /// Every event.
    Event,
    /// Events after which a kernel's state is another, including stalls and recoveries.
    StateChange,
    /// Stalls and recoveries.
    Stall,
}

impl HookKind {
    /// All kinds.
    pub const ALL: &'static [HookKind] = &[HookKind::Snapshot, HookKind::Event, HookKind::StateChange, HookKind::Stall];

    /// Whether a hook of this kind is told of such an event.
    pub(super) fn hears(self, event: EventKind) -> bool {
        match self {
            HookKind::Snapshot => false,
            HookKind::Event => true,
            HookKind::StateChange => event.is_state_change(),
            HookKind::Stall => event.is_stall(),
        }
    }
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
    /// Returns the snapshot, if it is one.
    pub fn snapshot(&self) -> Option<&Arc<Snapshot>> {
        if let Notification::Snapshot(snapshot) = self { Some(snapshot) } else { None }
    }

    /// Returns the event, if it is one.
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
#[non_exhaustive]
pub struct HookReport {
    /// Which hook.
    pub id: HookId,
    /// What it hears of.
    pub kind: HookKind,
    /// Calls that returned.
    pub calls: u64,
    /// Calls that panicked.
    pub panics: u64,
    /// Text of the last panic, where it had one.
    pub last_panic: Option<String>,
    /// Calls that took longer than the limit.
    pub slow: u64,
    /// Notifications that it did not get, because its queue was full.
    pub dropped: u64,
    /// Whether it is not called any more: it panicked [`MAX_PANICS`] times in a row.
    pub disabled: bool,
}

/// The hooks of one collector.
pub(super) struct Hooks {
    list: Mutex<Vec<Hook>>,
    /// Length of the list: without any hooks, telling costs one load.
    len: AtomicUsize,
    next: AtomicU64,
    /// Hooks that missed something, until that is said.
    unsaid: Mutex<Vec<HookId>>,
    counts: Arc<Counts>,
    queue: usize,
    limit: Duration,
}

struct Hook {
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
    /// No hooks; each will have a queue of that length, and be slow beyond that limit.
    pub(super) fn new(counts: Arc<Counts>, queue: usize, limit: Duration) -> Self {
        let (len, next) = (AtomicUsize::new(0), AtomicU64::new(0));
        Hooks { list: Mutex::default(), len, next, unsaid: Mutex::default(), counts, queue, limit }
    }

    /// Tells the hooks of the kinds that want it; waits for none of them.
    pub(super) fn tell(&self, wants: impl Fn(HookKind) -> bool, notification: impl FnOnce() -> Notification) {
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        for hook in self.send(wants, notification) {
            let mut unsaid = self.unsaid();
            // Once each, until it is said: there are no more than hooks.
            if !unsaid.contains(&hook) {
                unsaid.push(hook);
            }
        }
    }

    /// Says which hooks missed something. Called without any lock: the user's subscriber may look at the hooks, or take a
    /// snapshot.
    pub(super) fn say_dropped(&self) {
        let unsaid = std::mem::take(&mut *self.unsaid());
        for hook in unsaid {
            self.counts.log.say(Message::NotificationDropped { hook: hook.0 });
        }
    }

    fn unsaid(&self) -> MutexGuard<'_, Vec<HookId>> {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hooks whose queues were full.
    fn send(&self, wants: impl Fn(HookKind) -> bool, notification: impl FnOnce() -> Notification) -> Vec<HookId> {
        let mut full = Vec::new();
        let list = self.list();
        let mut hearers = list.iter().filter(|hook| wants(hook.kind)).peekable();
        if hearers.peek().is_none() {
            return full;
        }
        let notification = notification();
        for hook in hearers {
            // One that was disabled has no receiver any more.
            if let Err(TrySendError::Full(_)) = hook.queue.try_send(notification.clone()) {
                count(&hook.record.dropped);
                count(&self.counts.dropped_hooks);
                full.push(hook.id);
            }
        }
        full
    }

    pub(super) fn add(
        &self,
        kind: HookKind,
        callback: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<HookId, TelemetryError> {
        let mut list = self.list();
        if list.len() >= MAX_HOOKS {
            return Err(TelemetryError::TooManyHooks { limit: MAX_HOOKS });
        }
        let id = HookId(self.next.fetch_add(1, Ordering::Relaxed));
        let (queue, notifications) = sync_channel(self.queue);
        let record = Arc::<Record>::default();
        let runner = Runner { id, record: Arc::clone(&record), counts: Arc::clone(&self.counts), limit: self.limit };
        std::thread::Builder::new()
            .name("ringscope-hook".into())
            .spawn(move || runner.run(callback, &notifications))
            .map_err(|e| TelemetryError::no_thread("a hook", &e))?;
        list.push(Hook { id, kind, queue, record });
        self.len.store(list.len(), Ordering::Relaxed);
        Ok(id)
    }

    /// Whether it was there.
    pub(super) fn remove(&self, id: HookId) -> bool {
        let mut list = self.list();
        let Some(index) = list.iter().position(|hook| hook.id == id) else { return false };
        list.remove(index);
        self.len.store(list.len(), Ordering::Relaxed);
        true
    }

    pub(super) fn reports(&self) -> Vec<HookReport> {
        self.list().iter().map(Hook::report).collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<Hook>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a hook's thread has.
struct Runner {
    id: HookId,
    record: Arc<Record>,
    counts: Arc<Counts>,
    limit: Duration,
}

impl Runner {
    fn run(self, mut callback: impl FnMut(&Notification), notifications: &Receiver<Notification>) {
        let hook = self.id.0;
        let mut in_a_row = 0;
        while let Ok(notification) = notifications.recv() {
            let begun = Instant::now();
            // What the callback leaves behind is its own to find, if it is called again.
            let result = catch_unwind(AssertUnwindSafe(|| callback(&notification)));
            let took = begun.elapsed();
            if took > self.limit {
                count(&self.record.slow);
                count(&self.counts.hook_slow);
                self.counts.log.say(Message::HookSlow { hook, seconds: took.as_secs_f64() });
            }
            match result {
                Ok(()) => {
                    in_a_row = 0;
                    count(&self.record.calls);
                    count(&self.counts.hook_calls);
                }
                Err(panic) => {
                    in_a_row += 1;
                    self.note_panic(&*panic);
                }
            }
            if in_a_row >= MAX_PANICS {
                self.record.disabled.store(true, Ordering::Relaxed);
                count(&self.counts.hooks_disabled);
                self.counts.log.say(Message::HookDisabled { hook });
                return;
            }
        }
    }

    fn note_panic(&self, panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let said = text.clone().unwrap_or_default();
        *self.record.last_panic.lock().unwrap_or_else(PoisonError::into_inner) = text;
        count(&self.record.panics);
        count(&self.counts.hook_panics);
        self.counts.log.say(Message::HookPanicked { hook: self.id.0, panic: &said });
    }
}
