//! What a device is, and what its clock says.

/// Which kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum DeviceKind {
    /// An NVIDIA GPU.
    Cuda,
    /// The CPU, one thread for each block.
    Host,
}

impl DeviceKind {
    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            DeviceKind::Cuda => "cuda",
            DeviceKind::Host => "host",
        }
    }
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DeviceInfo {
    /// CUDA or host.
    pub kind: DeviceKind,
    /// Index among its kind.
    pub ordinal: usize,
    /// The vendor's name.
    pub name: String,
    /// The GPU's UUID as nvidia-smi writes it ("GPU-" or, of a part of a GPU, "MIG-"); `None` for the host device, and where
    /// the driver does not tell.
    pub uuid: Option<String>,
    /// Compute capability, driver version and the like: one line for a person.
    pub detail: String,
    /// Things that a long-running kernel should know of this device: a display watchdog, for one.
    pub warnings: Vec<String>,
    /// Streaming multiprocessors, or cores.
    pub multiprocessors: u32,
    /// Whether a display watchdog ends long kernels; `None` where there is no such thing.
    pub watchdog: Option<bool>,
    /// Whether it is a part of a GPU (MIG).
    pub mig: Option<bool>,
    /// Whether the driver loads functions when they are first used; ringscope then uses all of its own before the first
    /// launch.
    pub lazy_loading: Option<bool>,
    /// The version of CUDA that the driver supports, as cuDriverGetVersion writes it (13.0 is 13000).
    pub driver_cuda: Option<i32>,
    /// What the code of the built-in kernels is there; `None` on the host device, and with a driver that runs none of it.
    pub kernel_code: Option<KernelCode>,
}

/// What the code of the built-in kernels on a GPU is. Displays as "machine code for sm_90 (nvcc 13.0)", or as "embedded PTX
/// (compute_75, ISA 8.0), compiled by the driver".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
pub enum KernelCode {
    /// Machine code that nvcc made when ringscope was built.
    MachineCode {
        /// The architecture that it was made for: 90 is sm_90.
        architecture: u32,
        /// The version of nvcc, written as cuDriverGetVersion writes versions (13.0 is 13000).
        nvcc: i32,
    },
    /// PTX, which comes with ringscope. The driver compiles it: for seconds the first time, and from its cache
    /// (`CUDA_CACHE_PATH`) later.
    Ptx {
        /// The oldest architecture that it runs on: 75 is compute_75.
        architecture: u32,
        /// The version of its instruction set.
        isa: &'static str,
    },
}

impl std::fmt::Display for KernelCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KernelCode::MachineCode { architecture, nvcc } => {
                write!(f, "machine code for sm_{architecture} (nvcc {})", CudaVersion(*nvcc))
            }
            KernelCode::Ptx { architecture, isa } => {
                write!(f, "embedded PTX (compute_{architecture}, ISA {isa}), compiled by the driver")
            }
        }
    }
}

/// A version as cuDriverGetVersion writes it, displayed as people do: 13000 is "13.0".
pub(super) struct CudaVersion(pub i32);

impl std::fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

impl DeviceInfo {
    /// Makes the description of a device that is not there, for tests of what shows one: one multiprocessor, nothing else
    /// known.
    pub fn named(kind: DeviceKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        DeviceInfo {
            kind,
            ordinal: 0,
            name: name.into(),
            uuid: None,
            detail: detail.into(),
            warnings: Vec::new(),
            multiprocessors: 1,
            watchdog: None,
            mig: None,
            lazy_loading: None,
            driver_cuda: None,
            kernel_code: None,
        }
    }
}

impl ClockSample {
    /// Returns that of a device whose clock is Unix time, for readings without a device.
    pub(crate) fn of_unix(unix_ns: u64) -> Self {
        ClockSample { device_ns: unix_ns, unix_ns, uncertainty_ns: 0, drift_ppb: 0, tick_ns: 1, restarts: 0 }
    }
}

/// One moment on both clocks, and what is known of the device's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockSample {
    /// The device's clock in nanoseconds, which kernels record with.
    pub device_ns: u64,
    /// Unix time at that moment, in nanoseconds.
    pub unix_ns: u64,
    /// How far the device's clock may have been from `device_ns` at that moment, in nanoseconds. 0 on the host device, whose
    /// clock is the host's steady one.
    pub uncertainty_ns: u64,
    /// How much faster the device's clock runs than the host's steady one, in parts in 10^9.
    pub drift_ppb: i64,
    /// How much the device's clock moves at once, in nanoseconds.
    pub tick_ns: u64,
    /// How often what was known of the device's clock turned out to be wrong, and was learned anew: one of the clocks was set,
    /// or steered.
    pub restarts: u64,
}
