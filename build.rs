//! Compiles the kernels: for CPU threads with the C++ compiler, and for GPUs with nvcc where there is one.

use std::path::{Path, PathBuf};

const KERNELS: [&str; 3] = ["crc32c", "vector_add", "echo"];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let kernels = root.join("kernels");
    println!("cargo::rerun-if-changed=kernels");
    // Dependents' build scripts see this as DEP_RINGSCOPE_INCLUDE.
    println!("cargo::metadata=include={}", kernels.join("include").display());
    #[cfg(feature = "host")]
    host::compile(&kernels);
    #[cfg(any())]
    cuda::compile(&kernels);
    let _: (&Path, [&str; 3]) = (&kernels, KERNELS);
}

#[cfg(feature = "host")]
mod host {
    use super::{KERNELS, Path};

    /// The shim once, the kernels at each level.
    pub fn compile(kernels: &Path) {
        build(kernels)
            .file(kernels.join("host/shim.cpp"))
            .file(kernels.join("host/introspect.cpp"))
            .compile("ringscope_shim");
        for level in 0..=2 {
            let mut build = build(kernels);
            build.define("RINGSCOPE_LEVEL", level.to_string().as_str());
            for kernel in KERNELS {
                build.file(kernels.join(kernel).with_extension("cu"));
            }
            build.compile(&format!("ringscope_kernels_l{level}"));
        }
    }

    fn build(kernels: &Path) -> cc::Build {
        let mut build = cc::Build::new();
        // -x c++: compilers that do not know CUDA do not know `.cu`.
        build
            .cpp(true)
            .std("c++17")
            .opt_level(3)
            .warnings(true)
            .extra_warnings(true)
            .flag("-x")
            .flag("c++")
            .include(kernels.join("include"));
        build
    }
}
