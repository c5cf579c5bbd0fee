//! The families with a sample for each GPU, in the order of a page.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::{Counter, Gauge};
use super::sample::{Sample, count, real};
use crate::machine::GpuMetrics;

const fn counter(
    name: &'static str,
    help: &'static str,
    read: fn(&GpuMetrics) -> Option<Sample<'_>>,
) -> ExportedFamily {
    ExportedFamily::new(name, Counter, help, Read::Gpu(read))
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&GpuMetrics) -> Option<Sample<'_>>) -> ExportedFamily {
    ExportedFamily::new(name, Gauge, help, Read::Gpu(read))
}

#[rustfmt::skip]
pub(super) const GPUS: &[ExportedFamily] = &[
    gauge("ringscope_gpu_utilization_ratio", "Fraction of time in which at least one kernel was running on the GPU; a persistent kernel keeps it at 1, busy or not", |g| real(f64::from(g.utilization_percent?) / 100.0)).unit("ratio"),
    gauge("ringscope_gpu_memory_used_bytes", "GPU memory in use by all processes", |g| count(g.memory_used_bytes?)).unit("bytes"),
    gauge("ringscope_gpu_memory_total_bytes", "Total GPU memory", |g| count(g.memory_total_bytes?)).unit("bytes"),
    gauge("ringscope_gpu_process_memory_bytes", "GPU memory in use by this process", |g| count(g.process_memory_bytes?)).unit("bytes"),
    gauge("ringscope_gpu_temperature_celsius", "GPU temperature", |g| count(g.temperature_celsius?.into())).unit("celsius"),
    gauge("ringscope_gpu_power_watts", "GPU power draw", |g| real(g.power_watts?)).unit("watts"),
    gauge("ringscope_gpu_sm_clock_hertz", "Clock frequency of the streaming multiprocessors", |g| count(u64::from(g.sm_clock_mhz?) * 1_000_000)).unit("hertz"),
    gauge("ringscope_gpu_memory_clock_hertz", "Clock frequency of the GPU memory", |g| count(u64::from(g.memory_clock_mhz?) * 1_000_000)).unit("hertz"),
    counter("ringscope_gpu_ecc_errors_corrected", "Corrected ECC memory errors since the driver was loaded", |g| count(g.ecc_errors_corrected?)),
    counter("ringscope_gpu_ecc_errors_uncorrected", "Uncorrected ECC memory errors since the driver was loaded", |g| count(g.ecc_errors_uncorrected?)),
    gauge("ringscope_gpu_throttled", "1 while the GPU's clocks are throttled for any reason, otherwise 0", |g| count((!g.throttle_reasons.as_ref()?.is_empty()).into())),
];
