//! The host device: the kernels' own sources, compiled for CPU threads, one OS thread for each block.

mod feeder;
mod launch;

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::probe::Entry as ProbeEntry;
use super::sealed::Sealed;
use super::{
    ArgsLayout, Builtin, Carveout, ClockSample, Copier, Device, DeviceError, DeviceInfo, DeviceKind, Feeder, HostEntry,
    HostKernel, Internal, Kernel, KernelSource, Launch, Level, Memory, Timekeeper,
};
use crate::abi::LINE_BYTES;

use feeder::HostFeeder;
use launch::launch;
pub use launch::{Grid, HostArgument, HostLaunch, MAX_BLOCKS, MAX_SHARED_BYTES, MAX_THREADS};

unsafe extern "C" {
    fn ringscope_host_clock_ns() -> u64;
    fn ringscope_host_event_clock_ns() -> u64;
    fn ringscope_host_clock_error_ns() -> u64;
    fn ringscope_host_fact(i: usize, value: *mut u64) -> *const std::ffi::c_char;
    fn ringscope_host_bucket_slot(value: u64, scale: u32) -> u32;
    fn neighbours_host(args: *mut *mut c_void);
}

macro_rules! probe_entries {
    ($($name:ident),*) => { unsafe extern "C" { $(fn $name(args: *mut *mut c_void);)* } };
}
probe_entries!(
    probe_l0_host,
    probe_l1_host,
    probe_l2_host,
    probe_l3_host,
    probe_metrics_l0_host,
    probe_metrics_l1_host,
    probe_metrics_l2_host,
    probe_metrics_l3_host
);

fn builtin(builtin: Builtin, level: Level) -> HostKernel {
    // SAFETY: build.rs compiles these files at each level, with RINGSCOPE_RING_KERNEL; constants.
    let levels = unsafe {
        match builtin {
            Builtin::Compute => crate::__host_kernels!(compute),
            Builtin::Crc32c => crate::__host_kernels!(crc32c),
            Builtin::VectorAdd => crate::__host_kernels!(vector_add),
            Builtin::Echo => crate::__host_kernels!(echo),
            Builtin::MatmulF32 => crate::__host_kernels!(matmul_f32),
        }
    };
    levels[level as usize]
}

/// The CPU as a device: the kernels' own CUDA C++ sources, compiled by the C++ compiler. A block is one OS thread, which
/// waits by spinning, then yielding, then sleeping; a warp has one lane, and the threads of a block that has several take
/// turns on its OS thread ([`Grid::threads`]). Nothing here waits for a kernel.
///
/// What of CUDA C++ a source may use (`kernels/host/shim.h` has it all):
///
/// | CUDA C++ | On the host device |
/// |---|---|
/// | `__global__`, `__device__`, `__host__`, `__constant__`, `__grid_constant__`, `__launch_bounds__`, `__forceinline__`, `__restrict__` | accepted, without effect but for inlining and aliasing |
/// | `__shared__` | the block's; zero at first here, uninitialized on CUDA; `extern __shared__` does not compile: `ringscope::shared_memory()` is for both |
/// | `dim3`, `uint3`, `threadIdx`, `blockIdx`, `blockDim`, `gridDim` | grids of one to three dimensions, blocks of one |
/// | `__syncthreads`, `_count`, `_and`, `_or` | a barrier of all threads of the block that have not returned |
/// | `__syncwarp` | one lane: nothing to wait for |
/// | `__threadfence`, `_block`, `_system` | a fence |
/// | `atomicAdd`, `Sub`, `Exch`, `Min`, `Max`, `And`, `Or`, `Xor`, `Inc`, `Dec`, `CAS`, with `_block` and `_system` | relaxed, of the types that CUDA has them for: `int`, `unsigned`, `unsigned long long`, `long long` (`Min`, `Max`), `float` and `double` (`Add`), `float` (`Exch`), `unsigned short` (`CAS`) |
/// | `__popc`, `__clz`, `__ffs`, `__brev` and their `ll` forms | as on CUDA, of 0 as well |
/// | `min`, `max` | of CUDA's types; a NaN gives way to a number |
/// | `__ldg`, `__nanosleep`, `clock64` | a load, a sleep, nanoseconds |
/// | `ringscope::lane_index`, `sync_lanes`, `from_lane0`, `xor_lanes`, `add_warp`, `end_warp` | their case of one lane |
/// | `ringscope::check` | a block that traps ends where it stands, and the objects on its threads' stacks are destroyed; its kernel is dead ([`DeviceError::Trapped`]), whose other blocks run on until they return, and no other kernel is touched |
/// | shuffles, votes, matches and reductions of a warp by hand | refused by the compiler, with a sentence |
/// | a thread that waits for another one of its block | lets it have its turn by `__syncthreads`, `__nanosleep`, an atomic or a fence of the above, or ringscope's own waiting; a loop that only looks at a `volatile` variable waits for ever |
/// | `asm` of PTX, textures, cooperative groups, CUDA's libraries | does not compile: keep it under `#if RINGSCOPE_CUDA` |
#[derive(Debug)]
pub struct HostDevice {
    info: DeviceInfo,
}

impl Default for HostDevice {
    fn default() -> Self {
        HostDevice::new()
    }
}

impl HostDevice {
    /// Makes the host device of this machine.
    pub fn new() -> Self {
        let cores = cores();
        let detail = format!("{cores} cores, one thread a block");
        HostDevice {
            info: DeviceInfo {
                kind: DeviceKind::Host,
                ordinal: 0,
                name: cpu_name(),
                uuid: None,
                detail,
                warnings: Vec::new(),
                multiprocessors: cores,
                watchdog: None,
                mig: None,
                lazy_loading: None,
                driver_cuda: None,
                kernel_code: None,
            },
        }
    }

    /// Starts any kernel, as CUDA's launch does: each block of `grid` is a thread that runs `entry` with copies of `args`.
    /// It does not wait for the blocks.
    ///
    /// # Errors
    /// [`DeviceError::TooManyBlocks`] above [`MAX_BLOCKS`] in this process; [`DeviceError::BlockTooLarge`] above
    /// [`MAX_THREADS`] in a block; [`DeviceError::TooMuchSharedMemory`]; [`DeviceError::OutOfMemory`] for the stacks of a
    /// block's threads; [`DeviceError::NoThread`] if the system refuses a thread. No block of a launch that fails has begun.
    ///
    /// # Safety
    /// `entry` takes exactly these arguments, and whatever they point to is alive until all blocks have ended.
    pub unsafe fn launch(
        &self,
        entry: HostEntry,
        grid: impl Into<Grid>,
        args: &[&dyn HostArgument],
        keep: Vec<Memory>,
    ) -> Result<HostLaunch, DeviceError> {
        let args: Vec<&[u8]> = args.iter().map(|a| a.bytes()).collect();
        // SAFETY: the caller's promise.
        unsafe { launch(entry, grid.into(), &args, keep) }
    }
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |n| n.trim().to_owned())
}

/// Blocks that keep the cores busy; more of them take turns.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

#[derive(Debug)]
struct Loaded {
    entry: HostEntry,
    level: Level,
    args: ArgsLayout,
    names: Vec<String>,
    threads: u32,
}

impl Loaded {
    fn new(level: Level, kernel: HostKernel) -> Self {
        let (args, names, threads) = (kernel.args_layout(), kernel.names(), kernel.threads());
        Loaded { entry: kernel.entry(), level, args, names, threads }
    }
}

impl Kernel for Loaded {
    fn max_resident_blocks(&self) -> u32 {
        cores()
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn level(&self) -> Option<Level> {
        Some(self.level)
    }

    fn args_layout(&self) -> ArgsLayout {
        self.args
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    unsafe fn launch_with(
        &self,
        blocks: u32,
        shared_bytes: u32,
        _: Carveout,
        parameters: &[&[u8]],
        keep: Vec<Memory>,
    ) -> Result<Box<dyn Launch>, DeviceError> {
        let grid = Grid::from(blocks).threads(self.threads).shared_bytes(shared_bytes);
        // SAFETY: the caller's promise.
        let launch = unsafe { launch(self.entry, grid, parameters, keep) }?;
        Ok(Box::new(launch))
    }
}

impl Sealed for HostDevice {}

impl Device for HostDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, DeviceError> {
        allocate(bytes, "device memory")
    }

    fn allocate_mapped(&self, bytes: usize) -> Result<Memory, DeviceError> {
        allocate(bytes, "ring memory")
    }

    fn copier(&self, memory: &Memory) -> Result<Box<dyn Copier>, DeviceError> {
        Ok(Box::new(HostCopier { words: vec![0; memory.bytes() / 8], memory: memory.clone() }))
    }

    fn feeder(&self, _: Internal, staging: &Memory, ring: &Memory) -> Result<Box<dyn Feeder>, DeviceError> {
        Ok(Box::new(HostFeeder::new(staging, ring)))
    }

    fn load(&self, source: &KernelSource, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        let (built, kernel) = match source {
            KernelSource::Builtin(which) => (level, builtin(*which, level)),
            KernelSource::Host(host) | KernelSource::HostAndCudaText { host, .. } => host.at(level)?,
            cuda => {
                return Err(DeviceError::Unsupported {
                    device: "the host device",
                    what: cuda.describe(),
                    remedy: "compile it into the program with DEP_RINGSCOPE_INCLUDE and name it by ringscope::ring_kernel! (KernelSource::host)",
                });
            }
        };
        Ok(Box::new(Loaded::new(built, kernel)))
    }

    fn load_probe(&self, entry: ProbeEntry, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        let levels: [HostEntry; 4] = match entry {
            ProbeEntry::Questions => [probe_l0_host, probe_l1_host, probe_l2_host, probe_l3_host],
            ProbeEntry::Metrics => {
                [probe_metrics_l0_host, probe_metrics_l1_host, probe_metrics_l2_host, probe_metrics_l3_host]
            }
        };
        Ok(Box::new(Loaded {
            entry: levels[level as usize],
            level,
            args: ArgsLayout::default(),
            names: Vec::new(),
            threads: 1,
        }))
    }

    /// Every block is a thread, and has its turn.
    fn blocks_may_wait(&self) -> bool {
        false
    }

    fn reserve_launches(&self, _: usize) -> Result<(), DeviceError> {
        Ok(())
    }

    fn clock(&self) -> Result<ClockSample, DeviceError> {
        // What a look takes that nothing comes between: several clock reads.
        const UNDISTURBED_NS: u64 = 250;
        // SAFETY: no arguments, no state.
        let read = || unsafe { ringscope_host_clock_ns() };
        let look = || {
            let before = read();
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            (read() - before, before, unix.as_nanos() as u64)
        };
        let first = look();
        let (took, before, unix_ns) = match first.0 {
            ..=UNDISTURBED_NS => first,
            _ => first.min(look()).min(look()),
        };
        Ok(ClockSample {
            device_ns: before + took / 2,
            unix_ns,
            uncertainty_ns: clock_error(),
            drift_ppb: 0,
            tick_ns: 1,
            restarts: 0,
        })
    }

    fn timekeeper(&self, _: Internal) -> Result<Arc<Timekeeper>, DeviceError> {
        // SAFETY: no arguments, no state.
        let read = || unsafe { ringscope_host_clock_ns() };
        let look = || {
            let before = read();
            let at = Instant::now();
            (read() - before, before, at)
        };
        let (took, before, at) = [look(), look(), look()].into_iter().min().unwrap_or_else(look);
        // SAFETY: as above; what it keeps is the calling thread's own.
        let now = || unsafe { ringscope_host_event_clock_ns() };
        Ok(Arc::new(Timekeeper::of_host(before + took / 2, at, clock_error(), now)))
    }
}

/// How far from the host's steady clock a kernel's times may be.
fn clock_error() -> u64 {
    // SAFETY: no arguments; what it finds out first, it finds out once.
    unsafe { ringscope_host_clock_error_ns() }
}

fn allocate(bytes: usize, what: &'static str) -> Result<Memory, DeviceError> {
    let error = DeviceError::OutOfMemory { what, bytes };
    // Aligned here: an allocator asked for more than its own alignment would write the zeros itself, into every page. So
    // the system gives pages when they are first used.
    let padded = bytes.max(LINE_BYTES).checked_add(LINE_BYTES).ok_or_else(|| error.clone())?;
    let layout = Layout::from_size_align(padded, align_of::<u64>()).map_err(|_| error.clone())?;
    // SAFETY: the size is not zero.
    let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(error)?;
    // SAFETY: less than a line further on, and the allocation has a line more than is used.
    let pointer = unsafe { start.add(start.as_ptr().align_offset(LINE_BYTES)) };
    let address = pointer.as_ptr().expose_provenance() as u64;
    let owner = Arc::new(Allocation { start: start.as_ptr().expose_provenance(), layout });
    // SAFETY: the allocation is `bytes` long from here, aligned to a line, and freed when the owner is dropped.
    Ok(unsafe { Memory::new(address, Some(pointer), bytes, owner) })
}

struct Allocation {
    start: usize,
    layout: Layout,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody refers to it any more.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(self.start), self.layout) }
    }
}

#[derive(Debug)]
struct HostCopier {
    memory: Memory,
    words: Vec<u64>,
}

impl Copier for HostCopier {
    fn copy(&mut self, ranges: &[Range<usize>], _: Duration) -> Result<(), DeviceError> {
        for range in ranges {
            self.memory.load_words(range.start, &mut self.words[range.start / 8..range.end / 8]);
        }
        Ok(())
    }

    fn upload(&mut self, _: Internal, at: usize, words: &[u64], _: Duration) -> Result<(), DeviceError> {
        for (i, word) in words.iter().enumerate() {
            self.memory.word(at + i * 8).store(*word, Ordering::Release);
        }
        Ok(())
    }

    fn words(&self) -> &[u64] {
        &self.words
    }
}

/// What the C++ compiler makes of abi.h: (name, value), for the test of the layout.
#[doc(hidden)]
pub fn abi_facts() -> Vec<(String, u64)> {
    let fact = |i| {
        let mut value = 0;
        // SAFETY: `value` is a place for the result; the function knows its own end.
        let name = unsafe { ringscope_host_fact(i, &mut value) };
        // SAFETY: a string literal where it is not null.
        (!name.is_null()).then(|| (unsafe { std::ffi::CStr::from_ptr(name) }.to_string_lossy().into_owned(), value))
    };
    (0..).map_while(fact).collect()
}

/// A kernel of an address and a number, for the tests of blocks: see `kernels/host/introspect.cpp`.
#[doc(hidden)]
pub fn neighbours_entry() -> HostEntry {
    neighbours_host
}

/// The C++ bucket function, for the test that it is the Rust one.
#[doc(hidden)]
pub fn native_bucket_slot(value: u64, scale: u32) -> u32 {
    // SAFETY: a pure function; scales above the finest are the caller's to avoid.
    unsafe { ringscope_host_bucket_slot(value, scale.min(crate::abi::MAX_SCALE)) }
}
