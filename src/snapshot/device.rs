//! One device of a snapshot: what it is, and how it was read.

use std::sync::Arc;
use std::time::Duration;

use super::device_clock::DeviceClock;
use crate::device::{DeviceInfo, DeviceKind};

/// One device of a collector: what it is, and how reading it went for this snapshot.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DeviceSummary {
    /// Its place in [`Snapshot::devices`](super::Snapshot::devices), in the order in which the collector was given its devices;
    /// [`KernelTelemetry::device`](super::KernelTelemetry::device) names it.
    pub index: u32,
    /// CUDA or host.
    pub kind: DeviceKind,
    /// Index among its kind: CUDA's ordinal.
    pub ordinal: usize,
    /// The vendor's name.
    pub name: Arc<str>,
    /// The GPU's UUID as nvidia-smi writes it, or that of the part of a GPU (MIG); `None` for the host device, and where the
    /// driver does not tell.
    pub uuid: Option<Arc<str>>,
    /// How well its clock was known.
    pub clock: DeviceClock,
    /// Bytes copied from it.
    pub copied_bytes: usize,
    /// How long copying and adding up took.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub copy_duration: Duration,
    /// Why it could not be read for this snapshot, if so: its kernels have their last good numbers then, and are
    /// [`Failed`](super::KernelState::Failed) unless the copy was merely late or they had ended before.
    pub error: Option<Arc<str>>,
}

impl DeviceSummary {
    /// Returns its index and what it is, for a table: `1 cuda:0`, or `0 host`.
    pub fn label(&self) -> String {
        match self.kind {
            DeviceKind::Cuda => format!("{} cuda:{}", self.index, self.ordinal),
            DeviceKind::Host => format!("{} host", self.index),
        }
    }

    /// Makes that of a device that was not read yet.
    pub(crate) fn new(index: usize, info: &DeviceInfo) -> Self {
        DeviceSummary {
            index: index as u32,
            kind: info.kind,
            ordinal: info.ordinal,
            name: info.name.as_str().into(),
            uuid: info.uuid.as_deref().map(Into::into),
            clock: DeviceClock::default(),
            copied_bytes: 0,
            copy_duration: Duration::ZERO,
            error: None,
        }
    }
}
