//! Who is told of snapshots and events: hooks on threads of their own, and subscribers.

mod event;
mod hooks;
mod subscription;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use super::counts::{Counts, count};
use super::error::TelemetryError;
use super::log::Message;
use super::ring::{Position, Ring};
use crate::snapshot::{Snapshot, Stall};

pub use event::{EventKind, KernelEvent};
pub use hooks::{HookId, HookKind, HookReport, MAX_HOOKS, MAX_PANICS, Notification};
pub use subscription::Subscription;

use hooks::Hooks;
use subscription::Channel;

/// The newest events of kernels that are kept for who reads them now and then.
const EVENTS: usize = 1024;

/// Tells hooks and subscribers; waits for none of them.
pub(super) struct Notifier {
    counts: Arc<Counts>,
    hooks: Hooks,
    subscribers: Arc<Channel>,
    /// The newest events, once somebody reads them.
    events: OnceLock<Ring<KernelEvent>>,
}

impl Notifier {
    pub(super) fn new(counts: Arc<Counts>, hook_queue: usize, hook_limit: Duration) -> Self {
        let hooks = Hooks::new(Arc::clone(&counts), hook_queue, hook_limit);
        Notifier { counts, hooks, subscribers: Arc::default(), events: OnceLock::new() }
    }

    /// Counts an event, and tells the hooks.
    pub(super) fn event(&self, kernel_id: &Arc<str>, kind: EventKind) {
        self.event_with(kernel_id, kind, None, None);
    }

    /// The same with what is known of a stall, or of a death.
    pub(super) fn event_with(
        &self,
        kernel_id: &Arc<str>,
        kind: EventKind,
        stall: Option<&Arc<Stall>>,
        died_of: Option<&Arc<str>>,
    ) {
        count(&self.counts.events);
        let (time, stall) = (SystemTime::now(), stall.filter(|_| kind == EventKind::Stalled).cloned());
        let died_of = died_of.filter(|_| kind == EventKind::Failed).cloned();
        let event = || KernelEvent {
            time,
            kernel_id: Arc::clone(kernel_id),
            kind,
            stall: stall.clone(),
            died_of: died_of.clone(),
        };
        self.hooks.tell(|hook| hook.hears(kind), || Notification::Event(event()));
        self.events.get().into_iter().for_each(|events| events.push(0, event()));
    }

    /// Events from the first call on, as far as they are not gone, of which it returns how many.
    pub(super) fn events_since(&self, position: &mut Position, events: &mut Vec<KernelEvent>) -> u64 {
        self.events.get_or_init(|| Ring::new(EVENTS)).since(position, events)
    }

    pub(super) fn snapshot(&self, snapshot: &Arc<Snapshot>) {
        self.subscribers.publish(snapshot);
        self.hooks.tell(|hook| hook == HookKind::Snapshot, || Notification::Snapshot(Arc::clone(snapshot)));
    }

    pub(super) fn subscribe(&self) -> Subscription {
        Subscription::new(Arc::clone(&self.subscribers), Arc::clone(&self.counts))
    }

    pub(super) fn add_hook(
        &self,
        kind: HookKind,
        callback: impl FnMut(&Notification) + Send + 'static,
    ) -> Result<HookId, TelemetryError> {
        self.hooks.add(kind, callback)
    }

    pub(super) fn remove_hook(&self, id: HookId) -> bool {
        self.hooks.remove(id)
    }

    pub(super) fn hooks(&self) -> Vec<HookReport> {
        self.hooks.reports()
    }

    /// Says what hooks missed so far. The caller holds no lock.
    pub(super) fn say_dropped(&self) {
        self.hooks.say_dropped();
    }

    pub(super) fn say(&self, message: Message<'_>) {
        self.counts.log.say(message);
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.subscribers.close();
    }
}
