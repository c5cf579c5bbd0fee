//! Which devices a workload runs on: the value of `--device`.

use std::str::FromStr;

use ringscope::DeviceSpec;
use ringscope::device::{CudaUnavailable, ParseDeviceSpecError};

/// One device or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Devices {
    /// These, of which there is at least one, and none a GPU that is another of them.
    Named(Vec<DeviceSpec>),
    /// Every GPU that the driver sees.
    EveryGpu,
    /// Every GPU that the driver sees; where CUDA cannot be used, the host.
    All,
}

/// Why a list names no devices.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum DevicesError {
    /// One of its parts does not.
    #[error("{0}, or several of them with commas between, or all or cuda:all")]
    Part(#[from] ParseDeviceSpecError),
    /// Two commas without anything between, or one at an end.
    #[error("part {part} is empty: write devices as cuda:0,cuda:1, with one comma between two")]
    Empty {
        /// Which, the first being 1.
        part: usize,
    },
    /// One of its parts chooses by itself.
    #[error("`{part}` stands alone: leave out the others, or name each device")]
    NotInAList {
        /// The part.
        part: String,
    },
    /// Two of its parts are one GPU.
    #[error("parts {first} and {second} are the same GPU, cuda:{ordinal}: name it once")]
    Twice {
        /// The GPU.
        ordinal: usize,
        /// Which part names it first, the first being 1.
        first: usize,
        /// Which part names it again.
        second: usize,
    },
}

impl FromStr for Devices {
    type Err = DevicesError;

    fn from_str(text: &str) -> Result<Self, DevicesError> {
        match text {
            "all" => return Ok(Devices::All),
            "cuda:all" => return Ok(Devices::EveryGpu),
            _ => {}
        }
        let parts: Vec<&str> = text.split(',').collect();
        let several = parts.len() > 1;
        let mut specs = Vec::with_capacity(parts.len());
        for (n, part) in parts.iter().map(|part| part.trim()).enumerate() {
            match part {
                "" if several => return Err(DevicesError::Empty { part: n + 1 }),
                "auto" | "all" | "cuda:all" if several => {
                    return Err(DevicesError::NotInAList { part: part.to_owned() });
                }
                _ => specs.push(part.parse()?),
            }
        }
        check_twice(&specs)?;
        Ok(Devices::Named(specs))
    }
}

/// Host devices are independent of each other; a GPU is one however often it is named.
fn check_twice(specs: &[DeviceSpec]) -> Result<(), DevicesError> {
    for (second, spec) in specs.iter().enumerate() {
        if let DeviceSpec::Cuda(ordinal) = *spec
            && let Some(first) = specs[..second].iter().position(|other| other == spec)
        {
            return Err(DevicesError::Twice { ordinal, first: first + 1, second: second + 1 });
        }
    }
    Ok(())
}

impl Devices {
    /// Returns the first of them, as far as that is known without a driver.
    pub fn first(&self) -> DeviceSpec {
        match self {
            Devices::Named(specs) => specs.first().copied().unwrap_or_default(),
            Devices::EveryGpu => DeviceSpec::Cuda(0),
            Devices::All => DeviceSpec::Auto,
        }
    }

    /// Returns each of them; asks the driver which GPUs there are, where all are meant.
    ///
    /// # Errors
    /// Why there are none.
    pub fn specs(&self) -> Result<Vec<DeviceSpec>, CudaUnavailable> {
        match self {
            Devices::Named(specs) => Ok(specs.clone()),
            Devices::EveryGpu => every_gpu(),
            // It says why it takes the host.
            Devices::All => Ok(every_gpu().unwrap_or_else(|_| vec![DeviceSpec::Auto])),
        }
    }
}

#[cfg(feature = "cuda")]
fn every_gpu() -> Result<Vec<DeviceSpec>, CudaUnavailable> {
    let listed = ringscope::device::CudaDevice::list()?;
    Ok(listed.iter().map(|gpu| DeviceSpec::Cuda(gpu.ordinal)).collect())
}
#[cfg(not(feature = "cuda"))]
fn every_gpu() -> Result<Vec<DeviceSpec>, CudaUnavailable> {
    Err(CudaUnavailable::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Devices, DevicesError> {
        text.parse()
    }

    #[test]
    fn a_list_names_each_device() {
        let named = |specs: &[DeviceSpec]| Ok(Devices::Named(specs.to_vec()));
        assert_eq!(parsed("auto"), named(&[DeviceSpec::Auto]));
        assert_eq!(parsed("cuda:1,cuda"), named(&[DeviceSpec::Cuda(1), DeviceSpec::Cuda(0)]));
        assert_eq!(parsed("host, host"), named(&[DeviceSpec::Host; 2]));
        assert_eq!((parsed("all"), parsed("cuda:all")), (Ok(Devices::All), Ok(Devices::EveryGpu)));
        assert_eq!(parsed("cuda:1,host").map(|devices| devices.first()), Ok(DeviceSpec::Cuda(1)));
    }

    #[test]
    fn a_bad_list_is_refused_with_the_part() {
        let twice = |ordinal, first, second| Err(DevicesError::Twice { ordinal, first, second });
        assert_eq!(parsed("cuda:1,host,cuda:1"), twice(1, 1, 3));
        assert_eq!(parsed("cuda,cuda:0"), twice(0, 1, 2));
        assert_eq!(parsed("cuda:0,,host"), Err(DevicesError::Empty { part: 2 }));
        assert_eq!(parsed("host,"), Err(DevicesError::Empty { part: 2 }));
        for part in ["auto", "all", "cuda:all"] {
            assert_eq!(parsed(&format!("host,{part}")), Err(DevicesError::NotInAList { part: part.to_owned() }));
        }
        for text in ["", "gpu", "cuda:x", "host,cuda:-1"] {
            let error = parsed(text).expect_err(text).to_string();
            let part = text.rsplit(',').next().unwrap_or_default();
            assert!(error.contains(&format!("`{part}` names no device")), "{error}");
        }
    }
}
