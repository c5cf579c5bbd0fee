//! The kernel of this test, compiled for the host device and loaded: the crate's own library has none that hangs and names its
//! places.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
const RTLD_NOW: c_int = 2;

/// Returns the address of what the library has under that name.
pub fn symbol(name: &CStr) -> *mut c_void {
    static LIBRARY: OnceLock<usize> = OnceLock::new();
    let library = *LIBRARY.get_or_init(|| {
        let path = CString::new(compiled()).expect("a path");
        // SAFETY: a library of functions, whose initializers do nothing.
        unsafe { dlopen(path.as_ptr(), RTLD_NOW) }.expose_provenance()
    });
    assert_ne!(library, 0, "the library is loaded");
    // SAFETY: the library stays loaded.
    let found = unsafe { dlsym(std::ptr::with_exposed_provenance_mut(library), name.as_ptr()) };
    assert!(!found.is_null(), "{name:?}");
    found
}

fn compiled() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libisland-{}.so", std::process::id()));
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DRINGSCOPE_CPU", "-DRINGSCOPE_LEVEL=2"]);
    cxx.args(["-shared", "-fPIC", "-pthread", "-x", "c++"]).arg("-I").arg(root.join("kernels/include"));
    cxx.args(["tests/page/island.cu", "kernels/host/shim.cpp"].map(|file| root.join(file)));
    let output = cxx.arg("-o").arg(&to).output().expect("a C++ compiler, which built the host device");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to.into_os_string().into_string().expect("a path in UTF-8")
}
