//! A snapshot in the words of task queues.

use super::{Latency, Snapshot, ratio};
use crate::histogram::Histogram;

/// All kernels together, in the words of whoever calls a message a task. Latencies are those of handling, in
/// milliseconds, 0.0 where there are none; percentiles are of all kernels' values together, from their merged buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Tasks {
    /// Handled without error.
    pub tasks_executed: u64,
    /// Refused by their handlers.
    pub tasks_failed: u64,
    /// Waiting when the kernels last looked.
    pub tasks_pending: u64,
    /// Arithmetic mean.
    pub avg_latency_ms: f64,
    /// Median.
    pub p50_latency_ms: f64,
    /// 95th percentile.
    pub p95_latency_ms: f64,
    /// 99th percentile.
    pub p99_latency_ms: f64,
    /// Executed per second: the sum of the kernels' throughputs since their starts or resets.
    pub throughput_per_second: f64,
    /// Failed per task done, 0 to 1.
    pub error_rate: f64,
}

impl Snapshot {
    /// All kernels together, in the words of task queues.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.record_processed("parser", Some(Duration::from_millis(4)))?;
    /// telemetry.record_error("parser", "no such table")?;
    /// let tasks = telemetry.snapshot()?.tasks();
    /// assert_eq!((tasks.tasks_executed, tasks.tasks_failed, tasks.avg_latency_ms), (1, 1, 4.0));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn tasks(&self) -> Tasks {
        let mut tasks = Tasks::default();
        let scale = self.kernels.iter().map(|k| k.histogram.scale()).min().unwrap_or(0);
        let mut latencies = Histogram::new(scale);
        for kernel in &self.kernels {
            tasks.tasks_executed = tasks.tasks_executed.saturating_add(kernel.messages_processed);
            tasks.tasks_failed = tasks.tasks_failed.saturating_add(kernel.errors);
            tasks.tasks_pending = tasks.tasks_pending.saturating_add(kernel.queue_depth);
            tasks.throughput_per_second += kernel.throughput;
            latencies.merge(&kernel.histogram);
        }
        tasks.error_rate = ratio(tasks.tasks_failed as f64, tasks.tasks_executed as f64 + tasks.tasks_failed as f64);
        if let Some(latency) = Latency::of(&latencies) {
            let ms = |ns: f64| ns / 1e6;
            tasks.avg_latency_ms = ms(latency.mean_ns);
            tasks.p50_latency_ms = ms(latency.p50_ns);
            tasks.p95_latency_ms = ms(latency.p95_ns);
            tasks.p99_latency_ms = ms(latency.p99_ns);
        }
        tasks
    }
}
