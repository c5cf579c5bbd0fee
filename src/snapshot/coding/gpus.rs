//! What the management library said of the GPUs.

use std::sync::Arc;

use super::coder::{Coder, text};
use crate::machine::{GpuMetrics, THROTTLE_REASONS};

const WORDS: usize = 13;

/// Writes `now`, or reads it, as it differs from `before`.
pub(crate) fn gpus(
    coder: &mut impl Coder,
    before: Option<&[GpuMetrics]>,
    now: Option<&[GpuMetrics]>,
) -> Option<Arc<[GpuMetrics]>> {
    if coder.word(before.is_some().into(), || now.is_some().into()) == 0 {
        return None;
    }
    let before = before.unwrap_or_default();
    let count = coder.count(before.len(), || now.map_or(0, <[_]>::len));
    Some((0..count).map(|i| gpu(coder, before.get(i), now.and_then(|now| now.get(i)))).collect())
}

fn gpu(coder: &mut impl Coder, before: Option<&GpuMetrics>, now: Option<&GpuMetrics>) -> GpuMetrics {
    let uuid = text(coder, before.map(|gpu| &gpu.uuid), now.map(|gpu| &gpu.uuid));
    let name = text(coder, before.map(|gpu| &gpu.name), now.map(|gpu| &gpu.name));
    let w = coder.words(&before.map_or([0; WORDS], gpu_words), now.map(gpu_words).as_ref());
    let some = |i: usize| w[i].checked_sub(1);
    let small = |i: usize| some(i).map(|value| value as u32);
    GpuMetrics {
        index: w[0] as u32,
        uuid,
        name,
        utilization_percent: small(1),
        memory_utilization_percent: small(2),
        memory_used_bytes: some(3),
        memory_total_bytes: some(4),
        process_memory_bytes: some(5),
        temperature_celsius: small(6),
        power_watts: some(7).map(f64::from_bits),
        sm_clock_mhz: small(8),
        memory_clock_mhz: small(9),
        ecc_errors_corrected: some(10),
        ecc_errors_uncorrected: some(11),
        throttle_reasons: some(12).map(reasons),
    }
}

/// 0 is not known.
fn gpu_words(gpu: &GpuMetrics) -> [u64; WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let GpuMetrics {
        index,
        uuid: _,
        name: _,
        utilization_percent,
        memory_utilization_percent,
        memory_used_bytes,
        memory_total_bytes,
        process_memory_bytes,
        temperature_celsius,
        power_watts,
        sm_clock_mhz,
        memory_clock_mhz,
        ecc_errors_corrected,
        ecc_errors_uncorrected,
        throttle_reasons,
    } = gpu;
    let some = |value: Option<u64>| value.map_or(0, |value| value.saturating_add(1));
    let small = |value: Option<u32>| some(value.map(u64::from));
    [
        u64::from(*index),
        small(*utilization_percent),
        small(*memory_utilization_percent),
        some(*memory_used_bytes),
        some(*memory_total_bytes),
        some(*process_memory_bytes),
        small(*temperature_celsius),
        some(power_watts.map(f64::to_bits)),
        small(*sm_clock_mhz),
        small(*memory_clock_mhz),
        some(*ecc_errors_corrected),
        some(*ecc_errors_uncorrected),
        some(throttle_reasons.as_ref().map(|reasons| bits(reasons))),
    ]
}

fn bits(reasons: &[&str]) -> u64 {
    let known = THROTTLE_REASONS.iter().enumerate().filter(|(_, name)| reasons.contains(name));
    known.fold(0, |bits, (i, _)| bits | 1 << i)
}

fn reasons(bits: u64) -> Vec<&'static str> {
    let said = THROTTLE_REASONS.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1);
    said.map(|(_, name)| *name).collect()
}
