//! Prometheus's protobuf format, a sequence of `io.prometheus.client.MetricFamily`, each after its length: the one that
//! has native histograms.

use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

use super::buckets;
use super::native::{BucketSpan, NativeBuckets, ZERO_THRESHOLD};
use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Quantiles, Sample, Sink, Values, visit};
use crate::histogram::Histogram as Counted;
use crate::snapshot::Snapshot;

/// Adds the page of `snapshot` to `out`.
pub(in crate::export) fn encode(snapshot: &Snapshot, out: &mut Vec<u8>) {
    let mut page = Page { out, family: None, bounds: Vec::new(), counts: Vec::new(), created: None };
    visit(snapshot, &mut page);
    page.end_family();
}

/// A page that is being written.
struct Page<'a> {
    out: &'a mut Vec<u8>,
    family: Option<MetricFamily>,
    /// The bounds of the family's classic buckets; all its samples have the same.
    bounds: Vec<f64>,
    /// How many values are at most each bound, of one sample.
    counts: Vec<u64>,
    /// Since when the next sample is counted, where it says that.
    created: Option<Timestamp>,
}

impl Page<'_> {
    fn end_family(&mut self) {
        if let Some(family) = self.family.take() {
            // A Vec grows as is needed.
            let _ = family.encode_length_delimited(self.out);
        }
    }

    fn classic(&mut self, values: &Values<'_>) -> Vec<Bucket> {
        if self.bounds.is_empty() {
            self.bounds = buckets::bounds(values);
            self.bounds.push(f64::INFINITY);
        }
        buckets::cumulative(values, &mut self.counts);
        self.counts.push(values.count());
        let bucket =
            |(bound, count): (&f64, &u64)| Bucket { cumulative_count: Some(*count), upper_bound: Some(*bound) };
        self.bounds.iter().zip(&self.counts).map(bucket).collect()
    }

    fn histogram(&mut self, values: &Values<'_>) -> Histogram {
        let mut histogram = match values {
            Values::Native(counted) | Values::Exponential(counted) => from_slots(counted),
            Values::Seconds(_) | Values::Explicit(_) => Histogram::default(),
        };
        histogram.created_timestamp = self.created;
        histogram.sample_count = Some(values.count());
        histogram.sample_sum = Some(values.sum().as_f64());
        if !matches!(values, Values::Native(_)) {
            histogram.bucket = self.classic(values);
        }
        histogram
    }

    fn push(&mut self, metric: Metric) {
        if let Some(family) = &mut self.family {
            family.metric.push(metric);
        }
    }
}

impl Sink for Page<'_> {
    const NATIVE: bool = true;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.end_family();
        self.bounds.clear();
        self.created = None;
        let (kind, suffix) = match header.kind {
            FamilyKind::Counter => (MetricType::Counter, "_total"),
            FamilyKind::Gauge => (MetricType::Gauge, ""),
            FamilyKind::Histogram => (MetricType::Histogram, ""),
            FamilyKind::Summary => (MetricType::Summary, ""),
        };
        self.family = Some(MetricFamily {
            name: Some(header.name.to_owned() + suffix),
            help: Some(header.help.to_owned()),
            kind: Some(kind.into()),
            metric: Vec::new(),
            unit: header.unit.map(str::to_owned),
        });
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        let time = |since: SystemTime| since.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.created =
            since.map(time).map(|t| Timestamp { seconds: t.as_secs() as i64, nanos: t.subsec_nanos() as i32 });
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let mut metric = Metric { label: pairs(labels), ..Metric::default() };
        match sample {
            Sample::Number(value) => {
                let value = Some(Value { value: Some(value.as_f64()), created_timestamp: self.created });
                let counts = self.family.as_ref().is_some_and(|family| family.kind() == MetricType::Counter);
                (metric.counter, metric.gauge) = if counts { (value, None) } else { (None, value) };
            }
            Sample::Histogram(values) => metric.histogram = Some(self.histogram(values)),
            Sample::Summary(quantiles) => metric.summary = Some(summary(quantiles)),
        }
        self.push(metric);
    }
}

fn summary(quantiles: &Quantiles<'_>) -> Summary {
    let quantile = |(quantile, value)| Quantile { quantile: Some(quantile), value: Some(value) };
    Summary {
        sample_count: Some(quantiles.count()),
        sample_sum: Some(quantiles.sum().as_f64()),
        quantile: quantiles.iter().map(quantile).collect(),
    }
}

fn pairs(labels: LabelSet<'_>) -> Vec<LabelPair> {
    let mut pairs = Vec::new();
    labels.for_each(|name, value| pairs.push(LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) }));
    pairs
}

/// A native histogram without its count and sum.
fn from_slots(counted: &Counted) -> Histogram {
    let buckets = NativeBuckets::of(counted);
    Histogram {
        schema: Some(buckets.schema),
        zero_threshold: Some(ZERO_THRESHOLD),
        zero_count: Some(buckets.zero_count),
        positive_span: buckets.spans,
        positive_delta: buckets.deltas,
        ..Histogram::default()
    }
}

// ---- the messages, as prometheus/client_model's metrics.proto numbers them -------------------------------

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(enumeration = "MetricType", optional, tag = "3")]
    kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
enum MetricType {
    Counter = 0,
    Gauge = 1,
    Summary = 2,
    Histogram = 4,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Value>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Value>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

/// `Gauge`, and `Counter`, which begins with the same field.
#[derive(Clone, Copy, PartialEq, Message)]
struct Value {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    /// Of a counter.
    #[prost(message, optional, tag = "3")]
    created_timestamp: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    quantile: Vec<Quantile>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Quantile {
    #[prost(double, optional, tag = "1")]
    quantile: Option<f64>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created_timestamp: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}
