//! The driver library: whether it is there, its errors, and owners of what it hands out.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cudarc::driver::{CudaContext, CudaStream, sys};
use libloading::Library;

use crate::device::{CudaUnavailable, DeviceError};

/// Calls a driver function by name; the error carries the name.
macro_rules! driver {
    ($function:ident($($argument:expr),* $(,)?)) => {
        $crate::device::cuda::driver::check(stringify!($function), cudarc::driver::sys::$function($($argument),*))
    };
}
pub(super) use driver;

/// What an allocation was for, with the call and the CUresult that [`DeviceError::OutOfMemory`] has no fields for.
macro_rules! refused {
    ($what:literal, $call:literal) => {
        concat!($what, " (", $call, ": CUDA_ERROR_OUT_OF_MEMORY, 2)")
    };
}
pub(super) use refused;

/// What is called here and in `CudaContext::new`. cudarc panics on a symbol that the library lacks, so they are
/// all looked up once, before the first call.
const SYMBOLS: &[&CStr] = &[
    c"cuInit",
    c"cuDriverGetVersion",
    c"cuGetErrorName",
    c"cuGetErrorString",
    c"cuDeviceGet",
    c"cuDeviceGetAttribute",
    c"cuDeviceGetCount",
    c"cuDeviceGetName",
    c"cuDeviceTotalMem_v2",
    c"cuDevicePrimaryCtxRetain",
    c"cuDevicePrimaryCtxRelease_v2",
    c"cuDevicePrimaryCtxGetState",
    c"cuCtxGetCurrent",
    c"cuCtxSetCurrent",
    c"cuCtxPushCurrent_v2",
    c"cuCtxPopCurrent_v2",
    c"cuCtxGetStreamPriorityRange",
    c"cuStreamCreate",
    c"cuStreamCreateWithPriority",
    c"cuStreamDestroy_v2",
    c"cuStreamQuery",
    c"cuEventCreate",
    c"cuEventDestroy_v2",
    c"cuEventQuery",
    c"cuEventRecord",
    c"cuMemAlloc_v2",
    c"cuMemFree_v2",
    c"cuMemHostAlloc",
    c"cuMemFreeHost",
    c"cuMemHostGetDevicePointer_v2",
    c"cuMemcpyDtoHAsync_v2",
    c"cuMemcpyHtoDAsync_v2",
    c"cuMemcpy2DAsync_v2",
    c"cuMemsetD8Async",
    c"cuModuleLoadDataEx",
    c"cuModuleUnload",
    c"cuModuleGetFunction",
    c"cuModuleGetGlobal_v2",
    c"cuFuncGetAttribute",
    c"cuFuncSetAttribute",
    c"cuOccupancyMaxActiveBlocksPerMultiprocessor",
    c"cuLaunchKernel",
];

/// The names under which cudarc finds the driver too, in its order.
const NAMES: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so", "libcuda.so.1"] };

/// The driver's library, loaded once and with everything that is called of it.
pub(super) fn library() -> Result<&'static Library, CudaUnavailable> {
    static LIBRARY: OnceLock<Result<Library, CudaUnavailable>> = OnceLock::new();
    LIBRARY.get_or_init(load).as_ref().map_err(Clone::clone)
}

fn load() -> Result<Library, CudaUnavailable> {
    let library = open_first(NAMES).ok_or(CudaUnavailable::NoDriverLibrary)?;
    let missing = SYMBOLS.iter().find(|name| {
        // SAFETY: the symbol is only looked up, not called; all of these are functions.
        unsafe { library.get::<unsafe extern "C" fn()>(name.to_bytes_with_nul()) }.is_err()
    });
    match missing {
        None => Ok(library),
        Some(name) => Err(CudaUnavailable::Open(Box::new(DeviceError::Call {
            call: "dlsym",
            code: sys::CUresult::CUDA_ERROR_NOT_FOUND as i32,
            name: "CUDA_ERROR_NOT_FOUND".to_owned(),
            message: format!("the driver library has no {}: update the NVIDIA driver", name.to_string_lossy()),
        }))),
    }
}

/// The first of these libraries that can be loaded.
pub(super) fn open_first(names: &[&str]) -> Option<Library> {
    // SAFETY: NVIDIA's libraries, whose initializers have no requirements.
    names.iter().find_map(|name| unsafe { Library::new(*name) }.ok())
}

/// A function that only newer drivers have.
pub(super) fn optional<F: Copy>(name: &'static CStr) -> Option<F> {
    let library = library().ok()?;
    // SAFETY: the caller names the type of the function.
    unsafe { library.get::<F>(name.to_bytes_with_nul()) }.ok().map(|symbol| *symbol)
}

/// Whether functions are loaded when they are first used; older drivers do not say.
pub(super) fn loads_lazily() -> Result<Option<bool>, DeviceError> {
    const CALL: &str = "cuModuleGetLoadingMode";
    const LAZY: c_int = 2;
    let mut mode = 0;
    match optional::<unsafe extern "C" fn(*mut c_int) -> sys::CUresult>(c"cuModuleGetLoadingMode") {
        None => Ok(None),
        // SAFETY: a place for the answer, of the size of the driver's enum.
        Some(ask) => check(CALL, unsafe { ask(&mut mode) }).map(|()| Some(mode == LAZY)),
    }
}

pub(super) fn check(call: &'static str, result: sys::CUresult) -> Result<(), DeviceError> {
    match result {
        sys::CUresult::CUDA_SUCCESS => Ok(()),
        failed => Err(error(call, failed)),
    }
}

/// "Not yet" is an answer, not an error.
pub(super) fn check_done(call: &'static str, result: sys::CUresult) -> Result<bool, DeviceError> {
    match result {
        sys::CUresult::CUDA_ERROR_NOT_READY => Ok(false),
        other => check(call, other).map(|()| true),
    }
}

pub(super) fn error(call: &'static str, result: sys::CUresult) -> DeviceError {
    let mut message =
        text(result, sys::cuGetErrorString).unwrap_or_else(|| "the driver has no words for it".to_owned());
    if let Some(remedy) = remedy(result) {
        message = format!("{message}; {remedy}");
    }
    let name = name_of(result);
    DeviceError::Call { call: call.trim_end_matches("_v2"), code: result as i32, name, message }
}

pub(super) fn name_of(result: sys::CUresult) -> String {
    text(result, sys::cuGetErrorName).unwrap_or_else(|| format!("CUDA error {}", result as i32))
}

type ErrorText = unsafe fn(sys::CUresult, *mut *const c_char) -> sys::CUresult;

fn text(result: sys::CUresult, of: ErrorText) -> Option<String> {
    let mut text = std::ptr::null();
    // SAFETY: `text` is a place for the answer.
    let found = unsafe { of(result, &mut text) } == sys::CUresult::CUDA_SUCCESS && !text.is_null();
    // SAFETY: the driver's own constant string.
    found.then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

fn remedy(result: sys::CUresult) -> Option<&'static str> {
    use sys::CUresult as E;
    Some(match result {
        E::CUDA_ERROR_LAUNCH_TIMEOUT => "a display watchdog ended the kernel: use a GPU without a display",
        E::CUDA_ERROR_ILLEGAL_ADDRESS
        | E::CUDA_ERROR_LAUNCH_FAILED
        | E::CUDA_ERROR_MISALIGNED_ADDRESS
        | E::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | E::CUDA_ERROR_ASSERT => {
            "a kernel broke this process's CUDA context: restart the process; compute-sanitizer finds where it happens"
        }
        E::CUDA_ERROR_UNSUPPORTED_PTX_VERSION => {
            "the PTX is newer than the driver: update the driver, or compile it with an older toolkit"
        }
        E::CUDA_ERROR_NO_BINARY_FOR_GPU => {
            "the module has no code for this GPU: compile it for its architecture, or to PTX"
        }
        E::CUDA_ERROR_JIT_COMPILER_NOT_FOUND => {
            "the driver's PTX compiler (libnvidia-ptxjitcompiler.so.1) is not there: in a container, pass it through (NVIDIA_DRIVER_CAPABILITIES=compute,utility)"
        }
        E::CUDA_ERROR_JIT_COMPILATION_DISABLED => {
            "the kernels are PTX, which the driver is told not to compile: unset CUDA_DISABLE_PTX_JIT, or build ringscope with nvcc (RINGSCOPE_NVCC)"
        }
        E::CUDA_ERROR_INVALID_IMAGE | E::CUDA_ERROR_INVALID_SOURCE => {
            "the module must be PTX, a cubin or a fatbin that this driver understands"
        }
        // CUDA_ERROR_DEVICE_UNAVAILABLE, for which CUDA 11.4's bindings have no name.
        other if other as i32 == 46 => "another process holds the GPU exclusively, or it needs a reset",
        _ => return None,
    })
}

/// Asks until it is done; false if it is not within `limit`. No synchronizing call: those cannot be given up.
pub(super) fn wait(limit: Duration, mut done: impl FnMut() -> Result<bool, DeviceError>) -> Result<bool, DeviceError> {
    const SPIN: Duration = Duration::from_micros(50);
    const YIELD: Duration = Duration::from_millis(2);
    let start = Instant::now();
    loop {
        if done()? {
            return Ok(true);
        }
        match start.elapsed() {
            waited if waited >= limit => return Ok(false),
            waited if waited < SPIN => std::hint::spin_loop(),
            waited if waited < YIELD => std::thread::yield_now(),
            // Something is slow or hangs: a core is not burnt for that.
            _ => std::thread::sleep(SPIN),
        }
    }
}

/// A GPU's primary context. Streams and events share it; the last of them lets it go.
pub(super) struct Context {
    context: ManuallyDrop<Arc<CudaContext>>,
    /// Held so that cudarc synchronizes the context at nobody's first stream.
    first_stream: ManuallyDrop<Arc<CudaStream>>,
}

impl Context {
    /// Wraps what `make` makes with cudarc, which changes the calling thread's current context: it has its own again
    /// afterwards.
    pub fn new(
        make: impl FnOnce() -> Result<(Arc<CudaContext>, Arc<CudaStream>), DeviceError>,
    ) -> Result<Self, DeviceError> {
        let kept = Kept::new()?;
        let (context, first_stream) = make()?;
        drop(kept);
        Ok(Context { context: ManuallyDrop::new(context), first_stream: ManuallyDrop::new(first_stream) })
    }

    /// Whether it is there still: whoever resets the device destroys it, for all of its users.
    pub fn is_active(&self) -> Result<bool, DeviceError> {
        let (mut flags, mut active) = (0, 0);
        // SAFETY: places for the answers.
        unsafe { driver!(cuDevicePrimaryCtxGetState(self.context.cu_device(), &mut flags, &mut active)) }?;
        Ok(active != 0)
    }
}

impl Deref for Context {
    type Target = Arc<CudaContext>;
    fn deref(&self) -> &Arc<CudaContext> {
        &self.context
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let bound = bind_to_let_go(&self.context);
        // SAFETY: dropped once, here, and not used again.
        unsafe { ManuallyDrop::drop(&mut self.first_stream) };
        drop(bound);
        let _kept = Kept::new().or_else(|_| Kept::new());
        // SAFETY: as above.
        unsafe { ManuallyDrop::drop(&mut self.context) };
    }
}

/// The calling thread's current context, which it has again when this is dropped, whatever others (cudarc) make current
/// meanwhile.
pub(super) struct Kept {
    context: sys::CUcontext,
}

impl Kept {
    pub fn new() -> Result<Self, DeviceError> {
        let mut context = std::ptr::null_mut();
        // SAFETY: a place for the answer.
        unsafe { driver!(cuCtxGetCurrent(&mut context)) }?;
        Ok(Kept { context })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // SAFETY: what was current is as good as it was; none is null. A second try, for an error that is said once.
        let restore = || unsafe { driver!(cuCtxSetCurrent(self.context)) };
        let _ = restore().or_else(|_| restore());
    }
}

/// The context is the calling thread's current one while this lives; then the one before is again: the thread may be the
/// user's.
#[must_use = "the context is current while this lives"]
pub(super) struct Bound {
    /// It belongs to the thread's stack of contexts.
    _on_this_thread: PhantomData<*const ()>,
}

/// Makes the context that of the calling thread for a while, as every call needs. (Not `bind_to_thread`, which would report
/// other users' errors of the past here, and leave it current.)
pub(super) fn bind(context: &CudaContext) -> Result<Bound, DeviceError> {
    // SAFETY: the context lives as long as its owner.
    unsafe { driver!(cuCtxPushCurrent_v2(context.cu_ctx())) }?;
    Ok(Bound { _on_this_thread: PhantomData })
}

/// [`bind`] for a drop, which nobody repeats: a second try is what keeps one error from leaving the thing to the context.
pub(super) fn bind_to_let_go(context: &CudaContext) -> Option<Bound> {
    bind(context).or_else(|_| bind(context)).ok()
}

impl Drop for Bound {
    fn drop(&mut self) {
        let mut popped = std::ptr::null_mut();
        for _ in 0..2 {
            // SAFETY: a place for the answer.
            let result = unsafe { driver!(cuCtxPopCurrent_v2(&mut popped)) };
            // An error may be one of earlier work, said once: what names the context that it popped has popped it.
            if result.is_ok() || !popped.is_null() {
                return;
            }
        }
    }
}

/// A stream that does not wait for the NULL stream. Destroying one with work in it waits for nothing.
pub(super) struct Stream {
    context: Arc<Context>,
    raw: sys::CUstream,
}
// SAFETY: driver handles belong to a context, not to a thread, and the driver's calls are thread-safe.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    pub fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        Stream::with_priority(context, 0)
    }

    /// Of the highest priority that the device has.
    pub fn urgent(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let bound = bind(context)?;
        let (mut least, mut greatest) = (0, 0);
        // SAFETY: places for the answers.
        unsafe { driver!(cuCtxGetStreamPriorityRange(&mut least, &mut greatest)) }?;
        drop(bound);
        Stream::with_priority(context, greatest)
    }

    fn with_priority(context: &Arc<Context>, priority: i32) -> Result<Self, DeviceError> {
        let _bound = bind(context)?;
        let mut raw = std::ptr::null_mut();
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: a place for the answer; the context is current.
        unsafe { driver!(cuStreamCreateWithPriority(&mut raw, flags, priority)) }?;
        Ok(Stream { context: Arc::clone(context), raw })
    }

    pub fn raw(&self) -> sys::CUstream {
        self.raw
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(_bound) = bind_to_let_go(&self.context) {
            // SAFETY: made by cuStreamCreateWithPriority and destroyed once. An error has nowhere to go.
            let _ = unsafe { driver!(cuStreamDestroy_v2(self.raw)) };
        }
    }
}

/// Whether everything in a stream has ended.
pub(super) fn stream_is_done(context: &CudaContext, stream: sys::CUstream) -> Result<bool, DeviceError> {
    let _bound = bind(context)?;
    // SAFETY: the caller's stream is alive.
    check_done("cuStreamQuery", unsafe { sys::cuStreamQuery(stream) })
}

/// A mark in a stream, without a time.
pub(super) struct Event {
    context: Arc<Context>,
    raw: sys::CUevent,
}
// SAFETY: as for Stream.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    pub fn new(context: &Arc<Context>) -> Result<Self, DeviceError> {
        let _bound = bind(context)?;
        let mut raw = std::ptr::null_mut();
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as u32;
        // SAFETY: a place for the answer; the context is current.
        unsafe { driver!(cuEventCreate(&mut raw, flags)) }?;
        Ok(Event { context: Arc::clone(context), raw })
    }

    /// Marks the end of what is in the stream now. The context is current.
    pub fn record(&self, stream: &Stream) -> Result<(), DeviceError> {
        // SAFETY: both handles are alive, and of one context.
        unsafe { driver!(cuEventRecord(self.raw, stream.raw)) }
    }

    /// Whether the work before the mark has ended. The context is current.
    pub fn is_done(&self) -> Result<bool, DeviceError> {
        // SAFETY: the handle is alive.
        check_done("cuEventQuery", unsafe { sys::cuEventQuery(self.raw) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if let Some(_bound) = bind_to_let_go(&self.context) {
            // SAFETY: made by cuEventCreate and destroyed once. An error has nowhere to go.
            let _ = unsafe { driver!(cuEventDestroy_v2(self.raw)) };
        }
    }
}

/// Raw memory of the device. The context is current.
pub(super) fn allocate(bytes: usize) -> Result<sys::CUdeviceptr, DeviceError> {
    let mut address = 0;
    // SAFETY: a place for the answer.
    unsafe { driver!(cuMemAlloc_v2(&mut address, bytes)) }
        .map_err(|e| out_of_memory(e, refused!("device memory", "cuMemAlloc"), bytes))?;
    Ok(address)
}

/// Raw page-locked memory, zeroed by the host. The context is current.
pub(super) fn allocate_pinned(bytes: usize, flags: u32, what: &'static str) -> Result<NonNull<u8>, DeviceError> {
    let mut pointer: *mut c_void = std::ptr::null_mut();
    // SAFETY: a place for the answer.
    unsafe { driver!(cuMemHostAlloc(&mut pointer, bytes, flags)) }.map_err(|e| out_of_memory(e, what, bytes))?;
    let pointer = NonNull::new(pointer.cast::<u8>()).ok_or(DeviceError::OutOfMemory { what, bytes })?;
    // SAFETY: `bytes` of new memory.
    unsafe { pointer.as_ptr().write_bytes(0, bytes) };
    Ok(pointer)
}

fn out_of_memory(error: DeviceError, what: &'static str, bytes: usize) -> DeviceError {
    const CODE: i32 = sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY as i32;
    match error {
        DeviceError::Call { code: CODE, .. } => DeviceError::OutOfMemory { what, bytes },
        other => other,
    }
}
