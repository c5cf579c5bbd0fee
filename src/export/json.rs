//! JSON: one page of sums for people and scripts, and the whole snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::machine::GpuMetrics;
use crate::snapshot::{KernelState, OperationCounts, OperationsTelemetry, Snapshot};

/// The nested form: all kernels together. The first keys of each part are those that dashboards of task queues know;
/// what is not known is `null`.
#[derive(Serialize)]
pub(super) struct Nested {
    /// Unix time in seconds.
    timestamp: f64,
    tasks: TaskCounts,
    latency: LatencyMillis,
    system: System,
    /// Only where operations are monitored.
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Operations>,
}

/// What became of the messages.
#[derive(Serialize)]
struct TaskCounts {
    /// Handled without error.
    executed: u64,
    /// Rejected by their handlers.
    failed: u64,
    /// In the queues when the kernels last polled them.
    pending: u64,
    error_rate: f64,
    received: u64,
    sent: u64,
    retries: u64,
    dropped: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Handling times of all kernels together in milliseconds; `null` before the first value.
#[derive(Serialize)]
struct LatencyMillis {
    avg_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    count: u64,
}

/// What they ran on, and how it was read.
#[derive(Serialize)]
struct System {
    cpu_percent: Option<f64>,
    /// In units of 10^6 bytes, as all of these.
    memory_mb: Option<f64>,
    /// Processed per second.
    throughput_tasks_per_sec: f64,
    /// The mean of the GPUs that report it.
    gpu_utilization_percent: Option<f64>,
    /// The sum over the GPUs that report it.
    gpu_memory_used_mb: Option<f64>,
    /// Processed per second, over the last window.
    windowed_throughput_tasks_per_sec: f64,
    kernels: usize,
    /// How many are in each state.
    states: BTreeMap<&'static str, usize>,
    blocks: u64,
    /// Of all blocks: 0 is idle, 1 is saturated.
    busy_ratio: f64,
    /// The longest of any kernel, in seconds.
    uptime: f64,
    snapshot: u64,
    /// In seconds.
    copy_duration: f64,
    copied_bytes: usize,
    gpus: Option<Arc<[GpuMetrics]>>,
}

/// Operations of all names together, and network operations with all peers.
#[derive(Serialize)]
struct Operations {
    #[serde(flatten)]
    counts: OperationCounts,
    retries: u64,
    network: Network,
}

#[derive(Serialize)]
struct Network {
    #[serde(flatten)]
    counts: OperationCounts,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Operations {
    fn new(all: &OperationsTelemetry) -> Operations {
        let network = Network {
            counts: all.network_totals(),
            bytes_sent: all.network.iter().map(|of| of.bytes_sent).sum(),
            bytes_received: all.network.iter().map(|of| of.bytes_received).sum(),
        };
        Operations { counts: all.totals(), retries: all.retries(), network }
    }
}

impl Nested {
    pub(super) fn from_snapshot(snapshot: &Snapshot) -> Nested {
        let timestamp = snapshot.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Nested {
            timestamp,
            tasks: TaskCounts::from_snapshot(snapshot),
            latency: LatencyMillis::from_histogram(&snapshot.merged_latencies()),
            system: System::from_snapshot(snapshot),
            operations: snapshot.operations.as_deref().map(Operations::new),
        }
    }
}

impl TaskCounts {
    fn from_snapshot(snapshot: &Snapshot) -> TaskCounts {
        let (tasks, totals) = (snapshot.tasks(), snapshot.totals());
        TaskCounts {
            executed: tasks.tasks_executed,
            failed: tasks.tasks_failed,
            pending: tasks.tasks_pending,
            error_rate: tasks.error_rate,
            received: totals.messages_received,
            sent: totals.messages_sent,
            retries: totals.retries,
            dropped: totals.dropped,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
        }
    }
}

impl LatencyMillis {
    fn from_histogram(all: &Histogram) -> LatencyMillis {
        let known = |ns: f64| (all.count() > 0).then_some(ns / 1e6);
        LatencyMillis {
            avg_ms: known(all.mean()),
            p50_ms: known(all.quantile(0.50)),
            p95_ms: known(all.quantile(0.95)),
            p99_ms: known(all.quantile(0.99)),
            min_ms: all.min().and_then(|ns| known(ns as f64)),
            max_ms: all.max().and_then(|ns| known(ns as f64)),
            count: all.count(),
        }
    }
}

impl System {
    fn from_snapshot(snapshot: &Snapshot) -> System {
        let kernels = &snapshot.kernels;
        let mut states: BTreeMap<&'static str, usize> = KernelState::ALL.iter().map(|s| (s.name(), 0)).collect();
        kernels.iter().for_each(|k| *states.entry(k.state.name()).or_default() += 1);
        let totals = snapshot.totals();
        let gpus = snapshot.gpus.as_deref().unwrap_or_default();
        let used = sum_of_known(gpus.iter().map(|gpu| gpu.memory_used_bytes.map(|bytes| bytes as f64 / 1e6)));
        System {
            cpu_percent: snapshot.system.map(|s| s.cpu_utilization_percent),
            memory_mb: snapshot.system.map(|s| s.memory_used_mb),
            throughput_tasks_per_sec: snapshot.tasks().throughput_per_second,
            gpu_utilization_percent: sum_of_known(gpus.iter().map(|gpu| gpu.utilization_percent.map(f64::from)))
                .map(|(sum, gpus)| sum / gpus),
            gpu_memory_used_mb: used.map(|(sum, _)| sum),
            windowed_throughput_tasks_per_sec: totals.windowed_throughput,
            kernels: kernels.len(),
            states,
            blocks: totals.blocks,
            busy_ratio: totals.busy_ratio,
            uptime: totals.uptime.as_secs_f64(),
            snapshot: snapshot.sequence,
            copy_duration: snapshot.copy_duration.as_secs_f64(),
            copied_bytes: snapshot.copied_bytes,
            gpus: snapshot.gpus.clone(),
        }
    }
}

/// The sum of the values that are known, and how many these are; `None` if that is none.
fn sum_of_known(values: impl Iterator<Item = Option<f64>>) -> Option<(f64, f64)> {
    values.flatten().fold(None, |sum, value| {
        let (sum, known) = sum.unwrap_or((0.0, 0.0));
        Some((sum + value, known + 1.0))
    })
}
