//! What any thread of the collector counts, and where it says what went wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use super::log::Log;

/// Counts that are part of every snapshot's [`SelfMetrics`](crate::snapshot::SelfMetrics).
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) events: AtomicU64,
    pub(super) history_snapshots: AtomicU64,
    pub(super) history_bytes: AtomicU64,
    pub(super) dropped_history: AtomicU64,
    pub(super) dropped_hooks: AtomicU64,
    pub(super) dropped_subscribers: AtomicU64,
    pub(super) dropped_series: AtomicU64,
    pub(super) dropped_kernels: AtomicU64,
    pub(super) dropped_event_subscribers: AtomicU64,
    pub(super) dropped_trace_streams: AtomicU64,
    pub(super) hook_calls: AtomicU64,
    pub(super) hook_panics: AtomicU64,
    pub(super) hook_slow: AtomicU64,
    pub(super) hooks_disabled: AtomicU64,
    pub(super) log: Log,
}

/// Counts one.
pub(super) fn count(word: &AtomicU64) {
    word.fetch_add(1, Ordering::Relaxed);
}
