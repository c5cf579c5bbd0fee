//! What a ring kernel is made from.

use std::ffi::c_void;

/// ringscope's device headers, as (name to include, text), for whoever compiles kernels with NVRTC.
pub const HEADERS: &[(&str, &str)] = &[
    ("ringscope/abi.h", include_str!("../../kernels/include/ringscope/abi.h")),
    ("ringscope/platform.cuh", include_str!("../../kernels/include/ringscope/platform.cuh")),
    ("ringscope/atomic.cuh", include_str!("../../kernels/include/ringscope/atomic.cuh")),
    ("ringscope/clock.cuh", include_str!("../../kernels/include/ringscope/clock.cuh")),
    ("ringscope/histogram.cuh", include_str!("../../kernels/include/ringscope/histogram.cuh")),
    ("ringscope/metrics.cuh", include_str!("../../kernels/include/ringscope/metrics.cuh")),
    ("ringscope/telemetry.cuh", include_str!("../../kernels/include/ringscope/telemetry.cuh")),
    ("ringscope/ring.cuh", include_str!("../../kernels/include/ringscope/ring.cuh")),
];

/// How much of telemetry a kernel is compiled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// None: the code of a kernel without ringscope's calls.
    Off = 0,
    /// The counters.
    Counters = 1,
    /// The counters and the latency histogram.
    #[default]
    Histograms = 2,
}

impl Level {
    /// All of them.
    pub const ALL: [Level; 3] = [Level::Off, Level::Counters, Level::Histograms];
}

/// The ring kernels that come with ringscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// Replies with the CRC-32C of the message: four bytes, little-endian.
    Crc32c,
    /// The message is `f32 a[n]`, then `f32 b[n]`; replies with `a + b`.
    VectorAdd,
    /// Replies with the message.
    Echo,
    /// A load of known size: the message is `u32 rounds`, `u32 0`, `u64 seed`; replies with the `u64` that xorshift64
    /// makes of the seed in so many rounds.
    Compute,
}

impl Builtin {
    /// All of them.
    pub const ALL: [Builtin; 4] = [Builtin::Crc32c, Builtin::VectorAdd, Builtin::Echo, Builtin::Compute];

    /// Its name, which is also that of its file in `kernels/`.
    pub const fn name(self) -> &'static str {
        match self {
            Builtin::Crc32c => "crc32c",
            Builtin::VectorAdd => "vector_add",
            Builtin::Echo => "echo",
            Builtin::Compute => "compute",
        }
    }

    /// Its CUDA source.
    pub const fn cuda_source(self) -> &'static str {
        match self {
            Builtin::Crc32c => include_str!("../../kernels/crc32c.cu"),
            Builtin::VectorAdd => include_str!("../../kernels/vector_add.cu"),
            Builtin::Echo => include_str!("../../kernels/echo.cu"),
            Builtin::Compute => include_str!("../../kernels/compute.cu"),
        }
    }
}

/// A kernel for the host device: takes CUDA's array of pointers to arguments. `RINGSCOPE_ENTRY(name)` in a `.cu`
/// file makes one called `name_host`.
pub type HostEntry = unsafe extern "C" fn(*mut *mut c_void);

/// Where the code of a ring kernel comes from: one of ringscope's own, or somebody's, who answers for it by an `unsafe`
/// constructor.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum KernelSource {
    /// One of ringscope's own.
    Builtin(Builtin),
    /// CUDA C++; see [`KernelSource::cuda_text`].
    #[non_exhaustive]
    CudaText {
        /// The source.
        text: String,
        /// The `extern "C" __global__` function.
        entry: String,
    },
    /// A compiled module; see [`KernelSource::cuda_module`].
    #[non_exhaustive]
    CudaModule {
        /// Its bytes.
        image: Vec<u8>,
        /// The `extern "C" __global__` function.
        entry: String,
    },
    /// A function of this program; see [`KernelSource::host`].
    #[non_exhaustive]
    Host {
        /// A name for messages.
        name: String,
        /// The function.
        entry: HostEntry,
    },
}

impl KernelSource {
    /// CUDA C++ that includes `<ringscope/ring.cuh>`, compiled by NVRTC when it is loaded.
    ///
    /// # Safety
    /// `entry` is an `extern "C" __global__` function of one `ringscope_ring_args`, and writes to no other memory.
    pub unsafe fn cuda_text(text: impl Into<String>, entry: impl Into<String>) -> Self {
        KernelSource::CudaText { text: text.into(), entry: entry.into() }
    }

    /// A compiled module: PTX, a cubin or a fatbin.
    ///
    /// # Safety
    /// As [`cuda_text`](Self::cuda_text).
    pub unsafe fn cuda_module(image: impl Into<Vec<u8>>, entry: impl Into<String>) -> Self {
        KernelSource::CudaModule { image: image.into(), entry: entry.into() }
    }

    /// A function of this program, for the host device.
    ///
    /// # Safety
    /// `entry` takes an array with one pointer to a `ringscope_ring_args`, and writes to no other memory than that
    /// names. It may be called from any thread, by several at once.
    pub unsafe fn host(name: impl Into<String>, entry: HostEntry) -> Self {
        KernelSource::Host { name: name.into(), entry }
    }

    /// What to call it in a message.
    pub fn describe(&self) -> String {
        match self {
            KernelSource::Builtin(b) => format!("the built-in kernel `{}`", b.name()),
            KernelSource::CudaText { entry, .. } => format!("the CUDA source of `{entry}`"),
            KernelSource::CudaModule { entry, .. } => format!("the CUDA module of `{entry}`"),
            KernelSource::Host { name, .. } => format!("the host function `{name}`"),
        }
    }
}
