//! What a ring kernel is made from.

use std::ffi::{c_char, c_void};

use super::args_layout::ArgsLayout;
use super::error::DeviceError;
use super::level::Level;
use crate::abi::ABI_VERSION;

/// ringscope's device headers as (name to include, text), for kernels that are compiled with NVRTC.
pub const HEADERS: &[(&str, &str)] = &[
    ("ringscope/abi.h", include_str!("../../kernels/include/ringscope/abi.h")),
    ("ringscope/platform.cuh", include_str!("../../kernels/include/ringscope/platform.cuh")),
    ("ringscope/atomic.cuh", include_str!("../../kernels/include/ringscope/atomic.cuh")),
    ("ringscope/clock.cuh", include_str!("../../kernels/include/ringscope/clock.cuh")),
    ("ringscope/histogram.cuh", include_str!("../../kernels/include/ringscope/histogram.cuh")),
    ("ringscope/declarations.h", include_str!("../../kernels/include/ringscope/declarations.h")),
    ("ringscope/local.cuh", include_str!("../../kernels/include/ringscope/local.cuh")),
    ("ringscope/record.cuh", include_str!("../../kernels/include/ringscope/record.cuh")),
    ("ringscope/trace.cuh", include_str!("../../kernels/include/ringscope/trace.cuh")),
    ("ringscope/recorder.cuh", include_str!("../../kernels/include/ringscope/recorder.cuh")),
    ("ringscope/recorder_off.cuh", include_str!("../../kernels/include/ringscope/recorder_off.cuh")),
    ("ringscope/wait.cuh", include_str!("../../kernels/include/ringscope/wait.cuh")),
    ("ringscope/metrics.cuh", include_str!("../../kernels/include/ringscope/metrics.cuh")),
    ("ringscope/telemetry.cuh", include_str!("../../kernels/include/ringscope/telemetry.cuh")),
    ("ringscope/message.cuh", include_str!("../../kernels/include/ringscope/message.cuh")),
    ("ringscope/ring_steps.cuh", include_str!("../../kernels/include/ringscope/ring_steps.cuh")),
    ("ringscope/ring.cuh", include_str!("../../kernels/include/ringscope/ring.cuh")),
    ("ringscope/block.cuh", include_str!("../../kernels/include/ringscope/block.cuh")),
];

/// The ring kernels that come with ringscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Multiplies matrices, with blocks of 256 threads: the message is `u32 m`, `u32 n`, `u32 k`, `u32 0`, then `f32 a[m][k]`
    /// and `f32 b[k][n]`; replies with `f32 c[m][n]`, the product. None of `m`, `n` and `k` is 0.
    MatmulF32,
}

impl Builtin {
    /// All built-in kernels.
    pub const ALL: &[Builtin] =
        &[Builtin::Crc32c, Builtin::VectorAdd, Builtin::Echo, Builtin::Compute, Builtin::MatmulF32];

    /// Returns its name, which is also that of its file in `kernels/`.
    pub const fn name(self) -> &'static str {
        match self {
            Builtin::Crc32c => "crc32c",
            Builtin::VectorAdd => "vector_add",
            Builtin::Echo => "echo",
            Builtin::Compute => "compute",
            Builtin::MatmulF32 => "matmul_f32",
        }
    }

    /// Returns its CUDA source.
    pub const fn cuda_source(self) -> &'static str {
        match self {
            Builtin::Crc32c => include_str!("../../kernels/crc32c.cu"),
            Builtin::VectorAdd => include_str!("../../kernels/vector_add.cu"),
            Builtin::Echo => include_str!("../../kernels/echo.cu"),
            Builtin::Compute => include_str!("../../kernels/compute.cu"),
            Builtin::MatmulF32 => include_str!("../../kernels/matmul_f32.cu"),
        }
    }
}

/// A kernel for the host device: takes CUDA's array of pointers to arguments. `RINGSCOPE_ENTRY(name)` in a `.cu`
/// file makes one called `name_host`.
pub type HostEntry = unsafe extern "C" fn(*mut *mut c_void);

/// A ring kernel built for the host device at one level, as `RINGSCOPE_RING_KERNEL` describes it under the symbol
/// `name_l2_kernel`; [`ring_kernel!`](crate::ring_kernel) names those of all levels. The mirror of
/// `ringscope_host_kernel` in `kernels/host/shim.h`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HostKernel {
    entry: HostEntry,
    abi: u32,
    level: u32,
    args_bytes: u32,
    args_align: u32,
    /// What `RINGSCOPE_NAMES` has between its parentheses, or null.
    names: *const c_char,
    /// Of a block.
    threads: u32,
    reserved: u32,
}
// SAFETY: the names are a constant of the program.
unsafe impl Send for HostKernel {}
// SAFETY: as above.
unsafe impl Sync for HostKernel {}
const _: () = assert!(size_of::<HostKernel>() == 40, "kernels/host/shim.h has the same fields");

#[cfg_attr(not(feature = "host"), allow(dead_code, reason = "the host device reads it"))]
impl HostKernel {
    /// Its function.
    pub(super) fn entry(&self) -> HostEntry {
        self.entry
    }

    /// What RINGSCOPE_NAMES has between its parentheses, in the file that it was built from.
    pub(super) fn names(&self) -> Vec<String> {
        if self.names.is_null() {
            return Vec::new();
        }
        // SAFETY: not null, so it is a string literal of the file that made this description.
        let text = unsafe { std::ffi::CStr::from_ptr(self.names) };
        names_in(&text.to_string_lossy())
    }

    /// Threads of each of its blocks.
    pub(super) fn threads(&self) -> u32 {
        self.threads.max(1)
    }

    /// What it takes beside the ring.
    pub(super) fn args_layout(&self) -> ArgsLayout {
        ArgsLayout { bytes: self.args_bytes as usize, align: self.args_align as usize }
    }
}

/// The names in the text of a RINGSCOPE_NAMES.
pub(super) fn names_in(text: &str) -> Vec<String> {
    text.trim_matches('\0').split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The builds of a host kernel.
#[cfg_attr(not(feature = "host"), allow(dead_code, reason = "the host device reads it"))]
#[derive(Clone, Debug)]
enum HostBuilds {
    /// One for each level, in the order of [`Level::ALL`].
    Levels([HostKernel; 4]),
    /// One that is used at every level, and records what this one says.
    Single(Level, HostEntry),
}

/// Where a [`KernelSource`] has a kernel for the host device.
#[cfg_attr(not(feature = "host"), allow(dead_code, reason = "the host device reads it"))]
#[derive(Clone, Debug)]
pub struct HostSource {
    name: String,
    builds: HostBuilds,
}

#[cfg_attr(not(feature = "host"), allow(dead_code, reason = "the host device reads it"))]
impl HostSource {
    /// The build for a level.
    pub(super) fn at(&self, level: Level) -> Result<(Level, HostKernel), DeviceError> {
        let what = || format!("the host function `{}`", self.name);
        let (built, kernel) = match &self.builds {
            HostBuilds::Levels(levels) => {
                let kernel = levels[level as usize];
                match Level::ALL.get(kernel.level as usize) {
                    Some(&built) if kernel.abi == ABI_VERSION => (built, kernel),
                    _ => {
                        return Err(DeviceError::ForeignBuild { what: what(), theirs: kernel.abi, ours: ABI_VERSION });
                    }
                }
            }
            HostBuilds::Single(built, entry) => {
                let (abi, level) = (ABI_VERSION, *built as u32);
                let names = std::ptr::null();
                let kernel = HostKernel {
                    entry: *entry,
                    abi,
                    level,
                    args_bytes: 0,
                    args_align: 0,
                    names,
                    threads: 1,
                    reserved: 0,
                };
                (*built, kernel)
            }
        };
        match built >= level {
            true => Ok((built, kernel)),
            false => Err(DeviceError::BuiltWithLess { what: what(), built, wanted: level }),
        }
    }
}

/// Where the code of a ring kernel comes from: one of ringscope's own, or somebody's, who answers for it by an `unsafe`
/// constructor. What a constructor asks holds for every launch: addresses in [`KernelArgs`](super::KernelArgs) are of
/// memory that the kernel may use so, and that lives until it has ended ([`KernelArgs::keep`](super::KernelArgs::keep)).
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
    /// Functions of this program; see [`KernelSource::host`].
    #[non_exhaustive]
    Host(HostSource),
    /// The same kernel for both kinds of device; see [`KernelSource::host_and_cuda_text`].
    #[non_exhaustive]
    HostAndCudaText {
        /// For the host device.
        host: HostSource,
        /// For CUDA: the source, in which the kernel has the same name.
        text: String,
    },
}

impl KernelSource {
    /// Returns a source of CUDA C++ that includes `<ringscope/ring.cuh>`, compiled by NVRTC for the runtime's level when
    /// the runtime is built. `entry` is the name in `RINGSCOPE_RING_KERNEL(name, …)`, or that of a function.
    ///
    /// # Safety
    /// `entry` was made by `RINGSCOPE_RING_KERNEL`, or is an `extern "C" __global__` function of one
    /// `ringscope_ring_args`; and the kernel writes to no other memory than its rings and what its arguments give it. Wherever
    /// this program launches it, the addresses in [`KernelArgs`](super::KernelArgs) are of memory that the kernel may use so,
    /// and that lives until it has ended.
    pub unsafe fn cuda_text(text: impl Into<String>, entry: impl Into<String>) -> Self {
        KernelSource::CudaText { text: text.into(), entry: entry.into() }
    }

    /// Returns a source of a compiled module: PTX, a cubin or a fatbin. `entry` is the name in
    /// `RINGSCOPE_RING_KERNEL(name, …)`, the build of the runtime's level being looked for, or that of one function.
    ///
    /// # Safety
    /// As [`cuda_text`](Self::cuda_text).
    pub unsafe fn cuda_module(image: impl Into<Vec<u8>>, entry: impl Into<String>) -> Self {
        KernelSource::CudaModule { image: image.into(), entry: entry.into() }
    }

    /// Returns a source of functions of this program, for the host device: one build for each level, in the order of
    /// [`Level::ALL`]. [`ring_kernel!`](crate::ring_kernel) calls it with the names that `RINGSCOPE_RING_KERNEL` made.
    ///
    /// # Safety
    /// `builds` are what `RINGSCOPE_RING_KERNEL` defined; the kernel writes to no other memory than its rings and what
    /// its arguments give it. It may be called from any thread, by several at once. Wherever this program launches it, the
    /// addresses in [`KernelArgs`](super::KernelArgs) are of memory that the kernel may use so, and that lives until it has
    /// ended.
    pub unsafe fn host(name: impl Into<String>, builds: [HostKernel; 4]) -> Self {
        KernelSource::Host(HostSource { name: name.into(), builds: HostBuilds::Levels(builds) })
    }

    /// Returns a source of one function of this program, for the host device: one that was built at `level` alone, and
    /// takes no arguments of its own. A runtime that records more than that refuses it.
    ///
    /// # Safety
    /// `entry` takes an array with one pointer to a `ringscope_ring_args`, and writes to no other memory than that
    /// names. It may be called from any thread, by several at once.
    pub unsafe fn host_at(name: impl Into<String>, level: Level, entry: HostEntry) -> Self {
        KernelSource::Host(HostSource { name: name.into(), builds: HostBuilds::Single(level, entry) })
    }

    /// Returns a source for whichever device there is: [`host`](Self::host) on the host device, and on CUDA
    /// [`cuda_text`](Self::cuda_text) with the entry `name`.
    ///
    /// # Safety
    /// As both of these.
    pub unsafe fn host_and_cuda_text(
        name: impl Into<String>,
        builds: [HostKernel; 4],
        text: impl Into<String>,
    ) -> Self {
        let host = HostSource { name: name.into(), builds: HostBuilds::Levels(builds) };
        KernelSource::HostAndCudaText { host, text: text.into() }
    }

    /// Returns what to call it in a message.
    pub fn describe(&self) -> String {
        match self {
            KernelSource::Builtin(b) => format!("the built-in kernel `{}`", b.name()),
            KernelSource::CudaText { entry, .. } => format!("the CUDA source of `{entry}`"),
            KernelSource::CudaModule { entry, .. } => format!("the CUDA module of `{entry}`"),
            KernelSource::Host(host) => format!("the host function `{}`", host.name),
            KernelSource::HostAndCudaText { host, .. } => format!("the kernel `{}`", host.name),
        }
    }

    /// The CUDA source and the name of its entry, where that is what it is.
    #[cfg(feature = "cuda")]
    pub(super) fn as_cuda_text(&self) -> Option<(&str, &str)> {
        match self {
            KernelSource::CudaText { text, entry } => Some((text, entry)),
            KernelSource::HostAndCudaText { host, text } => Some((text, &host.name)),
            _ => None,
        }
    }
}

/// Names a ring kernel of this program by the name in its `RINGSCOPE_RING_KERNEL(name, …)`, at all four levels, and
/// returns its [`KernelSource`] for the host device: `unsafe { ring_kernel!(wordcount) }`. With the CUDA source of the
/// same kernel, `unsafe { ring_kernel!(wordcount, include_str!("wordcount.cu")) }`, it runs on either device: NVRTC
/// compiles that.
///
/// The build script compiles the `.cu` file four times, with `-DRINGSCOPE_CPU` and `-DRINGSCOPE_LEVEL=0`, `1`, `2` and `3`, as
/// `examples/own-ring-kernel` does. A level that is missing, or a name that is misspelt, is an error of the linker.
///
/// # Safety
/// As [`KernelSource::host`], and [`KernelSource::cuda_text`].
#[macro_export]
macro_rules! ring_kernel {
    ($name:ident $(,)?) => {
        $crate::device::KernelSource::host(stringify!($name), $crate::__host_kernels!($name))
    };
    ($name:ident, $text:expr $(,)?) => {
        $crate::device::KernelSource::host_and_cuda_text(stringify!($name), $crate::__host_kernels!($name), $text)
    };
}

/// The builds of all levels, as the linker finds them.
#[doc(hidden)]
#[macro_export]
macro_rules! __host_kernels {
    ($name:ident) => {{
        unsafe extern "C" {
            #[link_name = concat!(stringify!($name), "_l0_kernel")]
            static L0: $crate::device::HostKernel;
            #[link_name = concat!(stringify!($name), "_l1_kernel")]
            static L1: $crate::device::HostKernel;
            #[link_name = concat!(stringify!($name), "_l2_kernel")]
            static L2: $crate::device::HostKernel;
            #[link_name = concat!(stringify!($name), "_l3_kernel")]
            static L3: $crate::device::HostKernel;
        }
        [L0, L1, L2, L3]
    }};
}
