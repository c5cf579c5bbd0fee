//! What there is: the driver, its version, and what it says of its GPUs. Makes no context on any.

use std::ffi::{CStr, c_char, c_int};

use cudarc::driver::sys;

use super::driver::{self, driver, name_of};
use super::embedded::code_for;
use super::occupancy::Multiprocessor;
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

/// Refuses an environment in which a launch waits for its kernel's end.
pub(super) fn check_environment() -> Result<(), CudaUnavailable> {
    match std::env::var_os("CUDA_LAUNCH_BLOCKING") {
        Some(value) if blocks_launches(&value.to_string_lossy()) => {
            Err(CudaUnavailable::LaunchBlocking { value: value.to_string_lossy().into_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether that is another number than 0. How the driver reads what is no number is not documented: it may block.
fn blocks_launches(value: &str) -> bool {
    let value = value.trim();
    !value.is_empty() && value.parse() != Ok(0i64)
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
    /// What each multiprocessor has.
    pub each: Multiprocessor,
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
        let each = Multiprocessor {
            registers: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR)?.max(0) as u32,
            threads: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR)?.max(0) as u32,
            blocks: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR)?.max(0) as u32,
            shared: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)?.max(0) as u32,
            reserved_shared: attribute(A::CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK)?.max(0) as u32,
            shared_granule: if major < 8 { 256 } else { 128 },
            shared_of_block: attribute(A::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?.max(0) as u32,
        };
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
        // What the driver calls a part of a GPU: "NVIDIA A100-SXM4-40GB MIG 1g.5gb".
        let is_part = name.contains(" MIG ");
        let info = DeviceInfo {
            kind: DeviceKind::Cuda,
            ordinal,
            mig: Some(is_part),
            name,
            uuid: uuid_of_device(device, is_part),
            detail,
            warnings: warnings((major, minor), watchdog),
            multiprocessors,
            watchdog: Some(watchdog),
            lazy_loading: driver::loads_lazily()?,
            driver_cuda: Some(version),
            kernel_code: code_for((major, minor), version).ok().map(|embedded| embedded.code),
        };
        Ok(Found { info, capability: (major, minor), each })
    }
}

fn name_of_device(device: sys::CUdevice) -> Result<String, DeviceError> {
    let mut bytes = [0 as c_char; 256];
    // SAFETY: the place has as many bytes as is said, one less than there are: the last stays NUL.
    unsafe { driver!(cuDeviceGetName(bytes.as_mut_ptr(), bytes.len() as c_int - 1, device)) }?;
    // SAFETY: NUL-terminated, see above.
    Ok(unsafe { CStr::from_ptr(bytes.as_ptr()) }.to_string_lossy().into_owned())
}

/// Nobody needs it to use the device: a driver that does not tell it is no error.
fn uuid_of_device(device: sys::CUdevice, is_part: bool) -> Option<String> {
    type Ask = unsafe extern "C" fn(*mut [u8; 16], sys::CUdevice) -> sys::CUresult;
    // Of a part of a GPU the second version tells the part's own, the first one the GPU's.
    let ask = driver::optional::<Ask>(c"cuDeviceGetUuid_v2")?;
    let mut bytes = [0; 16];
    // SAFETY: a place for the answer, of the size of the driver's CUuuid.
    driver::check("cuDeviceGetUuid_v2", unsafe { ask(&mut bytes, device) }).ok()?;
    Some(uuid_text(bytes, is_part))
}

/// As nvidia-smi writes it.
fn uuid_text(bytes: [u8; 16], is_part: bool) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let kind = if is_part { "MIG" } else { "GPU" };
    format!("{kind}-{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
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
    fn a_launch_that_blocks_is_seen_in_the_environment() {
        let blocks = |value| blocks_launches(value);
        assert!(!blocks("") && !blocks("0") && !blocks(" 00 "));
        assert!(blocks("1") && blocks("2") && blocks("-1") && blocks("true") && blocks("99999999999999999999"));
    }

    #[test]
    fn a_uuid_is_written_as_nvidia_smi_does() {
        let bytes = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";
        assert_eq!(uuid_text(bytes, false), "GPU-01234567-89ab-cdef-fedc-ba9876543210");
        assert_eq!(uuid_text(bytes, true), "MIG-01234567-89ab-cdef-fedc-ba9876543210");
    }

    #[test]
    fn a_display_and_an_old_gpu_are_warned_of() {
        assert!(warnings((9, 0), false).is_empty());
        assert!(warnings((9, 0), true)[0].contains("watchdog"));
        assert!(warnings((7, 0), false)[0].contains("7.5"));
    }
}
