//! Making a collector of several devices.

use std::sync::Arc;

use super::boxes::Boxes;
use super::collect::OneDevice;
use super::config::TelemetryConfig;
use super::core::Core;
use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use super::trace::Drain;
use crate::device::{DeviceKind, SharedDevice, SlabLayout};
use crate::metrics::{Capacity, DeviceMetrics};
use crate::reader::Reader;

/// Configures a [`TelemetryCollector`] of the kernels of one or several devices, and of host actors.
///
/// ```
/// # #[cfg(feature = "host")] fn main() -> Result<(), ringscope::TelemetryError> {
/// use std::sync::Arc;
/// use ringscope::TelemetryCollector;
/// use ringscope::device::HostDevice;
///
/// let (first, second) = (Arc::new(HostDevice::new()), Arc::new(HostDevice::new()));
/// let telemetry = TelemetryCollector::builder().device(first).device(second).build()?;
/// let _reference = telemetry.kernel("gemm").device(1).shards(4).register()?;
/// let snapshot = telemetry.snapshot()?;
/// assert_eq!((snapshot.devices.len(), snapshot.kernels[0].device), (2, Some(1)));
/// # Ok(()) }
/// # #[cfg(not(feature = "host"))] fn main() {}
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a collector is made by build()"]
pub struct CollectorBuilder {
    devices: Vec<SharedDevice>,
    config: TelemetryConfig,
}

impl TelemetryCollector {
    /// Starts configuring a collector of several devices.
    pub fn builder() -> CollectorBuilder {
        CollectorBuilder::default()
    }
}

impl CollectorBuilder {
    /// Adds a device. The first one has the index 0, by which kernels are [registered](super::KernelRegistration::device) on it.
    /// Each has the bounds of the config for itself: blocks, device metrics, records. Default: none, and the collector is one
    /// of host actors.
    pub fn device(mut self, device: SharedDevice) -> Self {
        self.devices.push(device);
        self
    }

    /// Adds devices, in their order.
    pub fn devices(mut self, devices: impl IntoIterator<Item = SharedDevice>) -> Self {
        self.devices.extend(devices);
        self
    }

    /// Sets bounds and times. Default: [`TelemetryConfig::default`].
    pub fn config(mut self, config: TelemetryConfig) -> Self {
        self.config = config;
        self
    }

    /// Makes the collector. Allocates a slab on each device: make it before the first launch.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`], as [`TelemetryConfig::check`]; [`TelemetryError::DeviceTwice`];
    /// [`TelemetryError::Device`].
    pub fn build(self) -> Result<TelemetryCollector, TelemetryError> {
        self.config.check()?;
        check_devices(&self.devices)?;
        Ok(TelemetryCollector::from_core(Core::on_devices(&self.devices, &self.config)?))
    }
}

/// Checks that no device is there twice: its kernels would be counted on both. Two that were opened on one GPU are one.
pub(crate) fn check_devices(devices: &[SharedDevice]) -> Result<(), TelemetryError> {
    for (second, device) in devices.iter().enumerate() {
        if let Some(first) = devices[..second].iter().position(|other| is_same(other, device)) {
            return Err(TelemetryError::DeviceTwice { first, second, name: device.info().name.clone() });
        }
    }
    Ok(())
}

fn is_same(a: &SharedDevice, b: &SharedDevice) -> bool {
    let (one, other) = (a.info(), b.info());
    let same_gpu = one.ordinal == other.ordinal || (one.uuid.is_some() && one.uuid == other.uuid);
    Arc::ptr_eq(a, b) || ((one.kind, other.kind) == (DeviceKind::Cuda, DeviceKind::Cuda) && same_gpu)
}

impl Core {
    /// Allocates what kernels of these devices count in.
    pub(super) fn on_devices(devices: &[SharedDevice], config: &TelemetryConfig) -> Result<Self, TelemetryError> {
        let layout = SlabLayout::new(config.max_blocks, config.max_kernels, config.scale);
        let room = Capacity { metrics: config.device_metrics, buckets: config.device_buckets };
        let one = |(index, device): (usize, &SharedDevice)| {
            let reader = Reader::new(Arc::clone(device), layout, config.copy_limit)?;
            let metrics = DeviceMetrics::new(device, room, config.copy_limit)?;
            Ok((OneDevice::new(index, device.info(), reader), metrics))
        };
        let counted = devices.iter().enumerate().map(one).collect::<Result<Vec<_>, TelemetryError>>()?;
        let mut core = Self::new(true, config, counted);
        if config.black_box_records > 0 {
            let boxes = |device| Boxes::new(device, config.max_blocks, config.black_box_records);
            core.boxes = devices.iter().map(boxes).collect::<Result<_, _>>()?;
        }
        if config.trace_records > 0 {
            let drain =
                |device| Drain::new(device, config, (Arc::clone(&core.counts), Arc::clone(&core.ops), core.clock));
            core.drains = devices.iter().map(drain).collect::<Result<_, _>>()?;
        }
        Ok(core)
    }
}
