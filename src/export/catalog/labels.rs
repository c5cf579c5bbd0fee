//! Labels of what was counted on a device: in every format the same, and nowhere else spelled.

use super::sample::LabelSet;
use crate::snapshot::{KernelTelemetry, Snapshot};

/// Most labels of a sample here.
const MOST: usize = 4;

/// Some labels in their order.
#[derive(Clone, Copy, Default)]
pub(super) struct Few<'a> {
    pairs: [(&'a str, &'a str); MOST],
    count: usize,
}

impl<'a> Few<'a> {
    /// Adds a label, while there is room.
    pub(super) fn add(&mut self, name: &'a str, value: &'a str) {
        if let Some(pair) = self.pairs.get_mut(self.count) {
            *pair = (name, value);
            self.count += 1;
        }
    }

    pub(super) fn set(&self) -> LabelSet<'_> {
        LabelSet::Pairs(&self.pairs[..self.count])
    }
}

/// How a device is named.
pub(super) struct DeviceLabels<'a> {
    index: String,
    uuid: Option<&'a str>,
}

impl<'a> DeviceLabels<'a> {
    /// Of each device of a snapshot.
    pub(super) fn all(snapshot: &'a Snapshot) -> Vec<Self> {
        let of = |device: &'a crate::snapshot::DeviceSummary| DeviceLabels {
            index: device.index.to_string(),
            uuid: device.uuid.as_deref(),
        };
        snapshot.devices.iter().map(of).collect()
    }

    pub(super) fn add_to<'b>(&'b self, labels: &mut Few<'b>) {
        labels.add("device", &self.index);
        self.uuid.iter().for_each(|uuid| labels.add("device_uuid", uuid));
    }
}

/// The labels of a kernel: its id, and the device that counts it, if one does.
pub(super) fn labels_of<'a>(kernel: &'a KernelTelemetry, devices: &'a [DeviceLabels<'a>]) -> Few<'a> {
    let mut labels = Few::default();
    labels.add("kernel", &kernel.kernel_id);
    let device = kernel.device.and_then(|device| devices.get(device as usize));
    device.into_iter().for_each(|device| device.add_to(&mut labels));
    labels
}
