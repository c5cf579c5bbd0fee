//! What a collector refuses, with the remedy in the message.

use super::ops::OperationError;
use crate::device::{DeviceError, thread_remedy};
use crate::metrics::MetricError;
use crate::trace::{FilterError, NameError};

/// Why a collector refused a call. No count is lost by any of these.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TelemetryError {
    /// Telemetry was switched off.
    #[error("telemetry is off: make the collector with enabled = true, or the runtime with .telemetry(true)")]
    Disabled,
    /// No kernel of that name.
    #[error("no kernel `{id}` is registered ({registered} are): launch or register it first, or check the spelling")]
    UnknownKernel {
        /// The name asked for.
        id: String,
        /// How many there are.
        registered: usize,
    },
    /// The name is taken: by a kernel that has not ended, or by a host actor.
    #[error(
        "a kernel `{id}` is registered already: choose another id, or end that kernel first (terminate(\"{id}\") of a runtime; of a kernel that you launched yourself, retire(\"{id}\") once its stream is done)"
    )]
    AlreadyRegistered {
        /// The name.
        id: String,
    },
    /// Blocks of a kernel that was to be retired have begun, and have not said that they ended.
    #[error(
        "{blocks} blocks of kernel `{id}` have not ended: wait for its stream before you retire it, and let each block end its recorder"
    )]
    StillRunning {
        /// The name.
        id: String,
        /// How many blocks.
        blocks: u32,
    },
    /// An empty name.
    #[error("a kernel id cannot be empty: give it a name")]
    EmptyId,
    /// A name that is too long.
    #[error("the kernel id `{start}…` has {bytes} bytes, at most {limit} are allowed: shorten it")]
    IdTooLong {
        /// How it starts.
        start: String,
        /// Its length.
        bytes: usize,
        /// The longest.
        limit: usize,
    },
    /// The bound on kernels is reached.
    #[error("{limit} kernels are registered and none of them has ended: raise max_kernels in the TelemetryConfig")]
    TooManyKernels {
        /// The bound.
        limit: usize,
    },
    /// The slab has too few shards left.
    #[error(
        "{asked} blocks need a shard each and {free} of {limit} are free: use fewer blocks, or raise max_blocks in the TelemetryConfig"
    )]
    TooManyBlocks {
        /// Blocks of this kernel.
        asked: u32,
        /// Shards left that lie behind one another.
        free: u32,
        /// Shards of the slab.
        limit: u32,
    },
    /// The slab has no row of buckets left.
    #[error(
        "all {limit} rows of buckets are taken, none is left for kernel `{id}`: raise max_blocks in the TelemetryConfig"
    )]
    NoBuckets {
        /// The name.
        id: String,
        /// Rows of the slab.
        limit: u32,
    },
    /// A kernel with 0 blocks.
    #[error("kernel `{id}` has 0 blocks: give it at least one")]
    NoBlocks {
        /// The name.
        id: String,
    },
    /// Shards that are not as many for each block as it has roles.
    #[error(
        "kernel `{id}` has {shards} shards and {roles} roles a block, which do not go together: give it .shards(blocks * roles) and at least one role"
    )]
    BadRoles {
        /// The name.
        id: String,
        /// Shards of all blocks.
        shards: u32,
        /// Roles of each block.
        roles: u32,
    },
    /// A device kernel was registered with a collector that has no device.
    #[error("this collector has no device: make it with TelemetryCollector::on_device")]
    NoDevice,
    /// A collector was given a device twice.
    #[error("device {second} is device {first} again, {name}: give each device once")]
    DeviceTwice {
        /// The index of the one that was given first.
        first: usize,
        /// The index of the same one.
        second: usize,
        /// Its name.
        name: String,
    },
    /// No device of that index.
    #[error(
        "this collector has no device {device}, it has {devices}: they are counted from 0, in the order in which it was given them"
    )]
    UnknownDevice {
        /// The index asked for.
        device: usize,
        /// How many there are.
        devices: usize,
    },
    /// A host call tried to count for a kernel that counts for itself.
    #[error("kernel `{id}` counts for itself on the device: record host actors under an id of their own")]
    CountsForItself {
        /// The name.
        id: String,
    },
    /// No metric of that name.
    #[error("no metric `{name}` is registered ({registered} are): register it first, or check the spelling")]
    UnknownMetric {
        /// The name asked for.
        name: String,
        /// How many there are.
        registered: usize,
    },
    /// The bound on hooks is reached.
    #[error("{limit} hooks are registered, which is the limit: remove one, or let one do the work of several")]
    TooManyHooks {
        /// The bound.
        limit: usize,
    },
    /// A setting is out of its range.
    #[error("`{setting}` is {value}, and must be {must}")]
    BadSetting {
        /// The setting, as a field of the [`TelemetryConfig`](super::TelemetryConfig) or a parameter.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// Operations are monitored with other bounds than those asked for.
    #[error("operations are monitored already, with other bounds: set the bounds where they are switched on first")]
    AlreadyMonitored,
    /// Events are not monitored.
    #[error("operations and events are not monitored: call monitor_operations() first")]
    NotMonitored,
    /// An operation or an event was refused.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// A metric was refused.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A name or a pattern of a kernel was refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A filter makes no sense.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The kernel has no rings for events and spans.
    #[error(
        "no events and spans are kept of kernel `{id}`: set trace_records in the TelemetryConfig, and launch it at Level::Events"
    )]
    NotTraced {
        /// The name.
        id: String,
    },
    /// No kernel of the collector has rings for events and spans.
    #[error("no events and spans are kept: set trace_records in the TelemetryConfig of a collector with a device")]
    NoTraceRecords,
    /// The kernel has no black box.
    #[error(
        "no black box is kept of kernel `{id}`: set black_box_records in the TelemetryConfig before it is launched; host actors have none"
    )]
    NoBlackBox {
        /// The name.
        id: String,
    },
    /// The device failed. The last good snapshot stays readable.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The operating system gave no thread.
    #[error("no thread for {what}: {message}; end other threads{remedy}")]
    NoThread {
        /// What it was for.
        what: &'static str,
        /// The system's error message.
        message: String,
        /// What helps against that beside fewer threads; empty if nothing is known to.
        remedy: &'static str,
    },
}

impl TelemetryError {
    /// Whether a copy from a device was late, and the device may live.
    pub(super) fn is_late_copy(&self) -> bool {
        matches!(self, TelemetryError::Device(error) if error.is_late_copy())
    }

    pub(super) fn no_thread(what: &'static str, error: &std::io::Error) -> Self {
        TelemetryError::NoThread { what, message: error.to_string(), remedy: thread_remedy(error) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::TelemetryError;

    #[test]
    fn a_thread_that_is_not_given_names_the_limit_that_was_met() {
        let text = |raw| TelemetryError::no_thread("a hook", &std::io::Error::from_raw_os_error(raw)).to_string();
        // EAGAIN, ENOMEM, EMFILE.
        let (limit, memory, files) = (text(11), text(12), text(24));
        assert!(limit.contains("ulimit -u") && limit.contains("pids.max"), "{limit}");
        assert!(memory.ends_with("end other threads: there is no memory for another stack"), "{memory}");
        assert!(files.ends_with("; end other threads"), "{files}");
    }
}
