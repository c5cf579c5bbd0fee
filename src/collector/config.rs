//! [`TelemetryConfig`]: the bounds and times of a collector.

use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::TelemetryError;
use crate::abi::MAX_SCALE;
use crate::abi::record::{MAX, MIN};

/// Most windows of a collector.
pub const MAX_WINDOWS: usize = 8;

/// Bounds and times of a collector. A collector is only made with a config that [`check`](Self::check) accepts.
///
/// ```
/// use std::time::Duration;
/// use ringscope::{TelemetryCollector, TelemetryConfig};
///
/// let config = TelemetryConfig { stall_limit: Duration::from_secs(30), ..TelemetryConfig::default() };
/// let telemetry = TelemetryCollector::with_config(true, config)?;
/// let coarse = TelemetryConfig { scale: 77, ..TelemetryConfig::default() };
/// let error = TelemetryCollector::with_config(true, coarse).unwrap_err();
/// assert_eq!(error.to_string(), "`scale` is 77, and must be 0 to 5");
/// # drop(telemetry); Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// Most kernels and host actors, including those that have ended; at least 1. Fewer take less memory on the device: see
    /// [`max_blocks`](Self::max_blocks). Default: [`DEFAULT_MAX_KERNELS`](Self::DEFAULT_MAX_KERNELS).
    pub max_kernels: usize,
    /// Most blocks of all device kernels together, at least 1; each has a shard of 384 bytes. The blocks of a kernel share its
    /// rows of buckets, at most 8, and where there are up to 8 blocks each has one of its own; a row has 8,448 bytes at the
    /// default scale. A device has rows for eight to each of `max_kernels`, or for one to each of them and one to every 8
    /// blocks, whichever are fewer, and 64 to spare: where those are taken, kernels get fewer rows, which costs them time
    /// where their blocks record at the same moment, and no count. The same is pinned twice on the host for copies. Default:
    /// [`DEFAULT_MAX_BLOCKS`](Self::DEFAULT_MAX_BLOCKS).
    pub max_blocks: u32,
    /// Most metrics that [kernels count in](crate::metrics::Builder::on_device), at most 2^20; a family of up to eight
    /// counters, or one histogram, is one. Default: [`DEFAULT_DEVICE_METRICS`](Self::DEFAULT_DEVICE_METRICS).
    pub device_metrics: usize,
    /// Bucket counts of the histograms among them together, at most 2^28: one histogram of scale 3 has 528. Default:
    /// [`DEFAULT_DEVICE_BUCKETS`](Self::DEFAULT_DEVICE_BUCKETS).
    pub device_buckets: usize,
    /// Most series of all [metrics](crate::metrics) together, including those that count overflows. Default:
    /// [`DEFAULT_MAX_SERIES`](Self::DEFAULT_MAX_SERIES).
    pub max_series: usize,
    /// Records of events and spans that the device keeps for each block until they are read: a power of two, 64 to 16,384, of
    /// 16 bytes each; 0 is none, and kernels at [`Level::Events`](crate::Level::Events) then record none. Default: 0.
    pub trace_records: u32,
    /// Records of each block's black box, in host memory that outlives a kernel that died: a power of two, 64 to 16,384, of 16
    /// bytes each; 0 is none. [`black_box`](super::TelemetryCollector::black_box) reads it, and the error of a kernel that died
    /// quotes it. Default: 0, with which a kernel loads one address at each of its waypoints and messages, and branches.
    ///
    /// Otherwise a block stores words of 8 bytes over the link to the host, and waits for none of them: four for each waypoint
    /// and each place of the ring (the place, a record of two words, how many records there are), two more for what a wait
    /// expects and sees, and six for each message that it handled. A message of a ring kernel whose handler has no waypoints
    /// makes 15 stores, and 4 more where the block waited for it. Of threads of one block that write at the same moment
    /// one's record may be lost.
    pub black_box_records: u32,
    /// Scale of the latency histograms, 0 to 5: 2^scale buckets an octave. Default:
    /// [`DEFAULT_SCALE`](Self::DEFAULT_SCALE), an error under 4.4 %.
    pub scale: u32,
    /// Windows that rates are computed over, one to eight of them, each longer than 0; `windowed_throughput` is over the
    /// first. Each takes some 400 bytes a kernel. Default: [`DEFAULT_WINDOWS`](Self::DEFAULT_WINDOWS).
    pub windows: Vec<Duration>,
    /// How long a running block may give no sign of life before its kernel is
    /// [`Stalled`](crate::snapshot::KernelState::Stalled); longer than 0, `Duration::MAX` is never. A block gives a sign of
    /// life with each message, and regularly while it waits, but none in the middle of a message: set it longer than the
    /// longest message. A kernel of your own that waits for work calls its recorder's `heartbeat` meanwhile. Default:
    /// [`DEFAULT_STALL_LIMIT`](Self::DEFAULT_STALL_LIMIT).
    pub stall_limit: Duration,
    /// How often the [machine](crate::machine) is sampled, with the features `system` and `nvml`; zero is never. Less
    /// than 250 ms counts as 250 ms. Default: [`DEFAULT_SAMPLE_INTERVAL`](Self::DEFAULT_SAMPLE_INTERVAL).
    pub sample_interval: Duration,
    /// The longest that one copy from the device may take; longer than 0. Default:
    /// [`DEFAULT_COPY_LIMIT`](Self::DEFAULT_COPY_LIMIT).
    pub copy_limit: Duration,
    /// Most snapshots that the history of periodic collection keeps. Default:
    /// [`DEFAULT_HISTORY_SNAPSHOTS`](Self::DEFAULT_HISTORY_SNAPSHOTS).
    pub history_snapshots: usize,
    /// Age at which a snapshot leaves the history. Default: [`DEFAULT_HISTORY_AGE`](Self::DEFAULT_HISTORY_AGE).
    pub history_age: Duration,
    /// Most memory of the history, in bytes; a busy kernel takes some 150 in each snapshot. Default:
    /// [`DEFAULT_HISTORY_BYTES`](Self::DEFAULT_HISTORY_BYTES).
    pub history_bytes: usize,
    /// Most notifications that wait for one hook, 1 to 2^16; what comes then is dropped. Default:
    /// [`DEFAULT_HOOK_QUEUE`](Self::DEFAULT_HOOK_QUEUE).
    pub hook_queue: usize,
    /// Calls of hooks that take longer are counted as slow. Default: [`DEFAULT_HOOK_LIMIT`](Self::DEFAULT_HOOK_LIMIT).
    pub hook_limit: Duration,
}

impl TelemetryConfig {
    /// Default of `max_kernels`.
    pub const DEFAULT_MAX_KERNELS: usize = 1024;
    /// Default of `max_blocks`.
    pub const DEFAULT_MAX_BLOCKS: u32 = 1024;
    /// Default of `device_metrics`.
    pub const DEFAULT_DEVICE_METRICS: usize = 256;
    /// Default of `device_buckets`.
    pub const DEFAULT_DEVICE_BUCKETS: usize = 8192;
    /// Default of `max_series`.
    pub const DEFAULT_MAX_SERIES: usize = 4096;
    /// Default of `scale`.
    pub const DEFAULT_SCALE: u32 = 3;
    /// Default of `windows`: 1 s, 10 s, 60 s.
    pub const DEFAULT_WINDOWS: [Duration; 3] =
        [Duration::from_secs(1), Duration::from_secs(10), Duration::from_secs(60)];
    /// Default of `stall_limit`: 10 s.
    pub const DEFAULT_STALL_LIMIT: Duration = Duration::from_secs(10);
    /// Default of `sample_interval`: 1 s.
    pub const DEFAULT_SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
    /// Default of `copy_limit`: 2 s.
    pub const DEFAULT_COPY_LIMIT: Duration = Duration::from_secs(2);
    /// Default of `history_snapshots`.
    pub const DEFAULT_HISTORY_SNAPSHOTS: usize = 600;
    /// Default of `history_age`: 1 h.
    pub const DEFAULT_HISTORY_AGE: Duration = Duration::from_secs(3600);
    /// Default of `history_bytes`: 16 MiB.
    pub const DEFAULT_HISTORY_BYTES: usize = 16 << 20;
    /// Default of `hook_queue`.
    pub const DEFAULT_HOOK_QUEUE: usize = 64;
    /// Default of `hook_limit`: 100 ms.
    pub const DEFAULT_HOOK_LIMIT: Duration = Duration::from_millis(100);

    /// Returns the [`trace_records`](Self::trace_records) for blocks that record so many a second, each: a ring that is not full
    /// within four times the longest rest of its reader, 20 ms; at most 16,384, which are enough for 200,000 a second while the
    /// reader rests so long, and it rests shorter as rings fill.
    ///
    /// ```
    /// use ringscope::TelemetryConfig;
    ///
    /// let config = TelemetryConfig {
    ///     trace_records: TelemetryConfig::trace_records_for_rate(10_000),
    ///     ..TelemetryConfig::default()
    /// };
    /// assert_eq!(config.trace_records, 1024);
    /// ```
    pub const fn trace_records_for_rate(records_per_second: u32) -> u32 {
        // 80 ms, as a part of a second.
        let records = records_per_second.div_ceil(12);
        let records = if records > MAX { MAX } else { records.next_power_of_two() };
        if records < MIN { MIN } else { records }
    }

    /// Checks every setting. The constructors of a [`TelemetryCollector`](super::TelemetryCollector) do so first.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`] for the first setting that is out of its range.
    pub fn check(&self) -> Result<(), TelemetryError> {
        const { assert!(MAX_SCALE == 5) };
        within("max_kernels", self.max_kernels, 1..=usize::MAX, "at least 1")?;
        within("max_blocks", self.max_blocks, 1..=u32::MAX, "at least 1")?;
        within("device_metrics", self.device_metrics, 0..=1 << 20, "at most 2^20")?;
        within("device_buckets", self.device_buckets, 0..=1 << 28, "at most 2^28")?;
        within("scale", self.scale, 0..=MAX_SCALE, "0 to 5")?;
        for (setting, records) in [("trace_records", self.trace_records), ("black_box_records", self.black_box_records)]
        {
            let fits = records == 0 || (records.is_power_of_two() && (MIN..=MAX).contains(&records));
            const { assert!(MIN == 64 && MAX == 16384) };
            let value = if fits { 0 } else { records };
            within(setting, value, 0..=0, "0, or a power of two from 64 to 16384")?;
        }
        let positive = Duration::from_nanos(1)..=Duration::MAX;
        within("windows.len()", self.windows.len(), 1..=MAX_WINDOWS, "1 to 8")?;
        for window in &self.windows {
            within("windows", *window, positive.clone(), "longer than 0")?;
        }
        within("stall_limit", self.stall_limit, positive.clone(), "longer than 0: Duration::MAX is never")?;
        within("copy_limit", self.copy_limit, positive, "longer than 0")?;
        within("hook_queue", self.hook_queue, 1..=1 << 16, "1 to 2^16")
    }
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig {
            max_kernels: Self::DEFAULT_MAX_KERNELS,
            max_blocks: Self::DEFAULT_MAX_BLOCKS,
            device_metrics: Self::DEFAULT_DEVICE_METRICS,
            device_buckets: Self::DEFAULT_DEVICE_BUCKETS,
            max_series: Self::DEFAULT_MAX_SERIES,
            trace_records: 0,
            black_box_records: 0,
            scale: Self::DEFAULT_SCALE,
            windows: Self::DEFAULT_WINDOWS.into(),
            stall_limit: Self::DEFAULT_STALL_LIMIT,
            sample_interval: Self::DEFAULT_SAMPLE_INTERVAL,
            copy_limit: Self::DEFAULT_COPY_LIMIT,
            history_snapshots: Self::DEFAULT_HISTORY_SNAPSHOTS,
            history_age: Self::DEFAULT_HISTORY_AGE,
            history_bytes: Self::DEFAULT_HISTORY_BYTES,
            hook_queue: Self::DEFAULT_HOOK_QUEUE,
            hook_limit: Self::DEFAULT_HOOK_LIMIT,
        }
    }
}

/// Checks that a setting is in its range.
pub(super) fn within<T: PartialOrd + Debug>(
    setting: &'static str,
    value: T,
    range: RangeInclusive<T>,
    must: &'static str,
) -> Result<(), TelemetryError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(TelemetryError::BadSetting { setting, value: format!("{value:?}"), must }),
    }
}
