//! What telemetry knows of itself.

use std::sync::Arc;
use std::time::Duration;

use crate::histogram::Histogram;

/// What collecting costs, and what was lost of it, since the collector was made. Of the snapshot that carries it, the
/// copy is counted; how long the whole of it took is in the next one.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SelfMetrics {
    /// Snapshots taken, by whoever, this one included.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_collection_runs_total"))]
    pub collection_runs_total: u64,
    /// Snapshots that the device failed.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_collection_failures_total"))]
    pub collection_failures_total: u64,
    /// Nanoseconds that a snapshot took, from the copy's begin to the finished value.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "telemetry_collection_duration_seconds", serialize_with = "in_seconds")
    )]
    pub collection_duration: Arc<Histogram>,
    /// Nanoseconds that the copies from the device took.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_copy_duration_seconds", serialize_with = "in_seconds"))]
    pub copy_duration: Arc<Histogram>,
    /// Series of [metrics](crate::metrics).
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_metrics_count"))]
    pub metrics_count: usize,
    /// Look-ups of [metrics](crate::metrics) by kernels that found none under their index, or one of another kind: each
    /// thread's look-up counts. What was looked up so records nothing.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_lookup_misses_total"))]
    pub lookup_misses_total: u64,
    /// [Events](crate::collector::KernelEvent) so far.
    #[cfg_attr(feature = "serde", serde(rename = "telemetry_events_total"))]
    pub events_total: u64,
    /// Counters of this snapshot lie at most this far apart in time.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "telemetry_snapshot_skew_seconds", serialize_with = "super::seconds")
    )]
    pub skew: Duration,
    /// Snapshots in the history.
    pub history_snapshots: usize,
    /// Memory of the history.
    pub history_bytes: usize,
    /// What each bounded thing has dropped.
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

/// What each bounded thing has dropped so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Dropped {
    /// Snapshots that left the history: it was full, or they were too old.
    pub history: u64,
    /// What hooks were not told, because their queues were full.
    pub hooks: u64,
    /// Snapshots that subscribers were too slow for.
    pub subscribers: u64,
    /// Series that the ready-made sets could not register, and counted as `overflow`.
    pub series: u64,
}

/// Count, sum, extremes and percentiles.
#[cfg(feature = "serde")]
fn in_seconds<S: serde::Serializer>(h: &Histogram, serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeMap;
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("count", &h.count())?;
    map.serialize_entry("sum", &(h.sum() as f64 / 1e9))?;
    for (key, value) in [("min", h.min()), ("max", h.max())] {
        map.serialize_entry(key, &value.map(|ns| ns as f64 / 1e9))?;
    }
    for (key, q) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
        map.serialize_entry(key, &(h.quantile(q) / 1e9))?;
    }
    map.end()
}
