//! Choosing a device.

use std::str::FromStr;

use super::error::{CudaUnavailable, DeviceError};
use super::traits::SharedDevice;

/// Which device to use. Parses from `auto`, `cuda`, `cuda:N`, `host`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceSpec {
    /// CUDA where there is one, else the host.
    #[default]
    Auto,
    /// The CUDA device of that index.
    Cuda(usize),
    /// The host device.
    Host,
}

/// A text that names no device.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` names no device: use auto, cuda, cuda:N or host")]
pub struct ParseDeviceSpecError(String);

impl std::fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceSpec::Auto => f.pad("auto"),
            DeviceSpec::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            DeviceSpec::Host => f.pad("host"),
        }
    }
}

impl FromStr for DeviceSpec {
    type Err = ParseDeviceSpecError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "auto" => Ok(DeviceSpec::Auto),
            "host" => Ok(DeviceSpec::Host),
            "cuda" => Ok(DeviceSpec::Cuda(0)),
            _ => s
                .strip_prefix("cuda:")
                .and_then(|n| n.parse().ok())
                .map(DeviceSpec::Cuda)
                .ok_or_else(|| ParseDeviceSpecError(s.to_owned())),
        }
    }
}

/// A device, and why it is this one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Selected {
    /// The device.
    pub device: SharedDevice,
    /// Why CUDA was not taken, where `auto` took the host.
    pub without_cuda: Option<CudaUnavailable>,
}

/// Opens CUDA where there is one, else the host device.
///
/// # Errors
/// [`DeviceError::CudaUnavailable`] if there is no CUDA device and this build has no host device.
pub fn auto() -> Result<Selected, DeviceError> {
    match open_cuda(0) {
        Ok(device) => Ok(Selected { device, without_cuda: None }),
        // Without a host device either, why there is no CUDA is what helps.
        Err(why) => match open_host() {
            Ok(device) => Ok(Selected { device, without_cuda: Some(why) }),
            Err(_) => Err(why.into()),
        },
    }
}

/// Opens the device that `spec` names.
///
/// # Errors
/// Why it cannot be used.
pub fn open(spec: DeviceSpec) -> Result<Selected, DeviceError> {
    match spec {
        DeviceSpec::Auto => auto(),
        DeviceSpec::Cuda(ordinal) => Ok(Selected { device: open_cuda(ordinal)?, without_cuda: None }),
        DeviceSpec::Host => Ok(Selected { device: open_host()?, without_cuda: None }),
    }
}

#[cfg(feature = "cuda")]
fn open_cuda(ordinal: usize) -> Result<SharedDevice, CudaUnavailable> {
    Ok(std::sync::Arc::new(super::cuda::CudaDevice::open(ordinal)?))
}
#[cfg(not(feature = "cuda"))]
fn open_cuda(_: usize) -> Result<SharedDevice, CudaUnavailable> {
    Err(CudaUnavailable::NotBuilt)
}

#[cfg(feature = "host")]
fn open_host() -> Result<SharedDevice, DeviceError> {
    Ok(std::sync::Arc::new(super::host::HostDevice::new()))
}
#[cfg(not(feature = "host"))]
fn open_host() -> Result<SharedDevice, DeviceError> {
    Err(DeviceError::NotBuilt { device: "host", feature: "host" })
}
