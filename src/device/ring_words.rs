//! The words in device memory that the blocks of a kernel share, of all rings of a runtime in one piece: one copier reads
//! which blocks have started.

use std::mem::{offset_of, size_of};
use std::time::Duration;

use super::error::DeviceError;
use super::memory::Memory;
use super::sealed::Internal;
use super::traits::{Copier, Device};
use crate::abi::RingDevice;

#[derive(Debug)]
pub(crate) struct RingWords {
    memory: Memory,
    copier: Box<dyn Copier>,
    /// Whether blocks may wait for room.
    may_wait: bool,
}

impl RingWords {
    /// Makes the words of so many rings.
    pub(crate) fn new(device: &dyn Device, rings: usize) -> Result<Self, DeviceError> {
        let memory = device.allocate(rings * size_of::<RingDevice>())?;
        let copier = device.copier(&memory)?;
        Ok(RingWords { memory, copier, may_wait: device.blocks_may_wait() })
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where the words of that ring are, for its kernel.
    pub(crate) fn address(&self, ring: usize) -> u64 {
        self.memory.device_address() + (ring * size_of::<RingDevice>()) as u64
    }

    /// How many blocks of that ring's kernel have started, before it was sent a message: each takes a ticket as soon as its
    /// handler is made, and keeps it until there is a message for it. `None` where no block waits for room.
    pub(crate) fn started(&mut self, ring: usize, limit: Duration) -> Result<Option<u32>, DeviceError> {
        if !self.may_wait {
            return Ok(None);
        }
        let copier = &mut self.copier;
        let at = ring * size_of::<RingDevice>() + offset_of!(RingDevice, ticket);
        copier.copy(std::slice::from_ref(&(at..at + size_of::<u64>())), limit)?;
        Ok(Some(u32::try_from(copier.words()[at / size_of::<u64>()]).unwrap_or(u32::MAX)))
    }

    /// Makes the words of a ring zero, which no kernel uses.
    pub(crate) fn clear(&mut self, ring: usize, limit: Duration) -> Result<(), DeviceError> {
        let at = ring * size_of::<RingDevice>();
        self.copier.clear(Internal(()), at..at + size_of::<RingDevice>(), limit)
    }
}
