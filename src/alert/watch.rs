//! What a rule can look at: the list of kinds, with their names, units and defaults.

use std::sync::Arc;
use std::time::Duration;

use super::anomaly::Measure;
use super::pattern::Pattern;

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Watch {
    /// A quantile of the latencies of handling, in seconds.
    Latency(f64),
    /// A quantile of the times of waiting in the queue, in seconds.
    Waiting(f64),
    /// Errors per message handled, 0 to 1.
    FailureRate,
    /// Messages refused, per second.
    Errors,
    /// Messages handled without error, per second; of kernels that take messages.
    Throughput,
    /// Messages waiting.
    QueueDepth,
    /// Sends that found the queue full.
    QueueFull,
    /// Time in the handler as a fraction of the time, per block, 0 to 1.
    Busy,
    /// How long the block that has been silent for the longest time gives no sign of life, in seconds; of kernels that stall.
    Stalled,
    /// The age of the youngest sign of life of any block, in seconds.
    Heartbeat,
    /// Time since the last message was done, or since the start, in seconds; of kernels that take messages.
    Silence,
    /// Whether the kernel died: 1 or 0.
    Failed,
    /// Messages and replies dropped at the stop.
    Dropped,
    /// Records of events and spans overwritten before they were read.
    TraceLost,
    /// Whether no kernel of that name runs: 1 or 0.
    Absent,
    /// What is not as it was, of one measure or of all: how sure that is, 0 to 1, in the snapshot in which it is
    /// [found](super::anomaly).
    Anomaly(Option<Measure>),
    /// Utilization of the machine's processors, 0 to 1.
    Cpu,
    /// Memory of the machine in use, in bytes.
    Memory,
    /// Memory of a GPU in use, as a part of all of it, 0 to 1.
    GpuMemory,
    /// Temperature of a GPU, in degrees Celsius.
    GpuTemperature,
    /// Power draw of a GPU, in watts.
    GpuPower,
    /// Whether a GPU's clocks are throttled, for another reason than that it has nothing to do: 1 or 0.
    GpuThrottled,
    /// Uncorrected memory errors of a GPU.
    GpuEccErrors,
    /// Operations that failed, per operation that ended, 0 to 1.
    OperationFailureRate,
    /// A quantile of the durations of operations, in seconds.
    OperationTime(f64),
    /// Snapshots that failed.
    CollectionFailed,
    /// The longest time that a snapshot took, in seconds.
    CollectionTime,
    /// Time between a snapshot and the one before, in seconds.
    CollectionGap,
    /// What telemetry's own bounded parts dropped: notifications, series, records of traces. What leaves the history and the
    /// lists of what ended is not among it, since it was kept for a while.
    TelemetryDropped,
    /// Items that a destination did not get and never will.
    Undelivered,
    /// A metric, ringscope's own or one of the application, by its name and labels.
    Metric(MetricWatch),
    /// Whether no series of a metric with these labels is there: 1 or 0.
    MetricAbsent(MetricWatch),
}

/// Series of a metric, and what of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricWatch {
    /// The name, as on a page for Prometheus or without `_total`.
    pub name: Arc<str>,
    /// Labels that a series has to have.
    pub labels: Vec<(Arc<str>, Pattern)>,
    /// What of it is compared.
    pub of: MetricValue,
}

/// What of a metric is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// The value of a gauge or counter; the number of values of a histogram.
    #[default]
    Value,
    /// What was added over the window, per second.
    Rate,
    /// What was added over the window.
    Increase,
    /// The mean of the values that a histogram or summary got over the window.
    Mean,
    /// A quantile of the values that an exponential histogram got over the window.
    Quantile(f64),
}

impl MetricWatch {
    /// Makes one of all series of that name.
    pub fn new(name: impl Into<Arc<str>>, of: MetricValue) -> Self {
        MetricWatch { name: name.into(), labels: Vec::new(), of }
    }

    /// Demands a label whose value looks like `value`.
    pub fn label(mut self, name: impl Into<Arc<str>>, value: impl Into<Pattern>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }
}

/// What a rule's name pattern is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Kernels,
    Machine,
    Gpus,
    Operations,
    Destinations,
    Metric,
}

impl Scope {
    /// The key in a file, which is also a label of the alerts; empty where there is none.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Scope::Kernels => "kernel",
            Scope::Gpus => "gpu",
            Scope::Operations => "operation",
            Scope::Destinations => "destination",
            Scope::Metric => "metric",
            Scope::Machine => "",
        }
    }
}

/// What a value is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    /// Of 1.
    Ratio,
    PerSecond,
    Count,
    Bytes,
    Celsius,
    Watts,
    /// 1 or 0.
    Truth,
    /// Whatever the metric has.
    Own,
}

/// On which side of the limit the trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Side {
    /// Larger values are wrong.
    Above,
    /// Smaller values are wrong.
    Below,
}

impl Side {
    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Above => "above",
            Side::Below => "below",
        }
    }

    /// Returns whether `value` is beyond `limit`. NaN is beyond nothing.
    pub fn is_beyond(self, value: f64, limit: f64) -> bool {
        match self {
            Side::Above => value > limit,
            Side::Below => value < limit,
        }
    }
}

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The name in a file.
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) unit: Unit,
    /// Where it is compared with nothing else.
    pub(crate) limit: Option<f64>,
    /// Whether it is of what happened over a window.
    pub(crate) is_windowed: bool,
    /// What it is called in a sentence.
    pub(crate) what: &'static str,
}

const fn of_kernels(name: &'static str, unit: Unit, what: &'static str) -> Kind {
    Kind { name, scope: Scope::Kernels, unit, limit: None, is_windowed: false, what }
}

const fn of_machine(name: &'static str, unit: Unit, what: &'static str) -> Kind {
    Kind { scope: Scope::Machine, ..of_kernels(name, unit, what) }
}

const fn of_gpus(name: &'static str, unit: Unit, what: &'static str) -> Kind {
    Kind { scope: Scope::Gpus, ..of_kernels(name, unit, what) }
}

const fn of_operations(name: &'static str, unit: Unit, what: &'static str) -> Kind {
    Kind { scope: Scope::Operations, ..of_kernels(name, unit, what) }
}

impl Kind {
    const fn windowed(self) -> Kind {
        Kind { is_windowed: true, ..self }
    }

    /// Any value above this is trouble.
    const fn limit(self, limit: f64) -> Kind {
        Kind { limit: Some(limit), ..self }
    }
}

/// Every kind that is chosen by its name alone, in the order of the documentation.
#[rustfmt::skip]
pub(crate) const KINDS: &[(Watch, Kind)] = &[
    (Watch::Latency(0.50), of_kernels("p50", Unit::Seconds, "the median latency").windowed()),
    (Watch::Latency(0.90), of_kernels("p90", Unit::Seconds, "the p90 latency").windowed()),
    (Watch::Latency(0.95), of_kernels("p95", Unit::Seconds, "the p95 latency").windowed()),
    (Watch::Latency(0.99), of_kernels("p99", Unit::Seconds, "the p99 latency").windowed()),
    (Watch::Latency(0.999), of_kernels("p999", Unit::Seconds, "the p99.9 latency").windowed()),
    (Watch::Waiting(0.99), of_kernels("waiting_p99", Unit::Seconds, "the p99 time in the queue").windowed()),
    (Watch::FailureRate, of_kernels("failure_rate", Unit::Ratio, "the failure rate").windowed()),
    (Watch::Errors, of_kernels("errors", Unit::PerSecond, "the rate of errors").windowed()),
    (Watch::Throughput, of_kernels("throughput", Unit::PerSecond, "the throughput").windowed()),
    (Watch::QueueDepth, of_kernels("queue_depth", Unit::Count, "the queue's depth")),
    (Watch::QueueFull, of_kernels("queue_full", Unit::Count, "the number of sends that found the queue full").windowed().limit(0.0)),
    (Watch::Busy, of_kernels("busy", Unit::Ratio, "the busy ratio").windowed()),
    (Watch::Stalled, of_kernels("stalled", Unit::Seconds, "the silence of a block").limit(0.0)),
    (Watch::Heartbeat, of_kernels("heartbeat", Unit::Seconds, "the age of the heartbeat")),
    (Watch::Silence, of_kernels("no_messages", Unit::Seconds, "the time since the last message")),
    (Watch::Failed, of_kernels("failed", Unit::Truth, "the failure").limit(0.0)),
    (Watch::Dropped, of_kernels("dropped", Unit::Count, "the number of messages dropped").windowed().limit(0.0)),
    (Watch::TraceLost, of_kernels("trace_lost", Unit::Count, "the number of trace records lost").windowed().limit(0.0)),
    (Watch::Absent, of_kernels("absent", Unit::Truth, "the absence").limit(0.0)),
    (Watch::Anomaly(None), of_kernels("anomaly", Unit::Ratio, "how sure it is that something is not as it was").limit(0.0)),
    (Watch::Cpu, of_machine("cpu", Unit::Ratio, "the CPU utilization")),
    (Watch::Memory, of_machine("memory", Unit::Bytes, "the memory in use")),
    (Watch::GpuMemory, of_gpus("gpu_memory", Unit::Ratio, "the memory in use")),
    (Watch::GpuTemperature, of_gpus("gpu_temperature", Unit::Celsius, "the temperature")),
    (Watch::GpuPower, of_gpus("gpu_power", Unit::Watts, "the power draw")),
    (Watch::GpuThrottled, of_gpus("gpu_throttled", Unit::Truth, "the throttling").limit(0.0)),
    (Watch::GpuEccErrors, of_gpus("gpu_ecc_errors", Unit::Count, "the number of uncorrected memory errors").windowed().limit(0.0)),
    (Watch::OperationFailureRate, of_operations("operation_failure_rate", Unit::Ratio, "the failure rate").windowed()),
    (Watch::OperationTime(0.99), of_operations("operation_p99", Unit::Seconds, "the p99 duration").windowed()),
    (Watch::CollectionFailed, of_machine("collection_failed", Unit::Count, "the number of snapshots that failed").windowed().limit(0.0)),
    (Watch::CollectionTime, of_machine("collection_time", Unit::Seconds, "the time that a snapshot took").windowed()),
    (Watch::CollectionGap, of_machine("collection_gap", Unit::Seconds, "the time between two snapshots")),
    (Watch::TelemetryDropped, of_machine("telemetry_dropped", Unit::Count, "the number of items that telemetry dropped").windowed().limit(0.0)),
    (Watch::Undelivered, Kind { scope: Scope::Destinations, ..of_machine("undelivered", Unit::Count, "the number of items not delivered").windowed().limit(0.0) }),
];

impl Watch {
    /// Returns its entry in the list; that of a quantile which has none of its own is the nearest one's.
    pub(crate) fn kind(&self) -> Kind {
        let own = |name, limit| Kind {
            scope: Scope::Metric,
            limit,
            is_windowed: true,
            ..of_machine(name, if limit.is_some() { Unit::Truth } else { Unit::Own }, "the value")
        };
        match self {
            Watch::Metric(_) => return own("metric", None),
            Watch::MetricAbsent(_) => return own("metric_absent", Some(0.0)),
            _ => {}
        }
        let same = |(watch, _): &&(Watch, Kind)| std::mem::discriminant(watch) == std::mem::discriminant(self);
        let exact = KINDS.iter().find(|(watch, _)| watch == self);
        let found = exact.or_else(|| KINDS.iter().rfind(same)).map(|(_, kind)| *kind);
        // The list has all of them; a test says so.
        let mut kind = found.unwrap_or(of_machine("", Unit::Own, "the value"));
        if exact.is_none() {
            kind.name = match self {
                Watch::Latency(_) => "latency",
                Watch::Waiting(_) => "waiting",
                Watch::OperationTime(_) => "operation_time",
                _ => kind.name,
            };
            kind.what = match self {
                Watch::Latency(_) => "a quantile of the latency",
                Watch::Waiting(_) => "a quantile of the time in the queue",
                Watch::OperationTime(_) => "a quantile of the duration",
                _ => kind.what,
            };
        }
        kind
    }

    /// Returns the quantile, where it is one.
    pub(crate) fn quantile(&self) -> Option<f64> {
        match self {
            Watch::Latency(q) | Watch::Waiting(q) | Watch::OperationTime(q) => Some(*q),
            _ => None,
        }
    }
}

impl Unit {
    /// A value as people write it.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Unit::Seconds => seconds(value),
            Unit::Ratio => format!("{} %", short(value * 100.0)),
            Unit::PerSecond => format!("{}/s", short(value)),
            Unit::Bytes => bytes(value),
            Unit::Celsius => format!("{} °C", short(value)),
            Unit::Watts => format!("{} W", short(value)),
            Unit::Count | Unit::Truth | Unit::Own => short(value),
        }
    }
}

/// Three digits, or all before the point.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.001 => 3,
        _ => return format!("{value:.2e}"),
    };
    format!("{value:.digits$}")
}

fn seconds(value: f64) -> String {
    match Duration::try_from_secs_f64(value) {
        Ok(time) if time.as_secs() >= 60 => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
        Ok(_) if value >= 1.0 => format!("{} s", short(value)),
        Ok(_) if value >= 1e-3 => format!("{} ms", short(value * 1e3)),
        Ok(_) if value >= 1e-6 => format!("{} µs", short(value * 1e6)),
        Ok(_) => format!("{} ns", short(value * 1e9)),
        Err(_) => format!("{value} s"),
    }
}

fn bytes(value: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| value >= *unit) {
        Some((unit, name)) => format!("{} {name}", short(value / unit)),
        None => format!("{} B", short(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_of_its_own_and_is_found() {
        let mut names = std::collections::HashSet::new();
        for (watch, kind) in KINDS {
            assert!(names.insert(kind.name), "{} is there twice", kind.name);
            assert_eq!(watch.kind().name, kind.name);
        }
        let median = Watch::Latency(0.42).kind();
        assert_eq!((median.name, median.scope), ("latency", Scope::Kernels));
        assert_eq!(Watch::Metric(MetricWatch::new("a", MetricValue::Rate)).kind().limit, None);
        assert_eq!(Watch::MetricAbsent(MetricWatch::new("a", MetricValue::Value)).kind().limit, Some(0.0));
    }

    #[test]
    fn values_are_as_people_write_them() {
        let seconds = [185.4, 2.0, 0.0125, 1.5e-6, 4e-9].map(|value| Unit::Seconds.text(value));
        assert_eq!(seconds, ["3 min 5 s", "2 s", "12.5 ms", "1.50 µs", "4 ns"]);
        assert_eq!([0.05, 1.0, 0.12345].map(|part| Unit::Ratio.text(part)), ["5 %", "100 %", "12.3 %"]);
        assert_eq!([512.0, 1.5e9].map(|n| Unit::Bytes.text(n)), ["512 B", "1.50 GB"]);
        assert_eq!([Unit::PerSecond.text(1234.5), Unit::Own.text(1e-9)], ["1234/s", "1.00e-9"]);
        for odd in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
            assert!(!Unit::Seconds.text(odd).is_empty() && !Unit::Bytes.text(odd).is_empty());
        }
    }
}
