//! Prometheus's protobuf format, a sequence of `io.prometheus.client.MetricFamily`, each after its length: the one that
//! has native histograms.
//!
//! A native histogram has the buckets that the device counted: bucket `i` of OpenTelemetry, slot `i + 2` here, is index
//! `i + 1` of Prometheus, its schema is the scale. Nothing is counted a second time.

use prost::Message;

use super::buckets;
use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Quantiles, Sample, Sink, Values, visit};
use crate::histogram::Histogram as Counted;
use crate::snapshot::Snapshot;

/// What is at most this counts as zero, as in other exporters. Whole numbers leave it free, but it must not be 0: a
/// histogram of no values could not be told from a classic one.
const ZERO_THRESHOLD: f64 = 1.0 / (1u128 << 127) as f64 / 2.0;

/// So many empty buckets between two used ones are cheaper written than left out.
const SHORT_GAP: usize = 2;

/// Adds the page of `snapshot` to `out`.
pub(in crate::export) fn encode(snapshot: &Snapshot, out: &mut Vec<u8>) {
    let mut page = Page { out, family: None, bounds: Vec::new(), counts: Vec::new() };
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

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let mut metric = Metric { label: pairs(labels), ..Metric::default() };
        match sample {
            Sample::Number(value) => {
                let value = Some(Value { value: Some(value.as_f64()) });
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

/// The buckets as spans of used ones, each count as the difference to the one before.
fn from_slots(counted: &Counted) -> Histogram {
    let mut histogram = Histogram {
        schema: Some(counted.scale() as i32),
        zero_threshold: Some(ZERO_THRESHOLD),
        ..Histogram::default()
    };
    let mut used = counted.slots().filter(|(_, count)| *count > 0).peekable();
    histogram.zero_count = Some(used.next_if(|(slot, _)| *slot == 0).map_or(0, |(_, zeros)| zeros));
    // Slot 1, of ones, is index 0: the next slot that is not written yet.
    let (mut next, mut before) = (1, 0);
    for (slot, count) in used {
        let gap = slot - next;
        match histogram.positive_span.last_mut() {
            Some(span) if gap <= SHORT_GAP => {
                for _ in 0..gap {
                    histogram.positive_delta.push(-before);
                    before = 0;
                }
                span.length = Some(span.length() + gap as u32 + 1);
            }
            _ => histogram.positive_span.push(BucketSpan { offset: Some(gap as i32), length: Some(1) }),
        }
        histogram.positive_delta.push(count as i64 - before);
        (next, before) = (slot + 1, count as i64);
    }
    histogram
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
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
struct BucketSpan {
    /// Empty buckets since the last span; of the first one, its index.
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{slot_bounds, slot_of};
    use std::collections::BTreeMap;

    /// What a reader of the format makes of spans and differences: index and count.
    fn read(histogram: &Histogram) -> BTreeMap<i32, i64> {
        let (mut index, mut count, mut deltas) = (0, 0, histogram.positive_delta.iter());
        let mut counts = BTreeMap::new();
        for span in &histogram.positive_span {
            index += span.offset();
            for _ in 0..span.length() {
                count += deltas.next().expect("a difference for each bucket");
                counts.insert(index, count);
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        counts.retain(|_, count| *count != 0);
        counts
    }

    #[test]
    fn differences_are_those_of_the_document() {
        // 1, 2, 0, 3, 4 values in the buckets 1 to 5 of scale 0: the values 2, 3 to 4, none, 9 to 16, 17 to 32.
        let mut counted = Counted::new(0);
        for (value, times) in [(2, 1), (4, 2), (16, 3), (32, 4)] {
            (0..times).for_each(|_| counted.record(value));
        }
        let histogram = from_slots(&counted);
        assert_eq!(histogram.positive_delta, [1, 1, -2, 3, 1]);
        assert_eq!(histogram.positive_span, [BucketSpan { offset: Some(1), length: Some(5) }]);
    }

    #[test]
    fn every_bucket_is_where_its_bounds_say() {
        for scale in 0..=5 {
            let mut counted = Counted::new(scale);
            let mut expected: BTreeMap<i32, i64> = BTreeMap::new();
            let mut value = 1u64;
            while value < u64::MAX / 3 {
                counted.record(value);
                // The smallest index whose upper bound, 2^(index / 2^scale), is not below.
                let (_, high) = slot_bounds(slot_of(value, scale), scale);
                *expected.entry((high.log2() * f64::from(1 << scale)).round() as i32).or_default() += 1;
                value += value / 3 + 1;
            }
            assert_eq!(read(&from_slots(&counted)), expected, "scale {scale}");
        }
    }

    #[test]
    fn zeros_ones_and_nothing() {
        let empty = from_slots(&Counted::new(3));
        assert_eq!((empty.zero_count, empty.positive_span.len(), empty.schema), (Some(0), 0, Some(3)));
        assert_eq!(empty.zero_threshold, Some(2f64.powi(-128)));
        let mut counted = Counted::new(3);
        [0, 0, 1].into_iter().for_each(|v| counted.record(v));
        let histogram = from_slots(&counted);
        assert_eq!((histogram.zero_count, read(&histogram)), (Some(2), BTreeMap::from([(0, 1)])));
        // A long gap begins a span, relative to the end of the one before.
        counted.record(1 << 20);
        let histogram = from_slots(&counted);
        assert_eq!(histogram.positive_span[1], BucketSpan { offset: Some(159), length: Some(1) });
        assert_eq!(read(&histogram), BTreeMap::from([(0, 1), (160, 1)]));
    }
}
