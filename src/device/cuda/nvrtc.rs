//! NVRTC, loaded at run time: CUDA C++ to machine code or PTX. Needs no GPU and no driver.

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::OnceLock;

use libloading::Library;

use super::driver::open_first;
use crate::device::{DeviceError, HEADERS, Level};

/// Unversioned first: that is the one a toolkit on the library path means.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
} else {
    &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"]
};

/// nvrtcProgram.
type Program = *mut std::ffi::c_void;
/// nvrtcResult: 0 is success.
type Answer = c_int;
type Size = unsafe extern "C" fn(Program, *mut usize) -> Answer;
type Text = unsafe extern "C" fn(Program, *mut c_char) -> Answer;
type Strings = *const *const c_char;

const COMPILATION_FAILED: Answer = 6;

/// The functions used, looked up once. (cudarc knows fewer names of the library, and panics where it is absent.)
struct Nvrtc {
    create: unsafe extern "C" fn(*mut Program, *const c_char, *const c_char, c_int, Strings, Strings) -> Answer,
    compile: unsafe extern "C" fn(Program, c_int, Strings) -> Answer,
    destroy: unsafe extern "C" fn(*mut Program) -> Answer,
    log_size: Size,
    log: Text,
    ptx_size: Size,
    ptx: Text,
    cubin_size: Size,
    cubin: Text,
    arch_count: unsafe extern "C" fn(*mut c_int) -> Answer,
    archs: unsafe extern "C" fn(*mut c_int) -> Answer,
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Answer,
    error_text: unsafe extern "C" fn(Answer) -> *const c_char,
    _library: Library,
}

fn nvrtc() -> Option<&'static Nvrtc> {
    static NVRTC: OnceLock<Option<Nvrtc>> = OnceLock::new();
    NVRTC.get_or_init(|| open_first(NAMES).and_then(Nvrtc::from_library)).as_ref()
}

impl Nvrtc {
    fn from_library(library: Library) -> Option<Self> {
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: the field's type is that of the function in nvrtc.h, the same since CUDA 11.2.
                *unsafe { library.get($name.to_bytes_with_nul()) }.ok()?
            };
        }
        Some(Nvrtc {
            create: symbol!(c"nvrtcCreateProgram"),
            compile: symbol!(c"nvrtcCompileProgram"),
            destroy: symbol!(c"nvrtcDestroyProgram"),
            log_size: symbol!(c"nvrtcGetProgramLogSize"),
            log: symbol!(c"nvrtcGetProgramLog"),
            ptx_size: symbol!(c"nvrtcGetPTXSize"),
            ptx: symbol!(c"nvrtcGetPTX"),
            cubin_size: symbol!(c"nvrtcGetCUBINSize"),
            cubin: symbol!(c"nvrtcGetCUBIN"),
            arch_count: symbol!(c"nvrtcGetNumSupportedArchs"),
            archs: symbol!(c"nvrtcGetSupportedArchs"),
            version: symbol!(c"nvrtcVersion"),
            error_text: symbol!(c"nvrtcGetErrorString"),
            _library: library,
        })
    }

    fn check(&self, call: &'static str, answer: Answer) -> Result<(), DeviceError> {
        if answer == 0 {
            return Ok(());
        }
        // SAFETY: returns a constant string for any number, or null.
        let text = unsafe { (self.error_text)(answer) };
        let name = if text.is_null() {
            format!("NVRTC error {answer}")
        } else {
            // SAFETY: a constant string, not null.
            unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
        };
        Err(DeviceError::Call { call, code: answer, name, message: "the runtime compiler refused".to_owned() })
    }

    fn supported(&self) -> Vec<c_int> {
        let mut count = 0;
        // SAFETY: a place for the answer.
        if unsafe { (self.arch_count)(&mut count) } != 0 {
            return Vec::new();
        }
        let mut archs = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the place has room for as many as the library said.
        if unsafe { (self.archs)(archs.as_mut_ptr()) } != 0 { Vec::new() } else { archs }
    }
}

/// Returns the version of NVRTC where it is there, as cuDriverGetVersion writes it (13.0 is 13000).
pub fn nvrtc_version() -> Option<i32> {
    let nvrtc = nvrtc()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: places for the answers.
    let answer = unsafe { (nvrtc.version)(&mut major, &mut minor) };
    (answer == 0).then_some(major * 1000 + minor * 10)
}

/// The best that NVRTC makes for a device: its own machine code, or PTX of an older architecture.
pub(super) fn arch_for(major: i32, minor: i32) -> String {
    let device = major * 10 + minor;
    let known = nvrtc().map(Nvrtc::supported).unwrap_or_default();
    match known.iter().filter(|&&arch| arch <= device).max() {
        Some(&newest) if newest < device => format!("compute_{newest}"),
        _ => format!("sm_{device}"),
    }
}

/// Compiles CUDA C++ that may include ringscope's headers, called `name` in messages, with NVRTC. `arch` is
/// `sm_90` for machine code (a cubin) or `compute_75` for PTX, with its terminating NUL. Needs no GPU.
///
/// # Errors
/// [`DeviceError::Compile`] with the compiler's log, [`DeviceError::Unsupported`] where there is no NVRTC, or
/// [`DeviceError::Call`].
pub fn compile(text: &str, name: &str, level: Level, arch: &str) -> Result<Vec<u8>, DeviceError> {
    let nvrtc = nvrtc().ok_or_else(|| DeviceError::Unsupported {
        device: "CUDA without NVRTC (libnvrtc.so)",
        what: format!("the source `{name}`"),
        remedy: "install NVRTC and have it on the library path, or compile the source to a fatbin and pass it as KernelSource::cuda_module",
    })?;
    let options = [
        format!("--gpu-architecture={arch}"),
        format!("-DRINGSCOPE_LEVEL={}", level as u32),
        "--std=c++17".to_owned(),
        // There is no host code here: a constexpr helper without __device__ is meant for the device.
        "--device-as-default-execution-space".to_owned(),
    ];
    let program = Compilation::new(nvrtc, text, name)?;
    program.compile(&options)?;
    if arch.starts_with("sm_") {
        program.output("nvrtcGetCUBIN", nvrtc.cubin_size, nvrtc.cubin)
    } else {
        program.output("nvrtcGetPTX", nvrtc.ptx_size, nvrtc.ptx)
    }
}

struct Compilation<'a> {
    nvrtc: &'a Nvrtc,
    program: Program,
}

impl<'a> Compilation<'a> {
    fn new(nvrtc: &'a Nvrtc, text: &str, name: &str) -> Result<Self, DeviceError> {
        let text = c_string(text)?;
        let name = c_string(name)?;
        // NVRTC knows no folders: what a header includes by its bare name must be there by that name, too.
        let bare = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
        let every = || HEADERS.iter().flat_map(|&(name, text)| [(name, text), (bare(name), text)]);
        let headers = every().map(|(_, text)| c_string(text)).collect::<Result<Vec<_>, _>>()?;
        let names = every().map(|(name, _)| c_string(name)).collect::<Result<Vec<_>, _>>()?;
        let (headers, names) = (pointers(&headers), pointers(&names));
        let mut program = std::ptr::null_mut();
        // SAFETY: NUL-terminated strings, which NVRTC copies; both lists have as many as is said.
        let answer = unsafe {
            let count = headers.len() as c_int;
            (nvrtc.create)(&mut program, text.as_ptr(), name.as_ptr(), count, headers.as_ptr(), names.as_ptr())
        };
        nvrtc.check("nvrtcCreateProgram", answer)?;
        Ok(Compilation { nvrtc, program })
    }

    fn compile(&self, options: &[String]) -> Result<(), DeviceError> {
        let options = options.iter().map(|option| c_string(option)).collect::<Result<Vec<_>, _>>()?;
        let options = pointers(&options);
        // SAFETY: the program is alive, and there are as many options as is said.
        let answer = unsafe { (self.nvrtc.compile)(self.program, options.len() as c_int, options.as_ptr()) };
        if answer != COMPILATION_FAILED {
            return self.nvrtc.check("nvrtcCompileProgram", answer);
        }
        let log = self.output("nvrtcGetProgramLog", self.nvrtc.log_size, self.nvrtc.log)?;
        let log = String::from_utf8_lossy(&log);
        Err(DeviceError::Compile { log: log.trim_end_matches(['\0', '\n']).to_owned() })
    }

    fn output(&self, call: &'static str, size: Size, get: Text) -> Result<Vec<u8>, DeviceError> {
        let mut bytes = 0;
        // SAFETY: the program is alive; a place for the answer.
        self.nvrtc.check(call, unsafe { size(self.program, &mut bytes) })?;
        let mut output = vec![0u8; bytes];
        // SAFETY: the place has room for as many bytes as the library said.
        self.nvrtc.check(call, unsafe { get(self.program, output.as_mut_ptr().cast()) })?;
        Ok(output)
    }
}

impl Drop for Compilation<'_> {
    fn drop(&mut self) {
        // SAFETY: made by nvrtcCreateProgram and destroyed once. An error has nowhere to go.
        unsafe { (self.nvrtc.destroy)(&mut self.program) };
    }
}

fn c_string(text: &str) -> Result<CString, DeviceError> {
    CString::new(text).map_err(|e| DeviceError::Compile { log: format!("a NUL at byte {}", e.nul_position()) })
}

/// Valid as long as the strings are.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|s| s.as_ptr()).collect()
}
