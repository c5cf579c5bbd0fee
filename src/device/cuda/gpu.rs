//! What everything on one GPU shares: its context, the kernels that run, and what waits to be freed.
//!
//! Freeing memory or unloading code waits for every kernel on the GPU, and a ring kernel does not end. So
//! nothing is freed where it is dropped: it is retired, and freed once no kernel is known to run and no other
//! work is late. What a kernel uses is owned by its [`Running`], which refers back to the [`Gpu`]: should all else
//! be dropped while the kernel runs, that circle leaks it, which is the one safe thing to do.
//!
//! A kernel that is not known here (another library's, of the same context) makes freeing wait as well. So only a
//! launch and a drop free; sending, receiving, reading and ending a kernel do not.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cudarc::driver::{CudaContext, CudaStream, sys};

use super::driver::{Stream, allocate, allocate_pinned, bind, bind_to_let_go, driver, refused, stream_is_done, wait};
use crate::abi::LINE_BYTES;
use crate::device::{DeviceError, Memory};

/// Grids that a GPU of compute capability 7.5 or later runs side by side.
const CONCURRENT_KERNELS: usize = 128;
/// Zeroing new memory takes microseconds, unless a resident kernel leaves no room for it.
const ZEROING_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Gpu {
    pub context: Arc<CudaContext>,
    pub multiprocessors: u32,
    running: Mutex<Vec<Arc<Running>>>,
    retired: Mutex<Vec<Retired>>,
    idle_streams: Mutex<Vec<Stream>>,
    /// Work other than kernels that did not end in time: freeing would wait for it.
    late: AtomicUsize,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gpu({})", self.context.ordinal())
    }
}

/// What is to be freed.
pub(super) enum Retired {
    Device(sys::CUdeviceptr),
    Pinned(NonNull<u8>),
    Module(sys::CUmodule),
}
// SAFETY: handles and addresses of the context, which any thread may free.
unsafe impl Send for Retired {}

impl Retired {
    /// Errors have nowhere to go. No second try: a call that reports an error of earlier work may have freed. The context
    /// is current.
    fn free(self) {
        // SAFETY: each was made by the matching call, is retired once by its only owner, and no kernel
        // that is known runs.
        let _ = unsafe {
            match self {
                Retired::Device(address) => driver!(cuMemFree_v2(address)),
                Retired::Pinned(pointer) => driver!(cuMemFreeHost(pointer.as_ptr().cast())),
                Retired::Module(module) => driver!(cuModuleUnload(module)),
            }
        };
    }
}

/// A kernel that was started, and what it needs until it ends.
pub(super) struct Running {
    gpu: Arc<Gpu>,
    stream: Option<LaunchStream>,
    /// The part of the GPU that its blocks take.
    share: f64,
    ended: AtomicBool,
    /// What it died of: said again to later calls.
    died: OnceLock<DeviceError>,
    _keep: Vec<Memory>,
    _code: Option<Arc<dyn Send + Sync>>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("ended", &self.ended).field("died", &self.died).finish_non_exhaustive()
    }
}

pub(super) enum LaunchStream {
    Own(Stream),
    Foreign(Arc<CudaStream>),
}

impl Running {
    /// Once true it stays true: afterwards the stream may serve others. A dead context says so each time that it is
    /// asked: what it died of is kept. An error that is said once is said once here, too, for the kernel may live.
    pub fn ended(&self) -> Result<bool, DeviceError> {
        if let Some(error) = self.died.get() {
            return Err(error.clone());
        }
        let asked = self.ask();
        if let Err(error) = &asked
            && self.ask().is_err()
        {
            let _ = self.died.set(error.clone());
        }
        asked
    }

    /// Whether nothing of it runs; an error that is said once is not the kernel's end.
    fn is_over(&self) -> bool {
        self.ask().or_else(|_| self.ask()).unwrap_or(true)
    }

    fn ask(&self) -> Result<bool, DeviceError> {
        if self.ended.load(Ordering::Acquire) {
            return Ok(true);
        }
        let raw = match &self.stream {
            Some(LaunchStream::Own(stream)) => stream.raw(),
            Some(LaunchStream::Foreign(stream)) => stream.cu_stream(),
            None => return Ok(true),
        };
        let ended = stream_is_done(&self.gpu.context, raw)?;
        if ended {
            self.ended.store(true, Ordering::Release);
        }
        Ok(ended)
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(LaunchStream::Own(stream)), true) = (self.stream.take(), self.ended.load(Ordering::Acquire)) {
            lock(&self.gpu.idle_streams).push(stream);
        }
    }
}

impl Gpu {
    pub fn new(context: Arc<CudaContext>, multiprocessors: u32) -> Self {
        Gpu {
            context,
            multiprocessors,
            running: Mutex::default(),
            retired: Mutex::default(),
            idle_streams: Mutex::default(),
            late: AtomicUsize::new(0),
        }
    }

    /// Work has not ended in time, or has after all.
    pub fn count_late(&self, late: bool) {
        match late {
            true => self.late.fetch_add(1, Ordering::AcqRel),
            false => self.late.fetch_sub(1, Ordering::AcqRel),
        };
    }

    pub fn bind(&self) -> Result<(), DeviceError> {
        bind(&self.context)
    }

    /// Zeroed device memory.
    pub fn memory(self: &Arc<Self>, bytes: usize) -> Result<Memory, DeviceError> {
        self.bind()?;
        let stream = self.take_stream()?;
        let padded = bytes.max(LINE_BYTES);
        let address = allocate(padded)?;
        let owner = Arc::new(Allocation { gpu: Arc::clone(self), what: Some(Retired::Device(address)) });
        // SAFETY: `padded` bytes of new memory; the stream is alive.
        unsafe { driver!(cuMemsetD8Async(address, 0, padded, stream.raw())) }?;
        if !wait(ZEROING_LIMIT, || stream_is_done(&self.context, stream.raw()))? {
            // Leaks the memory, and the GPU with it: it is still being written.
            std::mem::forget(owner);
            self.count_late(true);
            return Err(not_ready(
                "cuMemsetD8Async",
                "a resident kernel leaves no room; allocate before the first launch",
            ));
        }
        lock(&self.idle_streams).push(stream);
        // SAFETY: the allocation is `bytes` long at least, and freed after the owner.
        Ok(unsafe { Memory::new(address, None, bytes, owner) })
    }

    /// Zeroed pinned memory that kernels address as well. Not write-combined: the host reads it.
    pub fn mapped(self: &Arc<Self>, bytes: usize) -> Result<Memory, DeviceError> {
        self.bind()?;
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        let pointer = allocate_pinned(bytes.max(LINE_BYTES), flags, refused!("ring memory", "cuMemHostAlloc"))?;
        let owner = Arc::new(Allocation { gpu: Arc::clone(self), what: Some(Retired::Pinned(pointer)) });
        let mut address = 0;
        // SAFETY: a place for the answer; the memory was allocated for mapping.
        unsafe { driver!(cuMemHostGetDevicePointer_v2(&mut address, pointer.as_ptr().cast::<c_void>(), 0)) }?;
        // SAFETY: `bytes` at least, page-aligned, the same bytes at both addresses, freed after the owner.
        Ok(unsafe { Memory::new(address, Some(pointer), bytes, owner) })
    }

    /// Frees it once no kernel runs.
    pub fn retire(&self, what: Retired) {
        lock(&self.retired).push(what);
        self.sweep();
    }

    /// Lets go of what ended kernels kept, and frees what was retired if none runs. At a launch and in drops: it may
    /// wait for kernels that are not known here.
    pub fn sweep(&self) {
        // A kernel that died of an error has ended too; its Launch returns the error.
        let ended: Vec<_> = lock(&self.running).extract_if(.., |r| r.is_over()).collect();
        // Not under the lock: dropping memory retires it, which sweeps again.
        drop(ended);
        let running = lock(&self.running);
        if running.is_empty() && self.late.load(Ordering::Acquire) == 0 && bind_to_let_go(&self.context) {
            // Under the lock, so that no launch comes between.
            for what in std::mem::take(&mut *lock(&self.retired)) {
                what.free();
            }
        }
    }

    /// Starts a kernel on a stream of its own, if its blocks fit. `resident` of them fill the GPU.
    pub fn launch(
        self: &Arc<Self>,
        blocks: u32,
        resident: u32,
        keep: Vec<Memory>,
        code: Arc<dyn Send + Sync>,
        start: impl FnOnce(&Stream) -> Result<(), DeviceError>,
    ) -> Result<Arc<Running>, DeviceError> {
        self.sweep();
        let stream = self.take_stream()?;
        let mut running = lock(&self.running);
        let free = free_blocks(resident, running.iter().map(|r| r.share), running.len());
        if blocks > free {
            lock(&self.idle_streams).push(stream);
            return Err(DeviceError::TooManyBlocks { asked: blocks, free });
        }
        start(&stream)?;
        let share = f64::from(blocks) / f64::from(resident.max(1));
        let stream = Some(LaunchStream::Own(stream));
        Ok(self.register(
            &mut running,
            Running {
                gpu: Arc::clone(self),
                stream,
                share,
                ended: AtomicBool::new(false),
                died: OnceLock::new(),
                _keep: keep,
                _code: Some(code),
            },
        ))
    }

    /// Counts what runs in somebody else's stream as a kernel.
    pub fn watch(self: &Arc<Self>, stream: Arc<CudaStream>, keep: Vec<Memory>) -> Arc<Running> {
        let stream = Some(LaunchStream::Foreign(stream));
        self.register(
            &mut lock(&self.running),
            Running {
                gpu: Arc::clone(self),
                stream,
                share: 0.0,
                ended: AtomicBool::new(false),
                died: OnceLock::new(),
                _keep: keep,
                _code: None,
            },
        )
    }

    fn register(&self, all: &mut MutexGuard<'_, Vec<Arc<Running>>>, one: Running) -> Arc<Running> {
        let running = Arc::new(one);
        all.push(Arc::clone(&running));
        running
    }

    /// Whether the blocks that are known leave room for one of a kernel of which `resident` fill the GPU.
    pub fn leaves_room(&self, resident: u32) -> bool {
        let all = lock(&self.running);
        let shares: Vec<f64> = all.iter().filter(|r| !r.ended.load(Ordering::Acquire)).map(|r| r.share).collect();
        free_blocks(resident, shares.iter().copied(), shares.len()) > 0
    }

    /// Whether a kernel is known that has not been found ended.
    pub fn runs_something(&self) -> bool {
        lock(&self.running).iter().any(|r| !r.ended.load(Ordering::Acquire))
    }

    pub fn reserve_streams(&self, count: usize) -> Result<(), DeviceError> {
        for _ in 0..count {
            let stream = Stream::new(&self.context)?;
            lock(&self.idle_streams).push(stream);
        }
        Ok(())
    }

    pub fn take_stream(&self) -> Result<Stream, DeviceError> {
        let idle = lock(&self.idle_streams).pop();
        idle.map_or_else(|| Stream::new(&self.context), Ok)
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // Whatever runs or is late refers to the GPU, so nothing does.
        if bind_to_let_go(&self.context) {
            for what in std::mem::take(&mut *lock(&self.retired)) {
                what.free();
            }
        }
    }
}

/// Blocks of a kernel that still find room beside others, of which each takes its share.
fn free_blocks(resident: u32, shares: impl Iterator<Item = f64>, kernels: usize) -> u32 {
    if kernels >= CONCURRENT_KERNELS {
        return 0;
    }
    let left = (1.0 - shares.sum::<f64>()).max(0.0);
    // Shares are fractions of small integers: what is a whole block but for rounding is one.
    (left * f64::from(resident) + 1e-6) as u32
}

/// Retires what it owns when the last reference goes.
struct Allocation {
    gpu: Arc<Gpu>,
    what: Option<Retired>,
}
// SAFETY: the addresses in it are only passed on to be freed.
unsafe impl Sync for Allocation {}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.gpu.retire(what);
        }
    }
}

/// What the host waited for in vain.
pub(super) fn not_ready(call: &'static str, message: &str) -> DeviceError {
    DeviceError::Call {
        call,
        code: sys::CUresult::CUDA_ERROR_NOT_READY as i32,
        name: "CUDA_ERROR_NOT_READY".to_owned(),
        message: message.to_owned(),
    }
}

/// A panic elsewhere leaves these lists whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::free_blocks;

    #[test]
    fn blocks_that_fit_beside_others() {
        assert_eq!(free_blocks(132, std::iter::empty(), 0), 132);
        assert_eq!(free_blocks(132, [1.0].into_iter(), 1), 0);
        // 33 of 132 blocks and a quarter of a larger kernel's leave half.
        assert_eq!(free_blocks(132, [33.0 / 132.0, 0.25].into_iter(), 2), 66);
        // Thirds do not add up to a whole in binary, and still leave a third.
        assert_eq!(free_blocks(3, [1.0 / 3.0, 1.0 / 3.0].into_iter(), 2), 1);
        assert_eq!(free_blocks(132, [0.7, 0.7].into_iter(), 2), 0);
    }

    #[test]
    fn no_more_kernels_than_run_side_by_side() {
        assert_eq!(free_blocks(132, std::iter::repeat_n(0.0, 128), 128), 0);
    }
}
