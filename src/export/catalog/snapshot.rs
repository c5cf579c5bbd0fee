//! The families of the snapshot as a whole: counts of everything, the task view, the machine, and telemetry itself.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::{Counter, Gauge, Histogram, Summary};
use super::sample::{Sample, Values, count, duration, real, unix_time};
use crate::snapshot::Snapshot;

const fn counter(name: &'static str, help: &'static str, read: fn(&Snapshot) -> Option<Sample<'_>>) -> ExportedFamily {
    ExportedFamily::new(name, Counter, help, Read::Snapshot(read))
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Snapshot) -> Option<Sample<'_>>) -> ExportedFamily {
    ExportedFamily::new(name, Gauge, help, Read::Snapshot(read))
}

/// In the order of a page.
#[rustfmt::skip]
pub(super) const SNAPSHOT: &[ExportedFamily] = &[
    gauge("ringscope_kernels", "Number of registered kernels and host actors", |s| count(s.kernels.len() as u64)),
    counter("ringscope_tasks_executed", "Tasks (messages) handled without error by all kernels together", |s| count(s.lives().map(|k| k.messages_processed).sum())),
    counter("ringscope_tasks_failed", "Tasks (messages) rejected by the handlers of all kernels together", |s| count(s.lives().map(|k| k.errors).sum())),
    gauge("ringscope_tasks_pending", "Tasks (messages) in the queues of all kernels together", |s| count(s.totals().queue_depth)),
    ExportedFamily::new("ringscope_task_latency_seconds", Summary, "Time to handle a task (message), over all kernels together, since their start or the last reset", Read::TaskLatency).unit("seconds"),
    counter("ringscope_snapshots", "Sequence number of the snapshot; the collector's first is 1", |s| count(s.sequence)),
    gauge("ringscope_snapshot_timestamp_seconds", "Unix time at which the snapshot was taken", |s| unix_time(Some(s.time))).unit("seconds"),
    gauge("ringscope_snapshot_copy_seconds", "Duration of the copy from the device for the snapshot; its counters are at most this far apart in time", |s| duration(s.copy_duration)).unit("seconds"),
    gauge("ringscope_snapshot_copied_bytes", "Bytes copied from the device for the snapshot", |s| count(s.copied_bytes as u64)).unit("bytes"),
    gauge("telemetry_device_clock_uncertainty_seconds", "How far times of the device may be from the truth, because its clock and the host's are two; 0 where they are one", |s| duration(s.device_clock.uncertainty)).unit("seconds"),
    gauge("telemetry_device_clock_drift_ratio", "How much faster the device's clock runs than the host's, as a part of the time: 0.00001 is 10 microseconds a second", |s| real(s.device_clock.drift_ppb as f64 / 1e9)).unit("ratio"),
    counter("telemetry_device_clock_restarts", "Times that what was known of the device's clock turned out to be wrong and was learned anew, because a clock was set or steered", |s| count(s.device_clock.restarts_total)),
    gauge("ringscope_system_cpu_utilization_ratio", "CPU utilization of the machine, averaged over all cores", |s| real(s.system?.cpu_utilization_percent / 100.0)).unit("ratio"),
    gauge("ringscope_system_memory_used_bytes", "Memory in use on the machine, by all processes", |s| real(s.system?.memory_used_mb * 1e6)).unit("bytes"),
    counter("telemetry_collection_runs", "Snapshots taken, on demand and by periodic collection", |s| count(s.self_metrics.collection_runs_total)),
    counter("telemetry_collection_failures", "Snapshots that failed because of a device error", |s| count(s.self_metrics.collection_failures_total)),
    gauge("telemetry_registered_metrics", "Number of registered metrics; all label sets of one name are one metric", |s| count(s.self_metrics.metrics_count as u64)),
    gauge("telemetry_metric_series", "Number of series of registered metrics; each label set is one series", |s| count(s.self_metrics.metric_series as u64)),
    counter("telemetry_lookup_misses", "Look-ups by kernels that found no metric of their index and kind; what was to be recorded in it is lost", |s| count(s.self_metrics.lookup_misses_total)),
    counter("telemetry_role_misses", "Pens that kernels made of a role or shard that they were not registered with; what was to be recorded by them is lost", |s| count(s.self_metrics.role_misses_total)),
    counter("telemetry_events", "Events that were reported: changes of a kernel's state, stalls, and events recorded by the application", |s| count(s.self_metrics.events_total)),
    counter("telemetry_hook_panics", "Calls of hooks that panicked", |s| count(s.self_metrics.hook_panics_total)),
    ExportedFamily::new("telemetry_collection_duration_seconds", Histogram, "Time to take a snapshot, from the start of the copy to the finished value", Read::Snapshot(|s| Some(Sample::Histogram(Values::Seconds(&s.self_metrics.collection_duration))))).unit("seconds"),
    ExportedFamily::new("telemetry_dropped", Counter, "Items dropped, by where: snapshots from the history (full or too old), notifications to hooks, snapshots to subscribers, series beyond the limit, entries from the lists of operations, network operations, device messages and application events, application events to subscribers, records of kernels to trace streams, kernels that had ended from the snapshots", Read::Dropped(&[
        ("history", |d| d.history),
        ("hooks", |d| d.hooks),
        ("subscribers", |d| d.subscribers),
        ("series", |d| d.series),
        ("operations", |d| d.operations),
        ("network_operations", |d| d.network_operations),
        ("device_messages", |d| d.device_messages),
        ("application_events", |d| d.application_events),
        ("event_subscribers", |d| d.event_subscribers),
        ("trace_streams", |d| d.trace_streams),
        ("kernels", |d| d.kernels),
    ])),
];

/// After the GPUs', before the user's own.
pub(super) const VALUES_DROPPED: ExportedFamily = ExportedFamily::new(
    "ringscope_values_dropped",
    Counter,
    "Values that a histogram could not count: not finite, or out of its range",
    Read::ValuesDropped,
);
