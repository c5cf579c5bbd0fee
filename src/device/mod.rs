//! Where kernels run: [`Device`], its CUDA and its host implementation. Nothing above this folder names CUDA,
//! and all unsafe code of the crate lives here.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::abi::RingArgs;

#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
#[cfg(feature = "host")]
pub mod host;
mod memory;
pub mod probe;
mod ring;
mod select;
mod source;

pub use error::{CudaUnavailable, DeviceError};
pub use memory::{Memory, MetricTable};
pub use ring::{Command, Consumer, Producer, Reply, RingShape};
pub(crate) use ring::{IdleRing, Stamp};
pub use select::{DeviceSpec, ParseDeviceSpecError, Selected, auto, open};
pub use source::{Builtin, HEADERS, HostEntry, KernelSource, Level};

/// Which kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum DeviceKind {
    /// An NVIDIA GPU.
    Cuda,
    /// The CPU, one thread for each block.
    Host,
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceInfo {
    /// CUDA or host.
    pub kind: DeviceKind,
    /// Index among its kind.
    pub ordinal: usize,
    /// The vendor's name.
    pub name: String,
    /// Compute capability, driver version and the like: one line for a person.
    pub detail: String,
    /// Things that a long-running kernel should know of this device: a display watchdog, for one.
    pub warnings: Vec<String>,
    /// Streaming multiprocessors, or cores.
    pub multiprocessors: u32,
    /// Whether a display watchdog ends long kernels; `None` where there is no such thing.
    pub watchdog: Option<bool>,
    /// Whether it is a part of a GPU (MIG).
    pub mig: Option<bool>,
    /// Whether the driver loads functions when they are first used; ringscope then uses all of its own before the first
    /// launch.
    pub lazy_loading: Option<bool>,
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSample {
    /// The device's clock, which kernels record with.
    pub device_ns: u64,
    /// Unix time at that moment.
    pub unix_ns: u64,
    /// The two were read at most this far apart.
    pub uncertainty_ns: u64,
}

/// Implemented by the devices of this crate alone.
pub trait Sealed {}

/// A device that runs ring kernels and lets their memory be read meanwhile.
///
/// Allocation, [`load`](Device::load) and [`reserve_launches`](Device::reserve_launches) come before the first
/// launch: while a kernel is resident they may wait for it, which is for ever.
///
/// Sealed: blocks write into the memory that an implementation hands out.
pub trait Device: Sealed + Send + Sync + fmt::Debug {
    /// What this device is.
    fn info(&self) -> &DeviceInfo;

    /// Zeroed memory of the device.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn allocate(&self, bytes: usize) -> Result<Memory, DeviceError>;

    /// Zeroed pinned host memory that kernels address as well.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn allocate_mapped(&self, bytes: usize) -> Result<Memory, DeviceError>;

    /// A copier of `memory` with its own stream and pinned buffers.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn copier(&self, memory: &Memory) -> Result<Box<dyn Copier>, DeviceError>;

    /// Loads a ring kernel built at `level`.
    ///
    /// # Errors
    /// What keeps this device from running this source: [`DeviceError::Compile`] with the compiler's log,
    /// [`DeviceError::NoEntry`], [`DeviceError::Unsupported`], or the failed call.
    fn load(&self, source: &KernelSource, level: Level) -> Result<Box<dyn Kernel>, DeviceError>;

    /// Loads one of the probe's entries, built at `level`.
    ///
    /// # Errors
    /// As [`load`](Device::load).
    fn load_probe(&self, entry: probe::Entry, level: Level) -> Result<Box<dyn probe::ProbeKernel>, DeviceError>;

    /// Makes whatever `count` launches need beyond their kernel.
    ///
    /// # Errors
    /// The failed call.
    fn reserve_launches(&self, count: usize) -> Result<(), DeviceError>;

    /// Both clocks now. On CUDA they are read when the device is opened, and the host's steady time is added
    /// since: another clock kernel might wait behind resident ones. The clocks' drift against each other shows in
    /// times, by parts in a million; durations that a kernel measured are not affected.
    ///
    /// # Errors
    /// The failed call.
    fn clock(&self) -> Result<ClockSample, DeviceError>;
}

/// A loaded ring kernel.
pub trait Kernel: Send + Sync {
    /// Blocks that fill the device, where nothing else runs on it.
    fn max_resident_blocks(&self) -> u32;

    /// Starts `blocks` blocks. `keep` lives until they have all ended, however that comes about.
    ///
    /// # Errors
    /// [`DeviceError::TooManyBlocks`] if they cannot all be resident, or the failed call.
    ///
    /// # Safety
    /// Every address in `args` points to memory of this device of the size that its kind of thing has, which `keep`
    /// keeps alive; nothing else uses it but through a ring's two ends and a reader.
    unsafe fn launch(&self, blocks: u32, args: &RingArgs, keep: Vec<Memory>) -> Result<Box<dyn Launch>, DeviceError>;
}

/// A kernel that was started. Dropping it waits for nothing.
pub trait Launch: Send + Sync {
    /// Whether all blocks have ended.
    ///
    /// # Errors
    /// What the kernel died of.
    fn ended(&self) -> Result<bool, DeviceError>;
}

/// Copies a device's memory to the host while kernels write it.
pub trait Copier: Send {
    /// Copies `ranges` (bytes, multiples of 8) and waits for them, at most `limit`. Each aligned word is copied
    /// whole; words of one range may be from different moments of the copy.
    ///
    /// # Errors
    /// [`DeviceError::CopyTimedOut`], or the failed call.
    fn copy(&mut self, ranges: &[Range<usize>], limit: Duration) -> Result<(), DeviceError>;

    /// Writes words of the device at byte `at`, which no kernel writes, and waits for that, at most `limit`. For this crate
    /// alone: kernels follow addresses that it writes.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    #[doc(hidden)]
    fn upload(&mut self, _: Internal, at: usize, words: &[u64], limit: Duration) -> Result<(), DeviceError>;

    /// How many bytes may as well be copied along, rather than by a copy of their own; 0 where that costs nothing.
    fn batch_bytes(&self) -> usize {
        0
    }

    /// The memory as words, as of the last successful copy of each range. Ranges not in the last copy may be
    /// older than in the copy before.
    fn words(&self) -> &[u64];
}

/// What only this crate can make.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Internal(pub(crate) ());

/// A shared device.
pub type SharedDevice = Arc<dyn Device>;
