//! Code on the GPU, and its launch.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::{Arc, Mutex};

use cudarc::driver::sys;

use super::driver::{Stream, check, driver, error, optional};
use super::embedded::Embedded;
use super::gpu::{Gpu, Retired, Running, lock};
use super::occupancy::Block;
use super::{names, nvrtc};
use crate::abi::RingArgs;
use crate::device::probe::{Entry as ProbeEntry, ProbeArgs};
use crate::device::{ArgsLayout, Builtin, Carveout, DeviceError, Kernel, KernelSource, Launch, Level, Memory};

/// Of a block, where the module does not say: ring.cuh's are one warp.
const THREADS: u32 = 32;

/// Loaded code. Unloaded once no kernel runs.
#[derive(Debug)]
pub(super) struct Module {
    gpu: Arc<Gpu>,
    raw: sys::CUmodule,
}
// SAFETY: driver handles belong to a context, not to a thread.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Drop for Module {
    fn drop(&mut self) {
        self.gpu.retire(Retired::Module(self.raw));
    }
}

impl Module {
    pub fn load(gpu: &Arc<Gpu>, image: &[u8]) -> Result<Self, DeviceError> {
        use sys::CUjit_option::{CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
        check_image(image)?;
        let _bound = gpu.bind()?;
        // Aligned as a cubin's headers want it, and ended by a NUL as PTX wants it.
        let mut aligned = vec![0u64; image.len() / 8 + 1];
        bytemuck::cast_slice_mut(&mut aligned)[..image.len()].copy_from_slice(image);
        let mut log = vec![0u8; 8192];
        let mut options = [CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        let mut values = [log.as_mut_ptr().cast::<c_void>(), std::ptr::without_provenance_mut(log.len())];
        let mut raw = std::ptr::null_mut();
        // SAFETY: the image is complete (checked above) or NUL-terminated text; the log has as many bytes as
        // is said, and all of it is alive during the call.
        let result = unsafe {
            let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
            sys::cuModuleLoadDataEx(&mut raw, aligned.as_ptr().cast(), 2, options, values)
        };
        match result {
            sys::CUresult::CUDA_SUCCESS => Ok(Module { gpu: Arc::clone(gpu), raw }),
            failed => Err(load_error(failed, &log)),
        }
    }

    /// The function of that name, loaded and ready: with lazy loading it would otherwise be loaded at its
    /// first launch, which waits for resident kernels.
    pub fn function(self: &Arc<Self>, name: &str) -> Result<Option<Function>, DeviceError> {
        let _bound = self.gpu.bind()?;
        let Ok(c_name) = CString::new(name) else { return Ok(None) };
        let mut raw = std::ptr::null_mut();
        // SAFETY: the module is alive, the name NUL-terminated; a place for the answer.
        match unsafe { sys::cuModuleGetFunction(&mut raw, self.raw, c_name.as_ptr()) } {
            sys::CUresult::CUDA_ERROR_NOT_FOUND => return Ok(None),
            other => check("cuModuleGetFunction", other)?,
        }
        if let Some(load) = optional::<unsafe extern "C" fn(sys::CUfunction) -> sys::CUresult>(c"cuFuncLoad") {
            // SAFETY: a function of the module.
            check("cuFuncLoad", unsafe { load(raw) })?;
        }
        let function = Function { module: Arc::clone(self), raw };
        // An older driver loads the function to answer this.
        function.attribute(sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS)?;
        Ok(Some(function))
    }

    /// What `RINGSCOPE_RING_KERNEL` says of the author's arguments of an entry: the sizes of two symbols.
    fn args_layout(&self, entry: &str) -> Result<ArgsLayout, DeviceError> {
        let bytes = self.symbol_bytes(&format!("{entry}_args"))?;
        match bytes.zip(self.symbol_bytes(&format!("{entry}_args_align"))?) {
            Some((bytes, align)) => Ok(ArgsLayout { bytes, align }),
            None => Ok(ArgsLayout::default()),
        }
    }

    /// How many threads `RINGSCOPE_RING_KERNEL_BLOCK` gives a block: the size of a symbol.
    fn threads(&self, entry: &str) -> Result<u32, DeviceError> {
        let threads = self.symbol_bytes(&format!("{entry}_threads"))?;
        Ok(threads.map_or(THREADS, |threads| u32::try_from(threads).unwrap_or(u32::MAX)))
    }

    /// What it calls its waypoints, events and spans.
    fn names(&self) -> Result<Vec<String>, DeviceError> {
        match self.symbol(names::SYMBOL)? {
            Some((address, bytes)) => names::read(&self.gpu, address, bytes),
            None => Ok(Vec::new()),
        }
    }

    fn symbol_bytes(&self, name: &str) -> Result<Option<usize>, DeviceError> {
        let Ok(name) = CString::new(name) else { return Ok(None) };
        Ok(self.symbol(&name)?.map(|(_, bytes)| bytes))
    }

    /// Where it has the variable of that name, and how large that is.
    fn symbol(&self, name: &CStr) -> Result<Option<(u64, usize)>, DeviceError> {
        let _bound = self.gpu.bind()?;
        let (mut address, mut bytes) = (0, 0);
        // SAFETY: the module is alive, the name NUL-terminated; places for the answers.
        match unsafe { sys::cuModuleGetGlobal_v2(&mut address, &mut bytes, self.raw, name.as_ptr()) } {
            sys::CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
            other => check("cuModuleGetGlobal_v2", other).map(|()| Some((address, bytes))),
        }
    }
}

/// The driver takes no length: a binary that was cut off would be read past its end.
pub(super) fn check_image(image: &[u8]) -> Result<(), DeviceError> {
    let word = |at: usize| image.get(at..at + 8).map(|b| u64::from_le_bytes(b.try_into().unwrap_or_default()));
    let half = |at: usize| image.get(at..at + 2).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
    let needed = if image.starts_with(&0xba55_ed50u32.to_le_bytes()) {
        // A fatbin: magic, version, size of this header, size of the rest.
        half(6).zip(word(8)).and_then(|(header, rest)| rest.checked_add(header))
    } else if image.starts_with(b"\x7fELF") {
        // A cubin ends with its section headers, or its program headers behind them.
        let end = |offset, size, count| {
            let bytes = half(size)?.checked_mul(half(count)?)?;
            word(offset)?.checked_add(bytes)
        };
        end(40, 58, 60).zip(end(32, 54, 56)).map(|(sections, programs)| sections.max(programs))
    } else {
        Some(image.len() as u64)
    };
    match needed {
        Some(bytes) if bytes <= image.len() as u64 && !image.is_empty() => Ok(()),
        _ => Err(DeviceError::Compile { log: format!("the module is cut off: it has {} bytes", image.len()) }),
    }
}

fn load_error(result: sys::CUresult, log: &[u8]) -> DeviceError {
    let text = log.split(|&byte| byte == 0).next().unwrap_or_default();
    match String::from_utf8_lossy(text).trim_end() {
        "" => error("cuModuleLoadDataEx", result),
        log => DeviceError::Compile { log: log.to_owned() },
    }
}

/// A function of a module, which it keeps loaded.
#[derive(Debug)]
pub(super) struct Function {
    module: Arc<Module>,
    raw: sys::CUfunction,
}
// SAFETY: as for Module.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

impl Function {
    /// # Safety
    /// The function takes exactly these parameters by value, each given as its bytes, and what they point to lives until
    /// the kernel has ended.
    pub unsafe fn start(
        &self,
        grid: u32,
        (threads, shared): (u32, u32),
        stream: &Stream,
        parameters: &[&[u8]],
    ) -> Result<(), DeviceError> {
        let _bound = self.module.gpu.bind()?;
        let mut list: Vec<*mut c_void> = parameters.iter().map(|p| p.as_ptr().cast_mut().cast()).collect();
        let (list, none) = (list.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: the caller answers for the parameters, which the driver copies during the call and does not write.
        unsafe { driver!(cuLaunchKernel(self.raw, grid, 1, 1, threads, 1, 1, shared, stream.raw(), list, none)) }
    }

    /// The context is current.
    fn attribute(&self, which: sys::CUfunction_attribute) -> Result<u32, DeviceError> {
        let mut value: c_int = 0;
        // SAFETY: a place for the answer; the function is alive.
        unsafe { driver!(cuFuncGetAttribute(&mut value, which, self.raw)) }?;
        Ok(value.max(0) as u32)
    }

    /// Sets what its next launch prefers to be shared memory and how much of it each block has beyond the kernel's own, and returns
    /// what a block of so many threads takes then.
    pub fn block(&self, carveout: Carveout, (threads, shared): (u32, u32)) -> Result<Block, DeviceError> {
        use sys::CUfunction_attribute as A;
        let _bound = self.module.gpu.bind()?;
        let own = self.attribute(A::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
        let limit = self.module.gpu.shared_of_block();
        let asked = u64::from(own) + u64::from(shared);
        if shared > 0 && asked > u64::from(limit) {
            return Err(DeviceError::TooMuchSharedMemory { asked, own, limit });
        }
        if shared > 0 {
            // Above 48 KiB a launch fails without it.
            let which = A::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is alive.
            unsafe { driver!(cuFuncSetAttribute(self.raw, which, shared as c_int)) }?;
        }
        let which = A::CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT;
        // SAFETY: the function is alive.
        unsafe { driver!(cuFuncSetAttribute(self.raw, which, carveout.preference())) }?;
        let mut most: c_int = 0;
        // SAFETY: a place for the answer; the function is alive.
        unsafe {
            let threads = threads as c_int;
            driver!(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut most, self.raw, threads, shared as usize))
        }?;
        Ok(Block {
            warps: threads.div_ceil(32),
            registers: self.attribute(A::CU_FUNC_ATTRIBUTE_NUM_REGS)?,
            shared: own.saturating_add(shared),
            most: most.max(0) as u32,
            all_shared: carveout.is_all(),
        })
    }

    /// Blocks of so many threads that fill the GPU.
    fn resident(&self, threads: u32) -> Result<u32, DeviceError> {
        Ok(self.block(Carveout::default(), (threads, 0))?.most.saturating_mul(self.module.gpu.multiprocessors))
    }

    /// The most threads that a block of it can have: its registers and shared memory may allow fewer than the GPU.
    fn most_threads(&self) -> Result<u32, DeviceError> {
        let _bound = self.module.gpu.bind()?;
        self.attribute(sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
    }

    /// Whether it takes parameters of these sizes and no others, where the driver can say so; 0 bytes are no parameter.
    fn takes(&self, sizes: &[usize]) -> Result<bool, DeviceError> {
        type Info = unsafe extern "C" fn(sys::CUfunction, usize, *mut usize, *mut usize) -> sys::CUresult;
        let Some(info) = optional::<Info>(c"cuFuncGetParamInfo") else { return Ok(true) };
        let _bound = self.module.gpu.bind()?;
        let size = |index| {
            let (mut offset, mut size) = (0, 0);
            // SAFETY: places for the answers; an index too high is an invalid value.
            match unsafe { info(self.raw, index, &mut offset, &mut size) } {
                sys::CUresult::CUDA_ERROR_INVALID_VALUE => Ok(0),
                other => check("cuFuncGetParamInfo", other).map(|()| size),
            }
        };
        let expected = sizes.iter().copied().filter(|size| *size > 0).chain([0]);
        for (index, expected) in expected.enumerate() {
            if size(index)? != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Where kernels come from on one GPU. Keeps ringscope's own, once for each level.
pub(super) struct Library {
    embedded: Embedded,
    /// Of the GPU: what NVRTC compiles for.
    capability: (i32, i32),
    builtins: Mutex<HashMap<Level, Arc<Module>>>,
}

impl Library {
    pub fn new(embedded: Embedded, capability: (i32, i32)) -> Self {
        Library { embedded, capability, builtins: Mutex::default() }
    }

    /// The embedded module of that level, with all built-ins and probes. PTX takes the driver seconds the first time, and
    /// milliseconds once its cache has what it made of it.
    fn builtins(&self, gpu: &Arc<Gpu>, level: Level) -> Result<Arc<Module>, DeviceError> {
        let mut loaded = lock(&self.builtins);
        if let Some(module) = loaded.get(&level) {
            return Ok(Arc::clone(module));
        }
        let module = Arc::new(Module::load(gpu, self.embedded.levels[level as usize])?);
        // All of it now, so that a later load of another one waits for no kernel.
        let builtins = Builtin::ALL.iter().map(|which| which.name());
        for name in builtins.chain(ProbeEntry::ALL.iter().map(|entry| entry.name())) {
            module.function(&entry_at(name, level))?;
        }
        loaded.insert(level, Arc::clone(&module));
        Ok(module)
    }

    /// Code of somebody's own, compiled by NVRTC.
    fn compiled(&self, gpu: &Arc<Gpu>, text: &str, entry: &str, level: Level) -> Result<Arc<Module>, DeviceError> {
        let (major, minor) = self.capability;
        let image = nvrtc::compile(text, entry, level, &nvrtc::arch_for(major, minor))?;
        Ok(Arc::new(Module::load(gpu, &image)?))
    }

    /// An entry of the probe at that level.
    pub fn probe(&self, gpu: &Arc<Gpu>, entry: ProbeEntry, level: Level) -> Result<Loaded, DeviceError> {
        let module = self.builtins(gpu, level)?;
        match module.function(&entry_at(entry.name(), level))? {
            Some(function) if function.takes(&[size_of::<ProbeArgs>()])? => {
                Loaded::new(function, THREADS, Some(level), ArgsLayout::default(), Vec::new())
            }
            _ => Err(DeviceError::NoEntry { entry: entry.name().to_owned(), module: "the embedded module".to_owned() }),
        }
    }

    /// The clock probe: one `u64*` argument, to two words.
    pub fn clock_probe(&self, gpu: &Arc<Gpu>) -> Result<Function, DeviceError> {
        const NAME: &str = "clock_probe";
        let module = self.builtins(gpu, Level::default())?;
        let missing = || DeviceError::NoEntry { entry: NAME.to_owned(), module: "the embedded module".to_owned() };
        module.function(NAME)?.ok_or_else(missing)
    }

    pub fn kernel(&self, gpu: &Arc<Gpu>, source: &KernelSource, level: Level) -> Result<Loaded, DeviceError> {
        let (module, entry) = match source {
            KernelSource::Builtin(which) => (self.builtins(gpu, level)?, which.name()),
            KernelSource::CudaModule { image, entry } => (Arc::new(Module::load(gpu, image)?), entry.as_str()),
            other => match other.as_cuda_text() {
                Some((text, entry)) => (self.compiled(gpu, text, entry, level)?, entry),
                None => {
                    return Err(DeviceError::Unsupported {
                        device: "a CUDA device",
                        what: source.describe(),
                        remedy: "pass its CUDA source to ringscope::ring_kernel!, or as KernelSource::cuda_text, or use the host device",
                    });
                }
            },
        };
        let (name, built, function) = match module.function(entry)? {
            Some(function) => (entry.to_owned(), level_in(entry), Some(function)),
            None => (entry_at(entry, level), Some(level), module.function(&entry_at(entry, level))?),
        };
        let no_entry = || DeviceError::NoEntry { entry: entry.to_owned(), module: source.describe() };
        let function = function.ok_or_else(no_entry)?;
        let args = module.args_layout(&name)?;
        let (threads, limit) = (module.threads(&name)?, function.most_threads()?);
        if threads > limit {
            return Err(DeviceError::BlockTooLarge { what: source.describe(), threads, limit });
        }
        if !function.takes(&[size_of::<RingArgs>(), args.bytes])? {
            return Err(no_entry());
        }
        // What is text was compiled here, for this level.
        let built = built.or(source.as_cuda_text().map(|_| level));
        match built {
            Some(built) if built < level => {
                Err(DeviceError::BuiltWithLess { what: source.describe(), built, wanted: level })
            }
            _ => {
                // The crate's own have none.
                let of_others = !matches!(source, KernelSource::Builtin(_));
                let names = if of_others { module.names()? } else { Vec::new() };
                Loaded::new(function, threads, built, args, names)
            }
        }
    }
}

/// What an entry's name says of its level.
fn level_in(entry: &str) -> Option<Level> {
    Level::ALL.iter().copied().find(|level| entry.ends_with(&format!("_l{}", *level as u32)))
}

/// What RINGSCOPE_RING_KERNEL calls it.
fn entry_at(name: &str, level: Level) -> String {
    format!("{name}_l{}", level as u32)
}

/// A ring kernel, or the probe, ready to be launched.
#[derive(Debug)]
pub(super) struct Loaded {
    function: Arc<Function>,
    resident: u32,
    level: Option<Level>,
    args: ArgsLayout,
    names: Vec<String>,
    threads: u32,
}

impl Loaded {
    fn new(
        function: Function,
        threads: u32,
        level: Option<Level>,
        args: ArgsLayout,
        names: Vec<String>,
    ) -> Result<Self, DeviceError> {
        let resident = function.resident(threads)?;
        Ok(Loaded { resident, function: Arc::new(function), level, args, names, threads })
    }
}

impl Kernel for Loaded {
    fn max_resident_blocks(&self) -> u32 {
        self.resident
    }

    fn threads(&self) -> u32 {
        self.threads
    }

    fn level(&self) -> Option<Level> {
        self.level
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
        carveout: Carveout,
        parameters: &[&[u8]],
        keep: Vec<Memory>,
    ) -> Result<Box<dyn Launch>, DeviceError> {
        let gpu = &self.function.module.gpu;
        let each = (self.threads, shared_bytes);
        let code: Arc<dyn Send + Sync> = Arc::<Function>::clone(&self.function);
        let running = gpu.launch(
            blocks,
            || self.function.block(carveout, each),
            keep,
            code,
            |stream| {
                let _bound = gpu.bind()?;
                // SAFETY: the caller answers for the parameters and their memory, which is in `keep`.
                unsafe { self.function.start(blocks, each, stream, parameters) }
            },
        )?;
        Ok(Box::new(CudaLaunch::new(running, Vec::new())))
    }
}

/// A kernel that was started.
#[derive(Debug)]
pub(super) struct CudaLaunch {
    running: Arc<Running>,
    warnings: Vec<String>,
}

impl CudaLaunch {
    pub fn new(running: Arc<Running>, warnings: Vec<String>) -> Self {
        CudaLaunch { running, warnings }
    }
}

impl Launch for CudaLaunch {
    /// Frees nothing: it is asked from async code, and freeing waits for whatever else runs on the GPU.
    fn ended(&self) -> Result<bool, DeviceError> {
        self.running.ended()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Drop for CudaLaunch {
    /// Frees nothing either: the kernel may have been stopped because somebody else's took its room.
    fn drop(&mut self) {
        self.running.gpu().forget_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::check_image;

    #[test]
    fn a_module_that_was_cut_off_is_refused() {
        assert!(check_image(b"").is_err());
        assert!(check_image(b".version 8.0").is_ok());
        assert!(check_image(b"\x7fELF").is_err());
        let mut fatbin = [0u8; 32];
        fatbin[..4].copy_from_slice(&0xba55_ed50u32.to_le_bytes());
        fatbin[6] = 16;
        fatbin[8] = 16;
        assert!(check_image(&fatbin).is_ok());
        assert!(check_image(&fatbin[..31]).is_err());
        fatbin[8..16].fill(0xff);
        assert!(check_image(&fatbin).is_err(), "a size that overflows");
    }
}
