//! Where kernels run: [`Device`], its CUDA and its host implementation. Nothing above this folder names CUDA,
//! and all unsafe code of the crate lives here.
//!
//! # What waits for what
//!
//! A ring kernel stays on the device for hours, so no call here waits for one, with these exceptions:
//! [`allocate`](Device::allocate), [`allocate_mapped`](Device::allocate_mapped), [`copier`](Device::copier),
//! [`load`](Device::load) and [`reserve_launches`](Device::reserve_launches) may wait, on CUDA, until every kernel on the
//! GPU has ended: they come before the first launch. [`Copier::copy`] waits for its own copy, on a stream of its own, and
//! at most for the limit that it is given. [`Launch::ended`] asks and does not wait. Dropping memory, modules and launches
//! of CUDA frees nothing while a kernel runs that this device knows of.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

mod args;
#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
#[cfg(feature = "host")]
pub mod host;
mod memory;
#[doc(hidden)] // for the program's doctor and bench
pub mod probe;
mod ring;
mod select;
mod slab;
mod source;

pub use args::{ArgsLayout, KernelArgs, MAX_ARGS_BYTES};
pub use error::{CudaUnavailable, DeviceError};
pub use memory::{Memory, MetricTable};
pub use ring::Reply;
pub(crate) use ring::{Command, Consumer, IdleRing, Producer, RingShape, Stamp};
pub use select::{DeviceSpec, ParseDeviceSpecError, Selected, auto, open};
pub(crate) use slab::ShardRange;
pub(crate) use slab::{LatencyKind, SlabLayout, shard};
pub use source::{Builtin, HEADERS, HostEntry, HostKernel, HostSource, KernelSource, Level};

/// Which kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum DeviceKind {
    /// An NVIDIA GPU.
    Cuda,
    /// The CPU, one thread for each block.
    Host,
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
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

impl DeviceInfo {
    /// Makes the description of a device that is not there, for tests of what shows one: one multiprocessor, nothing else
    /// known.
    pub fn named(kind: DeviceKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        DeviceInfo {
            kind,
            ordinal: 0,
            name: name.into(),
            detail: detail.into(),
            warnings: Vec::new(),
            multiprocessors: 1,
            watchdog: None,
            mig: None,
            lazy_loading: None,
        }
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockSample {
    /// The device's clock in nanoseconds, which kernels record with.
    pub device_ns: u64,
    /// Unix time at that moment, in nanoseconds.
    pub unix_ns: u64,
    /// The two were read at most this far apart, in nanoseconds.
    pub uncertainty_ns: u64,
}

mod sealed {
    /// Implemented by the devices of this crate alone: blocks write into the memory that they hand out.
    pub trait Sealed {}
}
use sealed::Sealed;

/// A device that runs ring kernels and lets their memory be read meanwhile. Sealed: a program uses the devices of this
/// crate.
///
/// What allocates or loads comes before the first launch: see [the module](self) for what waits for what.
///
/// ```compile_fail,E0277
/// #[derive(Debug)]
/// struct Mine;
/// impl ringscope::device::Device for Mine {
/// #   fn info(&self) -> &ringscope::device::DeviceInfo { unimplemented!() }
///     // …
/// }
/// ```
pub trait Device: Sealed + Send + Sync + fmt::Debug {
    /// Returns what this device is.
    fn info(&self) -> &DeviceInfo;

    /// Allocates zeroed memory of the device. On CUDA it may wait for all kernels on the GPU.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn allocate(&self, bytes: usize) -> Result<Memory, DeviceError>;

    /// Allocates zeroed pinned host memory that kernels address as well. On CUDA it may wait for all kernels on the GPU.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn allocate_mapped(&self, bytes: usize) -> Result<Memory, DeviceError>;

    /// Makes a copier of `memory`, with its own stream and pinned buffers. On CUDA it may wait for all kernels on the GPU.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    fn copier(&self, memory: &Memory) -> Result<Box<dyn Copier>, DeviceError>;

    /// Loads a ring kernel that records at `level`. On CUDA it compiles what is text, and may wait for all kernels on the
    /// GPU.
    ///
    /// # Errors
    /// What keeps this device from running this source: [`DeviceError::Compile`] with the compiler's log,
    /// [`DeviceError::NoEntry`], [`DeviceError::BuiltWithLess`], [`DeviceError::ForeignBuild`],
    /// [`DeviceError::Unsupported`], or the failed call.
    fn load(&self, source: &KernelSource, level: Level) -> Result<Box<dyn Kernel>, DeviceError>;

    /// Loads one of the probe's entries, built at `level`.
    ///
    /// # Errors
    /// As [`load`](Device::load).
    #[doc(hidden)]
    fn load_probe(&self, entry: probe::Entry, level: Level) -> Result<Box<dyn Kernel>, DeviceError>;

    /// Makes whatever `count` launches need beyond their kernel. On CUDA it may wait for all kernels on the GPU.
    ///
    /// # Errors
    /// The failed call.
    fn reserve_launches(&self, count: usize) -> Result<(), DeviceError>;

    /// Returns both clocks now; it asks nothing of a GPU. On CUDA they are read when the device is opened, and the host's
    /// steady time is added since: another clock kernel might wait behind resident ones. The clocks' drift against each
    /// other shows in times, by parts in a million; durations that a kernel measured are not affected.
    ///
    /// # Errors
    /// The failed call.
    fn clock(&self) -> Result<ClockSample, DeviceError>;
}

/// A loaded kernel, which keeps its code loaded.
pub trait Kernel: Send + Sync + fmt::Debug {
    /// Returns how many blocks fill the device, where nothing else runs on it.
    fn max_resident_blocks(&self) -> u32;

    /// Returns the level that its code was built at; `None` of a CUDA module's entry that is not named for its level, which
    /// may record or not.
    fn level(&self) -> Option<Level>;

    /// Returns the size and alignment of what it takes beside the ring.
    fn args_layout(&self) -> ArgsLayout;

    /// Starts `blocks` blocks with these parameters by value, each as its bytes, which are copied. `keep` lives until the
    /// blocks have all ended, however that comes about. It does not wait for the blocks.
    ///
    /// # Errors
    /// [`DeviceError::TooManyBlocks`] if they cannot all be resident, or the failed call.
    ///
    /// # Safety
    /// These are the parameters that the kernel was built with. Every address in them points to memory of this device of
    /// the size that its kind of thing has, which `keep` keeps alive; nothing else uses it but through a ring's two ends
    /// and a reader.
    unsafe fn launch(
        &self,
        blocks: u32,
        parameters: &[&[u8]],
        keep: Vec<Memory>,
    ) -> Result<Box<dyn Launch>, DeviceError>;
}

/// A kernel that was started. Dropping it waits for nothing.
pub trait Launch: Send + Sync + fmt::Debug {
    /// Returns whether all blocks have ended. It asks the device and does not wait.
    ///
    /// # Errors
    /// What the kernel died of.
    fn ended(&self) -> Result<bool, DeviceError>;
}

/// Copies a device's memory to the host while kernels write it.
pub trait Copier: Send + fmt::Debug {
    /// Copies `ranges` (bytes, multiples of 8) and waits for them, at most `limit`; it waits for no kernel. Each aligned
    /// word is copied whole; words of one range may be from different moments of the copy.
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

    /// Returns how many bytes may as well be copied along, rather than by a copy of their own; 0 where that costs nothing.
    fn batch_bytes(&self) -> usize {
        0
    }

    /// Returns the memory as words, as of the last successful copy of each range. Ranges not in the last copy may be
    /// older than in the copy before.
    fn words(&self) -> &[u64];
}

/// What only this crate can make.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Internal(pub(crate) ());

/// A shared device.
pub type SharedDevice = Arc<dyn Device>;
