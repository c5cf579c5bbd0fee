//! JSON: one page of sums for people and scripts, and the whole snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::machine::GpuMetrics;
use crate::snapshot::{KernelState, KernelTelemetry, Latency, Snapshot, Tasks, ratio};

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
    /// Processed per second, since the start or the last reset.
    throughput: f64,
    /// Processed per second, over the last window.
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
        let kernels = &snapshot.kernels;
        Nested { timestamp, tasks: Sums::of(snapshot), latency: latency(kernels), system: System::of(snapshot) }
    }
}

impl Sums {
    fn of(snapshot: &Snapshot) -> Sums {
        let kernels = &snapshot.kernels;
        let sum = |of: fn(&KernelTelemetry) -> u64| kernels.iter().map(of).fold(0, u64::saturating_add);
        let (processed, errors) = (sum(|k| k.messages_processed), sum(|k| k.errors));
        Sums {
            tasks: snapshot.tasks(),
            received: sum(|k| k.messages_received),
            sent: sum(|k| k.messages_sent),
            processed,
            errors,
            retries: sum(|k| k.retries),
            dropped: sum(|k| k.dropped),
            queued: sum(|k| k.queue_depth),
            bytes_in: sum(|k| k.bytes_in),
            bytes_out: sum(|k| k.bytes_out),
            throughput: kernels.iter().map(|k| k.throughput).sum(),
            windowed_throughput: kernels.iter().map(|k| k.windowed_throughput).sum(),
        }
    }
}

/// Of all messages of all kernels; the buckets add up exactly.
fn latency(kernels: &[KernelTelemetry]) -> Option<Latency> {
    let mut all = Histogram::new(crate::abi::MAX_SCALE);
    kernels.iter().filter(|k| k.histogram.count() > 0).for_each(|k| all.merge(&k.histogram));
    Latency::of(&all)
}

impl System {
    fn of(snapshot: &Snapshot) -> System {
        let kernels = &snapshot.kernels;
        let mut states: BTreeMap<&'static str, usize> = KernelState::ALL.iter().map(|s| (s.name(), 0)).collect();
        kernels.iter().for_each(|k| *states.entry(k.state.name()).or_default() += 1);
        let blocks = kernels.iter().map(|k| f64::from(k.blocks)).sum::<f64>();
        let busy = kernels.iter().map(|k| k.busy_ratio * f64::from(k.blocks)).sum::<f64>();
        System {
            kernels: kernels.len(),
            states,
            blocks: blocks as u64,
            busy_ratio: ratio(busy, blocks),
            uptime: kernels.iter().map(|k| k.uptime.as_secs_f64()).fold(0.0, f64::max),
            snapshot: snapshot.sequence,
            copy_duration: snapshot.copy_duration.as_secs_f64(),
            copied_bytes: snapshot.copied_bytes,
            cpu_utilization_percent: snapshot.system.map(|s| s.cpu_utilization_percent),
            memory_used_mb: snapshot.system.map(|s| s.memory_used_mb),
            gpus: snapshot.gpus.clone(),
        }
    }
}
