//! What happens to kernels, as it happens.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use super::Inner;
use super::hooks::Notification;
use super::registry::Entry;
use crate::snapshot::KernelState;

/// Something happened to a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KernelEvent {
    /// When the host noticed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::some_unix_seconds"))]
    pub time: SystemTime,
    /// To which kernel.
    pub kernel_id: Arc<str>,
    /// What.
    pub kind: EventKind,
}

/// What happened to a kernel. What a [`RingKernelRuntime`](crate::runtime::RingKernelRuntime) commands is told at once;
/// what becomes of other kernels, and a stall, is found by the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum EventKind {
    /// It is resident.
    Launched,
    /// It takes messages.
    Activated,
    /// It takes no more messages.
    Deactivated,
    /// It was told to stop.
    Terminating,
    /// It has ended.
    Terminated,
    /// It died, or its device did.
    Failed,
    /// The watchdog found it silent.
    Stalled,
    /// It gave a sign of life again, or ended after all.
    Recovered,
    /// Its counts start from zero.
    Reset,
}

impl EventKind {
    /// The name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            EventKind::Launched => "launched",
            EventKind::Activated => "activated",
            EventKind::Deactivated => "deactivated",
            EventKind::Terminating => "terminating",
            EventKind::Terminated => "terminated",
            EventKind::Failed => "failed",
            EventKind::Stalled => "stalled",
            EventKind::Recovered => "recovered",
            EventKind::Reset => "reset",
        }
    }

    /// Whether a snapshot's state is another after it.
    pub const fn is_state_change(self) -> bool {
        !matches!(self, EventKind::Reset)
    }

    /// Whether it is the watchdog's.
    pub const fn is_stall(self) -> bool {
        matches!(self, EventKind::Stalled | EventKind::Recovered)
    }

    const fn of(state: KernelState) -> EventKind {
        match state {
            KernelState::Launched => EventKind::Launched,
            KernelState::Active => EventKind::Activated,
            KernelState::Deactivated => EventKind::Deactivated,
            KernelState::Terminating => EventKind::Terminating,
            KernelState::Terminated => EventKind::Terminated,
            KernelState::Failed => EventKind::Failed,
            KernelState::Stalled => EventKind::Stalled,
        }
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl Inner {
    /// Counts an event, and tells the hooks.
    pub(super) fn emit(&self, kernel_id: &Arc<str>, kind: EventKind) {
        self.counts.events.fetch_add(1, Ordering::Relaxed);
        let event = || KernelEvent { time: SystemTime::now(), kernel_id: Arc::clone(kernel_id), kind };
        self.hooks.tell(|hook| hook.hears(kind), || Notification::Event(event()));
    }

    /// Says that a kernel is in a state, unless that was said last.
    pub(super) fn announce(&self, entry: &Entry, state: KernelState) {
        let state_u8 = state as u8;
        // Looked at first: with every snapshot it is asked of every kernel.
        if entry.told.load(Ordering::Relaxed) != state_u8 && entry.told.swap(state_u8, Ordering::Relaxed) != state_u8 {
            self.emit(&entry.id, EventKind::of(state));
        }
    }
}
