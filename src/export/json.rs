//! JSON: one page of sums for people and scripts, and the whole snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::machine::GpuMetrics;
use crate::snapshot::{KernelState, Latency, Snapshot, Tasks};

/// The nested form: all kernels together.
#[derive(Serialize)]
pub(super) struct Nested {
    /// Unix time in seconds.
    timestamp: f64,
    tasks: Sums,
    /// `null` before the first value.
    latency: Option<Latency>,
    system: System,
}

/// What became of the messages.
#[derive(Serialize)]
struct Sums {
    #[serde(flatten)]
    tasks: Tasks,
    received: u64,
    sent: u64,
    processed: u64,
    errors: u64,
    retries: u64,
    dropped: u64,
    /// Waiting when the kernels last looked.
    queued: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Processed per second by running kernels, since the start or the last reset.
    throughput: f64,
    /// Processed per second by running kernels, over the first window.
    windowed_throughput: f64,
}

/// What they ran on, and how it was read.
#[derive(Serialize)]
struct System {
    kernels: usize,
    /// How many are in each state.
    states: BTreeMap<&'static str, usize>,
    blocks: u64,
    /// Of all blocks: 0 idles, 1 is saturated.
    busy_ratio: f64,
    /// The longest of any kernel, in seconds.
    uptime: f64,
    snapshot: u64,
    /// In seconds.
    copy_duration: f64,
    copied_bytes: usize,
    /// `null` where nobody asks the machine.
    cpu_utilization_percent: Option<f64>,
    memory_used_mb: Option<f64>,
    gpus: Option<Arc<[GpuMetrics]>>,
}

impl Nested {
    pub(super) fn of(snapshot: &Snapshot) -> Nested {
        let timestamp = snapshot.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let latency = Latency::from_histogram(&snapshot.merged_latencies());
        Nested { timestamp, tasks: Sums::of(snapshot), latency, system: System::of(snapshot) }
    }
}

impl Sums {
    fn of(snapshot: &Snapshot) -> Sums {
        let totals = snapshot.totals();
        Sums {
            tasks: snapshot.tasks(),
            received: totals.messages_received,
            sent: totals.messages_sent,
            processed: totals.messages_processed,
            errors: totals.errors,
            retries: totals.retries,
            dropped: totals.dropped,
            queued: totals.queue_depth,
            bytes_in: totals.bytes_in,
            bytes_out: totals.bytes_out,
            throughput: totals.throughput,
            windowed_throughput: totals.windowed_throughput,
        }
    }
}

impl System {
    fn of(snapshot: &Snapshot) -> System {
        let kernels = &snapshot.kernels;
        let mut states: BTreeMap<&'static str, usize> = KernelState::ALL.iter().map(|s| (s.name(), 0)).collect();
        kernels.iter().for_each(|k| *states.entry(k.state.name()).or_default() += 1);
        let totals = snapshot.totals();
        System {
            kernels: kernels.len(),
            states,
            blocks: totals.blocks,
            busy_ratio: totals.busy_ratio,
            uptime: totals.uptime.as_secs_f64(),
            snapshot: snapshot.sequence,
            copy_duration: snapshot.copy_duration.as_secs_f64(),
            copied_bytes: snapshot.copied_bytes,
            cpu_utilization_percent: snapshot.system.map(|s| s.cpu_utilization_percent),
            memory_used_mb: snapshot.system.map(|s| s.memory_used_mb),
            gpus: snapshot.gpus.clone(),
        }
    }
}
