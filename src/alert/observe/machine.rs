//! What rules see of the machine, its GPUs, operations, destinations, and of telemetry itself.

use super::look::{Look, Of};
use super::part::{Part, recorded_since, since};
use crate::alert::rule::Rule;
use crate::alert::watch::{Scope, Watch};
use crate::machine::GpuMetrics;
use crate::snapshot::{Dropped, OperationTelemetry, PublisherTelemetry, SelfMetrics, Snapshot};

/// A reason for which nobody has to be told.
const IDLE: &str = "gpu_idle";

pub(super) fn value(watch: &Watch, look: &Look<'_>) -> Option<Part> {
    let now = &look.now.self_metrics;
    let begin = || look.begin.map(|begin| &begin.self_metrics);
    let counted = |read: fn(&SelfMetrics) -> u64| Some(Part::count(since(read(now), read(begin()?))));
    match watch {
        Watch::Cpu => Some(Part::Worst(look.now.system?.cpu_utilization_percent / 100.0)),
        Watch::Memory => Some(Part::Worst(look.now.system?.memory_used_mb * 1e6)),
        Watch::CollectionFailed => counted(|own| own.collection_failures_total),
        Watch::CollectionTime => {
            Some(Part::nanoseconds(recorded_since(&now.collection_duration, Some(&begin()?.collection_duration))))
        }
        Watch::CollectionGap => {
            let gap = look.now.time.duration_since(look.previous?.time).unwrap_or_default();
            Some(Part::Worst(gap.as_secs_f64()))
        }
        Watch::TelemetryDropped => counted(|own| dropped(&own.dropped)),
        _ => None,
    }
}

/// Without what was kept for a while, and the snapshots of which subscribers took a newer one.
fn dropped(all: &Dropped) -> u64 {
    all.hooks.saturating_add(all.series).saturating_add(all.event_subscribers).saturating_add(all.trace_streams)
}

pub(super) fn gpus<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    let is_meant = |gpu: &&GpuMetrics| {
        rule.of.is_any()
            || rule.of.matches(&gpu.index.to_string())
            || gpu.uuid.as_ref().is_some_and(|uuid| rule.of.matches(uuid))
    };
    for gpu in look.now.gpus.as_deref().unwrap_or_default().iter().filter(is_meant) {
        if let Some(part) = of_gpu(&rule.watch, gpu, look.begin) {
            each(Of::Gpu(gpu), part);
        }
    }
}

fn of_gpu(watch: &Watch, gpu: &GpuMetrics, begin: Option<&Snapshot>) -> Option<Part> {
    match watch {
        Watch::GpuMemory => Some(Part::Ratio(gpu.memory_used_bytes? as f64, gpu.memory_total_bytes? as f64)),
        Watch::GpuTemperature => Some(Part::Worst(gpu.temperature_celsius?.into())),
        Watch::GpuPower => Some(Part::Sum(gpu.power_watts?)),
        Watch::GpuThrottled => Some(Part::truth(gpu.throttle_reasons.as_ref()?.iter().any(|reason| *reason != IDLE))),
        Watch::GpuEccErrors => {
            let before =
                begin?.gpus.as_ref()?.iter().find(|before| before.uuid == gpu.uuid && before.index == gpu.index)?;
            Some(Part::count(since(gpu.ecc_errors_uncorrected?, before.ecc_errors_uncorrected?)))
        }
        _ => None,
    }
}

pub(super) fn operations<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    let (Some(now), Some(begin)) = (look.now.operations.as_deref(), look.begin) else { return };
    for operation in now.by_name.iter().filter(|operation| rule.of.matches(&operation.name)) {
        let before = begin.operations.as_deref().and_then(|all| all.operation(&operation.name));
        if let Some(part) = of_operation(&rule.watch, operation, before) {
            each(Of::Named(Scope::Operations, &operation.name), part);
        }
    }
}

fn of_operation(watch: &Watch, now: &OperationTelemetry, before: Option<&OperationTelemetry>) -> Option<Part> {
    match watch {
        Watch::OperationFailureRate => {
            let count = |read: fn(&OperationTelemetry) -> u64| since(read(now), before.map_or(0, read)) as f64;
            Some(Part::Ratio(count(|of| of.counts.failed), count(|of| of.counts.ended())))
        }
        Watch::OperationTime(_) => {
            Some(Part::nanoseconds(recorded_since(&now.duration, before.map(|before| &*before.duration))))
        }
        _ => None,
    }
}

pub(super) fn destinations<'a>(rule: &'a Rule, look: &Look<'a>, each: &mut dyn FnMut(Of<'a>, Part)) {
    let Some(begin) = look.begin else { return };
    let lost = |of: &PublisherTelemetry| of.dropped_items.iter().fold(0, |sum: u64, items| sum.saturating_add(*items));
    for now in look.now.publishers.iter().filter(|of| rule.of.matches(&of.destination)) {
        let before = begin.publishers.iter().find(|before| before.destination == now.destination);
        let items = since(lost(now), before.map_or(0, lost));
        each(Of::Named(Scope::Destinations, &now.destination), Part::count(items));
    }
}
