//! JSON: one page of sums for people and scripts, and the whole snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::catalog::handling_times;
use crate::machine::GpuMetrics;
use crate::snapshot::{KernelState, KernelTelemetry, Snapshot, ratio};

/// The nested form: all kernels together. The first keys of each part are those that dashboards of task queues know;
/// what is not known is `null`.
#[derive(Serialize)]
pub(super) struct Nested {
    /// Unix time in seconds.
    timestamp: f64,
    tasks: TaskCounts,
    latency: LatencyMillis,
    system: System,
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

impl Nested {
    pub(super) fn from_snapshot(snapshot: &Snapshot) -> Nested {
        let timestamp = snapshot.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Nested {
            timestamp,
            tasks: TaskCounts::from_snapshot(snapshot),
            latency: LatencyMillis::from_kernels(&snapshot.kernels),
            system: System::from_snapshot(snapshot),
        }
    }
}

impl TaskCounts {
    fn from_snapshot(snapshot: &Snapshot) -> TaskCounts {
        let sum = |of: fn(&KernelTelemetry) -> u64| snapshot.kernels.iter().map(of).fold(0, u64::saturating_add);
        let tasks = snapshot.tasks();
        TaskCounts {
            executed: tasks.tasks_executed,
            failed: tasks.tasks_failed,
            pending: tasks.tasks_pending,
            error_rate: tasks.error_rate,
            received: sum(|k| k.messages_received),
            sent: sum(|k| k.messages_sent),
            retries: sum(|k| k.retries),
            dropped: sum(|k| k.dropped),
            bytes_in: sum(|k| k.bytes_in),
            bytes_out: sum(|k| k.bytes_out),
        }
    }
}

impl LatencyMillis {
    fn from_kernels(kernels: &[KernelTelemetry]) -> LatencyMillis {
        let all = handling_times(kernels);
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
        let blocks = kernels.iter().map(|k| f64::from(k.blocks)).sum::<f64>();
        let busy = kernels.iter().map(|k| k.busy_ratio * f64::from(k.blocks)).sum::<f64>();
        let gpus = snapshot.gpus.as_deref().unwrap_or_default();
        let used = sum_of_known(gpus.iter().map(|gpu| gpu.memory_used_bytes.map(|bytes| bytes as f64 / 1e6)));
        System {
            cpu_percent: snapshot.system.map(|s| s.cpu_utilization_percent),
            memory_mb: snapshot.system.map(|s| s.memory_used_mb),
            throughput_tasks_per_sec: snapshot.tasks().throughput_per_second,
            gpu_utilization_percent: sum_of_known(gpus.iter().map(|gpu| gpu.utilization_percent.map(f64::from)))
                .map(|(sum, gpus)| sum / gpus),
            gpu_memory_used_mb: used.map(|(sum, _)| sum),
            windowed_throughput_tasks_per_sec: kernels.iter().map(|k| k.windowed_throughput).sum(),
            kernels: kernels.len(),
            states,
            blocks: blocks as u64,
            busy_ratio: ratio(busy, blocks),
            uptime: kernels.iter().map(|k| k.uptime.as_secs_f64()).fold(0.0, f64::max),
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
