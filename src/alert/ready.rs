//! Rules that are of use to everybody.

use std::time::Duration;

use super::raised::Severity;
use super::rule::Rule;
use super::rules::Rules;

const MINUTE: Duration = Duration::from_secs(60);

impl Rules {
    /// Returns the rules that come with ringscope. They raise alerts and notify nobody by themselves.
    ///
    /// | elsewhere | here | fires when |
    /// |---|---|---|
    /// | the task view's alert on failures | `TaskFailureRate` | more than 5 % of the tasks of all kernels together failed over 1 min, for 1 min |
    /// | the task view's alert on p99 latency | `TaskLatencyP99` | the p99 latency of all kernels together is above 100 ms over 1 min, for 2 min |
    /// | the task view's alert on resources | `CpuUtilization`, `GpuMemory`, `GpuTemperature` | the processors are above 95 % for 5 min; a GPU's memory is above 95 % for 5 min; a GPU is above 85 °C for 2 min |
    /// | the registry's sample rule on errors | `HighErrorRate` | more than 10 % of the messages of one kernel failed over 1 min, for 1 min; critical |
    /// | the registry's sample rule on latency | `SlowLatency` | the p99 latency of one kernel is above 1 s over 1 min, for 2 min |
    /// | a debugger at three in the morning | `KernelStalled`, `KernelFailed` | a block gives no sign of life; a kernel died; both critical, at once |
    /// | | `CollectionFailed`, `CollectionSlow` | snapshots fail, critical; a snapshot takes longer than 1 s |
    /// | | `TelemetryDropped`, `Undelivered` | telemetry's own queues or a destination's drop something |
    /// | | `Anomaly` | something of a kernel is [not as it was](super::anomaly); for information |
    ///
    /// ```
    /// use ringscope::alert::Rules;
    ///
    /// assert!(Rules::ready_made().get("KernelStalled").is_some());
    /// ```
    pub fn ready_made() -> Rules {
        let second = Duration::from_secs(1);
        [
            Rule::failure_rate_above("*", 0.05)
                .named("TaskFailureRate")
                .together()
                .clear_at(0.04)
                .hold(MINUTE)
                .resolve_after(MINUTE),
            Rule::p99_above("*", Duration::from_millis(100))
                .named("TaskLatencyP99")
                .together()
                .clear_at(0.090)
                .hold(2 * MINUTE)
                .resolve_after(MINUTE),
            Rule::cpu_above(0.95).named("CpuUtilization").clear_at(0.90).hold(5 * MINUTE).resolve_after(MINUTE),
            Rule::gpu_memory_above("*", 0.95).named("GpuMemory").clear_at(0.93).hold(5 * MINUTE),
            Rule::gpu_temperature_above("*", 85.0).named("GpuTemperature").clear_at(82.0).hold(2 * MINUTE),
            Rule::failure_rate_above("*", 0.10)
                .named("HighErrorRate")
                .clear_at(0.08)
                .hold(MINUTE)
                .resolve_after(MINUTE)
                .severity(Severity::Critical),
            Rule::p99_above("*", second).named("SlowLatency").clear_at(0.9).hold(2 * MINUTE).resolve_after(MINUTE),
            Rule::stalled("*").named("KernelStalled"),
            Rule::failed("*").named("KernelFailed"),
            Rule::collection_failed().named("CollectionFailed"),
            Rule::collection_slower_than(second).named("CollectionSlow"),
            Rule::telemetry_dropped().named("TelemetryDropped"),
            Rule::undelivered("*").named("Undelivered"),
            Rule::anomaly("*").named("Anomaly"),
        ]
        .into_iter()
        .collect()
    }
}
