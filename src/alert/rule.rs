//! A rule as a value: what it looks at, when that is wrong, for how long, and what to say then.

use std::sync::Arc;
use std::time::Duration;

use super::pattern::Pattern;
use super::raised::Severity;
use super::watch::{MetricValue, MetricWatch, Side, Watch};

/// When something is wrong, and how bad that is. One rule raises an alert for each kernel, GPU, operation, destination or series
/// that it is of.
///
/// ```
/// use std::time::Duration;
/// use ringscope::alert::{Rule, Severity};
///
/// let slow = Rule::p99_above("worker_*", Duration::from_millis(100))
///     .named("SlowMessages")
///     .clear_at(0.080)
///     .hold(Duration::from_secs(120))
///     .severity(Severity::Critical)
///     .label("team", "gpu")
///     .summary("{kernel} answers in {value}, more than {threshold}");
/// assert_eq!(slow.name(), "SlowMessages");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub(crate) name: Arc<str>,
    pub(crate) watch: Watch,
    pub(crate) of: Pattern,
    pub(crate) together: bool,
    pub(crate) side: Side,
    pub(crate) threshold: f64,
    pub(crate) clear: Option<f64>,
    pub(crate) over: Duration,
    pub(crate) hold: Duration,
    pub(crate) resolve_after: Duration,
    pub(crate) severity: Severity,
    pub(crate) labels: Vec<(Arc<str>, Arc<str>)>,
    pub(crate) summary: Option<Arc<str>>,
    pub(crate) annotations: Vec<(Arc<str>, Arc<str>)>,
}

impl Rule {
    /// Default of [`over`](Self::over).
    pub const DEFAULT_OVER: Duration = Duration::from_secs(60);
    /// Default of [`resolve_after`](Self::resolve_after) of [`anomaly`](Self::anomaly).
    pub const DEFAULT_ANOMALY_LASTS: Duration = Duration::from_secs(300);

    /// Makes one of anything that can be watched, of all names. Most have a function of their own below.
    pub fn new(watch: Watch, side: Side, threshold: f64) -> Self {
        Rule {
            name: watch.kind().name.into(),
            watch,
            of: Pattern::any(),
            together: false,
            side,
            threshold,
            clear: None,
            over: Rule::DEFAULT_OVER,
            hold: Duration::ZERO,
            resolve_after: Duration::ZERO,
            severity: Severity::Warning,
            labels: Vec::new(),
            summary: None,
            annotations: Vec::new(),
        }
    }

    fn above(watch: Watch, of: impl Into<Pattern>, threshold: f64) -> Self {
        Rule { of: of.into(), ..Rule::new(watch, Side::Above, threshold) }
    }

    /// Of what is wrong whenever it is there at all.
    fn any(watch: Watch, of: impl Into<Pattern>) -> Self {
        let limit = watch.kind().limit.unwrap_or_default();
        Rule::above(watch, of, limit)
    }

    // ---- kernels -------------------------------------------------------------------------------------

    /// Watches the 99th percentile of the latencies of handling.
    pub fn p99_above(kernel: impl Into<Pattern>, limit: Duration) -> Self {
        Rule::latency_above(kernel, 0.99, limit)
    }

    /// Watches a quantile, 0 to 1, of the latencies of handling.
    pub fn latency_above(kernel: impl Into<Pattern>, quantile: f64, limit: Duration) -> Self {
        Rule::above(Watch::Latency(quantile.clamp(0.0, 1.0)), kernel, limit.as_secs_f64())
    }

    /// Watches a quantile, 0 to 1, of the times of waiting in the queue.
    pub fn waiting_above(kernel: impl Into<Pattern>, quantile: f64, limit: Duration) -> Self {
        Rule::above(Watch::Waiting(quantile.clamp(0.0, 1.0)), kernel, limit.as_secs_f64())
    }

    /// Watches errors per message handled, 0 to 1.
    pub fn failure_rate_above(kernel: impl Into<Pattern>, ratio: f64) -> Self {
        Rule::above(Watch::FailureRate, kernel, ratio)
    }

    /// Watches errors per second.
    pub fn errors_above(kernel: impl Into<Pattern>, per_second: f64) -> Self {
        Rule::above(Watch::Errors, kernel, per_second)
    }

    /// Watches messages handled without error per second, of kernels that take messages and have done so for as long as the
    /// rates are [over](Self::over).
    pub fn throughput_below(kernel: impl Into<Pattern>, per_second: f64) -> Self {
        Rule { side: Side::Below, ..Rule::above(Watch::Throughput, kernel, per_second) }
    }

    /// Watches the messages that wait.
    pub fn queue_depth_above(kernel: impl Into<Pattern>, messages: u64) -> Self {
        Rule::above(Watch::QueueDepth, kernel, messages as f64)
    }

    /// Watches sends that find the queue full.
    pub fn queue_full(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::QueueFull, kernel)
    }

    /// Watches the time in the handler as a fraction of the time, 0 to 1.
    pub fn busy_above(kernel: impl Into<Pattern>, ratio: f64) -> Self {
        Rule::above(Watch::Busy, kernel, ratio)
    }

    /// Watches for blocks that give no sign of life.
    pub fn stalled(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::Stalled, kernel).severity(Severity::Critical)
    }

    /// Watches for kernels that died.
    pub fn failed(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::Failed, kernel).severity(Severity::Critical)
    }

    /// Watches for kernels none of whose blocks gave a sign of life for this time.
    pub fn heartbeat_older_than(kernel: impl Into<Pattern>, limit: Duration) -> Self {
        Rule::above(Watch::Heartbeat, kernel, limit.as_secs_f64())
    }

    /// Watches for kernels that take messages and got none for this time.
    pub fn no_messages_for(kernel: impl Into<Pattern>, limit: Duration) -> Self {
        Rule::above(Watch::Silence, kernel, limit.as_secs_f64())
    }

    /// Watches for messages and replies that were dropped at the stop.
    pub fn dropped(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::Dropped, kernel)
    }

    /// Watches for events and spans that were overwritten before they were read.
    pub fn trace_lost(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::TraceLost, kernel).severity(Severity::Info)
    }

    /// Watches whether no kernel of that name runs.
    pub fn absent(kernel: impl Into<Pattern>) -> Self {
        Rule::any(Watch::Absent, kernel).severity(Severity::Critical)
    }

    /// Watches for what is not as it was: spikes, shifts, drifts, and latencies that are distributed in another way. An alert says
    /// what was expected, what was seen and how sure that is, and is resolved 5 minutes after the last such finding.
    pub fn anomaly(kernel: impl Into<Pattern>) -> Self {
        let lasts = Rule::DEFAULT_ANOMALY_LASTS;
        Rule::any(Watch::Anomaly(None), kernel).resolve_after(lasts).severity(Severity::Info)
    }

    // ---- the machine ---------------------------------------------------------------------------------

    /// Watches the utilization of the processors, 0 to 1.
    pub fn cpu_above(ratio: f64) -> Self {
        Rule::new(Watch::Cpu, Side::Above, ratio)
    }

    /// Watches the memory in use on the machine.
    pub fn memory_above(bytes: u64) -> Self {
        Rule::new(Watch::Memory, Side::Above, bytes as f64)
    }

    /// Watches the part of a GPU's memory that is in use, 0 to 1. A GPU is named by its UUID or its index.
    pub fn gpu_memory_above(gpu: impl Into<Pattern>, ratio: f64) -> Self {
        Rule::above(Watch::GpuMemory, gpu, ratio)
    }

    /// Watches the temperature of a GPU, in degrees Celsius.
    pub fn gpu_temperature_above(gpu: impl Into<Pattern>, celsius: f64) -> Self {
        Rule::above(Watch::GpuTemperature, gpu, celsius)
    }

    /// Watches for GPUs whose clocks are throttled.
    pub fn gpu_throttled(gpu: impl Into<Pattern>) -> Self {
        Rule::any(Watch::GpuThrottled, gpu)
    }

    /// Watches for uncorrected memory errors of a GPU.
    pub fn gpu_ecc_errors(gpu: impl Into<Pattern>) -> Self {
        Rule::any(Watch::GpuEccErrors, gpu).severity(Severity::Critical)
    }

    // ---- operations, telemetry itself, metrics ---------------------------------------------------------

    /// Watches the part of the operations of that name that failed, 0 to 1.
    pub fn operation_failure_rate_above(operation: impl Into<Pattern>, ratio: f64) -> Self {
        Rule::above(Watch::OperationFailureRate, operation, ratio)
    }

    /// Watches the 99th percentile of the durations of operations.
    pub fn operation_p99_above(operation: impl Into<Pattern>, limit: Duration) -> Self {
        Rule::above(Watch::OperationTime(0.99), operation, limit.as_secs_f64())
    }

    /// Watches for snapshots that fail.
    pub fn collection_failed() -> Self {
        Rule::any(Watch::CollectionFailed, "*").severity(Severity::Critical)
    }

    /// Watches the longest time that a snapshot took.
    pub fn collection_slower_than(limit: Duration) -> Self {
        Rule::new(Watch::CollectionTime, Side::Above, limit.as_secs_f64())
    }

    /// Watches the time between two snapshots.
    pub fn collection_gap_above(limit: Duration) -> Self {
        Rule::new(Watch::CollectionGap, Side::Above, limit.as_secs_f64())
    }

    /// Watches what telemetry's own bounded parts drop.
    pub fn telemetry_dropped() -> Self {
        Rule::any(Watch::TelemetryDropped, "*")
    }

    /// Watches for items that a destination did not get and never will.
    pub fn undelivered(destination: impl Into<Pattern>) -> Self {
        Rule::any(Watch::Undelivered, destination)
    }

    /// Watches a metric: ringscope's own by the names of [`catalog`](crate::export::catalog), or one of the application.
    pub fn metric(metric: MetricWatch, side: Side, threshold: f64) -> Self {
        Rule::new(Watch::Metric(metric), side, threshold)
    }

    /// Watches whether no series of that name is there.
    pub fn metric_absent(name: impl Into<Arc<str>>) -> Self {
        Rule::any(Watch::MetricAbsent(MetricWatch::new(name, MetricValue::Value)), "*")
    }

    // ---- how -------------------------------------------------------------------------------------------

    /// Sets the name, by which people and receivers know it. Default: that of what it watches. Where [`Rules`](super::Rules)
    /// have another rule of that name, it is called `name-2`.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Looks at everything of that name together, and raises one alert at most: counts and latencies are added up, of ages the
    /// longest counts. Default: each by itself.
    pub fn together(mut self) -> Self {
        self.together = true;
        self
    }

    /// Sets the value at which the trouble is over: values between it and the limit keep an alert, and raise none. One on the
    /// wrong side of the limit counts as the limit. Default: the limit.
    pub fn clear_at(mut self, value: f64) -> Self {
        self.clear = Some(value);
        self
    }

    /// Sets the time that rates, percentiles and counts of what happened are over. Default: 1 min.
    pub fn over(mut self, window: Duration) -> Self {
        self.over = window;
        self
    }

    /// Sets how long it has to be wrong before the alert fires. Default: 0, at once.
    pub fn hold(mut self, time: Duration) -> Self {
        self.hold = time;
        self
    }

    /// Sets how long it has to be well before the alert is resolved. Default: 0, at once.
    pub fn resolve_after(mut self, time: Duration) -> Self {
        self.resolve_after = time;
        self
    }

    /// Sets how soon somebody should look. Default: a warning; critical for kernels that stall, died or are absent, for memory
    /// errors, and for snapshots that fail.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Adds a label to its alerts.
    pub fn label(mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Sets the sentence that says what is wrong. `{value}`, `{threshold}`, `{rule}` and each label in braces stand for what they
    /// are. Default: one that names what is watched, its value and the limit.
    pub fn summary(mut self, template: impl Into<Arc<str>>) -> Self {
        self.summary = Some(template.into());
        self
    }

    /// Adds a text for those who are notified, such as `runbook_url`, with the same braces as the summary.
    pub fn annotation(mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        self.annotations.push((name.into(), text.into()));
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it watches.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Returns the limit, in base units.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Returns how soon somebody should look.
    pub fn severity_of(&self) -> Severity {
        self.severity
    }

    /// Whether the value is wrong.
    pub(crate) fn is_wrong(&self, value: f64) -> bool {
        self.side.is_beyond(value, self.threshold)
    }

    /// Whether the value is still wrong for an alert that fires.
    pub(crate) fn stays_wrong(&self, value: f64) -> bool {
        let clear = self.clear.filter(|clear| !self.side.is_beyond(*clear, self.threshold) && !clear.is_nan());
        match (clear, self.side) {
            (None, _) => self.is_wrong(value),
            (Some(clear), side) => side.is_beyond(value, clear),
        }
    }
}

impl std::fmt::Display for Rule {
    /// Writes it as a sentence: what is wrong when.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.watch.kind();
        write!(f, "{}", kind.what)?;
        if !kind.scope.key().is_empty() && !self.of.is_any() {
            write!(f, " of {} {}", kind.scope.key(), self.of)?;
        }
        if let Watch::Metric(metric) | Watch::MetricAbsent(metric) = &self.watch {
            write!(f, " of {}", metric.name)?;
        }
        write!(f, " {} {}", self.side.name(), kind.unit.text(self.threshold))?;
        if !self.hold.is_zero() {
            write!(f, " for {:?}", self.hold)?;
        }
        Ok(())
    }
}
