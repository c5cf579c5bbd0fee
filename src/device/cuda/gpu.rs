//! What everything on one GPU shares: its context, the kernels that run, and what waits to be freed. There is one of it in
//! a process for each GPU that is open, however many devices were opened on that: they have the context in common, and so
//! what waits for one's kernel waits for the other's.
//!
//! Freeing memory or unloading code waits for every kernel on the GPU, and a ring kernel does not end. So
//! nothing is freed where it is dropped: it is retired, and freed once no kernel is known to run and no other
//! work is late. What a kernel uses is owned by its [`Running`], which refers back to the [`Gpu`]: should all else
//! be dropped while the kernel runs, that circle leaks it, which is the one safe thing to do.
//!
//! A kernel that is not known here (another library's, of the same context) makes freeing wait as well. So only a
//! drop of memory, of code or of a device frees; launching, sending, receiving, reading and ending a kernel do not.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use cudarc::driver::{CudaStream, sys};

use super::driver::{Bound, Context, Kept, Stream, bind, bind_to_let_go, driver, stream_is_done};
use super::occupancy::{Block, Multiprocessor, free_blocks};
use crate::device::{DeviceError, Memory};

/// Grids that a GPU of compute capability 7.5 or later runs side by side.
const CONCURRENT_KERNELS: usize = 128;
/// Where the GPU of an ordinal is found, while it is open.
type Place = Mutex<Weak<Gpu>>;

pub(super) struct Gpu {
    pub context: Arc<Context>,
    pub multiprocessors: u32,
    /// What each of them has.
    each: Multiprocessor,
    place: Arc<Place>,
    running: Mutex<Vec<Arc<Running>>>,
    retired: Mutex<Vec<Retired>>,
    idle_streams: Mutex<Vec<Stream>>,
    /// Work other than kernels that did not end in time: freeing would wait for it.
    late: AtomicUsize,
    /// Its context was destroyed by somebody else: what was in it is no more.
    is_gone: AtomicBool,
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
    /// What its blocks take, and how many they are; `None` where that is not known.
    room: Option<(Block, u32)>,
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
        match (self.stream.take(), self.ended.load(Ordering::Acquire)) {
            (Some(LaunchStream::Own(stream)), true) => self.gpu.give_back(stream),
            (Some(LaunchStream::Foreign(stream)), _) => {
                // cudarc makes its context current to destroy the stream.
                let _kept = Kept::new();
                drop(stream);
            }
            _ => {}
        }
    }
}

impl Gpu {
    /// The GPU of that ordinal: the one that is open, or with what `make` makes of it.
    pub fn open(
        ordinal: usize,
        multiprocessors: u32,
        each: Multiprocessor,
        make: impl FnOnce() -> Result<Context, DeviceError>,
    ) -> Result<Arc<Self>, DeviceError> {
        static PLACES: Mutex<BTreeMap<usize, Arc<Place>>> = Mutex::new(BTreeMap::new());
        let place = Arc::clone(lock(&PLACES).entry(ordinal).or_default());
        // Dropped without the lock: it may be the last reference by then.
        let open: Option<Arc<Gpu>>;
        // Held until it is there, and while the last one is let go: see Drop.
        let mut here = lock(&place);
        open = here.upgrade();
        if let Some(open) = &open {
            // Somebody may have reset the device, and everything went with the context.
            if open.context.is_active()? {
                return Ok(Arc::clone(open));
            }
            open.is_gone.store(true, Ordering::Release);
        }
        let gpu = Arc::new(Gpu {
            context: Arc::new(make()?),
            multiprocessors,
            each,
            place: Arc::clone(&place),
            running: Mutex::default(),
            retired: Mutex::default(),
            idle_streams: Mutex::default(),
            late: AtomicUsize::new(0),
            is_gone: AtomicBool::new(false),
        });
        *here = Arc::downgrade(&gpu);
        Ok(gpu)
    }

    /// The most bytes of shared memory that a block can have.
    pub fn shared_of_block(&self) -> u32 {
        self.each.shared_of_block
    }

    /// Work has not ended in time, or has after all.
    pub fn count_late(&self, late: bool) {
        match late {
            true => self.late.fetch_add(1, Ordering::AcqRel),
            false => self.late.fetch_sub(1, Ordering::AcqRel),
        };
    }

    /// Makes its context the calling thread's, for as long as what is returned lives.
    pub fn bind(&self) -> Result<Bound, DeviceError> {
        bind(&self.context)
    }

    /// Frees it once no kernel runs.
    pub fn retire(&self, what: Retired) {
        lock(&self.retired).push(what);
        self.sweep();
    }

    /// Lets go of what ended kernels kept; it is retired.
    pub fn forget_ended(&self) {
        // A kernel that died of an error has ended too; its Launch returns the error.
        let ended: Vec<_> = lock(&self.running).extract_if(.., |r| r.is_over()).collect();
        // Not under the lock: dropping memory retires it, which would sweep.
        self.count_late(true);
        drop(ended);
        self.count_late(false);
    }

    /// Lets go of what ended kernels kept, and frees what was retired if none runs. In drops of memory, code and devices: it may
    /// wait for kernels that are not known here.
    pub fn sweep(&self) {
        self.forget_ended();
        let running = lock(&self.running);
        let is_held = !running.is_empty() || self.late.load(Ordering::Acquire) > 0;
        if is_held || self.is_gone.load(Ordering::Acquire) || lock(&self.retired).is_empty() {
            return;
        }
        if let Some(_bound) = bind_to_let_go(&self.context) {
            // Under the lock, so that no launch comes between.
            for what in std::mem::take(&mut *lock(&self.retired)) {
                what.free();
            }
        }
    }

    /// Starts a kernel on a stream of its own, if its blocks fit, each of which takes what `block` says.
    pub fn launch(
        self: &Arc<Self>,
        blocks: u32,
        block: impl FnOnce() -> Result<Block, DeviceError>,
        keep: Vec<Memory>,
        code: Arc<dyn Send + Sync>,
        start: impl FnOnce(&Stream) -> Result<(), DeviceError>,
    ) -> Result<Arc<Running>, DeviceError> {
        self.forget_ended();
        let _bound = self.bind()?;
        let stream = self.take_stream()?;
        // One launch at a time: `block` may set up the function for `start`.
        let mut running = lock(&self.running);
        let room = block().and_then(|block| self.check_room(block, blocks, &running));
        let room = match room {
            Ok(room) => Some(room),
            Err(refused) => {
                self.give_back(stream);
                return Err(refused);
            }
        };
        start(&stream)?;
        let stream = Some(LaunchStream::Own(stream));
        Ok(self.register(
            &mut running,
            Running {
                gpu: Arc::clone(self),
                stream,
                room,
                ended: AtomicBool::new(false),
                died: OnceLock::new(),
                _keep: keep,
                _code: Some(code),
            },
        ))
    }

    /// Whether all of these blocks find room, wherever the others are.
    fn check_room(&self, block: Block, blocks: u32, running: &[Arc<Running>]) -> Result<(Block, u32), DeviceError> {
        let beside: Vec<(Block, u32)> = running.iter().filter_map(|r| r.room).collect();
        let free = match running.len() {
            CONCURRENT_KERNELS.. => 0,
            _ => free_blocks(self.multiprocessors, &self.each, &block, &beside),
        };
        match blocks <= free {
            true => Ok((block, blocks)),
            false => Err(DeviceError::TooManyBlocks { asked: blocks, free }),
        }
    }

    /// Counts what runs in somebody else's stream as a kernel.
    pub fn watch(self: &Arc<Self>, stream: Arc<CudaStream>, keep: Vec<Memory>) -> Arc<Running> {
        self.keep_until_done(LaunchStream::Foreign(stream), keep)
    }

    /// Keeps `keep` until what is in a stream has ended, which is then another's: until then nothing is freed.
    pub fn outlive(self: &Arc<Self>, stream: Stream, keep: Vec<Memory>) {
        self.keep_until_done(LaunchStream::Own(stream), keep);
    }

    fn keep_until_done(self: &Arc<Self>, stream: LaunchStream, keep: Vec<Memory>) -> Arc<Running> {
        self.register(
            &mut lock(&self.running),
            Running {
                gpu: Arc::clone(self),
                stream: Some(stream),
                room: None,
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

    /// Starts what is no kernel of a launch and may wait for room, for all that is known: nothing is freed before
    /// `count_late(false)` says that it has ended.
    pub fn start_aside(&self, start: impl FnOnce() -> Result<(), DeviceError>) -> Result<(), DeviceError> {
        // Under the lock, so that nobody is about to free.
        let _running = lock(&self.running);
        start()?;
        self.count_late(true);
        Ok(())
    }

    /// Whether the kernels that are known leave room for one such block.
    pub fn leaves_room(&self, block: Block) -> bool {
        let running: Vec<_> =
            lock(&self.running).iter().filter(|r| !r.ended.load(Ordering::Acquire)).cloned().collect();
        self.check_room(block, 1, &running).is_ok()
    }

    /// Whether a kernel is known that has not been found ended.
    pub fn runs_something(&self) -> bool {
        lock(&self.running).iter().any(|r| !r.ended.load(Ordering::Acquire))
    }

    pub fn reserve_streams(&self, count: usize) -> Result<(), DeviceError> {
        for _ in 0..count {
            self.give_back(Stream::new(&self.context)?);
        }
        Ok(())
    }

    pub fn take_stream(&self) -> Result<Stream, DeviceError> {
        let idle = lock(&self.idle_streams).pop();
        idle.map_or_else(|| Stream::new(&self.context), Ok)
    }

    /// Keeps a stream, in which nothing is, for the next launch.
    pub fn give_back(&self, stream: Stream) {
        lock(&self.idle_streams).push(stream);
    }
}

impl Drop for Gpu {
    /// Whatever runs or is late refers to the GPU, so nothing does that this one knows of. Who opens it meanwhile waits, or
    /// has made the next one already: then that one's kernels may run, and it takes over what is to be freed.
    fn drop(&mut self) {
        let retired = std::mem::take(&mut *lock(&self.retired));
        if self.is_gone.load(Ordering::Acquire) {
            return;
        }
        let here = lock(&self.place);
        let next = here.upgrade();
        match &next {
            Some(next) => lock(&next.retired).extend(retired),
            None => {
                if let Some(_bound) = bind_to_let_go(&self.context) {
                    retired.into_iter().for_each(Retired::free);
                }
            }
        }
        // Without the lock: it may be the last reference to the next one.
        drop(here);
        drop(next);
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
