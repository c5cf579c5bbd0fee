//! GPUs, from NVIDIA's management library.

use std::sync::Arc;

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, EccCounter, MemoryError, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;

use super::sample::GpuMetrics;

type Device<'a> = nvml_wrapper::Device<'a>;

pub(super) struct Gpus {
    nvml: Nvml,
}

impl Gpus {
    /// `None` without a driver. It is not looked for again: it does not come while a program runs.
    pub(super) fn open() -> Option<Self> {
        Some(Gpus { nvml: Nvml::init().ok()? })
    }

    /// Each GPU that answers at all; `None` if the library itself does not.
    pub(super) fn sample(&self) -> Option<Arc<[GpuMetrics]>> {
        let count = self.nvml.device_count().ok()?;
        let of = |index| Some(metrics(index, &self.nvml.device_by_index(index).ok()?));
        Some((0..count).filter_map(of).collect())
    }
}

fn metrics(index: u32, gpu: &Device<'_>) -> GpuMetrics {
    let utilization = gpu.utilization_rates().ok();
    let memory = gpu.memory_info().ok();
    let ecc = |kind| gpu.total_ecc_errors(kind, EccCounter::Volatile).ok();
    GpuMetrics {
        index,
        uuid: gpu.uuid().ok().map(Into::into),
        name: gpu.name().ok().map(Into::into),
        utilization_percent: utilization.as_ref().map(|u| u.gpu),
        memory_utilization_percent: utilization.as_ref().map(|u| u.memory),
        memory_used_bytes: memory.as_ref().map(|m| m.used),
        memory_total_bytes: memory.as_ref().map(|m| m.total),
        process_memory_bytes: process_memory(gpu),
        temperature_celsius: gpu.temperature(TemperatureSensor::Gpu).ok(),
        // Milliwatts.
        power_watts: gpu.power_usage().ok().map(|mw| f64::from(mw) / 1e3),
        sm_clock_mhz: gpu.clock_info(Clock::SM).ok(),
        memory_clock_mhz: gpu.clock_info(Clock::Memory).ok(),
        ecc_errors_corrected: ecc(MemoryError::Corrected),
        ecc_errors_uncorrected: ecc(MemoryError::Uncorrected),
        throttle_reasons: gpu.current_throttle_reasons().ok().map(reasons),
    }
}

/// Of this process, where it is listed.
fn process_memory(gpu: &Device<'_>) -> Option<u64> {
    let processes = gpu.running_compute_processes().ok()?;
    let own = processes.iter().filter(|process| process.pid == std::process::id());
    let used = own.filter_map(|process| match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    });
    used.fold(None, |sum: Option<u64>, bytes| Some(sum.unwrap_or(0).saturating_add(bytes)))
}

/// The library's names in lower case. `NONE` has no bits, and so no name.
fn reasons(bits: ThrottleReasons) -> Vec<&'static str> {
    let names = [
        (ThrottleReasons::GPU_IDLE, "gpu_idle"),
        (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "applications_clocks_setting"),
        (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync_boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
        (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock_setting"),
    ];
    names.iter().filter(|(bit, _)| bits.contains(*bit)).map(|(_, name)| *name).collect()
}
