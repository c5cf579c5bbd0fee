//! What a sample of the machine says.

use std::sync::Arc;

/// Processors and memory of the machine, all programs together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SystemMetrics {
    /// Utilization of all processors together since the previous sample, in percent, 0 to 100.
    pub cpu_utilization_percent: f64,
    /// Memory in use, in units of 10^6 bytes.
    pub memory_used_mb: f64,
}

/// One GPU. A field is `None` where the GPU or its driver does not report it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct GpuMetrics {
    /// Index among the GPUs of the management library, which lists all of them in the order of the bus: CUDA's ordinals
    /// may differ. Identify GPUs by their UUIDs.
    pub index: u32,
    /// UUID, which stays the same.
    pub uuid: Option<Arc<str>>,
    /// Name of the model.
    pub name: Option<Arc<str>>,
    /// Percent of the time in which any kernel was resident: 100 under a persistent kernel, busy or not.
    pub utilization_percent: Option<u32>,
    /// Percent of the time in which its memory was read or written.
    pub memory_utilization_percent: Option<u32>,
    /// Memory in use by all programs together, in bytes.
    pub memory_used_bytes: Option<u64>,
    /// Total memory, in bytes.
    pub memory_total_bytes: Option<u64>,
    /// Memory in use by this process, in bytes; also `None` where the library does not list the process, as in many
    /// containers.
    pub process_memory_bytes: Option<u64>,
    /// Temperature of the chip, in degrees Celsius.
    pub temperature_celsius: Option<u32>,
    /// Power draw, in watts.
    pub power_watts: Option<f64>,
    /// Clock of the multiprocessors, in MHz.
    pub sm_clock_mhz: Option<u32>,
    /// Clock of the memory, in MHz.
    pub memory_clock_mhz: Option<u32>,
    /// Corrected memory (ECC) errors since the driver was loaded.
    pub ecc_errors_corrected: Option<u64>,
    /// Uncorrected memory (ECC) errors since the driver was loaded.
    pub ecc_errors_uncorrected: Option<u64>,
    /// Reasons why its clocks are lower than they could be; empty where they are not.
    pub throttle_reasons: Option<Vec<&'static str>>,
}

/// What [`GpuMetrics::throttle_reasons`] names, the management library's names in lower case. Their order is that of recordings:
/// a new one comes last.
#[cfg(feature = "recording")]
pub(crate) const THROTTLE_REASONS: [&str; 9] = [
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clock_setting",
];

/// The newest sample.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) system: Option<SystemMetrics>,
    pub(crate) gpus: Option<Arc<[GpuMetrics]>>,
}
