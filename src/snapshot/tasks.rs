//! A snapshot in the words of task queues.

use super::kernel::Latency;
use super::totals::Totals;

/// All kernels together, in the words of a task queue: a message is a task. Latencies are those of handling, in
/// milliseconds, 0.0 where there are none; percentiles are those of all kernels' values together, from their merged
/// buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Tasks {
    /// Messages handled without error.
    pub tasks_executed: u64,
    /// Messages that the handlers refused.
    pub tasks_failed: u64,
    /// Messages waiting when the kernels last looked.
    pub tasks_pending: u64,
    /// Arithmetic mean, in milliseconds.
    pub avg_latency_ms: f64,
    /// Median, in milliseconds.
    pub p50_latency_ms: f64,
    /// 95th percentile, in milliseconds.
    pub p95_latency_ms: f64,
    /// 99th percentile, in milliseconds.
    pub p99_latency_ms: f64,
    /// Executed per second: the sum of the throughputs of running kernels since their starts or resets.
    pub throughput_per_second: f64,
    /// Failed per task done, 0 to 1.
    pub error_rate: f64,
}

impl Tasks {
    pub(super) fn new(totals: &Totals, latency: Option<Latency>) -> Tasks {
        let ms = |of: fn(&Latency) -> f64| latency.as_ref().map_or(0.0, |latency| of(latency) / 1e6);
        Tasks {
            tasks_executed: totals.messages_processed,
            tasks_failed: totals.errors,
            tasks_pending: totals.queue_depth,
            avg_latency_ms: ms(|l| l.mean_ns),
            p50_latency_ms: ms(|l| l.p50_ns),
            p95_latency_ms: ms(|l| l.p95_ns),
            p99_latency_ms: ms(|l| l.p99_ns),
            throughput_per_second: totals.throughput,
            error_rate: totals.error_rate,
        }
    }
}
