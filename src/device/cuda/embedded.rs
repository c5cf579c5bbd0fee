//! The kernels that were compiled when ringscope was built, and the drivers and GPUs that run them.

use super::nvrtc::nvrtc_version;
use crate::device::CudaUnavailable;

include!(concat!(env!("OUT_DIR"), "/fatbins.rs"));

/// The embedded code if it runs there, nothing if NVRTC can make some, or why there is neither.
pub(super) fn code_for(capability: (i32, i32), version: i32) -> Result<Option<[&'static [u8]; 3]>, CudaUnavailable> {
    match FATBINS {
        Some(fatbins) if runs(SASS, TOOLKIT, capability, version) => Ok(Some(fatbins)),
        _ if nvrtc_version().is_some_and(|nvrtc| nvrtc / 1000 <= version / 1000) => Ok(None),
        Some(_) => Err(CudaUnavailable::DriverTooOld { driver: version, needed: TOOLKIT }),
        None => Err(CudaUnavailable::NoKernels),
    }
}

/// Machine code runs with any driver of its toolkit's major version, on GPUs of its own major architecture and
/// the same or a later minor one. PTX needs a driver as new as the toolkit.
fn runs(sass: &[u32], toolkit: i32, (major, minor): (i32, i32), version: i32) -> bool {
    let native = sass.iter().any(|&sm| sm as i32 / 10 == major && sm as i32 % 10 <= minor);
    version >= toolkit || (native && version / 1000 == toolkit / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_drivers_and_gpus_run_the_embedded_code() {
        const SASS: &[u32] = &[75, 80, 86, 90];
        assert!(runs(SASS, 13000, (9, 0), 13000));
        assert!(runs(SASS, 13020, (8, 9), 13000), "machine code, a driver of the same major version");
        assert!(!runs(SASS, 13020, (12, 0), 13000), "PTX newer than the driver");
        assert!(runs(SASS, 13000, (12, 0), 13020), "PTX for a newer GPU");
        assert!(!runs(SASS, 13000, (9, 0), 12080), "another major version");
        assert!(!runs(&[86], 13020, (8, 0), 13000), "machine code of a later minor architecture");
    }
}
