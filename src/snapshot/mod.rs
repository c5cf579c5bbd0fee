//! One immutable value with everything known at one instant, and what is derived from it.

mod rates;
mod self_metrics;
mod tasks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::histogram::Histogram;
#[cfg(feature = "serde")]
use crate::histogram::slot_values;
use crate::machine::{GpuMetrics, SystemMetrics};
use crate::metrics::{self, Family};

pub use rates::{Rates, WindowRate};
pub(crate) use rates::{RatesBuilder, WindowCounts};
pub use self_metrics::{Dropped, SelfMetrics};
pub use tasks::Tasks;

/// Where a kernel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum KernelState {
    /// Resident, and takes no messages yet.
    Launched,
    /// Takes messages.
    Active,
    /// Takes no messages until it is activated again.
    Deactivated,
    /// Was told to stop, and has not ended yet.
    Terminating,
    /// Ended; its last numbers stay readable.
    Terminated,
    /// Died, or its device did.
    Failed,
    /// Should run, and a block of it gives no sign of life: the watchdog says so in a snapshot, and since when in
    /// [`KernelTelemetry::stall`]. What it was commanded to be is in [`RingKernel::state`](crate::runtime::RingKernel::state).
    Stalled,
}

impl KernelState {
    /// All of them, in the order of a kernel's life, and then `Stalled`, which is none of its stations.
    pub const ALL: [KernelState; 7] = [
        KernelState::Launched,
        KernelState::Active,
        KernelState::Deactivated,
        KernelState::Terminating,
        KernelState::Terminated,
        KernelState::Failed,
        KernelState::Stalled,
    ];

    /// The state whose discriminant this is.
    pub(crate) fn from_u8(value: u8) -> Option<KernelState> {
        KernelState::ALL.get(usize::from(value)).copied()
    }

    /// The name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            KernelState::Launched => "launched",
            KernelState::Active => "active",
            KernelState::Deactivated => "deactivated",
            KernelState::Terminating => "terminating",
            KernelState::Terminated => "terminated",
            KernelState::Failed => "failed",
            KernelState::Stalled => "stalled",
        }
    }
}

impl std::fmt::Display for KernelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Latencies of handling, in nanoseconds. Percentiles are within
/// [`relative_error`](crate::histogram::relative_error) of the exact ones; of an idle kernel the rest is exact, but for
/// min and max after a reset, which are then those of their buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Latency {
    /// Number of values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean_ns: f64,
    /// Smallest.
    pub min_ns: u64,
    /// Median.
    pub p50_ns: f64,
    /// 95th percentile.
    pub p95_ns: f64,
    /// 99th percentile.
    pub p99_ns: f64,
    /// Largest.
    pub max_ns: u64,
}

impl Latency {
    /// What a histogram of nanoseconds says; `None` of no values.
    pub fn of(histogram: &Histogram) -> Option<Latency> {
        Some(Latency {
            count: histogram.count(),
            mean_ns: histogram.mean(),
            min_ns: histogram.min()?,
            p50_ns: histogram.quantile(0.50),
            p95_ns: histogram.quantile(0.95),
            p99_ns: histogram.quantile(0.99),
            max_ns: histogram.max()?,
        })
    }
}

/// How long messages waited in a kernel's queue.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Waiting {
    /// In nanoseconds.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub latency: Latency,
    /// Its buckets.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub histogram: Arc<Histogram>,
}

/// Everything known of one kernel at one instant. Counts are since the start or the last reset.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KernelTelemetry {
    /// Its name.
    pub kernel_id: Arc<str>,
    /// Where it is in its life.
    pub state: KernelState,
    /// Messages taken from its queue.
    pub messages_received: u64,
    /// Replies published, those that say "refused" included.
    pub messages_sent: u64,
    /// Messages handled without error.
    pub messages_processed: u64,
    /// Messages that the handler refused.
    pub errors: u64,
    /// When its first block started.
    #[cfg_attr(feature = "serde", serde(serialize_with = "unix_seconds"))]
    pub start_time: Option<SystemTime>,
    /// When the last message was done.
    #[cfg_attr(feature = "serde", serde(serialize_with = "unix_seconds"))]
    pub last_message_time: Option<SystemTime>,
    /// The youngest sign of life of any of its blocks, which give one while they wait as well; of device kernels.
    #[cfg_attr(feature = "serde", serde(serialize_with = "unix_seconds"))]
    pub last_sign_of_life: Option<SystemTime>,
    /// What the watchdog has to say, where its state is `Stalled`.
    pub stall: Option<Arc<Stall>>,
    /// Messages processed per second since the start or the last reset; 0.0 over no time.
    pub throughput: f64,
    /// Messages processed per second over the last window (see
    /// [`TelemetryConfig::windows`](crate::collector::TelemetryConfig::windows), the first of them), or since its start
    /// where nobody looked before.
    pub windowed_throughput: f64,
    /// What it did over each window.
    pub rates: Rates,
    /// From start to now, or to its end.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub uptime: Duration,
    /// Errors per message handled, 0 to 1; 0.0 of no messages.
    pub error_rate: f64,
    /// Code of the last error, `None` before the first.
    pub last_error_code: Option<u32>,
    /// What the last error was, where a host actor said so; what a kernel died of, or why it cannot be read.
    pub last_error: Option<Arc<str>>,
    /// Latencies of handling; `None` before the first, or below level 2.
    pub latency: Option<Latency>,
    /// Times of waiting in the queue, from the send to a block's taking it up; `None` before the first, below level 2,
    /// and for kernels that are not sent to by a [`RingKernelRuntime`](crate::RingKernelRuntime). The host's clock and the
    /// device's meet in it: on CUDA it is right to some microseconds at first, and the two drift apart by parts in a
    /// million, milliseconds in an hour.
    pub waiting: Option<Arc<Waiting>>,
    /// Messages waiting when the kernel last looked.
    pub queue_depth: u64,
    /// The most that ever waited; a reset does not lower it.
    pub queue_high_water: u64,
    /// Sends of a [`RingKernelRuntime`](crate::RingKernelRuntime) that found the queue full, and waited or were refused.
    pub queue_full: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes of the replies.
    pub bytes_out: u64,
    /// Time in the handler over time, per block: 0 idles, 1 is saturated. Waiting for room for a reply is not work.
    pub busy_ratio: f64,
    /// Replies that found their ring full and had to wait.
    pub retries: u64,
    /// Messages that were queued when the kernel was stopped, and replies without room then.
    pub dropped: u64,
    /// Looks at an empty queue.
    pub polls: u64,
    /// Seconds of handling, all blocks together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub busy_time: Duration,
    /// Seconds of waiting for messages, and for room for replies, all blocks together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub wait_time: Duration,
    /// Blocks, each with a shard of its own; 0 for a host actor.
    pub blocks: u32,
    /// The latencies' buckets.
    #[cfg_attr(feature = "serde", serde(serialize_with = "buckets"))]
    pub histogram: Arc<Histogram>,
    /// Replies published since the launch, whatever was reset.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) sent_since_launch: u64,
}

/// A block of a kernel gives no sign of life, for longer than
/// [`TelemetryConfig::stall_limit`](crate::collector::TelemetryConfig::stall_limit): it hangs, or works on one message for
/// longer than that. The kernel recovers with the block's next sign.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stall {
    /// Its last sign of life; of several such blocks, the one that has been silent for the longest time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "some_unix_seconds"))]
    pub since: SystemTime,
    /// Which block that is.
    pub block: u32,
}

impl KernelTelemetry {
    /// How old its youngest sign of life is at a moment, [`Snapshot::time`] for one; `None` of host actors.
    pub fn heartbeat_age(&self, at: SystemTime) -> Option<Duration> {
        Some(at.duration_since(self.last_sign_of_life?).unwrap_or_default())
    }

    /// Since when it stalls, if it does.
    pub fn stalled_since(&self) -> Option<SystemTime> {
        Some(self.stall.as_ref()?.since)
    }

    /// Messages handled, with or without error.
    pub fn handled(&self) -> u64 {
        self.messages_processed + self.errors
    }
}

/// All kernels at one instant, in the order of their registration, and all metrics.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Snapshot {
    /// 1 for the first of its collector.
    pub sequence: u64,
    /// When the copy began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "some_unix_seconds"))]
    pub time: SystemTime,
    /// How long the device's part took, copies and adding up: counters of its kernels lie at most this far apart in
    /// time. Host actors are read right after.
    #[cfg_attr(feature = "serde", serde(serialize_with = "seconds"))]
    pub copy_duration: Duration,
    /// Bytes copied from the device.
    pub copied_bytes: usize,
    /// Each kernel.
    pub kernels: Vec<KernelTelemetry>,
    /// Each [metric](crate::metrics), sorted by name.
    pub metrics: Vec<Family>,
    /// What collecting costs, and what was lost of it.
    pub self_metrics: SelfMetrics,
    /// The machine's processors and memory; `None` without the feature `system`, and before the first sample.
    pub system: Option<SystemMetrics>,
    /// NVIDIA's GPUs; `None` without the feature `nvml`, without a driver, and before the first sample.
    pub gpus: Option<Arc<[GpuMetrics]>>,
}

impl Snapshot {
    /// The kernel of that name.
    pub fn kernel(&self, id: &str) -> Option<&KernelTelemetry> {
        self.kernels.iter().find(|k| &*k.kernel_id == id)
    }

    /// The metric of that name; a counter with or without `_total`.
    pub fn metric(&self, name: &str) -> Option<&Family> {
        metrics::find(&self.metrics, name)
    }

    /// Totals over all kernels.
    pub fn summary(self: &Arc<Self>) -> Summary {
        let mut summary = Summary {
            kernel_count: self.kernels.len(),
            total_messages: 0,
            total_errors: 0,
            aggregate_throughput: 0.0,
            per_kernel: PerKernel(Arc::clone(self)),
        };
        for kernel in &self.kernels {
            summary.total_messages += kernel.messages_received;
            summary.total_errors += kernel.errors;
            summary.aggregate_throughput += kernel.throughput;
        }
        summary
    }
}

/// Totals over all kernels of a snapshot, and the kernels.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Summary {
    /// Number of kernels.
    pub kernel_count: usize,
    /// Messages received by all of them.
    pub total_messages: u64,
    /// Errors of all of them.
    pub total_errors: u64,
    /// Sum of their throughputs, messages per second.
    pub aggregate_throughput: f64,
    /// Each kernel by its id.
    pub per_kernel: PerKernel,
}

/// The kernels of a snapshot by their ids; serializes to a map.
#[derive(Clone, Debug)]
pub struct PerKernel(Arc<Snapshot>);

impl PerKernel {
    /// The kernel of that name.
    pub fn get(&self, id: &str) -> Option<&KernelTelemetry> {
        self.0.kernel(id)
    }

    /// All of them, in the order of their registration.
    pub fn iter(&self) -> std::slice::Iter<'_, KernelTelemetry> {
        self.0.kernels.iter()
    }

    /// As a map of its own, sorted by id.
    pub fn to_map(&self) -> BTreeMap<Arc<str>, KernelTelemetry> {
        self.iter().map(|k| (Arc::clone(&k.kernel_id), k.clone())).collect()
    }
}

impl<'a> IntoIterator for &'a PerKernel {
    type Item = &'a KernelTelemetry;
    type IntoIter = std::slice::Iter<'a, KernelTelemetry>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PerKernel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|k| (&*k.kernel_id, k)))
    }
}

/// A count over a time; 0.0 over no time, never NaN.
pub(crate) fn rate(count: u64, over: Duration) -> f64 {
    if over.is_zero() { 0.0 } else { count as f64 / over.as_secs_f64() }
}

/// A part of a whole; 0.0 of nothing, never NaN.
pub(crate) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_f64(d.as_secs_f64())
}

/// Scale, count, sum, and the used buckets as pairs of their largest value and their count.
#[cfg(feature = "serde")]
fn buckets<S: serde::Serializer>(histogram: &Histogram, s: S) -> Result<S::Ok, S::Error> {
    use serde::ser::SerializeStruct;
    let scale = histogram.scale();
    let used = histogram.slots().filter(|(_, count)| *count > 0);
    let buckets: Vec<(u64, u64)> = used.map(|(slot, count)| (*slot_values(slot, scale).end(), count)).collect();
    let mut s = s.serialize_struct("Histogram", 4)?;
    s.serialize_field("scale", &scale)?;
    s.serialize_field("count", &histogram.count())?;
    s.serialize_field("sum", &histogram.sum())?;
    s.serialize_field("buckets", &buckets)?;
    s.end()
}

#[cfg(feature = "serde")]
pub(crate) fn some_unix_seconds<S: serde::Serializer>(t: &SystemTime, s: S) -> Result<S::Ok, S::Error> {
    seconds(&t.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(), s)
}

#[cfg(feature = "serde")]
fn unix_seconds<S: serde::Serializer>(t: &Option<SystemTime>, s: S) -> Result<S::Ok, S::Error> {
    match t {
        Some(t) => some_unix_seconds(t, s),
        None => s.serialize_none(),
    }
}
