//! A GPU that was opened.

use std::fmt;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaStream};

use super::clock::{GpuClock, open_clock};
use super::embedded::code_for;
use super::found::{Found, OLDEST, device_count, opening, start_driver};
use super::gpu::Gpu;
use super::{copier, driver, module};
use crate::device::probe::Entry as ProbeEntry;
use crate::device::sealed::Sealed;
use crate::device::{
    ClockSample, Copier, CudaUnavailable, Device, DeviceError, DeviceInfo, Internal, Kernel, KernelSource, Launch,
    Level, Memory, Timekeeper,
};

/// What cudarc calls there; its error does not say which of them failed.
const NEW_CONTEXT: &str = "CudaContext::new (cuInit, cuDeviceGet, cuDevicePrimaryCtxRetain, cuDeviceGetAttribute, cuCtxGetCurrent or cuCtxSetCurrent)";
const NEW_STREAM: &str = "CudaContext::new_stream (cuCtxGetCurrent, cuCtxSetCurrent or cuStreamCreate)";

/// An NVIDIA GPU.
///
/// It knows the kernels that it launched itself and those it was told of with [`CudaDevice::watch`], and
/// frees nothing while one of them runs.
pub struct CudaDevice {
    info: DeviceInfo,
    /// Before what follows: its thread lets go of the GPU when it is dropped.
    clock: GpuClock,
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
    /// waits for that, a few milliseconds, and at most some seconds where other kernels fill the GPU. Where the kernels are
    /// embedded as PTX ([`DeviceInfo::kernel_code`]) the driver compiles them first, which takes seconds at the first opening
    /// on a machine; the driver keeps what it made in `CUDA_CACHE_PATH` (default: `~/.nv/ComputeCache`). The other
    /// [`Level`]s are compiled when they are first used.
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
        let library = module::Library::new(embedded, found.capability);
        let clock = open_clock(&gpu, &library).map_err(opening)?;
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

    /// Returns the context, for kernels of your own and cudarc's launch builder, which takes a [`KernelRef`](crate::abi::KernelRef) by value.
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

    fn load_probe(&self, entry: ProbeEntry, level: Level) -> Result<Box<dyn Kernel>, DeviceError> {
        Ok(Box::new(self.library.probe(&self.gpu, entry, level)?))
    }

    fn reserve_launches(&self, count: usize) -> Result<(), DeviceError> {
        self.gpu.reserve_streams(count)
    }

    fn clock(&self) -> Result<ClockSample, DeviceError> {
        Ok(self.clock.kept().sample())
    }

    fn timekeeper(&self, _: Internal) -> Result<Arc<Timekeeper>, DeviceError> {
        Ok(Arc::clone(self.clock.kept()))
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        // Lets go of what ended kernels kept; nobody may ask again.
        self.gpu.sweep();
    }
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
