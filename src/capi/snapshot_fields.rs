//! What a snapshot holds, as structs of C.

use std::ffi::{CString, c_char};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::device::kind_of;
use super::fields::sized;
use super::result::c_string;
use crate::abi::metric_kind;
use crate::metrics::{Distribution, Value};
use crate::snapshot::{DeviceSummary, KernelState, KernelTelemetry, Latency};

/// What a snapshot holds. Set `size` before `ringscope_snapshot_read`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_snapshot_fields {
    /// sizeof(ringscope_snapshot_fields).
    pub size: usize,
    /// Number of the snapshot; 1 is the first of its collector.
    pub sequence: u64,
    /// When the copy began: Unix time in nanoseconds.
    pub unix_ns: u64,
    /// How long copying took, in nanoseconds: counters of kernels lie at most this far apart in time.
    pub copy_ns: u64,
    /// Bytes copied from the device.
    pub copied_bytes: u64,
    /// Kernels and host actors, in the order of their registration.
    pub kernels: u64,
    /// Metrics of the program's own and of the collector's sets.
    pub metrics: u64,
    /// Devices, in the order in which the collector was given them.
    pub devices: u64,
}

/// Where a kernel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ringscope_kernel_state {
    /// Registered or resident, and takes no messages yet.
    Launched = 0,
    /// Takes messages. A host actor is active from its registration on.
    Active = 1,
    /// Takes no messages for now.
    Deactivated = 2,
    /// Was told to stop, and has not ended yet.
    Terminating = 3,
    /// Ended; its last numbers stay readable.
    Terminated = 4,
    /// Died, or its device did.
    Failed = 5,
    /// Has not ended, and one of its blocks gave no sign of life for longer than the `stall_limit_ns`.
    Stalled = 6,
}

/// Times in nanoseconds; all 0 where none was recorded. Percentiles come from the buckets, the others are exact.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct ringscope_latency {
    /// Number of values.
    pub count: u64,
    /// The smallest.
    pub min_ns: u64,
    /// The largest.
    pub max_ns: u64,
    /// The arithmetic mean.
    pub mean_ns: f64,
    /// The median.
    pub p50_ns: f64,
    /// The 95th percentile.
    pub p95_ns: f64,
    /// The 99th percentile.
    pub p99_ns: f64,
}

/// Everything known of one kernel or host actor. Counts are since the start or the last reset. Times of day are Unix time
/// in nanoseconds, 0 where there is none. Set `size` before `ringscope_snapshot_kernel`. The texts are the snapshot's,
/// and live until it is freed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_kernel_fields {
    /// sizeof(ringscope_kernel_fields).
    pub size: usize,
    /// The id that it was registered under.
    pub id: *const c_char,
    /// Text of the last error that a host actor recorded, or what a kernel died of; empty where there is none.
    pub last_error: *const c_char,
    /// A ringscope_kernel_state.
    pub state: u32,
    /// Shards: one a block, or one for each role of each block; 0 for a host actor.
    pub shards: u32,
    /// How many of them have started.
    pub shards_started: u32,
    /// While it is stalled, the index of the block that has been silent the longest.
    pub stalled_block: u32,
    /// Code of the last error; see `has_error_code`.
    pub last_error_code: u32,
    /// Not 0: `last_error_code` is one.
    pub has_error_code: u32,
    /// Messages taken from its queue.
    pub messages_received: u64,
    /// Replies published.
    pub messages_sent: u64,
    /// Messages handled without error.
    pub messages_processed: u64,
    /// Messages that the handler refused.
    pub errors: u64,
    /// Replies that found their ring full and had to wait.
    pub retries: u64,
    /// Messages that were queued when the kernel was stopped, and replies that had no room then.
    pub dropped: u64,
    /// Polls that found the queue empty.
    pub polls: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Payload bytes of the replies.
    pub bytes_out: u64,
    /// Messages waiting when the kernel last looked.
    pub queue_depth: u64,
    /// The most messages that ever waited; a reset does not lower it.
    pub queue_high_water: u64,
    /// Time in the handler, all blocks together, in nanoseconds.
    pub busy_ns: u64,
    /// Time of waiting for messages and for room for replies, all blocks together, in nanoseconds.
    pub wait_ns: u64,
    /// Time from the start to now or to the end, in nanoseconds.
    pub uptime_ns: u64,
    /// When its first block started, or the host actor was registered.
    pub start_unix_ns: u64,
    /// When the last message was done.
    pub last_message_unix_ns: u64,
    /// The youngest sign of life of any of its blocks; 0 for a host actor.
    pub last_sign_of_life_unix_ns: u64,
    /// While it is stalled, the last sign of life of `stalled_block`.
    pub stalled_since_unix_ns: u64,
    /// Messages processed per second since the start or the last reset.
    pub throughput: f64,
    /// Messages processed per second over the last second, or since the start where there is no earlier snapshot.
    pub windowed_throughput: f64,
    /// Errors per message handled, 0 to 1.
    pub error_rate: f64,
    /// Time in the handler as a fraction of the time, per block: 0 is idle, 1 is saturated.
    pub busy_ratio: f64,
    /// Times of handling; none below RINGSCOPE_LEVEL 2.
    pub handling: ringscope_latency,
    /// Times of waiting in the queue; of kernels alone whose messages say when they were sent.
    pub waiting: ringscope_latency,
    /// Index of the device that it runs on; RINGSCOPE_NO_INDEX for a host actor.
    pub device: u32,
    /// 0. For later.
    pub reserved: u32,
    /// UUID of that device as nvidia-smi writes it; empty for a host actor and for the host device, and where the driver
    /// does not tell.
    pub device_uuid: *const c_char,
    /// Which life under this id it is: 1 of the first, and more with each that was registered after its end.
    pub generation: u64,
    /// Since when its counts count: since it was started, or since the last reset.
    pub counted_since_unix_ns: u64,
}

/// The index of a device where there is none.
pub const RINGSCOPE_NO_INDEX: u32 = u32::MAX;

/// What a device is, and how reading it went for a snapshot. Set `size` before `ringscope_snapshot_device`. The texts are
/// the snapshot's, and live until it is freed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_device_reading {
    /// sizeof(ringscope_device_reading).
    pub size: usize,
    /// A ringscope_device: RINGSCOPE_DEVICE_HOST or RINGSCOPE_DEVICE_CUDA.
    pub device: u32,
    /// Index among its kind.
    pub ordinal: u32,
    /// The vendor's name.
    pub name: *const c_char,
    /// The GPU's UUID as nvidia-smi writes it, or that of the part of a GPU (MIG); empty for the host device, and where the
    /// driver does not tell.
    pub uuid: *const c_char,
    /// Why it could not be read, and empty where it was: its kernels have their last good numbers then, and are
    /// RINGSCOPE_KERNEL_STATE_FAILED unless the copy was merely late or they had ended before.
    pub error: *const c_char,
    /// Not 0: it was read, and `error` is empty.
    pub readable: u32,
    /// 0. For later.
    pub reserved: u32,
    /// Bytes copied from it.
    pub copied_bytes: u64,
    /// How long copying and adding up took, in nanoseconds.
    pub copy_ns: u64,
}

/// Which times a percentile is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum ringscope_times {
    /// Those of handling.
    Handling = 0,
    /// Those of waiting in the queue.
    Waiting = 1,
}

/// The value of one series of a metric. Set `size` before `ringscope_snapshot_metric`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct ringscope_metric_fields {
    /// sizeof(ringscope_metric_fields).
    pub size: usize,
    /// RINGSCOPE_METRIC_COUNTER, _GAUGE, _HISTOGRAM or _EXPLICIT of <ringscope/abi.h>; which of the other fields mean
    /// something.
    pub kind: u32,
    /// 0. For later.
    pub reserved: u32,
    /// The count of a counter; of a histogram, the number of its values.
    pub count: u64,
    /// Values that a histogram could not hold: NaN, infinities and the like.
    pub dropped: u64,
    /// The value of a gauge.
    pub value: f64,
    /// Of a histogram: the sum of the values.
    pub sum: f64,
    /// Of a histogram: the smallest value, 0 without values.
    pub min: f64,
    /// Of a histogram: the largest value, 0 without values.
    pub max: f64,
    /// Of a histogram: the median.
    pub p50: f64,
    /// Of a histogram: the 95th percentile.
    pub p95: f64,
    /// Of a histogram: the 99th percentile.
    pub p99: f64,
}

sized! {
    ringscope_snapshot_fields: 56;
    ringscope_kernel_fields: 328;
    ringscope_metric_fields: 88;
    ringscope_device_reading: 64;
}

/// What C reads of a kernel as texts.
pub(super) struct KernelTexts {
    id: CString,
    last_error: CString,
    device_uuid: CString,
}

impl KernelTexts {
    pub(super) fn new(kernel: &KernelTelemetry, device: Option<&DeviceSummary>) -> Self {
        let uuid = device.and_then(|device| device.uuid.as_deref());
        KernelTexts {
            id: c_string(&*kernel.kernel_id),
            last_error: c_string(kernel.last_error.as_deref().unwrap_or_default()),
            device_uuid: c_string(uuid.unwrap_or_default()),
        }
    }
}

/// What C reads of a device as texts.
pub(super) struct DeviceTexts {
    name: CString,
    uuid: CString,
    error: CString,
}

impl DeviceTexts {
    pub(super) fn new(device: &DeviceSummary) -> Self {
        DeviceTexts {
            name: c_string(&*device.name),
            uuid: c_string(device.uuid.as_deref().unwrap_or_default()),
            error: c_string(device.error.as_deref().unwrap_or_default()),
        }
    }
}

pub(super) fn device_reading(device: &DeviceSummary, texts: &DeviceTexts) -> ringscope_device_reading {
    ringscope_device_reading {
        size: size_of::<ringscope_device_reading>(),
        device: kind_of(device.kind),
        ordinal: device.ordinal as u32,
        name: texts.name.as_ptr(),
        uuid: texts.uuid.as_ptr(),
        error: texts.error.as_ptr(),
        readable: u32::from(device.error.is_none()),
        reserved: 0,
        copied_bytes: device.copied_bytes as u64,
        copy_ns: nanoseconds(device.copy_duration),
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn unix_ns(time: Option<SystemTime>) -> u64 {
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, nanoseconds)
}

fn state(state: KernelState) -> ringscope_kernel_state {
    match state {
        KernelState::Launched => ringscope_kernel_state::Launched,
        KernelState::Active => ringscope_kernel_state::Active,
        KernelState::Deactivated => ringscope_kernel_state::Deactivated,
        KernelState::Terminating => ringscope_kernel_state::Terminating,
        KernelState::Terminated => ringscope_kernel_state::Terminated,
        KernelState::Failed => ringscope_kernel_state::Failed,
        KernelState::Stalled => ringscope_kernel_state::Stalled,
    }
}

fn latency(latency: Option<&Latency>) -> ringscope_latency {
    latency.map_or_else(ringscope_latency::default, |l| ringscope_latency {
        count: l.count,
        min_ns: l.min_ns,
        max_ns: l.max_ns,
        mean_ns: l.mean_ns,
        p50_ns: l.p50_ns,
        p95_ns: l.p95_ns,
        p99_ns: l.p99_ns,
    })
}

pub(super) fn kernel_fields(k: &KernelTelemetry, texts: &KernelTexts) -> ringscope_kernel_fields {
    ringscope_kernel_fields {
        size: size_of::<ringscope_kernel_fields>(),
        id: texts.id.as_ptr(),
        last_error: texts.last_error.as_ptr(),
        state: state(k.state) as u32,
        shards: k.blocks,
        shards_started: k.blocks_started,
        stalled_block: k.stall.as_ref().map_or(0, |stall| stall.block),
        last_error_code: k.last_error_code.unwrap_or(0),
        has_error_code: u32::from(k.last_error_code.is_some()),
        messages_received: k.messages_received,
        messages_sent: k.messages_sent,
        messages_processed: k.messages_processed,
        errors: k.errors,
        retries: k.retries,
        dropped: k.dropped,
        polls: k.polls,
        bytes_in: k.bytes_in,
        bytes_out: k.bytes_out,
        queue_depth: k.queue_depth,
        queue_high_water: k.queue_high_water,
        busy_ns: nanoseconds(k.busy_time),
        wait_ns: nanoseconds(k.wait_time),
        uptime_ns: nanoseconds(k.uptime),
        start_unix_ns: unix_ns(k.start_time),
        last_message_unix_ns: unix_ns(k.last_message_time),
        last_sign_of_life_unix_ns: unix_ns(k.last_sign_of_life),
        stalled_since_unix_ns: unix_ns(k.stalled_since()),
        throughput: k.throughput,
        windowed_throughput: k.windowed_throughput,
        error_rate: k.error_rate,
        busy_ratio: k.busy_ratio,
        handling: latency(k.latency.as_ref()),
        waiting: latency(k.waiting.as_ref().map(|waiting| &waiting.latency)),
        device: k.device.unwrap_or(RINGSCOPE_NO_INDEX),
        reserved: 0,
        device_uuid: texts.device_uuid.as_ptr(),
        generation: k.generation,
        counted_since_unix_ns: unix_ns(k.counted_since),
    }
}

pub(super) fn metric_fields(value: &Value) -> ringscope_metric_fields {
    let mut fields = ringscope_metric_fields {
        size: size_of::<ringscope_metric_fields>(),
        kind: metric_kind::COUNTER,
        reserved: 0,
        count: 0,
        dropped: 0,
        value: 0.0,
        sum: 0.0,
        min: 0.0,
        max: 0.0,
        p50: 0.0,
        p95: 0.0,
        p99: 0.0,
    };
    match value {
        Value::Counter(count) => fields.count = *count,
        Value::Gauge(value) => (fields.kind, fields.value) = (metric_kind::GAUGE, *value),
        Value::Histogram(h) => {
            fields.kind = match h.distribution {
                Distribution::Exponential(_) => metric_kind::HISTOGRAM,
                Distribution::Explicit(_) => metric_kind::EXPLICIT,
            };
            (fields.count, fields.dropped, fields.sum) = (h.count(), h.dropped, h.sum());
            (fields.min, fields.max) = (h.min().unwrap_or(0.0), h.max().unwrap_or(0.0));
            (fields.p50, fields.p95, fields.p99) = (h.quantile(0.5), h.quantile(0.95), h.quantile(0.99));
        }
    }
    fields
}
