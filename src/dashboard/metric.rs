//! The families that panels and rules ask for, each looked up in the catalog while this is compiled, and expressions of them.

use std::fmt::{Display, Formatter, Result};

use crate::export::ExportedFamily;
use crate::export::family;

/// A family, shown as the name of its samples.
#[derive(Clone, Copy)]
pub(super) struct Metric(&'static ExportedFamily);

impl Metric {
    const fn new(name: &str) -> Metric {
        Metric(family(name))
    }

    /// Its name; of a counter, without `_total`. Recorded series are called by it.
    pub(super) fn name(self) -> &'static str {
        self.0.name
    }

    pub(super) fn has_label(self, label: &str) -> bool {
        self.0.labels.contains(&label)
    }
}

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(&self.0.sample_name())
    }
}

/// Durations, counted once and exported twice.
#[derive(Clone, Copy)]
pub(super) struct Durations {
    /// In nanoseconds, as a native histogram.
    pub(super) native: Metric,
    /// In seconds, as a classic one.
    pub(super) classic: Metric,
}

impl Durations {
    /// A quantile in seconds by these labels; `range` ends what is in parentheses after a metric's name, such as
    /// `{job="a"}[5m]`. Where native histograms are not scraped, of the classic ones.
    pub(super) fn quantile(self, q: &str, by: &str, range: &str) -> String {
        let (native, classic) = (self.native, self.classic);
        format!(
            "histogram_quantile({q}, sum by ({by}) (rate({native}{range}))) / 1e9\n  \
             or histogram_quantile({q}, sum by ({by}{comma}le) (rate({classic}_bucket{range})))",
            comma = if by.is_empty() { "" } else { ", " },
        )
    }
}

macro_rules! metrics {
    ($($constant:ident = $name:literal;)*) => { $(pub(super) const $constant: Metric = Metric::new($name);)* };
}

metrics! {
    STATE = "ringscope_kernel_state";
    RECEIVED = "ringscope_kernel_messages_received";
    SENT = "ringscope_kernel_messages_sent";
    PROCESSED = "ringscope_kernel_messages_processed";
    ERRORS = "ringscope_kernel_errors";
    RETRIES = "ringscope_kernel_retries";
    DROPPED = "ringscope_kernel_dropped";
    QUEUE_FULL = "ringscope_kernel_queue_full";
    RECEIVED_BYTES = "ringscope_kernel_received_bytes";
    SENT_BYTES = "ringscope_kernel_sent_bytes";
    BUSY_SECONDS = "ringscope_kernel_busy_seconds";
    WAIT_SECONDS = "ringscope_kernel_wait_seconds";
    POLLS = "ringscope_kernel_polls";
    TRACE_WRITTEN = "ringscope_kernel_trace_records_written";
    TRACE_READ = "ringscope_kernel_trace_records_read";
    TRACE_LOST = "ringscope_kernel_trace_records_lost";
    QUEUE_DEPTH = "ringscope_kernel_queue_depth";
    QUEUE_HIGH_WATER = "ringscope_kernel_queue_high_water";
    BUSY_RATIO = "ringscope_kernel_busy_ratio";
    UPTIME = "ringscope_kernel_uptime_seconds";
    START_TIME = "ringscope_kernel_start_time_seconds";
    LAST_MESSAGE = "ringscope_kernel_last_message_timestamp_seconds";
    SIGN_OF_LIFE = "ringscope_kernel_last_sign_of_life_timestamp_seconds";
    STALLED_SINCE = "ringscope_kernel_stalled_timestamp_seconds";
    BLOCKS = "ringscope_kernel_blocks";
    GENERATION = "ringscope_kernel_generation";
    DEVICE_INFO = "ringscope_device_info";
    DEVICE_READABLE = "ringscope_device_readable";

    KERNELS = "ringscope_kernels";
    TASKS_EXECUTED = "ringscope_tasks_executed";
    TASKS_FAILED = "ringscope_tasks_failed";
    TASKS_PENDING = "ringscope_tasks_pending";
    TASK_LATENCY = "ringscope_task_latency_seconds";
    SNAPSHOTS = "ringscope_snapshots";
    SNAPSHOT_TIME = "ringscope_snapshot_timestamp_seconds";
    COPY_SECONDS = "ringscope_snapshot_copy_seconds";
    COPIED_BYTES = "ringscope_snapshot_copied_bytes";
    CLOCK_UNCERTAINTY = "telemetry_device_clock_uncertainty_seconds";
    CLOCK_DRIFT = "telemetry_device_clock_drift_ratio";
    CLOCK_RESTARTS = "telemetry_device_clock_restarts";
    CPU = "ringscope_system_cpu_utilization_ratio";
    MEMORY = "ringscope_system_memory_used_bytes";
    COLLECTIONS = "telemetry_collection_runs";
    COLLECTION_FAILURES = "telemetry_collection_failures";
    COLLECTION_DURATION = "telemetry_collection_duration_seconds";
    REGISTERED = "telemetry_registered_metrics";
    SERIES = "telemetry_metric_series";
    LOOKUP_MISSES = "telemetry_lookup_misses";
    ROLE_MISSES = "telemetry_role_misses";
    EVENTS = "telemetry_events";
    HOOK_PANICS = "telemetry_hook_panics";
    TELEMETRY_DROPPED = "telemetry_dropped";
    VALUES_DROPPED = "ringscope_values_dropped";

    OPERATIONS = "event";
    OPERATIONS_RUNNING = "event_running";
    OPERATION_RETRIES = "event_retries";
    NETWORK = "network_operations";
    NETWORK_RUNNING = "network_operations_running";
    NETWORK_SENT = "network_sent_bytes";
    NETWORK_RECEIVED = "network_received_bytes";

    GPU_UTILIZATION = "ringscope_gpu_utilization_ratio";
    GPU_MEMORY_USED = "ringscope_gpu_memory_used_bytes";
    GPU_MEMORY_TOTAL = "ringscope_gpu_memory_total_bytes";
    GPU_PROCESS_MEMORY = "ringscope_gpu_process_memory_bytes";
    GPU_TEMPERATURE = "ringscope_gpu_temperature_celsius";
    GPU_POWER = "ringscope_gpu_power_watts";
    GPU_SM_CLOCK = "ringscope_gpu_sm_clock_hertz";
    GPU_MEMORY_CLOCK = "ringscope_gpu_memory_clock_hertz";
    GPU_ECC_CORRECTED = "ringscope_gpu_ecc_errors_corrected";
    GPU_ECC_UNCORRECTED = "ringscope_gpu_ecc_errors_uncorrected";
    GPU_THROTTLED = "ringscope_gpu_throttled";

    PUBLICATIONS = "telemetry_publish_publications";
    PUBLISH_SKIPPED = "telemetry_publish_skipped";
    PUBLISH_ENCODED = "telemetry_publish_encoded_items";
    PUBLISHED = "telemetry_publish_items";
    PUBLISH_DROPPED = "telemetry_publish_dropped";
    PUBLISH_ATTEMPTS = "telemetry_publish_attempts";
    PUBLISH_FAILURES = "telemetry_publish_failures";
    PUBLISH_RETRIES = "telemetry_publish_retries";
    PUBLISH_BYTES = "telemetry_publish_sent_bytes";
    PUBLISH_QUEUED = "telemetry_publish_queued_items";
    PUBLISH_QUEUED_BYTES = "telemetry_publish_queued_bytes";
    PUBLISH_CIRCUIT_OPEN = "telemetry_publish_circuit_open";
    PUBLISH_LAST_SUCCESS = "telemetry_publish_last_success_timestamp_seconds";
}

/// To handle a message.
pub(super) const HANDLING: Durations = Durations {
    native: Metric::new("ringscope_kernel_message_duration_nanoseconds"),
    classic: Metric::new("ringscope_kernel_message_duration_seconds"),
};
/// In the queue.
pub(super) const WAITING: Durations = Durations {
    native: Metric::new("ringscope_kernel_message_wait_nanoseconds"),
    classic: Metric::new("ringscope_kernel_message_wait_seconds"),
};
/// Of operations.
pub(super) const OPERATION_DURATION: Durations =
    Durations { native: Metric::new("event_duration_nanoseconds"), classic: Metric::new("event_duration_seconds") };
/// Until a peer answered.
pub(super) const NETWORK_LATENCY: Durations =
    Durations { native: Metric::new("network_latency_nanoseconds"), classic: Metric::new("network_latency_seconds") };
/// All of them.
pub(super) const DURATIONS: [Durations; 4] = [HANDLING, WAITING, OPERATION_DURATION, NETWORK_LATENCY];
