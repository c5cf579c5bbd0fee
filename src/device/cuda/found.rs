//! What there is: the driver, its version, and what it says of its GPUs. Makes no context on any.

use std::ffi::{CStr, c_char, c_int};

use cudarc::driver::sys;

use super::driver::{self, driver, name_of};
use super::embedded::code_for;
use crate::device::{CudaUnavailable, DeviceError, DeviceInfo, DeviceKind};

/// Oldest compute capability that the kernels are written for.
pub(super) const OLDEST: (i32, i32) = (7, 5);

/// Loads and initializes the driver; its version.
pub(super) fn start_driver() -> Result<i32, CudaUnavailable> {
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

pub(super) fn device_count() -> Result<usize, CudaUnavailable> {
    let mut count: c_int = 0;
    // SAFETY: a place for the answer.
    unsafe { driver!(cuDeviceGetCount(&mut count)) }.map_err(opening)?;
    match usize::try_from(count) {
        Ok(0) | Err(_) => Err(CudaUnavailable::NoDevice),
        Ok(count) => Ok(count),
    }
}

pub(super) fn opening(error: DeviceError) -> CudaUnavailable {
    CudaUnavailable::Open(Box::new(error))
}

/// What the driver says of a GPU.
pub(super) struct Found {
    pub info: DeviceInfo,
    pub capability: (i32, i32),
}

impl Found {
    pub fn new(ordinal: usize, version: i32) -> Result<Self, CudaUnavailable> {
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
            driver_cuda: Some(version),
            kernel_code: code_for((major, minor), version).ok().map(|embedded| embedded.code),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_display_and_an_old_gpu_are_warned_of() {
        assert!(warnings((9, 0), false).is_empty());
        assert!(warnings((9, 0), true)[0].contains("watchdog"));
        assert!(warnings((7, 0), false)[0].contains("7.5"));
    }
}
