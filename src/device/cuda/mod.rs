//! The CUDA device, over cudarc. The driver is loaded at run time: this builds and tests without CUDA.
//!
//! While a ring kernel runs, whatever waits for the whole GPU waits for ever. So every stream here is
//! non-blocking, nothing is freed or unloaded under a kernel (`gpu.rs`), nothing synchronizes (`driver::wait`
//! asks and gives up), and code is loaded in full before the first launch (`module.rs`).

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cudarc::driver::{CudaContext, CudaStream, DeviceRepr, sys};

pub use cudarc;

use super::sealed::Sealed;
use super::{
    ClockSample, Copier, CudaUnavailable, Device, DeviceError, DeviceInfo, DeviceKind, Kernel, KernelSource, Launch,
    Level, Memory, probe,
};
use crate::abi::{
    CounterFamilyRef, CounterRef, GaugeFamilyRef, GaugeRef, HistogramFamilyRef, HistogramRef, KernelRef, RingArgs,
};

mod copier;
mod driver;
mod gpu;
mod module;
mod nvrtc;

use driver::{Stream, driver, name_of};
use gpu::{Gpu, not_ready};

pub use nvrtc::{compile, nvrtc_version};

include!(concat!(env!("OUT_DIR"), "/fatbins.rs"));

/// Oldest compute capability that the kernels are written for.
const OLDEST: (i32, i32) = (7, 5);

/// What cudarc calls there; its error does not say which of them failed.
const NEW_CONTEXT: &str = "CudaContext::new (cuInit, cuDeviceGet, cuDevicePrimaryCtxRetain, cuDeviceGetAttribute, cuCtxGetCurrent or cuCtxSetCurrent)";
const NEW_STREAM: &str = "CudaContext::new_stream (cuCtxGetCurrent, cuCtxSetCurrent or cuStreamCreate)";

// SAFETY: plain data of fixed layout (abi.h), without padding.
unsafe impl DeviceRepr for KernelRef {}
// SAFETY: as above.
unsafe impl DeviceRepr for RingArgs {}

macro_rules! device_repr {
    ($($name:ident)*) => {$(
        // SAFETY: a MetricRef and nothing else, which is plain data of fixed layout (abi.h), without padding.
        unsafe impl DeviceRepr for $name {}
    )*};
}
device_repr!(CounterRef GaugeRef HistogramRef CounterFamilyRef GaugeFamilyRef HistogramFamilyRef);

/// An NVIDIA GPU.
///
/// It knows the kernels that it launched itself and those it was told of with [`CudaDevice::watch`], and
/// frees nothing while one of them runs.
pub struct CudaDevice {
    info: DeviceInfo,
    /// Both clocks when the device was opened, and when that was.
    clock: (ClockSample, Instant),
    library: module::Library,
    gpu: Arc<Gpu>,
    /// Held so that cudarc synchronizes the context at nobody's first stream.
    _first_stream: Arc<CudaStream>,
}

impl fmt::Debug for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaDevice").field("info", &self.info).finish_non_exhaustive()
    }
}

impl CudaDevice {
    /// Opens the GPU of that index, with its primary context, loads ringscope's clock probe and reads the GPU's clock: it
    /// waits for that, a few milliseconds, and at most some seconds where other kernels fill the GPU.
    ///
    /// # Errors
    /// Why CUDA cannot be used, with what to do about it.
    pub fn open(ordinal: usize) -> Result<Self, CudaUnavailable> {
        let version = start_driver()?;
        let count = device_count()?;
        if ordinal >= count {
            return Err(CudaUnavailable::NoSuchDevice { ordinal, count });
        }
        let found = Found::new(ordinal, version)?;
        let (major, minor) = found.capability;
        if found.capability < OLDEST {
            return Err(CudaUnavailable::DeviceTooOld { name: found.info.name, major, minor });
        }
        let embedded = code_for(found.capability, version)?;
        let context = CudaContext::new(ordinal).map_err(|e| opening(driver::error(NEW_CONTEXT, e.0)))?;
        let first_stream = first_stream(&context).map_err(|e| opening(driver::error(NEW_STREAM, e.0)))?;
        let gpu = Arc::new(Gpu::new(context, found.info.multiprocessors));
        let library = module::Library::new(embedded, nvrtc::arch_for(major, minor));
        let clock = sample_clock(&gpu, &library).map_err(opening)?;
        Ok(CudaDevice { info: found.info, clock, library, gpu, _first_stream: first_stream })
    }

    /// Lists the GPUs that the driver sees; makes no context on any.
    ///
    /// # Errors
    /// Why there are none.
    pub fn list() -> Result<Vec<DeviceInfo>, CudaUnavailable> {
        let version = start_driver()?;
        (0..device_count()?).map(|ordinal| Ok(Found::new(ordinal, version)?.info)).collect()
    }

    /// Returns the context, for kernels of your own and cudarc's launch builder, which takes a [`KernelRef`] by value.
    /// Launch a kernel that stays on a stream of its own ([`CudaContext::new_stream`]), and tell
    /// [`CudaDevice::watch`] of it.
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.gpu.context
    }

    /// Counts what was launched on `stream` so far as a running kernel, and waits for nothing: `keep` lives until it has ended, and
    /// until then nothing that would wait for it is freed. Put no other work on the stream until it has.
    pub fn watch(&self, stream: &Arc<CudaStream>, keep: Vec<Memory>) -> Box<dyn Launch> {
        Box::new(module::CudaLaunch::new(self.gpu.watch(Arc::clone(stream), keep)))
    }
}

impl Sealed for CudaDevice {}

impl Device for CudaDevice {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn allocate(&self, bytes: usize) -> Result<Memory, DeviceError> {
        self.gpu.memory(bytes)
    }

    fn allocate_mapped(&self, bytes: usize) -> Result<Memory, DeviceError> {
        self.gpu.mapped(bytes)
    }

    fn copier(&self, memory: &Memory) -> Result<Box<dyn Copier>, DeviceError> {
        Ok(Box::new(copier::CudaCopier::new(&self.gpu, memory)?))
    }

    fn load(&self, source: &KernelSource, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        Ok(Box::new(self.library.kernel(&self.gpu, source, level)?))
    }

    fn load_probe(&self, entry: probe::Entry, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        Ok(Box::new(self.library.probe(&self.gpu, entry, level)?))
    }

    fn reserve_launches(&self, count: usize) -> Result<(), DeviceError> {
        self.gpu.reserve_streams(count)
    }

    fn clock(&self) -> Result<ClockSample, DeviceError> {
        let (sample, at) = self.clock;
        let since = at.elapsed().as_nanos() as u64;
        Ok(ClockSample { device_ns: sample.device_ns + since, unix_ns: sample.unix_ns + since, ..sample })
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        // Lets go of what ended kernels kept; nobody may ask again.
        self.gpu.sweep();
    }
}

fn opening(error: DeviceError) -> CudaUnavailable {
    CudaUnavailable::Open(Box::new(error))
}

/// Loads and initializes the driver; its version.
fn start_driver() -> Result<i32, CudaUnavailable> {
    driver::library()?;
    // SAFETY: the library is loaded and has the function.
    match unsafe { sys::cuInit(0) } {
        sys::CUresult::CUDA_SUCCESS => {}
        sys::CUresult::CUDA_ERROR_NO_DEVICE => return Err(CudaUnavailable::NoDevice),
        failed => return Err(CudaUnavailable::InitFailed { code: failed as i32, name: name_of(failed) }),
    }
    let mut version = 0;
    // SAFETY: a place for the answer.
    unsafe { driver!(cuDriverGetVersion(&mut version)) }.map_err(opening)?;
    Ok(version)
}

fn device_count() -> Result<usize, CudaUnavailable> {
    let mut count: c_int = 0;
    // SAFETY: a place for the answer.
    unsafe { driver!(cuDeviceGetCount(&mut count)) }.map_err(opening)?;
    match usize::try_from(count) {
        Ok(0) | Err(_) => Err(CudaUnavailable::NoDevice),
        Ok(count) => Ok(count),
    }
}

/// The embedded code if it runs there, nothing if NVRTC can make some, or why there is neither.
fn code_for(capability: (i32, i32), version: i32) -> Result<Option<[&'static [u8]; 3]>, CudaUnavailable> {
    match FATBINS {
        Some(fatbins) if runs(SASS, TOOLKIT, capability, version) => Ok(Some(fatbins)),
        _ if nvrtc_version().is_some_and(|nvrtc| nvrtc / 1000 <= version / 1000) => Ok(None),
        Some(_) => Err(CudaUnavailable::DriverTooOld { driver: version, needed: TOOLKIT }),
        None => Err(CudaUnavailable::NoKernels),
    }
}

/// Machine code runs with any driver of its toolkit's major version, on GPUs of its own major architecture and
/// the same or a later minor one. PTX needs a driver as new as the toolkit.
fn runs(sass: &[u32], toolkit: i32, (major, minor): (i32, i32), version: i32) -> bool {
    let native = sass.iter().any(|&sm| sm as i32 / 10 == major && sm as i32 % 10 <= minor);
    version >= toolkit || (native && version / 1000 == toolkit / 1000)
}

/// cudarc synchronizes the context when its first stream is made, unless event tracking is off. That would
/// wait for a resident kernel of another user of the primary context, and later on for ours.
fn first_stream(context: &Arc<CudaContext>) -> Result<Arc<CudaStream>, cudarc::driver::DriverError> {
    // SAFETY: no slice is made until tracking is on again: nobody else has this context object yet.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream();
    // SAFETY: as above.
    unsafe { context.enable_event_tracking() };
    stream
}

/// What the driver says of a GPU.
struct Found {
    info: DeviceInfo,
    capability: (i32, i32),
}

impl Found {
    fn new(ordinal: usize, version: i32) -> Result<Self, CudaUnavailable> {
        Found::read(ordinal, version).map_err(opening)
    }

    fn read(ordinal: usize, version: i32) -> Result<Self, DeviceError> {
        use sys::CUdevice_attribute as A;
        let mut device = 0;
        // SAFETY: a place for the answer.
        unsafe { driver!(cuDeviceGet(&mut device, ordinal as c_int)) }?;
        let attribute = |which| {
            let mut value: c_int = 0;
            // SAFETY: a place for the answer.
            unsafe { driver!(cuDeviceGetAttribute(&mut value, which, device)) }.map(|()| value)
        };
        let major = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(A::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let multiprocessors = attribute(A::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(0) as u32;
        let watchdog = attribute(A::CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT)? != 0;
        let mut memory = 0;
        // SAFETY: a place for the answer.
        unsafe { driver!(cuDeviceTotalMem_v2(&mut memory, device)) }?;
        let gib = memory as f64 / f64::from(1 << 30);
        let detail = format!(
            "compute capability {major}.{minor}, {multiprocessors} SMs, {gib:.1} GiB, driver supports CUDA {}.{}",
            version / 1000,
            version % 1000 / 10
        );
        let name = name_of_device(device)?;
        let info = DeviceInfo {
            kind: DeviceKind::Cuda,
            ordinal,
            // What the driver calls a part of a GPU: "NVIDIA A100-SXM4-40GB MIG 1g.5gb".
            mig: Some(name.contains(" MIG ")),
            name,
            detail,
            warnings: warnings((major, minor), watchdog),
            multiprocessors,
            watchdog: Some(watchdog),
            lazy_loading: driver::loads_lazily()?,
        };
        Ok(Found { info, capability: (major, minor) })
    }
}

fn name_of_device(device: sys::CUdevice) -> Result<String, DeviceError> {
    let mut bytes = [0 as c_char; 256];
    // SAFETY: the place has as many bytes as is said, one less than there are: the last stays NUL.
    unsafe { driver!(cuDeviceGetName(bytes.as_mut_ptr(), bytes.len() as c_int - 1, device)) }?;
    // SAFETY: NUL-terminated, see above.
    Ok(unsafe { CStr::from_ptr(bytes.as_ptr()) }.to_string_lossy().into_owned())
}

fn warnings(capability: (i32, i32), watchdog: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if watchdog {
        warnings.push(
            "a display watchdog ends kernels that run for seconds on this GPU: use one without a display".to_owned(),
        );
    }
    if capability < OLDEST {
        warnings.push(format!("ringscope's kernels need compute capability {}.{}", OLDEST.0, OLDEST.1));
    }
    warnings
}

/// Both clocks at one moment, and that moment on the clock that is never set: of 16 looks, the one with the shortest
/// round trip.
fn sample_clock(gpu: &Arc<Gpu>, library: &module::Library) -> Result<(ClockSample, Instant), DeviceError> {
    const LOOKS: usize = 16;
    const SETTLE: Duration = Duration::from_millis(100);
    let probe = library.clock_probe(gpu)?;
    let stream = Stream::new(&gpu.context)?;
    let mapped = gpu.mapped(size_of::<u64>())?;
    let mut best: Option<(ClockSample, Instant)> = None;
    for _ in 0..LOOKS {
        let sample = match look_at_clock(gpu, &probe, &stream, &mapped) {
            Ok(sample) => sample,
            Err(e) => {
                let settled = driver::wait(SETTLE, || driver::stream_is_done(&gpu.context, stream.raw()));
                if matches!(settled, Ok(false)) {
                    // The kernel is still waiting for room, and will write it.
                    gpu.count_late(true);
                    std::mem::forget((mapped, probe));
                }
                return Err(e);
            }
        };
        if best.is_none_or(|(best, _)| sample.0.uncertainty_ns < best.uncertainty_ns) {
            best = Some(sample);
        }
    }
    best.ok_or_else(|| not_ready("cuLaunchKernel", "the GPU's clock was not read"))
}

fn look_at_clock(
    gpu: &Gpu,
    probe: &module::Function,
    stream: &Stream,
    mapped: &Memory,
) -> Result<(ClockSample, Instant), DeviceError> {
    const LIMIT: Duration = Duration::from_secs(5);
    let word = mapped.word(0);
    word.store(0, Ordering::Relaxed);
    // Should the system take this thread away between the two, the round trip tells.
    let start = Instant::now();
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // SAFETY: the probe takes one pointer by value, to a word that outlives it (see the caller).
    unsafe { probe.start(1, 1, stream, &[&mapped.device_address().to_ne_bytes()]) }?;
    let mut asked = 0u32;
    let seen = driver::wait(LIMIT, || {
        asked += 1;
        // The word itself is seen sooner than the end of the kernel; the stream tells of an error.
        let there = word.load(Ordering::Acquire) != 0;
        Ok(there || (asked.is_multiple_of(1024) && driver::stream_is_done(&gpu.context, stream.raw())?))
    })?;
    let round_trip = start.elapsed();
    let ended = seen && driver::wait(LIMIT, || driver::stream_is_done(&gpu.context, stream.raw()))?;
    if !ended {
        return Err(not_ready("cuLaunchKernel", "a kernel of one thread did not run: other kernels fill the GPU"));
    }
    let half = round_trip / 2;
    let sample = ClockSample {
        device_ns: word.load(Ordering::Acquire),
        unix_ns: (unix + half).as_nanos() as u64,
        uncertainty_ns: round_trip.as_nanos().div_ceil(2) as u64,
    };
    Ok((sample, start + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_drivers_and_gpus_run_the_embedded_code() {
        const SASS: &[u32] = &[75, 80, 86, 90];
        assert!(runs(SASS, 13000, (9, 0), 13000));
        assert!(runs(SASS, 13020, (8, 9), 13000), "machine code, a driver of the same major version");
        assert!(!runs(SASS, 13020, (12, 0), 13000), "PTX newer than the driver");
        assert!(runs(SASS, 13000, (12, 0), 13020), "PTX for a newer GPU");
        assert!(!runs(SASS, 13000, (9, 0), 12080), "another major version");
        assert!(!runs(&[86], 13020, (8, 0), 13000), "machine code of a later minor architecture");
    }

    #[test]
    fn a_display_and_an_old_gpu_are_warned_of() {
        assert!(warnings((9, 0), false).is_empty());
        assert!(warnings((9, 0), true)[0].contains("watchdog"));
        assert!(warnings((7, 0), false)[0].contains("7.5"));
    }
}
