//! The kernels of sized.cu for the host device: a C++ compiler makes a library of them, for each level.

use std::ffi::{CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use ringscope::KernelSource;
use ringscope::device::{HostKernel, Level};

#[link(name = "dl")]
unsafe extern "C" {
    fn dlopen(file: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The libraries of all levels. One launch at a time: a library numbers the blocks of a launch.
pub struct Library([usize; 4]);

fn build(level: u32) -> usize {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libsized_l{level}.so"));
    let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread", "-DRINGSCOPE_CPU"]);
    cxx.arg("-DRINGSCOPE_HOST_OWN_CLOCK");
    // Not the shim of the program: names inside of the library are its own.
    cxx.args(["-Wl,-Bsymbolic", &format!("-DRINGSCOPE_LEVEL={level}")]).arg("-I").arg(root.join("kernels/include"));
    cxx.arg(root.join("tests/host-shim/sized.cpp")).arg(root.join("kernels/host/shim.cpp")).arg("-o").arg(&to);
    let output = cxx.output().expect("a C++ compiler, which built the host device");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = CString::new(to.to_str().expect("a path in UTF-8")).expect("no NUL");
    // SAFETY: a library without initializers; RTLD_NOW.
    let library = unsafe { dlopen(file.as_ptr(), 2) };
    assert!(!library.is_null(), "{}", to.display());
    library.expose_provenance()
}

pub fn library() -> MutexGuard<'static, Library> {
    static BUILT: LazyLock<Mutex<Library>> = LazyLock::new(|| Mutex::new(Library([0, 1, 2, 3].map(build))));
    BUILT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Library {
    /// The kernel whose blocks have so many threads.
    pub fn source(&self, threads: u32) -> KernelSource {
        let name = CString::new(format!("library_{threads}")).expect("no NUL");
        let builds = Level::ALL.iter().map(|level| {
            // SAFETY: the library stays open, and sized.cpp defines a description of that name.
            unsafe {
                let library = std::ptr::with_exposed_provenance_mut(self.0[*level as usize]);
                let symbol = dlsym(library, name.as_ptr());
                assert!(!symbol.is_null(), "{name:?}");
                *symbol.cast::<HostKernel>()
            }
        });
        let builds: Vec<HostKernel> = builds.collect();
        // SAFETY: they were made of RINGSCOPE_RING_KERNEL_BLOCK's; what they write is their rings and their total.
        unsafe { KernelSource::host(format!("sized_{threads}"), builds.try_into().expect("four levels")) }
    }
}
