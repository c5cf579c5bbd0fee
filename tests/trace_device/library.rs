//! The test's kernel, compiled for the host device and loaded: the crate's own leave no spans of an author's.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use ringscope::KernelSource;
use ringscope::device::HostKernel;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
const RTLD_NOW: c_int = 2;

/// The ring kernel of pipeline.cu, which records events.
pub fn pipeline() -> KernelSource {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    let library = *LIBRARY.get_or_init(|| {
        let path = compiled();
        // SAFETY: a library of functions, whose initializers do nothing.
        let library = unsafe { dlopen(path.as_ptr(), RTLD_NOW) }.expose_provenance();
        let _ = std::fs::remove_file(path.to_str().expect("a path in UTF-8"));
        library
    });
    assert_ne!(library, 0, "the library is loaded");
    // SAFETY: the library stays loaded.
    let found = unsafe { dlsym(std::ptr::with_exposed_provenance_mut(library), c"pipeline_l3_kernel".as_ptr()) };
    assert!(!found.is_null());
    // SAFETY: RINGSCOPE_RING_KERNEL made it, at level 3.
    let built = unsafe { *found.cast::<HostKernel>() };
    // SAFETY: as above; it writes to its rings alone, and reads the word that it is given.
    unsafe { KernelSource::host("pipeline", [built; 4]) }
}

fn compiled() -> CString {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libpipeline-{}.so", std::process::id()));
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DRINGSCOPE_CPU", "-DRINGSCOPE_LEVEL=3"]);
    cxx.args(["-shared", "-fPIC", "-pthread", "-x", "c++"]).arg("-I").arg(root.join("kernels/include"));
    cxx.args(["tests/trace_device/pipeline.cu", "kernels/host/shim.cpp"].map(|file| root.join(file)));
    let output = cxx.arg("-o").arg(&to).output().expect("a C++ compiler, which built the host device");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    CString::new(to.to_str().expect("a path in UTF-8")).expect("a path")
}
