//! [`Snapshot`]: one immutable value with everything known at one instant, and what is derived from it.

mod black_box;
mod blocks;
pub(crate) mod coding;
mod convert;
mod device;
mod device_clock;
mod kernel;
mod lives;
mod operations;
mod places;
mod publishers;
mod rates;
mod self_metrics;
mod stuck;
mod tasks;
mod totals;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::histogram::Histogram;
use crate::machine::{GpuMetrics, SystemMetrics};
use crate::metrics::{self, Family};

pub use black_box::{BlackBox, BoxRecord, BoxRecordKind, LastWords};
pub use blocks::{BlockState, BlockStatus, Place, RingPlace, WaitsFor};
pub(crate) use convert::{ns_between, rate, ratio, unix_time};
#[cfg(feature = "serde")]
pub(crate) use convert::{optional_unix_seconds, seconds, unix_seconds};
pub use device::DeviceSummary;
pub use device_clock::DeviceClock;
pub use kernel::{KernelState, KernelTelemetry, Latency, Stall, TraceRecords, Waiting};
pub use operations::{
    ListCounts, NetworkTelemetry, OperationCounts, OperationStatus, OperationTelemetry, OperationsTelemetry,
};
pub(crate) use places::{DevicePlaces, KernelPlaces, Places, ReadClock};
pub use publishers::{DropReason, PublisherTelemetry};
pub use rates::{Rates, WindowRate};
pub(crate) use rates::{RatesBuilder, WindowCounts};
pub use self_metrics::{Dropped, SelfMetrics};
pub use stuck::{StuckGroup, StuckKernel};
pub use tasks::Tasks;
pub use totals::Totals;

/// All kernels and host actors at one instant, in the order of their registration, and all metrics.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Number of the snapshot; 1 is the first of its collector.
    pub sequence: u64,
    /// When the copy began.
    #[cfg_attr(feature = "serde", serde(serialize_with = "convert::unix_seconds"))]
    pub time: SystemTime,
    /// How long copying from the devices and adding up took: counters of their kernels lie at most this far apart in time.
    /// Host actors are read right after.
    #[cfg_attr(feature = "serde", serde(serialize_with = "convert::seconds"))]
    pub copy_duration: Duration,
    /// Bytes copied from all devices.
    pub copied_bytes: usize,
    /// How well the clock was known of the device whose clock was known the least.
    pub device_clock: DeviceClock,
    /// The devices, in the order in which the collector was given them; empty without one. They are read side by side, and a
    /// snapshot is made as long as one of them can be read: what is wrong with the others is told here.
    pub devices: Arc<[DeviceSummary]>,
    /// Each kernel and host actor.
    pub kernels: Vec<KernelTelemetry>,
    /// Each [metric](crate::metrics), sorted by name.
    pub metrics: Vec<Family>,
    /// Operations, network operations and events of the application; `None` until they are
    /// [monitored](crate::TelemetryCollector::monitor_operations).
    pub operations: Option<Arc<OperationsTelemetry>>,
    /// What became of what was [published](crate::publish), destination by destination; empty where nothing is.
    pub publishers: Arc<[PublisherTelemetry]>,
    /// What collecting costs, and what was dropped.
    pub self_metrics: SelfMetrics,
    /// The machine's processors and memory; `None` without the feature `system`, and before the first sample.
    pub system: Option<SystemMetrics>,
    /// NVIDIA's GPUs; `None` without the feature `nvml`, without a driver, and before the first sample.
    pub gpus: Option<Arc<[GpuMetrics]>>,
    /// What kernels had counted that were forgotten, since the last reset of all, as one.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) forgotten: Option<Arc<KernelTelemetry>>,
    /// Where the blocks were.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub(crate) places: Places,
}

impl Snapshot {
    /// Returns the kernel of that name.
    pub fn kernel(&self, id: &str) -> Option<&KernelTelemetry> {
        self.kernels.iter().find(|k| &*k.kernel_id == id)
    }

    /// Returns the [label](DeviceSummary::label) of the device that a kernel runs on, where there are several to tell apart;
    /// `None` with one device, and for a host actor.
    pub fn device_label(&self, kernel: &KernelTelemetry) -> Option<String> {
        self.device_of(kernel).filter(|_| self.devices.len() > 1).map(DeviceSummary::label)
    }

    /// Returns the device that a kernel runs on; `None` for a host actor.
    pub fn device_of(&self, kernel: &KernelTelemetry) -> Option<&DeviceSummary> {
        self.devices.get(kernel.device? as usize)
    }

    /// Returns each block of the kernel of that name, or where its roles have shards of their own each of those: its state, the
    /// multiprocessor that it is on, where it is and since when, the message in hand, what it waits for. `None` for a host
    /// actor, for a kernel that the snapshot does not have, and in snapshots that come out of the history, which keeps no
    /// blocks.
    pub fn blocks(&self, id: &str) -> Option<Vec<BlockStatus>> {
        self.places.of(id)
    }

    /// Returns the kernels that hang, the longest first, each with its silent blocks by place and cause, and the block to look
    /// at. A kernel whose blocks give signs of life does not hang: one whose replies nobody takes waits for room, which
    /// [`blocks`](Self::blocks) says.
    pub fn stuck(&self) -> Vec<StuckKernel> {
        self.places.stuck(self.time)
    }

    /// Returns the kernel of that name as one that hangs; `None` if it does not.
    pub fn stuck_kernel(&self, id: &str) -> Option<StuckKernel> {
        self.places.stuck_kernel(id, self.time)
    }

    /// Returns the metric of that name; a counter is found with and without `_total`.
    pub fn metric(&self, name: &str) -> Option<&Family> {
        metrics::find(&self.metrics, name)
    }

    /// Adds up all kernels: the one place where sums over kernels are made.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.record_processed("parser", None)?;
    /// telemetry.record_processed("printer", None)?;
    /// let totals = telemetry.snapshot()?.totals();
    /// assert_eq!((totals.kernels, totals.messages_processed), (2, 2));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn totals(&self) -> Totals {
        Totals::from_kernels(&self.kernels)
    }

    /// Merges the latencies of handling of all kernels, at the coarsest of their scales; the buckets add up exactly.
    pub fn merged_latencies(&self) -> Histogram {
        totals::merged_latencies(&self.kernels)
    }

    /// The same with those of earlier lives.
    pub(crate) fn latencies_of_all_lives(&self) -> Histogram {
        totals::merged_latencies(self.lives())
    }

    /// Returns totals over all kernels, with the kernels.
    pub fn summary(self: &Arc<Self>) -> Summary {
        let totals = self.totals();
        Summary {
            kernel_count: totals.kernels,
            total_messages: totals.messages_processed,
            total_errors: totals.errors,
            aggregate_throughput: totals.throughput,
            per_kernel: PerKernel(Arc::clone(self)),
        }
    }

    /// Returns all kernels together, in the words of a task queue.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.record_processed("parser", Some(Duration::from_millis(4)))?;
    /// telemetry.record_error("parser", "no such table")?;
    /// let tasks = telemetry.snapshot()?.tasks();
    /// assert_eq!((tasks.tasks_executed, tasks.tasks_failed, tasks.avg_latency_ms), (1, 1, 4.0));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn tasks(&self) -> Tasks {
        Tasks::new(&self.totals(), Latency::from_histogram(&self.merged_latencies()))
    }
}

/// Totals over all kernels of a snapshot, and the kernels.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Summary {
    /// Number of kernels and host actors.
    pub kernel_count: usize,
    /// Messages processed by all of them.
    pub total_messages: u64,
    /// Errors of all of them.
    pub total_errors: u64,
    /// Messages processed per second since the start or the last reset: the sum over running kernels.
    pub aggregate_throughput: f64,
    /// Each kernel by its id.
    pub per_kernel: PerKernel,
}

/// The kernels of a snapshot by their ids; serializes to a map.
#[derive(Clone, Debug)]
pub struct PerKernel(Arc<Snapshot>);

impl PerKernel {
    /// Returns the kernel of that name.
    pub fn get(&self, id: &str) -> Option<&KernelTelemetry> {
        self.0.kernel(id)
    }

    /// Iterates over the kernels in the order of their registration.
    pub fn iter(&self) -> std::slice::Iter<'_, KernelTelemetry> {
        self.0.kernels.iter()
    }

    /// Copies the kernels into a map, sorted by id.
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
