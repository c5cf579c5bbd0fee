//! What of a snapshot is exported, under which name: the one table behind every Prometheus format.
//!
//! A family of the kernels is one line of [`KERNELS`], one of the snapshot itself one line of [`SNAPSHOT`]. The user's
//! own follow as they were registered. The order is that of the tables, then the kernels' registration, then the names
//! of the user's metrics; it is the same on every page.

use std::time::{Duration, SystemTime};

use crate::histogram::Histogram;
use crate::machine::GpuMetrics;
use crate::metrics::{Distribution, ExplicitHistogram, Family, Labels, MetricKind, Value};
use crate::snapshot::{Dropped, KernelState, KernelTelemetry, SelfMetrics, Snapshot};

/// A sample's value, as exactly as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Count(u64),
    Real(f64),
    /// Nanoseconds, exported as seconds.
    Nanos(u64),
}

impl Number {
    #[cfg(feature = "prometheus-protobuf")]
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Number::Count(count) => count as f64,
            Number::Real(value) => value,
            Number::Nanos(ns) => ns as f64 / 1e9,
        }
    }
}

/// What a family is.
#[derive(Clone, Copy)]
pub(super) struct MetricHeader<'a> {
    /// Of a counter, without `_total`.
    pub(super) name: &'a str,
    pub(super) help: &'a str,
    pub(super) unit: Option<&'a str>,
    pub(super) kind: MetricKind,
}

/// The labels of a sample.
#[derive(Clone, Copy)]
pub(super) enum LabelSet<'a> {
    Pairs(&'a [(&'a str, &'a str)]),
    Own(&'a Labels),
}

impl<'a> LabelSet<'a> {
    pub(super) fn for_each(self, mut f: impl FnMut(&'a str, &'a str)) {
        match self {
            LabelSet::Pairs(pairs) => pairs.iter().for_each(|(name, value)| f(name, value)),
            LabelSet::Own(labels) => labels.iter().for_each(|(name, value)| f(name, value)),
        }
    }
}

/// The classic buckets of an exponential histogram: some powers of two, the same on every page. Buckets that came only
/// with their first value would have no increase at it, and `rate` would be wrong.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClassicBounds {
    first: u32,
    step: usize,
    last: u32,
    /// What a bound is divided by: 1e9 where nanoseconds are exported as seconds.
    divisor: f64,
}

/// 256 ns to 17 s, each twice the one before.
const DURATIONS: ClassicBounds = ClassicBounds { first: 8, step: 1, last: 34, divisor: 1e9 };
/// 1 to 10^12, each four times the one before: nothing is known of a user's values.
const WHOLE_NUMBERS: ClassicBounds = ClassicBounds { first: 0, step: 2, last: 40, divisor: 1.0 };

impl ClassicBounds {
    fn exponents(self) -> impl Iterator<Item = u32> {
        (self.first..=self.last).step_by(self.step)
    }
}

/// A histogram's buckets.
#[derive(Clone, Copy)]
pub(super) enum Buckets<'a> {
    Exponential(&'a Histogram, ClassicBounds),
    Explicit(&'a ExplicitHistogram),
}

/// Which of a histogram's two forms is exported where both can be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Classic,
    Native,
    Both,
}

/// A histogram's sample.
#[derive(Clone, Copy)]
pub(super) struct Observed<'a> {
    pub(super) buckets: Buckets<'a>,
    #[cfg_attr(not(feature = "prometheus-protobuf"), allow(dead_code))]
    pub(super) form: Form,
}

impl<'a> Observed<'a> {
    /// The upper bounds of the classic buckets but for the last one's, which is infinity.
    pub(super) fn bounds(&self) -> Vec<f64> {
        match self.buckets {
            Buckets::Exponential(_, ladder) => {
                ladder.exponents().map(|k| 2f64.powi(k as i32) / ladder.divisor).collect()
            }
            Buckets::Explicit(histogram) => histogram.bounds().to_vec(),
        }
    }

    /// How many values are at most each of [`bounds`](Self::bounds).
    pub(super) fn cumulative(&self, into: &mut Vec<u64>) {
        into.clear();
        let mut below = 0;
        let mut add = |count: u64| {
            below += count;
            below
        };
        match self.buckets {
            Buckets::Explicit(h) => into.extend(h.counts()[..h.bounds().len()].iter().map(|count| add(*count))),
            Buckets::Exponential(histogram, ladder) => {
                let mut slots = histogram.slots().peekable();
                for k in ladder.exponents() {
                    // The slot whose upper bound is 2^k: a power of two is a bound at every scale.
                    let last = ((k as usize) << histogram.scale()) + 1;
                    while let Some((_, count)) = slots.next_if(|(slot, _)| *slot <= last) {
                        add(count);
                    }
                    into.push(add(0));
                }
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self.buckets {
            Buckets::Exponential(histogram, _) => histogram.count(),
            Buckets::Explicit(histogram) => histogram.count(),
        }
    }

    pub(super) fn sum(&self) -> Number {
        match self.buckets {
            Buckets::Exponential(histogram, ladder) if ladder.divisor == 1e9 => Number::Nanos(histogram.sum()),
            Buckets::Exponential(histogram, _) => Number::Count(histogram.sum()),
            Buckets::Explicit(histogram) => Number::Real(histogram.sum()),
        }
    }

    #[cfg(feature = "prometheus-protobuf")]
    pub(super) fn is_classic(&self) -> bool {
        self.form != Form::Native
    }

    /// What the device counted by bucket, if this is to be exported.
    #[cfg(feature = "prometheus-protobuf")]
    pub(super) fn native(&self) -> Option<&'a Histogram> {
        match self.buckets {
            Buckets::Exponential(histogram, _) if self.form != Form::Classic => Some(histogram),
            _ => None,
        }
    }
}

/// Who writes a page.
pub(super) trait Sink {
    /// Whether the format has native histograms.
    const NATIVE: bool = false;

    fn family(&mut self, head: &MetricHeader<'_>);
    fn number(&mut self, labels: LabelSet<'_>, value: Number);
    fn histogram(&mut self, labels: LabelSet<'_>, observed: &Observed<'_>);
}

/// A family with a sample for each kernel.
struct PerKernel {
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    read: Read,
}

/// What of a kernel is its sample; a kernel without the value has none.
enum Read {
    Counter(fn(&KernelTelemetry) -> Number),
    Gauge(fn(&KernelTelemetry) -> Option<Number>),
    /// One sample for each state, 1 of the present one and 0 of the others.
    States(fn(&KernelTelemetry) -> KernelState),
    /// Nanoseconds. Classic buckets go to `<name>_seconds`. Native ones go to `<name>_nanoseconds`, as they were counted:
    /// the bounds of native buckets are powers of two in the family's own unit, and 10^-9 is none, so that in seconds
    /// every count would have to be distributed over other buckets.
    Durations(fn(&KernelTelemetry) -> Option<&Histogram>),
}

const fn counter(name: &'static str, help: &'static str, read: fn(&KernelTelemetry) -> Number) -> PerKernel {
    PerKernel { name, unit: None, help, read: Read::Counter(read) }
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&KernelTelemetry) -> Option<Number>) -> PerKernel {
    PerKernel { name, unit: None, help, read: Read::Gauge(read) }
}

impl PerKernel {
    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }
}

/// Every family of the kernels, in the order of a page.
#[rustfmt::skip]
const KERNELS: &[PerKernel] = &[
    PerKernel { name: "ringscope_kernel_state", unit: None, help: "Where the kernel is in its life: 1 for its state, 0 for the others", read: Read::States(|k| k.state) },
    counter("ringscope_kernel_messages_received", "Messages taken from the kernel's queue", |k| Number::Count(k.messages_received)),
    counter("ringscope_kernel_messages_sent", "Replies published", |k| Number::Count(k.messages_sent)),
    counter("ringscope_kernel_messages_processed", "Messages handled without error", |k| Number::Count(k.messages_processed)),
    counter("ringscope_kernel_errors", "Messages that the handler refused", |k| Number::Count(k.errors)),
    counter("ringscope_kernel_retries", "Replies that found their ring full and had to wait", |k| Number::Count(k.retries)),
    counter("ringscope_kernel_dropped", "Messages still queued when the kernel was stopped, and replies without room then", |k| Number::Count(k.dropped)),
    counter("ringscope_kernel_queue_full", "Sends that found the queue full, and waited or were refused", |k| Number::Count(k.queue_full)),
    counter("ringscope_kernel_received_bytes", "Payload bytes received", |k| Number::Count(k.bytes_in)).unit("bytes"),
    counter("ringscope_kernel_sent_bytes", "Payload bytes of the replies", |k| Number::Count(k.bytes_out)).unit("bytes"),
    counter("ringscope_kernel_busy_seconds", "Time of handling, all blocks together", |k| nanos(k.busy_time)).unit("seconds"),
    counter("ringscope_kernel_wait_seconds", "Time of waiting for messages and for room for replies, all blocks together", |k| nanos(k.wait_time)).unit("seconds"),
    counter("ringscope_kernel_polls", "Looks at an empty queue", |k| Number::Count(k.polls)),
    PerKernel { name: "ringscope_kernel_message_duration", unit: None, help: "Time of handling a message", read: Read::Durations(|k| Some(&k.histogram)) },
    PerKernel { name: "ringscope_kernel_message_wait", unit: None, help: "Time from a message's sending to a block's taking it up", read: Read::Durations(|k| k.waiting.as_ref().map(|w| &*w.histogram)) },
    gauge("ringscope_kernel_queue_depth", "Messages waiting when the kernel last looked", |k| Some(Number::Count(k.queue_depth))),
    gauge("ringscope_kernel_queue_high_water", "The most messages that ever waited", |k| Some(Number::Count(k.queue_high_water))),
    gauge("ringscope_kernel_busy_ratio", "Time in the handler over time, per block: 0 idles, 1 is saturated", |k| Some(Number::Real(k.busy_ratio))).unit("ratio"),
    gauge("ringscope_kernel_uptime_seconds", "From the kernel's start to now, or to its end", |k| Some(nanos(k.uptime))).unit("seconds"),
    gauge("ringscope_kernel_start_time_seconds", "When the kernel's first block started, in Unix time", |k| unix(k.start_time)).unit("seconds"),
    gauge("ringscope_kernel_last_message_timestamp_seconds", "When the last message was done, in Unix time", |k| unix(k.last_message_time)).unit("seconds"),
    gauge("ringscope_kernel_last_sign_of_life_timestamp_seconds", "The youngest sign of life of any of the kernel's blocks, in Unix time", |k| unix(k.last_sign_of_life)).unit("seconds"),
    gauge("ringscope_kernel_stalled_timestamp_seconds", "The last sign of life of a block that stalls, in Unix time; only of kernels that do", |k| unix(k.stalled_since())).unit("seconds"),
    gauge("ringscope_kernel_blocks", "Blocks of the kernel; 0 of a host actor", |k| Some(Number::Count(k.blocks.into()))),
];

/// A family with one sample, of the snapshot itself.
struct OfSnapshot {
    name: &'static str,
    unit: Option<&'static str>,
    kind: MetricKind,
    help: &'static str,
    read: fn(&Snapshot) -> Option<Number>,
}

/// Every family of the snapshot itself, in the order of a page.
#[rustfmt::skip]
const SNAPSHOT: &[OfSnapshot] = &[
    OfSnapshot { name: "ringscope_kernels", unit: None, kind: MetricKind::Gauge, help: "Kernels and host actors that are registered", read: |s| Some(Number::Count(s.kernels.len() as u64)) },
    OfSnapshot { name: "ringscope_snapshots", unit: None, kind: MetricKind::Counter, help: "Snapshots taken", read: |s| Some(Number::Count(s.sequence)) },
    OfSnapshot { name: "ringscope_snapshot_timestamp_seconds", unit: Some("seconds"), kind: MetricKind::Gauge, help: "When this snapshot was taken, in Unix time", read: |s| unix(Some(s.time)) },
    OfSnapshot { name: "ringscope_snapshot_copy_seconds", unit: Some("seconds"), kind: MetricKind::Gauge, help: "How long this snapshot's copy from the device took: its counters lie at most this far apart", read: |s| Some(nanos(s.copy_duration)) },
    OfSnapshot { name: "ringscope_snapshot_copied_bytes", unit: Some("bytes"), kind: MetricKind::Gauge, help: "Bytes that were copied from the device for this snapshot", read: |s| Some(Number::Count(s.copied_bytes as u64)) },
    OfSnapshot { name: "ringscope_system_cpu_utilization_ratio", unit: Some("ratio"), kind: MetricKind::Gauge, help: "How busy the machine's processors are, all of them together", read: |s| Some(Number::Real(s.system?.cpu_utilization_percent / 100.0)) },
    OfSnapshot { name: "ringscope_system_memory_used_bytes", unit: Some("bytes"), kind: MetricKind::Gauge, help: "The machine's memory in use", read: |s| Some(Number::Real(s.system?.memory_used_mb * 1e6)) },
    OfSnapshot { name: "telemetry_collection_runs", unit: None, kind: MetricKind::Counter, help: "Snapshots taken, by whoever", read: |s| Some(Number::Count(s.self_metrics.collection_runs_total)) },
    OfSnapshot { name: "telemetry_collection_failures", unit: None, kind: MetricKind::Counter, help: "Snapshots that the device failed", read: |s| Some(Number::Count(s.self_metrics.collection_failures_total)) },
    OfSnapshot { name: "telemetry_metric_series", unit: None, kind: MetricKind::Gauge, help: "Series of registered metrics", read: |s| Some(Number::Count(s.self_metrics.metrics_count as u64)) },
    OfSnapshot { name: "telemetry_events", unit: None, kind: MetricKind::Counter, help: "Events so far", read: |s| Some(Number::Count(s.self_metrics.events_total)) },
    OfSnapshot { name: "telemetry_hook_panics", unit: None, kind: MetricKind::Counter, help: "Calls of hooks that panicked", read: |s| Some(Number::Count(s.self_metrics.hook_panics_total)) },
];

type DroppedBy = (&'static str, fn(&Dropped) -> u64);

/// What telemetry itself has dropped, by what had no room for it.
const DROPPED: &[DroppedBy] =
    &[("history", |d| d.history), ("hooks", |d| d.hooks), ("subscribers", |d| d.subscribers), ("series", |d| d.series)];

/// A family with a sample for each GPU that tells it.
struct PerGpu {
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    read: fn(&GpuMetrics) -> Option<Number>,
}

/// Every gauge of the GPUs, in the order of a page.
#[rustfmt::skip]
const GPUS: &[PerGpu] = &[
    PerGpu { name: "ringscope_gpu_utilization_ratio", unit: Some("ratio"), help: "Part of the time in which any kernel was resident: 1 under a persistent kernel, busy or not", read: |g| Some(Number::Real(f64::from(g.utilization_percent?) / 100.0)) },
    PerGpu { name: "ringscope_gpu_memory_used_bytes", unit: Some("bytes"), help: "Memory in use, all programs together", read: |g| Some(Number::Count(g.memory_used_bytes?)) },
    PerGpu { name: "ringscope_gpu_memory_total_bytes", unit: Some("bytes"), help: "Memory that there is", read: |g| Some(Number::Count(g.memory_total_bytes?)) },
    PerGpu { name: "ringscope_gpu_process_memory_bytes", unit: Some("bytes"), help: "Memory in use by this process", read: |g| Some(Number::Count(g.process_memory_bytes?)) },
    PerGpu { name: "ringscope_gpu_temperature_celsius", unit: Some("celsius"), help: "Of the chip", read: |g| Some(Number::Count(g.temperature_celsius?.into())) },
    PerGpu { name: "ringscope_gpu_power_watts", unit: Some("watts"), help: "Power drawn", read: |g| Some(Number::Real(g.power_watts?)) },
    PerGpu { name: "ringscope_gpu_sm_clock_hertz", unit: Some("hertz"), help: "Clock of the multiprocessors", read: |g| Some(Number::Count(u64::from(g.sm_clock_mhz?) * 1_000_000)) },
    PerGpu { name: "ringscope_gpu_memory_clock_hertz", unit: Some("hertz"), help: "Clock of the memory", read: |g| Some(Number::Count(u64::from(g.memory_clock_mhz?) * 1_000_000)) },
    PerGpu { name: "ringscope_gpu_ecc_errors_corrected", unit: None, help: "Memory errors that were corrected since the driver was loaded", read: |g| Some(Number::Count(g.ecc_errors_corrected?)) },
    PerGpu { name: "ringscope_gpu_ecc_errors_uncorrected", unit: None, help: "Memory errors that could not be corrected since the driver was loaded", read: |g| Some(Number::Count(g.ecc_errors_uncorrected?)) },
    PerGpu { name: "ringscope_gpu_throttled", unit: None, help: "1 where something keeps the clocks lower than they could be", read: |g| Some(Number::Count((!g.throttle_reasons.as_ref()?.is_empty()).into())) },
];

fn nanos(time: Duration) -> Number {
    Number::Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

fn unix(time: Option<SystemTime>) -> Option<Number> {
    Some(nanos(time?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))
}

/// Hands everything of `snapshot` to `sink`, a family after the other; a family without a sample is left out.
pub(super) fn visit<S: Sink>(snapshot: &Snapshot, sink: &mut S) {
    for family in KERNELS {
        family.visit(&snapshot.kernels, sink);
    }
    for OfSnapshot { name, unit, kind, help, read } in SNAPSHOT {
        if let Some(value) = read(snapshot) {
            sink.family(&MetricHeader { name, help, unit: *unit, kind: *kind });
            sink.number(LabelSet::Pairs(&[]), value);
        }
    }
    self_metrics(&snapshot.self_metrics, sink);
    gpus(snapshot.gpus.as_deref().unwrap_or_default(), sink);
    dropped_values(&snapshot.metrics, sink);
    for family in &snapshot.metrics {
        own(family, sink);
    }
}

impl PerKernel {
    fn head(&self, kind: MetricKind) -> MetricHeader<'static> {
        MetricHeader { name: self.name, help: self.help, unit: self.unit, kind }
    }

    fn visit<S: Sink>(&self, kernels: &[KernelTelemetry], sink: &mut S) {
        match self.read {
            Read::Counter(read) if !kernels.is_empty() => {
                sink.family(&self.head(MetricKind::Counter));
                for kernel in kernels {
                    sink.number(LabelSet::Pairs(&[("kernel", &kernel.kernel_id)]), read(kernel));
                }
            }
            Read::Gauge(read) if kernels.iter().any(|k| read(k).is_some()) => {
                sink.family(&self.head(MetricKind::Gauge));
                for (kernel, value) in kernels.iter().filter_map(|k| Some((k, read(k)?))) {
                    sink.number(LabelSet::Pairs(&[("kernel", &kernel.kernel_id)]), value);
                }
            }
            Read::States(read) if !kernels.is_empty() => {
                sink.family(&self.head(MetricKind::Gauge));
                kernels.iter().for_each(|kernel| states(kernel, read(kernel), sink));
            }
            Read::Durations(read) if kernels.iter().any(|k| read(k).is_some()) => {
                self.durations("seconds", Form::Classic, kernels, read, sink);
                if S::NATIVE {
                    self.durations("nanoseconds", Form::Native, kernels, read, sink);
                }
            }
            _ => {}
        }
    }

    fn durations<S: Sink>(
        &self,
        unit: &str,
        form: Form,
        kernels: &[KernelTelemetry],
        read: fn(&KernelTelemetry) -> Option<&Histogram>,
        sink: &mut S,
    ) {
        let name = format!("{}_{unit}", self.name);
        sink.family(&MetricHeader { name: &name, unit: Some(unit), ..self.head(MetricKind::Histogram) });
        let ladder = if form == Form::Native { ClassicBounds { divisor: 1.0, ..DURATIONS } } else { DURATIONS };
        for (kernel, histogram) in kernels.iter().filter_map(|k| Some((k, read(k)?))) {
            let observed = Observed { buckets: Buckets::Exponential(histogram, ladder), form };
            sink.histogram(LabelSet::Pairs(&[("kernel", &kernel.kernel_id)]), &observed);
        }
    }
}

fn states<S: Sink>(kernel: &KernelTelemetry, now: KernelState, sink: &mut S) {
    for state in KernelState::ALL.iter().copied() {
        let labels = [("kernel", &*kernel.kernel_id), ("state", state.name())];
        sink.number(LabelSet::Pairs(&labels), Number::Count((state == now).into()));
    }
}

/// What telemetry knows of itself, beside its single numbers.
fn self_metrics<S: Sink>(of: &SelfMetrics, sink: &mut S) {
    let head = |name, help, unit, kind| MetricHeader { name, help, unit, kind };
    let help = "How long a snapshot takes, from the copy's begin to the finished value";
    let (name, unit) = ("telemetry_collection_duration_seconds", Some("seconds"));
    sink.family(&head(name, help, unit, MetricKind::Histogram));
    let buckets = Buckets::Exponential(&of.collection_duration, DURATIONS);
    sink.histogram(LabelSet::Pairs(&[]), &Observed { buckets, form: Form::Classic });
    let help = "What telemetry had no room for, or was not fetched in time";
    sink.family(&head("telemetry_dropped", help, None, MetricKind::Counter));
    for (what, read) in DROPPED {
        sink.number(LabelSet::Pairs(&[("what", what)]), Number::Count(read(&of.dropped)));
    }
}

fn gpus<S: Sink>(gpus: &[GpuMetrics], sink: &mut S) {
    for PerGpu { name, unit, help, read } in GPUS {
        let mut values = gpus.iter().filter_map(|gpu| Some((gpu, read(gpu)?))).peekable();
        if values.peek().is_some() {
            sink.family(&MetricHeader { name, help, unit: *unit, kind: MetricKind::Gauge });
        }
        for (gpu, value) in values {
            let index = gpu.index.to_string();
            let uuid = gpu.uuid.as_deref().unwrap_or_default();
            sink.number(LabelSet::Pairs(&[("gpu", &index), ("uuid", uuid)]), value);
        }
    }
}

/// One of the user's.
fn own<S: Sink>(family: &Family, sink: &mut S) {
    if family.series.is_empty() {
        return;
    }
    let of = &*family.description;
    sink.family(&MetricHeader { name: &of.name, help: &of.help, unit: of.unit.as_deref(), kind: of.kind });
    for series in &family.series {
        let labels = LabelSet::Own(&series.labels);
        match &series.value {
            Value::Counter(count) => sink.number(labels, Number::Count(*count)),
            Value::Gauge(value) => sink.number(labels, Number::Real(*value)),
            Value::Histogram(values) => {
                let buckets = match &values.distribution {
                    Distribution::Exponential(histogram) => Buckets::Exponential(histogram, WHOLE_NUMBERS),
                    Distribution::Explicit(histogram) => Buckets::Explicit(histogram),
                };
                sink.histogram(labels, &Observed { buckets, form: Form::Both });
            }
        }
    }
}

/// What the user's histograms could not count.
fn dropped_values<S: Sink>(families: &[Family], sink: &mut S) {
    let histograms = || families.iter().filter(|f| f.description.kind == MetricKind::Histogram && !f.series.is_empty());
    if histograms().next().is_none() {
        return;
    }
    let help = "Values that a histogram could not count: not finite, or out of its range";
    let name = "ringscope_values_dropped";
    sink.family(&MetricHeader { name, help, unit: None, kind: MetricKind::Counter });
    for family in histograms() {
        let dropped = family.series.iter().filter_map(|s| s.value.histogram()).map(|h| h.dropped).sum();
        sink.number(LabelSet::Pairs(&[("metric", &family.description.name)]), Number::Count(dropped));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cumulative(histogram: &Histogram, ladder: ClassicBounds) -> Vec<u64> {
        let mut counts = Vec::new();
        Observed { buckets: Buckets::Exponential(histogram, ladder), form: Form::Both }.cumulative(&mut counts);
        counts
    }

    /// Against counting one value after the other, at and around every bound, at every scale.
    #[test]
    fn classic_buckets_of_exponential_ones_are_exact() {
        for scale in 0..=5 {
            for ladder in [DURATIONS, WHOLE_NUMBERS] {
                let edges = ladder.exponents().map(|k| 1u64 << k);
                let values: Vec<u64> = edges.flat_map(|edge| [edge - 1, edge, edge + 1]).chain([0, u64::MAX]).collect();
                let mut histogram = Histogram::new(scale);
                values.iter().for_each(|v| histogram.record(*v));
                let counted = |k: u32| values.iter().filter(|v| **v <= 1 << k).count() as u64;
                assert_eq!(cumulative(&histogram, ladder), ladder.exponents().map(counted).collect::<Vec<_>>());
            }
        }
        assert_eq!(cumulative(&Histogram::new(3), WHOLE_NUMBERS), [0; 21]);
    }

    /// What other parts of this crate may not call a family of theirs.
    #[test]
    fn names_are_ours_and_end_with_their_units() {
        for PerKernel { name, unit, .. } in KERNELS {
            assert!(name.starts_with("ringscope_kernel_") && unit.is_none_or(|u| name.ends_with(u)), "{name}");
        }
        for PerGpu { name, unit, .. } in GPUS {
            assert!(name.starts_with("ringscope_gpu_") && unit.is_none_or(|u| name.ends_with(u)), "{name}");
        }
        for OfSnapshot { name, unit, .. } in SNAPSHOT {
            let ours = ["ringscope_", "telemetry_"].iter().any(|prefix| name.starts_with(prefix));
            assert!(ours && unit.is_none_or(|u| name.ends_with(u)), "{name}");
        }
    }
}
