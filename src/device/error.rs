//! What goes wrong on a device, with the remedy in the message.

use std::time::Duration;

use super::args_layout::ArgsLayout;
use super::info::CudaVersion;
use super::level::Level;

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
    #[error("cannot allocate {bytes} bytes of {what}: use fewer kernels, blocks, slots, or smaller slots")]
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
    /// A build of a kernel with less telemetry than is to be recorded: it would leave out what is waited for.
    #[error(
        "{what} was built at RINGSCOPE_LEVEL={}, and level {} is to be recorded: build it at that level, name all three levels by ringscope::ring_kernel!, or build the runtime with .level(…) or .telemetry(false)",
        *built as u32, *wanted as u32
    )]
    BuiltWithLess {
        /// The source.
        what: String,
        /// The level that it was built at.
        built: Level,
        /// The level that is to be recorded.
        wanted: Level,
    },
    /// A build of a kernel with the headers of another version of ringscope.
    #[error(
        "{what} was built with another version of ringscope's headers (ABI {theirs}, this is {ours}): compile it again with the headers of this version"
    )]
    ForeignBuild {
        /// The source.
        what: String,
        /// The version of its headers.
        theirs: u32,
        /// This crate's.
        ours: u32,
    },
    /// Arguments of another size or alignment than the kernel takes.
    #[error(
        "the kernel `{kernel}` takes {takes}, and was given {given}{}: give LaunchOptions::args a #[repr(C)] struct with the fields of the kernel's own",
        if type_name.is_empty() { String::new() } else { format!(" (`{type_name}`)") }
    )]
    ArgsMismatch {
        /// The name of the kernel's source.
        kernel: String,
        /// What the kernel was built to take.
        takes: ArgsLayout,
        /// What the launch was given.
        given: ArgsLayout,
        /// The Rust type that was given; empty without.
        type_name: &'static str,
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
    /// More threads in a block than the device, or the kernel's code on it, can have.
    #[error(
        "{what} has blocks of {threads} threads, and here a block can have {limit}: build it for fewer, 32 to 1024 in whole warps{}",
        if *limit < 1024 { "; or with fewer registers for each thread, or less shared memory, which may be the limit here" } else { "" }
    )]
    BlockTooLarge {
        /// The kernel.
        what: String,
        /// Threads of its blocks.
        threads: u32,
        /// The most that a block of it can have.
        limit: u32,
    },
    /// More shared memory for a block than it can have.
    #[error(
        "a block was to have {asked} bytes of shared memory, {own} of them the kernel's own, and on this device it can have {limit}: lower .shared_bytes(…) in the LaunchOptions, or use smaller tiles"
    )]
    TooMuchSharedMemory {
        /// Bytes of a block, those that the kernel declares among them.
        asked: u64,
        /// Bytes that the kernel declares.
        own: u32,
        /// The most that a block can have.
        limit: u32,
    },
    /// A block of a kernel on the host device trapped, as `ringscope::check` does: the kernel is dead. On CUDA that is a
    /// [`Call`](Self::Call) that failed, and the context is dead.
    #[error(
        "block {block} of the kernel trapped: a ringscope::check failed, or its own code traps{}",
        if last_words.is_empty() { "; set black_box_records in the TelemetryConfig to be told where" } else { last_words }
    )]
    Trapped {
        /// The first block that did.
        block: u64,
        /// What the kernel's black box says, in parentheses; empty without one.
        last_words: String,
    },
    /// The operating system gave no thread.
    #[error("no thread for a block: {message}; launch fewer blocks{remedy}")]
    NoThread {
        /// The system's words.
        message: String,
        /// What helps against that beside fewer blocks; empty if nothing is known to.
        remedy: &'static str,
    },
}

impl DeviceError {
    /// Whether a copy was late, and the device may live.
    pub(crate) fn is_late_copy(&self) -> bool {
        matches!(self, DeviceError::CopyTimedOut { .. })
    }

    /// Whether it says of a launch that nothing of it was begun.
    pub(crate) fn is_refusal(&self) -> bool {
        use DeviceError::{BlockTooLarge, NoThread, OutOfMemory, TooManyBlocks, TooMuchSharedMemory};
        let memory = matches!(self, OutOfMemory { .. } | TooMuchSharedMemory { .. });
        memory || matches!(self, TooManyBlocks { .. } | BlockTooLarge { .. } | NoThread { .. })
    }

    /// The same error, which says in parentheses what the black box of the kernel says that died of it.
    pub(crate) fn quoting(mut self, black_box: &str) -> Self {
        match &mut self {
            DeviceError::Call { message: text, .. } | DeviceError::Trapped { last_words: text, .. } => {
                text.push_str(&format!(" ({black_box})"));
            }
            _ => {}
        }
        self
    }
}

#[cfg(feature = "host")]
impl DeviceError {
    pub(super) fn no_thread(error: &std::io::Error) -> Self {
        DeviceError::NoThread { message: error.to_string(), remedy: thread_remedy(error) }
    }
}

/// Returns what helps, beside fewer threads, against the limit that was met: the end of a sentence that asks for fewer.
pub(crate) fn thread_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        // EAGAIN: RLIMIT_NPROC, the cgroup's pids.max, or the system's threads-max.
        std::io::ErrorKind::WouldBlock => ", or raise the limit on threads (`ulimit -u`, or pids.max of the container)",
        std::io::ErrorKind::OutOfMemory => ": there is no memory for another stack",
        _ => "",
    }
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
    /// The driver is older than the kernels.
    #[error(
        "the driver supports CUDA {}, and ringscope's kernels need CUDA 12.0: update the NVIDIA driver to 525 or later",
        CudaVersion(*driver)
    )]
    DriverTooOld {
        /// The version of CUDA that it supports, as cuDriverGetVersion writes it (11.8 is 11080).
        driver: i32,
    },
    /// Launches of this process wait until the kernel has ended: one that stays would never come back.
    #[error(
        "CUDA_LAUNCH_BLOCKING={value} is in the environment: each launch then waits until its kernel has ended, and a ring kernel stays, so that the first launch would block for ever; unset it, or set it to 0, before the process starts"
    )]
    LaunchBlocking {
        /// The variable's value.
        value: String,
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
    /// A call failed while the device was opened.
    #[error("the CUDA device could not be opened: {0}")]
    Open(Box<DeviceError>),
}

#[cfg(all(test, feature = "host", target_os = "linux"))]
mod tests {
    use std::io::Error;

    use super::DeviceError;

    #[test]
    fn a_thread_that_is_not_given_names_the_limit_that_was_met() {
        let text = |raw| DeviceError::no_thread(&Error::from_raw_os_error(raw)).to_string();
        let (limit, memory, files) = (text(libc::EAGAIN), text(libc::ENOMEM), text(libc::EMFILE));
        assert!(limit.contains("ulimit -u") && limit.contains("pids.max"), "{limit}");
        assert!(memory.contains("no memory") && !memory.contains("ulimit"), "{memory}");
        assert!(files.contains("Too many open files") && !files.contains("ulimit"), "{files}");
    }
}
