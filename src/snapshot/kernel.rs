//! One kernel of a snapshot: where it is in its life, what it has counted, how long its messages took.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::blocks::BlockStatus;
use super::rates::Rates;
use crate::histogram::Histogram;

/// Where a kernel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum KernelState {
    /// Resident, and takes no messages yet.
    Launched,
    /// Takes messages. A host actor is active from its registration on.
    Active,
    /// Takes no messages until it is activated again.
    Deactivated,
    /// Was told to stop, and has not ended yet.
    Terminating,
    /// Ended; its last numbers stay readable.
    Terminated,
    /// Died, or its device did.
    Failed,
    /// Has not ended, and one of its blocks gave no sign of life for longer than the
    /// [`stall_limit`](crate::TelemetryConfig::stall_limit). [`KernelTelemetry::stall`] says which block and since when. A
    /// kernel that was told to stop and hangs is `Stalled` until it ends. What the kernel was commanded to be is in
    /// [`RingKernel::state`](crate::runtime::RingKernel::state).
    Stalled,
}

impl KernelState {
    /// All states, in the order of a kernel's life; `Stalled`, which no command leads to, is the last.
    pub const ALL: &'static [KernelState] = &[
        KernelState::Launched,
        KernelState::Active,
        KernelState::Deactivated,
        KernelState::Terminating,
        KernelState::Terminated,
        KernelState::Failed,
        KernelState::Stalled,
    ];

    /// Returns the state with this discriminant.
    pub(crate) fn from_u8(value: u8) -> Option<KernelState> {
        KernelState::ALL.get(usize::from(value)).copied()
    }

    /// Returns the name, in lower case.
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

    /// Returns whether the kernel's life is over: `Terminated` or `Failed`. In every other state it counts as running.
    pub const fn has_ended(self) -> bool {
        matches!(self, KernelState::Terminated | KernelState::Failed)
    }

    /// Returns whether somebody should look at the kernel: it failed, or it stalls.
    pub const fn needs_attention(self) -> bool {
        matches!(self, KernelState::Failed | KernelState::Stalled)
    }
}

impl std::fmt::Display for KernelState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Latencies in nanoseconds. Percentiles are within [`relative_error`](crate::histogram::relative_error) of the exact
/// ones. The other numbers of an idle kernel are exact, except `min_ns` and `max_ns` after a reset, which are then the
/// limits of their buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Latency {
    /// Number of values.
    pub count: u64,
    /// Arithmetic mean, in nanoseconds.
    pub mean_ns: f64,
    /// Smallest value, in nanoseconds.
    pub min_ns: u64,
    /// Median, in nanoseconds.
    pub p50_ns: f64,
    /// 95th percentile, in nanoseconds.
    pub p95_ns: f64,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: f64,
    /// Largest value, in nanoseconds.
    pub max_ns: u64,
}

impl Latency {
    /// Summarizes a histogram of nanoseconds; `None` if it is empty.
    pub fn from_histogram(histogram: &Histogram) -> Option<Latency> {
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
#[non_exhaustive]
pub struct Waiting {
    /// Count, mean, extremes and percentiles, in nanoseconds.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub latency: Latency,
    /// The buckets.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub histogram: Arc<Histogram>,
}

/// What became of a kernel's events and spans, in places of its rings: a record has one to three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct TraceRecords {
    /// Written while a [stream](crate::TelemetryCollector::trace_stream) was open, as of the last look at the rings.
    pub written: u64,
    /// Read from the rings.
    pub read: u64,
    /// Overwritten before they were read. When the kernel rests, `written` is `read` and `lost` together.
    pub lost: u64,
}

impl TraceRecords {
    /// Makes such counts.
    pub(crate) const fn new(written: u64, read: u64, lost: u64) -> Self {
        TraceRecords { written, read, lost }
    }
}

/// Everything known of one kernel or host actor at one instant. Counts are since the start or the last reset.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KernelTelemetry {
    /// The id that it was launched or registered under.
    pub kernel_id: Arc<str>,
    /// The device that it runs on, as an index in [`Snapshot::devices`](super::Snapshot::devices); `None` for a host actor.
    pub device: Option<u32>,
    /// Which life under this id it is: 1 of the first, and one more with each that was
    /// [launched](crate::RingKernelRuntime::launch) or registered again after its end. An id that is new, or was forgotten, may
    /// begin higher: no two lives of an id have the same number.
    pub generation: u64,
    /// Where it is in its life.
    pub state: KernelState,
    /// Messages taken from its queue.
    pub messages_received: u64,
    /// Replies published, including those that say "refused".
    pub messages_sent: u64,
    /// Messages handled without error.
    pub messages_processed: u64,
    /// Messages that the handler refused.
    pub errors: u64,
    /// When its first block started, or the host actor was registered.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub start_time: Option<SystemTime>,
    /// Since when its counts count: since it was started, or since the last reset.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub counted_since: Option<SystemTime>,
    /// When the last message was done.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub last_message_time: Option<SystemTime>,
    /// The youngest sign of life of any of its blocks, which also give one while they wait; `None` for host actors.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub last_sign_of_life: Option<SystemTime>,
    /// Which block is silent and since when; `Some` exactly while `state` is `Stalled`.
    pub stall: Option<Arc<Stall>>,
    /// Messages processed per second since the start or the last reset; 0.0 over no time.
    pub throughput: f64,
    /// Messages processed per second over the first of the
    /// [`windows`](crate::collector::TelemetryConfig::windows), or since the start where there is no earlier reading.
    pub windowed_throughput: f64,
    /// What it did over each window.
    pub rates: Rates,
    /// Time from the start to now, or to the end.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub uptime: Duration,
    /// Errors per message handled, 0 to 1; 0.0 before the first message.
    pub error_rate: f64,
    /// Code of the last error, `None` before the first.
    pub last_error_code: Option<u32>,
    /// Text of the last error that a host actor recorded; or what a kernel died of, or why it cannot be read.
    pub last_error: Option<Arc<str>>,
    /// Latencies of handling; `None` before the first, or below level 2.
    pub latency: Option<Latency>,
    /// Time of waiting in the queue, from the send to the moment a block takes the message; `None` before the first,
    /// below level 2, and for kernels that no [`RingKernelRuntime`](crate::RingKernelRuntime) sends to. It combines the
    /// host's clock and the device's, and is right to within [`DeviceClock::uncertainty`](super::DeviceClock::uncertainty),
    /// on CUDA a few microseconds: a shorter wait is not told from none, and a message that seems to have been sent after it
    /// was taken waited for 0.
    pub waiting: Option<Arc<Waiting>>,
    /// Messages waiting when the kernel last looked.
    pub queue_depth: u64,
    /// The most messages that ever waited; a reset does not lower it.
    pub queue_high_water: u64,
    /// Sends of a [`RingKernelRuntime`](crate::RingKernelRuntime) that found the queue full, and waited or were refused.
    pub queue_full: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes of the replies.
    pub bytes_out: u64,
    /// Time in the handler as a fraction of the time, per block: 0 is idle, 1 is saturated. Waiting for room for a reply
    /// is not work.
    pub busy_ratio: f64,
    /// Replies that found their ring full and had to wait.
    pub retries: u64,
    /// Messages that were queued when the kernel was stopped, and replies that had no room then.
    pub dropped: u64,
    /// Polls that found the queue empty.
    pub polls: u64,
    /// Time in the handler, all blocks together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub busy_time: Duration,
    /// Time of waiting for messages, and for room for replies, all blocks together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub wait_time: Duration,
    /// Number of blocks, each with a shard of its own; 0 for a host actor.
    pub blocks: u32,
    /// How many of them have started: all of a kernel that the runtime launched; 0 for a host actor, and for a kernel without
    /// telemetry code.
    pub blocks_started: u32,
    /// What became of its events and spans; `None` for host actors, and where no
    /// [rings](crate::TelemetryConfig::trace_records) are kept. A reset does not change it.
    pub trace: Option<TraceRecords>,
    /// Buckets of the latencies of handling.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::buckets"))]
    pub histogram: Arc<Histogram>,
    /// Messages since the launch, whatever was reset, whose records these numbers have, as far as counts can tell it.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) recorded_since_launch: u64,
    /// What earlier lives under this id have counted since the last reset, as one.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) earlier: Option<Arc<KernelTelemetry>>,
}

/// A block that gave no sign of life for longer than
/// [`TelemetryConfig::stall_limit`](crate::collector::TelemetryConfig::stall_limit): it hangs, or works on one message for
/// longer than that. The kernel recovers with the block's next sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stall {
    /// Last sign of life of the block; of several such blocks, of the one that has been silent for the longest time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::unix_seconds"))]
    pub since: SystemTime,
    /// Index of that block in the kernel.
    pub block: u32,
    /// Where it is, since when, and what it waits for. Waypoints are shown from level 1 on, where a kernel has any.
    pub status: BlockStatus,
}

impl Stall {
    pub(crate) fn new(since: SystemTime, status: BlockStatus) -> Self {
        Stall { since, block: status.block, status }
    }
}

impl KernelTelemetry {
    /// Returns the age of its youngest sign of life at a moment, for example [`Snapshot::time`](super::Snapshot::time);
    /// `None` for host actors.
    pub fn heartbeat_age(&self, at: SystemTime) -> Option<Duration> {
        Some(at.duration_since(self.last_sign_of_life?).unwrap_or_default())
    }

    /// Returns since when it stalls; `None` if it does not.
    pub fn stalled_since(&self) -> Option<SystemTime> {
        Some(self.stall.as_ref()?.since)
    }

    /// Returns the number of messages handled, with or without error.
    pub fn handled(&self) -> u64 {
        self.messages_processed.saturating_add(self.errors)
    }

    /// Returns whether somebody should look at it: it failed, or it stalls.
    pub fn needs_attention(&self) -> bool {
        self.state.needs_attention() || self.stall.is_some()
    }
}
