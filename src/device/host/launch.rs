//! Blocks as threads: a launch on the host device, and what became of it.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::device::{DeviceError, HostEntry, Launch, Memory};

unsafe extern "C" {
    fn ringscope_host_run_block(
        entry: HostEntry,
        args: *mut *mut c_void,
        block: *const u32,
        grid: *const u32,
        stacks: *mut c_void,
        shared: *mut c_void,
    ) -> bool;
    fn ringscope_host_stacks_new(threads: u32) -> *mut c_void;
    fn ringscope_host_stacks_free(stacks: *mut c_void);
    fn ringscope_host_has_threads() -> bool;
}

/// The most threads of a block, as on a GPU.
pub const MAX_THREADS: u32 = 1024;
/// The most bytes of shared memory that a launch gives a block: what a block of an H100 can have.
pub const MAX_SHARED_BYTES: u32 = 227 * 1024;

/// The blocks of a launch on the host device, and how many threads and how much shared memory each of them has: made of a
/// number of blocks, or of three dimensions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    blocks: [u32; 3],
    threads: u32,
    shared_bytes: u32,
}

impl Grid {
    /// Sets how many threads a block has, 1 to [`MAX_THREADS`]. Default: 1, which is enough for code that loops in strides of
    /// `blockDim.x`, and the fastest for it.
    ///
    /// Each thread is a warp of one lane. The threads of a block take turns on one OS thread, at barriers and where they wait: what
    /// they exchange in `__shared__` memory is exchanged as on a GPU, a race between them is one to the thread sanitizer, and a
    /// loop that waits for another thread of the block must let it have its turn, by `__nanosleep`, an atomic, a fence or
    /// ringscope's own waiting.
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how many bytes of shared memory `ringscope::shared_memory()` has, at most [`MAX_SHARED_BYTES`]. Default: 0.
    pub fn shared_bytes(mut self, bytes: u32) -> Self {
        self.shared_bytes = bytes;
        self
    }

    /// The place of the `i`-th block.
    fn block(self, i: u64) -> [u32; 3] {
        let [x, y, _] = self.blocks.map(u64::from);
        [(i % x) as u32, (i / x % y) as u32, (i / x / y) as u32]
    }

    fn count(self) -> u64 {
        self.blocks.into_iter().map(u64::from).fold(1, u64::saturating_mul)
    }
}

impl From<u32> for Grid {
    fn from(blocks: u32) -> Self {
        Grid::from((blocks, 1, 1))
    }
}

impl From<(u32, u32, u32)> for Grid {
    fn from((x, y, z): (u32, u32, u32)) -> Self {
        Grid { blocks: [x, y, z], threads: 1, shared_bytes: 0 }
    }
}

/// # Safety
/// As [`HostDevice::launch`].
pub(super) unsafe fn launch(
    entry: HostEntry,
    grid: Grid,
    args: &[&[u8]],
    keep: Vec<Memory>,
) -> Result<HostLaunch, DeviceError> {
    grid.check()?;
    let blocks = u32::try_from(grid.count()).unwrap_or(u32::MAX);
    let seats = Arc::new(Seats::take(blocks, grid.threads)?);
    let mut stacks = (0..grid.count()).map(|_| Stacks::of(grid.threads)).collect::<Result<Vec<_>, _>>()?;
    let args: Arc<[AlignedBytes]> = args.iter().copied().map(AlignedBytes::copied).collect();
    let blocks = Arc::<Blocks>::default();
    // Whether they go: none does before all have their threads, so that of a launch that fails nothing was begun.
    let go = Arc::new(OnceLock::<bool>::new());
    let mut start = |i| {
        let (args, keep, left) = (Arc::clone(&args), keep.clone(), Left::enter(&blocks));
        let (seats, go) = (Arc::clone(&seats), Arc::clone(&go));
        let stacks = stacks.pop().flatten();
        let mut shared = vec![0u128; (grid.shared_bytes as usize).div_ceil(16)];
        let body = move || {
            if !*go.wait() {
                return;
            }
            let stacks_at = stacks.as_ref().map_or(std::ptr::null_mut(), |stacks| stacks.0);
            let shared_at = if shared.is_empty() { std::ptr::null_mut() } else { shared.as_mut_ptr().cast() };
            let mut pointers: Vec<*mut c_void> = args.iter().map(AlignedBytes::pointer).collect();
            let (block, grid) = (grid.block(i), grid.blocks);
            // SAFETY: the caller answers for entry and arguments; the pointers are to copies that live as long as
            // `args`, which this thread holds, as it does `keep`, the stacks and the shared memory; both places have three
            // numbers.
            let returned = unsafe {
                let (block, grid) = (block.as_ptr(), grid.as_ptr());
                ringscope_host_run_block(entry, pointers.as_mut_ptr(), block, grid, stacks_at, shared_at)
            };
            if !returned {
                left.note_trap(i);
            }
            drop((keep, stacks, shared, seats, left));
        };
        let thread = std::thread::Builder::new().name(format!("ring-block-{i}"));
        thread.spawn(body).map_err(|e| DeviceError::no_thread(&e))
    };
    let started = (0..grid.count()).try_for_each(|i| start(i).map(drop));
    go.get_or_init(|| started.is_ok());
    started.map(|()| HostLaunch { blocks })
}

impl Grid {
    fn check(self) -> Result<(), DeviceError> {
        let what = || "a kernel on the host device".to_owned();
        // SAFETY: it takes and touches nothing.
        let limit = if unsafe { ringscope_host_has_threads() } { MAX_THREADS } else { 1 };
        if !(1..=limit).contains(&self.threads) {
            return Err(DeviceError::BlockTooLarge { what: what(), threads: self.threads, limit });
        }
        match self.shared_bytes {
            0..=MAX_SHARED_BYTES => Ok(()),
            asked => Err(DeviceError::TooMuchSharedMemory { asked: asked.into(), own: 0, limit: MAX_SHARED_BYTES }),
        }
    }
}

/// Stacks for the threads of a block that has several.
struct Stacks(*mut c_void);
// SAFETY: memory that its owner alone refers to.
unsafe impl Send for Stacks {}

impl Stacks {
    /// None for a block of one thread, which has the OS thread's own.
    fn of(threads: u32) -> Result<Option<Self>, DeviceError> {
        if threads == 1 {
            return Ok(None);
        }
        // SAFETY: it takes a number; null says that there is no memory.
        let made = unsafe { ringscope_host_stacks_new(threads) };
        // As threads.h has it: 256 KiB each.
        let bytes = threads as usize * 256 * 1024;
        if made.is_null() {
            return Err(DeviceError::OutOfMemory { what: "stacks for the threads of a block", bytes });
        }
        Ok(Some(Stacks(made)))
    }
}

impl Drop for Stacks {
    fn drop(&mut self) {
        // SAFETY: made by the matching call; the block that ran on them has ended.
        unsafe { ringscope_host_stacks_free(self.0) }
    }
}

/// A value that a kernel takes: plain data. Pass a pointer as its address, a `u64`.
pub trait HostArgument {
    /// Returns its bytes.
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
    fn copied(bytes: &[u8]) -> Self {
        let mut words = vec![0u128; bytes.len().div_ceil(16)].into_boxed_slice();
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
        AlignedBytes(words)
    }
    fn pointer(&self) -> *mut c_void {
        self.0.as_ptr().cast_mut().cast()
    }
}

/// Blocks of all kernels of this process that can be there at once; a block of several threads counts as that many. Each is an
/// OS thread of its own, with four mappings of memory, and each of several threads has two for its stack: a process
/// that has 65,530 of those, Linux's default, is aborted at the next thread.
pub const MAX_BLOCKS: u32 = 8192;

static SEATS_TAKEN: AtomicU32 = AtomicU32::new(0);

/// The places of a launch among [`MAX_BLOCKS`], until its last block has ended.
struct Seats(u32);

impl Seats {
    fn take(blocks: u32, threads: u32) -> Result<Self, DeviceError> {
        let seats = blocks.saturating_mul(threads);
        let more = |taken: u32| taken.checked_add(seats).filter(|all| *all <= MAX_BLOCKS);
        match SEATS_TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more) {
            Ok(_) => Ok(Seats(seats)),
            Err(taken) => Err(DeviceError::TooManyBlocks { asked: blocks, free: (MAX_BLOCKS - taken) / threads }),
        }
    }
}

impl Drop for Seats {
    fn drop(&mut self) {
        SEATS_TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// The blocks of a launch that run, and the first of them that trapped.
#[derive(Debug, Default)]
struct Blocks {
    running: AtomicUsize,
    /// 1 + its number; 0 is none.
    trapped: AtomicU64,
}

/// Counts a block as running until it is dropped, in the order that `HostLaunch::ended` relies on.
struct Left(Arc<Blocks>);

impl Left {
    fn enter(blocks: &Arc<Blocks>) -> Self {
        blocks.running.fetch_add(1, Ordering::Relaxed);
        Left(Arc::clone(blocks))
    }

    fn note_trap(&self, block: u64) {
        // Release: who hears of it finds its last words. Another block's stays, if that was first.
        let _ = self.0.trapped.compare_exchange(0, block + 1, Ordering::Release, Ordering::Relaxed);
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Release);
    }
}

/// A started kernel of the host device. Where a block traps, the kernel is dead, as on a GPU; but its other blocks run on until
/// they return, and other kernels are not touched.
#[derive(Debug)]
pub struct HostLaunch {
    blocks: Arc<Blocks>,
}

impl Launch for HostLaunch {
    fn ended(&self) -> Result<bool, DeviceError> {
        // In this order: a block says that it trapped before it has ended.
        let running = self.blocks.running.load(Ordering::Acquire);
        match self.blocks.trapped.load(Ordering::Acquire).checked_sub(1) {
            Some(block) => Err(DeviceError::Trapped { block, last_words: String::new() }),
            None => Ok(running == 0),
        }
    }

    fn has_left(&self) -> bool {
        self.blocks.running.load(Ordering::Acquire) == 0
    }
}
