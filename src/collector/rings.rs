//! The rings of events and spans of a device.

use std::sync::Mutex;
use std::time::Duration;

use crate::abi::KernelRef;
use crate::device::{Copier, DeviceError, Memory, RingsLayout, ShardRange, SharedDevice};

/// The rings of all shards, and who copies them: a copier of its own, so that snapshots do not wait for it.
pub(super) struct Rings {
    layout: RingsLayout,
    memory: Memory,
    copier: Mutex<Box<dyn Copier>>,
    limit: Duration,
}

impl Rings {
    /// Allocates rings of `records` records.
    pub(super) fn new(
        device: &SharedDevice,
        kernels: usize,
        shards: u32,
        records: u32,
        limit: Duration,
    ) -> Result<Self, DeviceError> {
        let layout = RingsLayout::new(kernels, shards, records);
        let memory = device.allocate(layout.bytes())?;
        let copier = Mutex::new(device.copier(&memory)?);
        Ok(Rings { layout, memory, copier, limit })
    }

    /// What kernels write to.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// Tells a kernel where its rings are.
    pub(super) fn tell(&self, of: ShardRange, kernel: usize, to: &mut KernelRef) {
        self.layout.tell(self.memory.device_address(), of, kernel, to);
    }
}
