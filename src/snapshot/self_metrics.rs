//! What telemetry counts of itself.

use std::sync::Arc;
use std::time::Duration;

use crate::histogram::Histogram;

/// What collecting costs, and what was dropped, since the collector was made. The copy of the snapshot that carries it
/// is included; how long the whole snapshot took is in the next one.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SelfMetrics {
    /// Snapshots taken by any thread, including this one.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_collection_runs_total"))]
    pub collection_runs_total: u64,
    /// Snapshots that failed, because the device did or a copy was late.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_collection_failures_total"))]
    pub collection_failures_total: u64,
    /// How long snapshots took in nanoseconds, from the begin of the copy to the finished value.
    #[cfg_attr(
        feature = "serde",
        serde(
            rename = "telemetry_collection_duration_seconds",
            serialize_with = "super::convert::histogram_in_seconds"
        )
    )]
    pub collection_duration: Arc<Histogram>,
    /// How long the copies from the device took, in nanoseconds.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "telemetry_copy_duration_seconds", serialize_with = "super::convert::histogram_in_seconds")
    )]
    pub copy_duration: Arc<Histogram>,
    /// Number of [metrics](crate::metrics) with at least one series.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_metrics_count"))]
    pub metrics_count: usize,
    /// Number of series of all metrics.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_metric_series"))]
    pub metric_series: usize,
    /// Look-ups of [metrics](crate::metrics) by kernels that found none under their index, or one of another kind: each
    /// thread's look-up counts. A metric that was not found records nothing.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_lookup_misses_total"))]
    pub lookup_misses_total: u64,
    /// Pens that kernels made of a role or a shard that they do not have, which record nothing: each thread's pen counts. Register
    /// the kernel with as many [shards and roles](crate::collector::KernelRegistration::roles) as its code has.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_role_misses_total"))]
    pub role_misses_total: u64,
    /// Number of events so far: [of kernels](crate::collector::KernelEvent), and
    /// [of the application](crate::TelemetryCollector::record_event).
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_events_total"))]
    pub events_total: u64,
    /// The most that counters of this snapshot lie apart in time.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "telemetry_snapshot_skew_seconds", serialize_with = "super::convert::seconds")
    )]
    pub skew: Duration,
    /// Snapshots in the history.
    pub history_snapshots: usize,
    /// Memory of the history, in bytes.
    pub history_bytes: usize,
    /// What the bounded parts have dropped.
    pub dropped: Dropped,
    /// Calls of hooks that returned.
    pub hook_calls_total: u64,
    /// Calls of hooks that panicked.
    pub hook_panics_total: u64,
    /// Calls of hooks that took longer than
    /// [`TelemetryConfig::hook_limit`](crate::collector::TelemetryConfig::hook_limit).
    pub hook_slow_total: u64,
    /// Hooks that are not called any more, because they panicked too often.
    pub hooks_disabled: u64,
}

/// What the bounded parts of telemetry have dropped so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Dropped {
    /// Snapshots that left the history: it was full, or they were too old.
    pub history: u64,
    /// Notifications that hooks did not get, because their queues were full.
    pub hooks: u64,
    /// Snapshots that subscribers skipped, because a newer one was there.
    pub subscribers: u64,
    /// Series that the standard metrics could not register, and counted under `overflow`.
    pub series: u64,
    /// Ended operations that left their list: it was full, or they were too old. They are counted all the same.
    pub operations: u64,
    /// Ended network operations that left their list.
    pub network_operations: u64,
    /// Messages of device kernels that left their list.
    pub device_messages: u64,
    /// Events of the application that left their list.
    pub application_events: u64,
    /// Events of the application that had left their list before a subscriber looked at them.
    pub event_subscribers: u64,
    /// Records of events and spans that were read, and for which [streams](crate::TelemetryCollector::trace_stream) had no room
    /// in their queues; in places of the kernels' rings, and of each stream.
    pub trace_streams: u64,
    /// Kernels that had ended and were forgotten, their numbers leaving the snapshots, because the bound on kernels was reached.
    pub kernels: u64,
}
