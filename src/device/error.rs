//! What goes wrong on a device, with the remedy in the message.

use std::time::Duration;

/// Why a device did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no CUDA device to use.
    #[error(transparent)]
    CudaUnavailable(#[from] CudaUnavailable),
    /// This build has no device of that kind.
    #[error("this build of ringscope has no {device} device: build it with the feature `{feature}`")]
    NotBuilt {
        /// The device asked for.
        device: &'static str,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// An allocation failed.
    #[error("no memory for {bytes} bytes of {what}: use fewer kernels, blocks, slots, or smaller slots")]
    OutOfMemory {
        /// What it was for.
        what: &'static str,
        /// How much.
        bytes: usize,
    },
    /// A driver call failed.
    #[error("{call} failed with {name} ({code}): {message}")]
    Call {
        /// The driver's function.
        call: &'static str,
        /// The raw CUresult.
        code: i32,
        /// Its name.
        name: String,
        /// The driver's words, and what to do where there is something.
        message: String,
    },
    /// A copy did not end in time; it goes on, and its buffer stays untouched until it has.
    #[error(
        "a copy from the device did not end within {waited:?}: the device hangs or is overloaded; the last good snapshot stays readable"
    )]
    CopyTimedOut {
        /// The time limit.
        waited: Duration,
    },
    /// A probe did not answer in time.
    #[error("the device did not answer within {waited:?}: other kernels fill it, or it hangs")]
    NoAnswer {
        /// The time limit.
        waited: Duration,
    },
    /// A kernel's source does not compile.
    #[error("the kernel source does not compile; the compiler says:\n{log}")]
    Compile {
        /// The compiler's own log.
        log: String,
    },
    /// A module lacks the entry.
    #[error(
        "{module} has no entry `{entry}`: declare it `extern \"C\" __global__ void {entry}(const ringscope_ring_args)`"
    )]
    NoEntry {
        /// The name looked for.
        entry: String,
        /// What was searched.
        module: String,
    },
    /// A source that this kind of device cannot run.
    #[error("{device} cannot run {what}: {remedy}")]
    Unsupported {
        /// The device.
        device: &'static str,
        /// The thing.
        what: String,
        /// What to use instead.
        remedy: &'static str,
    },
    /// The blocks of all ring kernels must be resident together.
    #[error(
        "{asked} blocks were asked for and {free} more can be resident on this device: launch fewer blocks or fewer kernels"
    )]
    TooManyBlocks {
        /// Blocks of this launch.
        asked: u32,
        /// Blocks that still fit.
        free: u32,
    },
    /// The operating system gave no thread.
    #[error("no thread for a block: {message}; launch fewer blocks")]
    NoThread {
        /// The system's words.
        message: String,
    },
}

/// Why CUDA is not used, precisely.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CudaUnavailable {
    /// The feature `cuda` is off.
    #[error("this build has no CUDA: build ringscope with the feature `cuda`")]
    NotBuilt,
    /// The driver's library cannot be loaded.
    #[error(
        "no CUDA driver library (libcuda.so.1) was found: install the NVIDIA driver, or in a container pass the GPU through (`--gpus all`)"
    )]
    NoDriverLibrary,
    /// The driver is there and does not start.
    #[error("the CUDA driver does not start: cuInit says {name} ({code}); check that `nvidia-smi` works as this user")]
    InitFailed {
        /// The raw CUresult.
        code: i32,
        /// Its name.
        name: String,
    },
    /// The driver sees no device.
    #[error("the CUDA driver sees no device: check `nvidia-smi` and CUDA_VISIBLE_DEVICES")]
    NoDevice,
    /// No device of that index.
    #[error("there is no CUDA device {ordinal}, the driver sees {count}: use cuda:0 to cuda:{}", count.saturating_sub(1))]
    NoSuchDevice {
        /// The index asked for.
        ordinal: usize,
        /// How many there are.
        count: usize,
    },
    /// The driver cannot run what is embedded.
    #[error("the driver supports CUDA {}.{}, and the embedded kernels need {}.{}: update the driver, or build ringscope with an older nvcc (RINGSCOPE_NVCC)", driver / 1000, driver % 1000 / 10, needed / 1000, needed % 1000 / 10)]
    DriverTooOld {
        /// The driver's version, as in cuDriverGetVersion.
        driver: i32,
        /// The version of the toolkit that built the kernels.
        needed: i32,
    },
    /// The device is older than the kernels.
    #[error(
        "{name} has compute capability {major}.{minor}, and ringscope's kernels need 7.5: use a Turing or later GPU"
    )]
    DeviceTooOld {
        /// The device's name.
        name: String,
        /// Its compute capability.
        major: i32,
        /// Its compute capability.
        minor: i32,
    },
    /// Nothing to load and nothing to compile with.
    #[error(
        "this build embeds no compiled kernels (no nvcc was found when it was built) and NVRTC (libnvrtc.so) was not found to compile their sources: install NVRTC, or build ringscope with RINGSCOPE_NVCC, CUDA_HOME or nvcc on the PATH"
    )]
    NoKernels,
    /// A call failed while the device was opened.
    #[error("the CUDA device could not be opened: {0}")]
    Open(Box<DeviceError>),
}
