//! What a snapshot holds of telemetry itself, and of the machine.

use std::time::Duration;

use super::coder::Coder;
use super::histogram::histogram;
use crate::machine::SystemMetrics;
use crate::snapshot::{Dropped, SelfMetrics};

const SELF_WORDS: usize = 25;

pub(crate) fn self_metrics(coder: &mut impl Coder, before: &SelfMetrics, now: Option<&SelfMetrics>) -> SelfMetrics {
    let w = coder.words(&self_words(before), now.map(self_words).as_ref());
    SelfMetrics {
        collection_duration: histogram(coder, &before.collection_duration, now.map(|m| &*m.collection_duration)),
        copy_duration: histogram(coder, &before.copy_duration, now.map(|m| &*m.copy_duration)),
        collection_runs_total: w[0],
        collection_failures_total: w[1],
        metrics_count: w[2] as usize,
        events_total: w[3],
        skew: Duration::from_nanos(w[4]),
        history_snapshots: w[5] as usize,
        history_bytes: w[6] as usize,
        dropped: Dropped {
            history: w[7],
            hooks: w[8],
            subscribers: w[9],
            series: w[10],
            operations: w[17],
            network_operations: w[18],
            device_messages: w[19],
            application_events: w[20],
            event_subscribers: w[21],
            trace_streams: w[22],
            kernels: w[24],
        },
        hook_calls_total: w[11],
        hook_panics_total: w[12],
        hook_slow_total: w[13],
        hooks_disabled: w[14],
        lookup_misses_total: w[15],
        metric_series: w[16] as usize,
        role_misses_total: w[23],
    }
}

fn self_words(m: &SelfMetrics) -> [u64; SELF_WORDS] {
    // All of the fields, by name: a new one must find its place here.
    let Dropped {
        history,
        hooks,
        subscribers,
        series,
        operations,
        network_operations,
        device_messages,
        application_events,
        event_subscribers,
        trace_streams,
        kernels,
    } = m.dropped;
    [
        m.collection_runs_total,
        m.collection_failures_total,
        m.metrics_count as u64,
        m.events_total,
        m.skew.as_nanos() as u64,
        m.history_snapshots as u64,
        m.history_bytes as u64,
        history,
        hooks,
        subscribers,
        series,
        m.hook_calls_total,
        m.hook_panics_total,
        m.hook_slow_total,
        m.hooks_disabled,
        m.lookup_misses_total,
        m.metric_series as u64,
        operations,
        network_operations,
        device_messages,
        application_events,
        event_subscribers,
        trace_streams,
        m.role_misses_total,
        kernels,
    ]
}

pub(crate) fn system(
    coder: &mut impl Coder,
    before: Option<&SystemMetrics>,
    now: Option<&SystemMetrics>,
) -> Option<SystemMetrics> {
    let bits = |m: Option<&SystemMetrics>| {
        m.map_or([0; 3], |m| [1, m.cpu_utilization_percent.to_bits(), m.memory_used_mb.to_bits()])
    };
    let [there, cpu, memory] = coder.words(&bits(before), Some(&bits(now)));
    let metrics =
        SystemMetrics { cpu_utilization_percent: f64::from_bits(cpu), memory_used_mb: f64::from_bits(memory) };
    (there == 1).then_some(metrics)
}
