//! Arguments of a ring kernel's author: what `RINGSCOPE_RING_KERNEL(name, Handler, Args)` takes beside the ring.

use super::args_layout::ArgsLayout;
use super::error::DeviceError;
use super::memory::Memory;

/// Most bytes of one kernel's arguments; more than that belongs behind an address.
pub const MAX_ARGS_BYTES: usize = 1024;

/// Arguments for one launch of a ring kernel: a copy of a plain value, and the memory that it points to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KernelArgs {
    bytes: Vec<u8>,
    align: usize,
    type_name: &'static str,
    keep: Vec<Memory>,
}

impl KernelArgs {
    /// Copies `args`. A `#[repr(C)]` struct with the fields of the kernel's `Args` has the same size and alignment; both
    /// are compared at the launch. Memory of a device goes in as its [`device_address`](Memory::device_address), a `u64`.
    pub fn new<T: bytemuck::NoUninit>(args: &T) -> Self {
        KernelArgs {
            bytes: bytemuck::bytes_of(args).to_vec(),
            align: align_of::<T>(),
            type_name: std::any::type_name::<T>(),
            keep: Vec::new(),
        }
    }

    /// Returns them with the value `args`, and the memory that these keep.
    pub(crate) fn with_value<T: bytemuck::NoUninit>(self, args: &T) -> Self {
        KernelArgs { keep: self.keep, ..KernelArgs::new(args) }
    }

    /// Keeps `memory` alive until all blocks of the launch have ended, also those of a kernel that was abandoned.
    pub fn keep(mut self, memory: &Memory) -> Self {
        self.keep.push(memory.clone());
        self
    }

    /// Returns their size and alignment.
    pub fn layout(&self) -> ArgsLayout {
        match self.bytes.is_empty() {
            true => ArgsLayout::default(),
            false => ArgsLayout { bytes: self.bytes.len(), align: self.align },
        }
    }

    /// Compares them with what a kernel takes.
    ///
    /// # Errors
    /// [`DeviceError::ArgsMismatch`].
    pub(crate) fn check(&self, kernel: &str, takes: ArgsLayout) -> Result<(), DeviceError> {
        match self.layout() == takes {
            true => Ok(()),
            false => Err(DeviceError::ArgsMismatch {
                kernel: kernel.to_owned(),
                takes,
                given: self.layout(),
                type_name: self.type_name,
            }),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn memory(&self) -> &[Memory] {
        &self.keep
    }
}
