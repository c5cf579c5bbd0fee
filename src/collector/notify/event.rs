//! What happens to kernels.

use std::sync::Arc;
use std::time::SystemTime;

use crate::snapshot::{KernelState, Stall};

/// Something that happened to a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KernelEvent {
    /// When the host noticed it.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub time: SystemTime,
    /// The kernel that it happened to.
    pub kernel_id: Arc<str>,
    /// What happened.
    pub kind: EventKind,
    /// Which block is silent since when, where it is and what it waits for; `Some` exactly where `kind` is `Stalled`.
    pub stall: Option<Arc<Stall>>,
    /// What it died of, with what its [black box](crate::TelemetryConfig::black_box_records) says; `Some` exactly where `kind`
    /// is `Failed`.
    pub died_of: Option<Arc<str>>,
}

/// What happened to a kernel. Commands of a [`RingKernelRuntime`](crate::runtime::RingKernelRuntime) are told at once;
/// stalls, and what happens to kernels that no runtime commands, are found by the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum EventKind {
    /// The kernel is resident.
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
    /// The watchdog found a block of it silent.
    Stalled,
    /// It stalled, and runs again. A kernel that was told to stop, or ended, does not recover: `Terminated` or `Failed`
    /// is the end of its stall.
    Recovered,
    /// Its counts start from zero.
    Reset,
}

impl EventKind {
    /// All kinds.
    pub const ALL: &'static [EventKind] = &[
        EventKind::Launched,
        EventKind::Activated,
        EventKind::Deactivated,
        EventKind::Terminating,
        EventKind::Terminated,
        EventKind::Failed,
        EventKind::Stalled,
        EventKind::Recovered,
        EventKind::Reset,
    ];

    /// Returns the name, in lower case.
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

    /// Returns whether the state in a snapshot is another after it.
    pub const fn is_state_change(self) -> bool {
        !matches!(self, EventKind::Reset)
    }

    /// Returns whether it is the watchdog's: `Stalled` or `Recovered`.
    pub const fn is_stall(self) -> bool {
        matches!(self, EventKind::Stalled | EventKind::Recovered)
    }

    /// The event of coming into a state.
    pub(in crate::collector) const fn from_state(state: KernelState) -> EventKind {
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
