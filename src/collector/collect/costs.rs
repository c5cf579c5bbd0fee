//! What the collector counts of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::clock::nanoseconds;
use super::super::counts::Counts;
use crate::histogram::Histogram;
use crate::metrics::Family;
use crate::reader::Reading;
use crate::snapshot::{Dropped, ListCounts, OperationsTelemetry, SelfMetrics};

/// What one reader at a time counts.
#[derive(Debug)]
pub(super) struct Costs {
    runs: u64,
    failures: u64,
    collection: Histogram,
    copy: Histogram,
}

impl Costs {
    pub(super) fn new(scale: u32) -> Self {
        Costs { runs: 0, failures: 0, collection: Histogram::new(scale), copy: Histogram::new(scale) }
    }

    /// A snapshot is being made of this reading.
    pub(super) fn begin(&mut self, reading: &Reading) {
        self.runs += 1;
        self.copy.record(nanoseconds(reading.copy_duration));
    }

    /// It is made.
    pub(super) fn end(&mut self, reading: &Reading) {
        self.collection.record(nanoseconds(reading.at.elapsed()));
    }

    /// A snapshot could not be made. How often that was so far.
    pub(super) fn fail(&mut self) -> u64 {
        self.failures += 1;
        self.failures
    }

    pub(super) fn metrics(
        &self,
        counts: &Counts,
        reading: &Reading,
        metrics: &[Family],
        operations: Option<&OperationsTelemetry>,
    ) -> SelfMetrics {
        let evicted = |of: fn(&OperationsTelemetry) -> ListCounts| operations.map_or(0, |all| of(all).evicted);
        SelfMetrics {
            collection_runs_total: self.runs,
            collection_failures_total: self.failures,
            collection_duration: Arc::new(self.collection.clone()),
            copy_duration: Arc::new(self.copy.clone()),
            metrics_count: metrics.len(),
            metric_series: metrics.iter().map(|family| family.series.len()).sum(),
            lookup_misses_total: reading.lookup_misses,
            role_misses_total: reading.role_misses,
            events_total: get(&counts.events),
            skew: reading.copy_duration,
            history_snapshots: get(&counts.history_snapshots) as usize,
            history_bytes: get(&counts.history_bytes) as usize,
            dropped: Dropped {
                history: get(&counts.dropped_history),
                hooks: get(&counts.dropped_hooks),
                subscribers: get(&counts.dropped_subscribers),
                series: get(&counts.dropped_series),
                operations: evicted(|all| all.operations_kept),
                network_operations: evicted(|all| all.network_kept),
                device_messages: evicted(|all| all.device_messages_kept),
                application_events: evicted(|all| all.events_kept),
                event_subscribers: get(&counts.dropped_event_subscribers),
                trace_streams: get(&counts.dropped_trace_streams),
                kernels: get(&counts.dropped_kernels),
            },
            hook_calls_total: get(&counts.hook_calls),
            hook_panics_total: get(&counts.hook_panics),
            hook_slow_total: get(&counts.hook_slow),
            hooks_disabled: get(&counts.hooks_disabled),
        }
    }
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}
