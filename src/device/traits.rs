//! What every device does: its memory, its kernels, their launches, and copies of what they write.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::args_layout::ArgsLayout;
use super::carveout::Carveout;
use super::error::DeviceError;
use super::feeder::Feeder;
use super::info::{ClockSample, DeviceInfo};
use super::level::Level;
use super::memory::Memory;
use super::probe::Entry as ProbeEntry;
use super::sealed::{Internal, Sealed};
use super::source::KernelSource;
use super::timekeeper::Timekeeper;

/// A device that runs ring kernels and lets their memory be read meanwhile. Sealed: a program uses the devices of this
/// crate.
///
/// What allocates or loads comes before the first launch: see [the module](super) for what waits for what.
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

    /// Makes what copies from `staging`, which is mapped memory, to `ring`, with its own stream.
    ///
    /// # Errors
    /// [`DeviceError::Unsupported`] where the driver cannot do that in order, or the failed call.
    #[doc(hidden)]
    fn feeder(&self, _: Internal, staging: &Memory, ring: &Memory) -> Result<Box<dyn Feeder>, DeviceError>;

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
    fn load_probe(&self, entry: ProbeEntry, level: Level) -> Result<Box<dyn Kernel>, DeviceError>;

    /// Returns whether blocks of a launch may wait for room, others having taken it: then a launch is watched until all of
    /// its blocks have started.
    fn blocks_may_wait(&self) -> bool;

    /// Makes whatever `count` launches need beyond their kernel. On CUDA it may wait for all kernels on the GPU.
    ///
    /// # Errors
    /// The failed call.
    fn reserve_launches(&self, count: usize) -> Result<(), DeviceError>;

    /// Returns both clocks now. It asks nothing of a GPU and waits for nothing.
    ///
    /// A GPU's clock drifts against the host's, by 10 to 100 parts in a million. On CUDA its offset and its drift are fitted
    /// all the time, from when the device is first used for a runtime or a collector: a kernel's reply says what the clock read after
    /// its message was sent and before the reply was received; what was copied has been written before; and every second,
    /// at first more often, a thread asks a ring kernel that polls for messages, in the word of its commands, or where
    /// none answers starts a kernel of one thread, if the kernels that the device knows of leave room for a block. So the
    /// [uncertainty](ClockSample::uncertainty_ns) is a few microseconds; it grows, by less than 1 µs a second once the drift is
    /// known, while the GPU is full of kernels that do not answer. Kernels built at level 0 read no clock and answer nothing.
    ///
    /// # Errors
    /// The failed call.
    fn clock(&self) -> Result<ClockSample, DeviceError>;

    /// Returns who fits the device's clock.
    ///
    /// # Errors
    /// The failed call.
    #[doc(hidden)]
    fn timekeeper(&self, _: Internal) -> Result<Arc<Timekeeper>, DeviceError>;
}

/// A loaded kernel, which keeps its code loaded.
pub trait Kernel: Send + Sync + fmt::Debug {
    /// Returns how many blocks fill the device, where nothing else runs on it, without shared memory that a launch gives them.
    fn max_resident_blocks(&self) -> u32;

    /// Returns how many threads each of its blocks has.
    fn threads(&self) -> u32;

    /// Returns the level that its code was built at; `None` of a CUDA module's entry that is not named for its level, which
    /// may record or not.
    fn level(&self) -> Option<Level>;

    /// Returns the names that its source gives to waypoints, events and spans by `RINGSCOPE_NAMES`, in their order.
    fn names(&self) -> &[String] {
        &[]
    }

    /// Returns the size and alignment of what it takes beside the ring.
    fn args_layout(&self) -> ArgsLayout;

    /// Starts blocks as [`launch_with`](Self::launch_with) does, with the default [`Carveout`] and no shared memory beyond the kernel's own.
    ///
    /// # Errors
    /// As [`launch_with`](Self::launch_with).
    ///
    /// # Safety
    /// As [`launch_with`](Self::launch_with).
    unsafe fn launch(
        &self,
        blocks: u32,
        parameters: &[&[u8]],
        keep: Vec<Memory>,
    ) -> Result<Box<dyn Launch>, DeviceError> {
        // SAFETY: the caller's promise.
        unsafe { self.launch_with(blocks, 0, Carveout::default(), parameters, keep) }
    }

    /// Starts `blocks` blocks with these parameters by value, each as its bytes, which are copied; each block has
    /// `shared_bytes` bytes of shared memory beyond what the kernel declares. `keep` lives until the blocks have all ended,
    /// however that comes about. It does not wait for the blocks.
    ///
    /// # Errors
    /// [`DeviceError::TooManyBlocks`] if it is not certain that they can all be resident,
    /// [`DeviceError::TooMuchSharedMemory`] above what a block can have, or the failed call.
    ///
    /// # Safety
    /// These are the parameters that the kernel was built with. Every address in them points to memory of this device of
    /// the size that its kind of thing has, which `keep` keeps alive; nothing else uses it but through a ring's two ends
    /// and a reader.
    unsafe fn launch_with(
        &self,
        blocks: u32,
        shared_bytes: u32,
        carveout: Carveout,
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

    /// Returns whether it is certain that no block runs any more, however the kernel ended: what it wrote to is nobody's then.
    /// It asks the device and does not wait.
    fn has_left(&self) -> bool {
        matches!(self.ended(), Ok(true))
    }

    /// Returns what may go wrong with it and how to avoid that, each in a sentence; empty where nothing was noticed.
    fn warnings(&self) -> &[String] {
        &[]
    }
}

/// Copies a device's memory to the host while kernels write it.
pub trait Copier: Send + fmt::Debug {
    /// Copies `ranges` (bytes, multiples of 8) and waits for them, at most `limit`; it waits for no kernel. Each aligned
    /// word is copied whole; words of one range may be from different moments of the copy. Neighbours in `ranges` that are
    /// equally long and equally far apart cost as much to start as one of them.
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

    /// Makes bytes of the device zero, multiples of 8, which no kernel writes, and waits for that, at most `limit` for each
    /// piece of some KiB.
    ///
    /// # Errors
    /// As [`copy`](Self::copy); some of the bytes may be zero then.
    #[doc(hidden)]
    fn clear(&mut self, _: Internal, range: Range<usize>, limit: Duration) -> Result<(), DeviceError> {
        static ZEROS: [u64; 8192] = [0; 8192];
        for start in range.clone().step_by(size_of_val(&ZEROS)) {
            let words = (range.end - start) / 8;
            self.upload(Internal(()), start, &ZEROS[..words.min(ZEROS.len())], limit)?;
        }
        Ok(())
    }

    /// Returns how many bytes may as well be copied along, rather than by a copy of their own; 0 where that costs nothing.
    fn batch_bytes(&self) -> usize {
        0
    }

    /// Returns the memory as words, as of the last successful copy of each range. Ranges not in the last copy may be
    /// older than in the copy before.
    fn words(&self) -> &[u64];
}

/// A shared device.
pub type SharedDevice = Arc<dyn Device>;
