//! On a machine without CUDA, asking for it is an error with a remedy, never a panic.
#![cfg(feature = "cuda")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ringscope::device::cuda::CudaDevice;
use ringscope::device::{CudaUnavailable, DeviceSpec};

/// Whether a driver library lies where the loader looks.
fn there_is_a_driver() -> bool {
    let listed = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let usual = ["/usr/lib64", "/usr/lib", "/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
    let cache = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
    let folders = std::env::split_paths(&listed).collect::<Vec<_>>().into_iter().chain(usual.map(PathBuf::from));
    let lies_in =
        |folder: PathBuf| ["libcuda.so", "libcuda.so.1"].iter().any(|name| Path::new(&folder).join(name).exists());
    cache.windows(11).any(|w| w == b"libcuda.so.") || folders.into_iter().any(lies_in)
}

#[test]
fn without_a_driver_cuda_is_an_error_with_a_remedy() {
    if there_is_a_driver() {
        // Not eprintln: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped: this machine has a CUDA driver library");
        return;
    }
    let error = CudaDevice::open(0).expect_err("there is no driver");
    assert_eq!(error, CudaUnavailable::NoDriverLibrary);
    assert!(error.to_string().contains("install the NVIDIA driver"), "{error}");
    assert_eq!(CudaDevice::list(), Err(CudaUnavailable::NoDriverLibrary));
    assert!(ringscope::device::open(DeviceSpec::Cuda(0)).is_err());
}

#[test]
#[cfg(feature = "host")]
fn auto_takes_the_host_and_says_why() {
    let selected = ringscope::device::auto().expect("there is a host device");
    match selected.without_cuda {
        Some(why) => assert!(!selected.device.info().name.is_empty() && !why.to_string().is_empty()),
        None => assert_eq!(selected.device.info().kind, ringscope::device::DeviceKind::Cuda),
    }
}
