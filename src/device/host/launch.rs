//! Blocks as threads: a launch on the host device, and what became of it.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::device::{DeviceError, HostEntry, Launch, Memory};

unsafe extern "C" {
    fn ringscope_host_run_block(entry: HostEntry, args: *mut *mut c_void, block: *const u32, grid: *const u32) -> bool;
}

/// The blocks of a launch on the host device, and how many threads each of them is to have: made of a number of blocks, or
/// of three dimensions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    blocks: [u32; 3],
    threads: u32,
}

impl Grid {
    /// Says how many threads a block of this kernel needs. The host device refuses a launch of more than one: code that
    /// exchanges values between the threads of a block would be wrong there, and code that loops in strides of `blockDim.x`
    /// needs one only.
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
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
        Grid { blocks: [x, y, z], threads: 1 }
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
    if grid.threads > 1 {
        return Err(DeviceError::Unsupported {
            device: "the host device",
            what: format!("a block of {} threads", grid.threads),
            remedy: "it runs each block as one thread: launch it with one, if the kernel loops in strides of blockDim.x, or use a GPU",
        });
    }
    let seats = Arc::new(Seats::take(u32::try_from(grid.count()).unwrap_or(u32::MAX))?);
    let args: Arc<[AlignedBytes]> = args.iter().copied().map(AlignedBytes::copied).collect();
    let blocks = Arc::<Blocks>::default();
    for i in 0..grid.count() {
        let (args, keep, left) = (Arc::clone(&args), keep.clone(), Left::enter(&blocks));
        let seats = Arc::clone(&seats);
        let body = move || {
            let mut pointers: Vec<*mut c_void> = args.iter().map(AlignedBytes::pointer).collect();
            let (block, grid) = (grid.block(i), grid.blocks);
            // SAFETY: the caller answers for entry and arguments; the pointers are to copies that live as long as
            // `args`, which this thread holds, as it does `keep`; both places have three numbers.
            let returned =
                unsafe { ringscope_host_run_block(entry, pointers.as_mut_ptr(), block.as_ptr(), grid.as_ptr()) };
            if !returned {
                left.note_trap(i);
            }
            drop((keep, seats, left));
        };
        let thread = std::thread::Builder::new().name(format!("ring-block-{i}"));
        thread.spawn(body).map_err(|e| DeviceError::no_thread(&e))?;
    }
    Ok(HostLaunch { blocks })
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
}
