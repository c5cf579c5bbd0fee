//! What the collector counts of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Inner;
use crate::histogram::Histogram;
use crate::reader::Reading;
use crate::snapshot::{Dropped, SelfMetrics};

/// What one reader at a time counts.
#[derive(Debug)]
pub(super) struct Costs {
    runs: u64,
    failures: u64,
    collection: Histogram,
    copy: Histogram,
}

/// What every thread may count.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) events: AtomicU64,
    pub(super) history_snapshots: AtomicU64,
    pub(super) history_bytes: AtomicU64,
    pub(super) dropped_history: AtomicU64,
    /// Of hooks that were removed.
    pub(super) dropped_hooks: AtomicU64,
    pub(super) dropped_subscribers: AtomicU64,
    pub(super) dropped_series: AtomicU64,
    pub(super) hook_calls: AtomicU64,
    pub(super) hook_panics: AtomicU64,
    pub(super) hook_slow: AtomicU64,
    pub(super) hooks_disabled: AtomicU64,
}

impl Costs {
    pub(super) fn new(scale: u32) -> Self {
        Costs { runs: 0, failures: 0, collection: Histogram::new(scale), copy: Histogram::new(scale) }
    }

    /// A snapshot is being made of this reading.
    pub(super) fn begin(&mut self, reading: &Reading) {
        self.runs += 1;
        self.copy.record(ns(reading.copy_duration));
    }

    /// It is made.
    pub(super) fn end(&mut self, reading: &Reading) {
        self.collection.record(ns(reading.at.elapsed()));
    }

    pub(super) fn fail(&mut self) -> u64 {
        self.failures += 1;
        self.failures
    }

    pub(super) fn metrics(&self, inner: &Inner, reading: &Reading, metrics_count: usize) -> SelfMetrics {
        let shared = &inner.counts;
        SelfMetrics {
            collection_runs_total: self.runs,
            collection_failures_total: self.failures,
            collection_duration: Arc::new(self.collection.clone()),
            copy_duration: Arc::new(self.copy.clone()),
            metrics_count,
            lookup_misses_total: reading.lookup_misses,
            events_total: get(&shared.events),
            skew: reading.copy_duration,
            history_snapshots: get(&shared.history_snapshots) as usize,
            history_bytes: get(&shared.history_bytes) as usize,
            dropped: Dropped {
                history: get(&shared.dropped_history),
                hooks: inner.hooks.dropped(&shared.dropped_hooks),
                subscribers: get(&shared.dropped_subscribers),
                series: get(&shared.dropped_series),
            },
            hook_calls_total: get(&shared.hook_calls),
            hook_panics_total: get(&shared.hook_panics),
            hook_slow_total: get(&shared.hook_slow),
            hooks_disabled: get(&shared.hooks_disabled),
        }
    }
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
