//! The host device: the kernels' own sources, compiled for CPU threads, one for each block.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::probe::{self, ProbeArgs, ProbeKernel};
use super::{
    Builtin, ClockSample, Copier, Device, DeviceError, DeviceInfo, DeviceKind, HostEntry, Internal, Kernel,
    KernelSource, Launch, Level, Memory,
};
use crate::abi::{LINE_BYTES, RingArgs};

unsafe extern "C" {
    fn ringscope_host_run_block(entry: HostEntry, args: *mut *mut c_void, block: u32, blocks: u32);
    fn ringscope_host_clock_ns() -> u64;
    fn ringscope_host_fact(i: usize, value: *mut u64) -> *const std::ffi::c_char;
    fn ringscope_host_bucket_slot(value: u64, scale: u32) -> u32;
}

macro_rules! builtin_entries {
    ($($name:ident),*) => { unsafe extern "C" { $(fn $name(args: *mut *mut c_void);)* } };
}
builtin_entries!(
    compute_l0_host,
    compute_l1_host,
    compute_l2_host,
    crc32c_l0_host,
    crc32c_l1_host,
    crc32c_l2_host,
    vector_add_l0_host,
    vector_add_l1_host,
    vector_add_l2_host,
    echo_l0_host,
    echo_l1_host,
    echo_l2_host,
    probe_l0_host,
    probe_l1_host,
    probe_l2_host,
    probe_metrics_l0_host,
    probe_metrics_l1_host,
    probe_metrics_l2_host
);

fn builtin_entry(builtin: Builtin, level: Level) -> HostEntry {
    let levels: [HostEntry; 3] = match builtin {
        Builtin::Compute => [compute_l0_host, compute_l1_host, compute_l2_host],
        Builtin::Crc32c => [crc32c_l0_host, crc32c_l1_host, crc32c_l2_host],
        Builtin::VectorAdd => [vector_add_l0_host, vector_add_l1_host, vector_add_l2_host],
        Builtin::Echo => [echo_l0_host, echo_l1_host, echo_l2_host],
    };
    levels[level as usize]
}

/// The CPU as a device. Blocks are threads: they wait by spinning, then yielding, then sleeping.
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
    /// The host device of this machine.
    pub fn new() -> Self {
        let cores = cores();
        let detail = format!("{cores} cores, one thread a block");
        HostDevice {
            info: DeviceInfo {
                kind: DeviceKind::Host,
                ordinal: 0,
                name: cpu_name(),
                detail,
                warnings: Vec::new(),
                multiprocessors: cores,
                watchdog: None,
                mig: None,
                lazy_loading: None,
            },
        }
    }

    /// Starts any kernel, as CUDA's launch does: `blocks` blocks, each of them `entry` with copies of `args`.
    ///
    /// # Errors
    /// [`DeviceError::TooManyBlocks`] above [`MAX_BLOCKS`] in this process; [`DeviceError::NoThread`] if the system
    /// refuses a thread: blocks already started run on.
    ///
    /// # Safety
    /// `entry` takes exactly these arguments, and whatever they point to is alive until all blocks have ended.
    pub unsafe fn launch(
        &self,
        entry: HostEntry,
        blocks: u32,
        args: &[&dyn HostArgument],
        keep: Vec<Memory>,
    ) -> Result<HostLaunch, DeviceError> {
        let seats = Arc::new(Seats::take(blocks)?);
        let args: Arc<[AlignedBytes]> = args.iter().map(|a| AlignedBytes::copy_of(a.bytes())).collect();
        let running = Arc::new(AtomicUsize::new(0));
        for block in 0..blocks {
            let (args, keep, left) = (Arc::clone(&args), keep.clone(), Left::enter(&running));
            let seats = Arc::clone(&seats);
            let body = move || {
                let mut pointers: Vec<*mut c_void> = args.iter().map(AlignedBytes::pointer).collect();
                // SAFETY: the caller of `launch` answers for entry and arguments; the pointers are to copies
                // that live as long as `args`, which this thread holds, as it does `keep`.
                unsafe { ringscope_host_run_block(entry, pointers.as_mut_ptr(), block, blocks) };
                drop((keep, seats, left));
            };
            std::thread::Builder::new()
                .name(format!("ring-block-{block}"))
                .spawn(body)
                .map_err(|e| DeviceError::NoThread { message: e.to_string() })?;
        }
        Ok(HostLaunch { running })
    }
}

fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|l| l.strip_prefix("model name")?.split(':').nth(1));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |n| n.trim().to_owned())
}

/// A value that a kernel takes: plain data. Pass a pointer as its address, a `u64`.
pub trait HostArgument {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
}

impl<T: bytemuck::NoUninit> HostArgument for T {
    fn bytes(&self) -> &[u8] {
        bytemuck::bytes_of(self)
    }
}

/// One argument's bytes, aligned for any type.
struct AlignedBytes(Box<[u128]>);

impl AlignedBytes {
    fn copy_of(bytes: &[u8]) -> Self {
        let mut words = vec![0u128; bytes.len().div_ceil(16)].into_boxed_slice();
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        AlignedBytes(words)
    }
    fn pointer(&self) -> *mut c_void {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// Blocks of all kernels of this process that can be there at once. Each is a thread of its own, with four mappings of
/// memory: a process that has 65,530 of those, Linux's default, is aborted at the next thread.
pub const MAX_BLOCKS: u32 = 8192;

static SEATS_TAKEN: AtomicU32 = AtomicU32::new(0);

/// The places of a launch among [`MAX_BLOCKS`], until its last block has ended.
struct Seats(u32);

impl Seats {
    fn take(blocks: u32) -> Result<Self, DeviceError> {
        let more = |taken: u32| taken.checked_add(blocks).filter(|all| *all <= MAX_BLOCKS);
        match SEATS_TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Seats(blocks)),
            Err(taken) => Err(DeviceError::TooManyBlocks { asked: blocks, free: MAX_BLOCKS - taken }),
        }
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        SEATS_TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// Counts a block as running until it is dropped, in the order that `HostLaunch::ended` relies on.
struct Left(Arc<AtomicUsize>);

impl Left {
    fn enter(running: &Arc<AtomicUsize>) -> Self {
        running.fetch_add(1, Ordering::Relaxed);
        Left(Arc::clone(running))
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// A started kernel of the host device.
#[derive(Debug)]
pub struct HostLaunch {
    running: Arc<AtomicUsize>,
}

impl Launch for HostLaunch {
    fn ended(&self) -> Result<bool, DeviceError> {
        Ok(self.running.load(Ordering::Acquire) == 0)
    }
}

struct HostKernel {
    entry: HostEntry,
}

/// Blocks that keep the cores busy; more of them take turns.
fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u32)
}

impl Kernel for HostKernel {
    fn max_resident_blocks(&self) -> u32 {
        cores()
    }

    unsafe fn launch(&self, blocks: u32, args: &RingArgs, keep: Vec<Memory>) -> Result<Box<dyn Launch>, DeviceError> {
        let device = HostDevice::new();
        // SAFETY: a ring kernel's entry takes one RingArgs by value; the caller answers for what it points to.
        let launch = unsafe { device.launch(self.entry, blocks, &[args], keep) }?;
        Ok(Box::new(launch))
    }
}

impl ProbeKernel for HostKernel {
    fn max_resident_blocks(&self) -> u32 {
        cores()
    }

    unsafe fn launch(&self, blocks: u32, args: &ProbeArgs, keep: Vec<Memory>) -> Result<Box<dyn Launch>, DeviceError> {
        // SAFETY: the probe's entry takes one ProbeArgs by value; the caller answers for what it points to.
        let launch = unsafe { HostDevice::new().launch(self.entry, blocks, &[args], keep) }?;
        Ok(Box::new(launch))
    }
}

impl super::Sealed for HostDevice {}

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

    fn load(&self, source: &KernelSource, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        match source {
            KernelSource::Builtin(builtin) => Ok(Box::new(HostKernel { entry: builtin_entry(*builtin, level) })),
            KernelSource::Host { entry, .. } => Ok(Box::new(HostKernel { entry: *entry })),
            cuda => Err(DeviceError::Unsupported {
                device: "the host device",
                what: cuda.describe(),
                remedy: "compile it into the program through kernels/host/shim.h and pass it as KernelSource::host",
            }),
        }
    }

    fn load_probe(&self, entry: probe::Entry, level: Level) -> Result<Box<dyn ProbeKernel>, DeviceError> {
        let levels: [HostEntry; 3] = match entry {
            probe::Entry::Questions => [probe_l0_host, probe_l1_host, probe_l2_host],
            probe::Entry::Metrics => [probe_metrics_l0_host, probe_metrics_l1_host, probe_metrics_l2_host],
        };
        Ok(Box::new(HostKernel { entry: levels[level as usize] }))
    }

    fn reserve_launches(&self, _: usize) -> Result<(), DeviceError> {
        Ok(())
    }

    fn clock(&self) -> Result<ClockSample, DeviceError> {
        // SAFETY: no arguments, no state.
        let read = || unsafe { ringscope_host_clock_ns() };
        let before = read();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let after = read();
        Ok(ClockSample {
            device_ns: before + (after - before) / 2,
            unix_ns: unix.as_nanos() as u64,
            uncertainty_ns: after - before,
        })
    }
}

fn allocate(bytes: usize, what: &'static str) -> Result<Memory, DeviceError> {
    let error = DeviceError::OutOfMemory { what, bytes };
    let layout = Layout::from_size_align(bytes.max(LINE_BYTES), LINE_BYTES).map_err(|_| error.clone())?;
    // SAFETY: the size is not zero.
    let pointer = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(error)?;
    let address = pointer.as_ptr().expose_provenance() as u64;
    let owner = Arc::new(Allocation { pointer: address as usize, layout });
    // SAFETY: the allocation is `bytes` long, aligned to a line, and freed when the owner is dropped.
    Ok(unsafe { Memory::new(address, Some(pointer), bytes, owner) })
}

struct Allocation {
    pointer: usize,
    layout: Layout,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody refers to it any more.
        unsafe { dealloc(std::ptr::with_exposed_provenance_mut(self.pointer), self.layout) }
    }
}

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

/// The C++ bucket function, for the test that it is the Rust one.
#[doc(hidden)]
pub fn native_bucket_slot(value: u64, scale: u32) -> u32 {
    // SAFETY: a pure function; scales above the finest are the caller's to avoid.
    unsafe { ringscope_host_bucket_slot(value, scale.min(crate::abi::MAX_SCALE)) }
}
