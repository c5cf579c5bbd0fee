//! Metrics.
//!
//! | of a snapshot | here |
//! |---|---|
//! | a counter | Sum, monotonic, of whole numbers; of times in seconds, of doubles |
//! | a gauge | Gauge |
//! | an exponential histogram | ExponentialHistogram, bucket by bucket as it was counted |
//! | durations, which are counted in nanoseconds | the same in `ns`; the families in seconds, which have the same values in classic buckets, are not sent beside them |
//! | a histogram over bounds of its own | Histogram over these |
//! | a histogram in seconds without one in nanoseconds beside it | Histogram over powers of two of nanoseconds, whose counts are exact |
//! | a summary | Summary, cumulative in any case |
//!
//! For receivers that take no exponential histograms all histograms are explicit, over powers of two; then the families in
//! seconds are sent, and those in nanoseconds are not.

use std::collections::HashMap;
use std::time::SystemTime;

use super::attributes::{resource, scope};
use super::metric_messages::{
    ExponentialHistogramDataPoint, HistogramDataPoint, MetricHead, NumberDataPoint, SummaryDataPoint,
};
use super::points::Span;
use super::requests::{Encoding, Form, Names, Request, Requests, add_element, add_field, field_len};
use super::time::unix_ns;
use super::units::ucum;
use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Sample, Sink, Values, catalog, visit, visit_since};
use crate::snapshot::Snapshot;
use crate::trace::Source;

const NAMES: Names = Names { resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics" };

/// What is written, and since when it was counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// Of delta temporality: the snapshot whose counts are taken off, if there is one. `None` is cumulative.
    pub(crate) since: Option<Option<&'a Snapshot>>,
    /// When counting began.
    pub(crate) started: SystemTime,
}

/// Writes everything that a snapshot has, with exponential histograms or without.
pub(crate) fn metrics(
    source: &Source,
    counted: Counted<'_>,
    exponential: bool,
    form: Form,
) -> Result<Vec<Request>, serde_json::Error> {
    if exponential { written::<true>(source, counted, form) } else { written::<false>(source, counted, form) }
}

fn written<const NATIVE: bool>(
    source: &Source,
    counted: Counted<'_>,
    form: Form,
) -> Result<Vec<Request>, serde_json::Error> {
    let mut requests = Requests::new(&NAMES, form, &resource(source));
    requests.scope(&scope("ringscope", Vec::new()));
    let mut page = Page::<NATIVE>::new(requests, counted);
    match counted.since {
        None => visit(counted.snapshot, &mut page),
        Some(previous) => visit_since(counted.snapshot, previous, &mut page),
    }
    page.end_metric();
    page.requests.finish()
}

/// What a metric's points are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Data {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Data {
    /// Its field in a metric, and its name in JSON.
    fn field(self) -> (u8, &'static str) {
        match self {
            Data::Gauge => (5, "gauge"),
            Data::Sum => (7, "sum"),
            Data::Histogram => (9, "histogram"),
            Data::ExponentialHistogram => (10, "exponentialHistogram"),
            Data::Summary => (11, "summary"),
        }
    }

    fn has_temporality(self) -> bool {
        matches!(self, Data::Sum | Data::Histogram | Data::ExponentialHistogram)
    }
}

/// A metric that is being written.
struct Page<'a, const NATIVE: bool> {
    requests: Requests,
    head: MetricHead,
    kind: FamilyKind,
    /// Whether the family's values are in another one as well, in a better form.
    is_repeated: bool,
    data: Data,
    /// `AggregationTemporality`.
    temporality: u8,
    span: Span,
    /// When the kernels began that began later than everything else.
    starts: HashMap<&'a str, u64>,
    points: Vec<u8>,
    count: u64,
    // Memory that is used again.
    number: NumberDataPoint,
    histogram: HistogramDataPoint,
    exponential: ExponentialHistogramDataPoint,
    summary: SummaryDataPoint,
    point: Vec<u8>,
    metric: Vec<u8>,
}

impl<'a, const NATIVE: bool> Page<'a, NATIVE> {
    fn new(requests: Requests, counted: Counted<'a>) -> Self {
        let since = counted.since.flatten().map_or(counted.started, |previous| previous.time);
        let time = unix_ns(counted.snapshot.time);
        // Nothing ends before it begins, whatever became of the clock.
        let span = Span { start: unix_ns(since).min(time), time };
        let start = |kernel: &'a crate::snapshot::KernelTelemetry| {
            // What came since the snapshot before may be of an earlier life as well.
            let lives_again = counted.since.is_some() && kernel.earlier.is_some();
            let start = unix_ns(kernel.counted_since.filter(|_| !lives_again)?);
            (start > span.start && start < time).then_some((&*kernel.kernel_id, start))
        };
        Page {
            requests,
            head: MetricHead::default(),
            kind: FamilyKind::Gauge,
            is_repeated: false,
            data: Data::Gauge,
            temporality: if counted.since.is_some() { 1 } else { 2 },
            span,
            starts: counted.snapshot.kernels.iter().filter_map(start).collect(),
            points: Vec::new(),
            count: 0,
            number: NumberDataPoint::default(),
            histogram: HistogramDataPoint::default(),
            exponential: ExponentialHistogramDataPoint::default(),
            summary: SummaryDataPoint::default(),
            point: Vec::new(),
            metric: Vec::new(),
        }
    }

    /// The time that a count of these labels is of.
    fn span(&self, labels: LabelSet<'_>) -> Span {
        match labels {
            LabelSet::Pairs([("kernel", kernel), ..]) => {
                Span { start: self.starts.get(kernel).copied().unwrap_or(self.span.start), ..self.span }
            }
            _ => self.span,
        }
    }

    /// Writes a sample into the memory for one point, and says of what it is one.
    fn write(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) -> Data {
        let (span, encoding) = (self.span(labels), self.requests.encoding());
        let point = &mut self.point;
        let (data, written) = match sample {
            Sample::Number(number) if self.kind == FamilyKind::Counter => {
                self.number.set(labels, span, *number);
                (Data::Sum, encoding.write(&self.number, point))
            }
            Sample::Number(number) => {
                self.number.set(labels, Span { start: 0, ..span }, *number);
                (Data::Gauge, encoding.write(&self.number, point))
            }
            Sample::Histogram(Values::Native(h) | Values::Exponential(h)) if NATIVE => {
                self.exponential.set(labels, span, h);
                (Data::ExponentialHistogram, encoding.write(&self.exponential, point))
            }
            Sample::Histogram(values) => {
                self.histogram.set(labels, span, values);
                (Data::Histogram, encoding.write(&self.histogram, point))
            }
            Sample::Summary(quantiles) => {
                self.summary.set(labels, span, quantiles);
                (Data::Summary, encoding.write(&self.summary, point))
            }
        };
        self.requests.keep_error(written);
        data
    }

    fn end_metric(&mut self) {
        if self.count == 0 {
            return;
        }
        let mut metric = std::mem::take(&mut self.metric);
        let written = self.requests.encoding().write(&self.head, &mut metric);
        self.requests.keep_error(written);
        match self.requests.encoding() {
            Encoding::Protobuf => self.add_data(&mut metric),
            Encoding::Json => self.add_json_data(&mut metric),
        }
        self.requests.item(&metric, self.count);
        self.metric = metric;
        self.points.clear();
        self.count = 0;
    }

    fn add_data(&self, metric: &mut Vec<u8>) {
        const TEMPORALITY: u8 = 2 << 3;
        const IS_MONOTONIC: u8 = 3 << 3;
        let tail = [TEMPORALITY, self.temporality, IS_MONOTONIC, 1];
        let tail = match self.data {
            Data::Sum => &tail[..],
            data if data.has_temporality() => &tail[..2],
            _ => &[],
        };
        add_field(self.data.field().0, &[&self.points, tail], metric);
    }

    fn add_json_data(&self, metric: &mut Vec<u8>) {
        // The head is an object of its own, which goes on here.
        metric.pop();
        let temporality = match self.data.has_temporality() {
            true => format!(",\"aggregationTemporality\":{}", self.temporality),
            false => String::new(),
        };
        let monotonic = if self.data == Data::Sum { ",\"isMonotonic\":true" } else { "" };
        let parts = [",\"", self.data.field().1, "\":{\"dataPoints\":["].map(str::as_bytes);
        parts.into_iter().chain([&self.points[..]]).for_each(|part| metric.extend_from_slice(part));
        ["]", &temporality, monotonic, "}}"].iter().for_each(|part| metric.extend_from_slice(part.as_bytes()));
    }
}

impl<const NATIVE: bool> Sink for Page<'_, NATIVE> {
    const NATIVE: bool = NATIVE;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.end_metric();
        let MetricHead { name, description, unit } = &mut self.head;
        let ucum = ucum(header.unit);
        for (into, text) in [(name, header.name), (description, header.help), (unit, &*ucum)] {
            into.clear();
            into.push_str(text);
        }
        self.kind = header.kind;
        self.is_repeated = NATIVE && header.kind == FamilyKind::Histogram && has_native_twin(header.name);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        if self.is_repeated {
            return;
        }
        let data = self.write(labels, sample);
        if data != self.data {
            self.end_metric();
            self.data = data;
        }
        // Everything that comes into this metric yet, its head included.
        const REST: usize = 128;
        let head = self.head.name.len() + self.head.description.len() + self.head.unit.len() + REST;
        if self.requests.is_full(self.points.len() + field_len(self.point.len()) + head) {
            self.end_metric();
            self.requests.cut_if_used();
        }
        match self.requests.encoding() {
            Encoding::Protobuf => add_field(1, &[&self.point], &mut self.points),
            Encoding::Json => add_element(&[&self.point], &mut self.points),
        }
        self.count += 1;
    }
}

/// Whether the catalog has the family in nanoseconds as well, for formats with exponential histograms.
fn has_native_twin(name: &str) -> bool {
    let Some(stem) = name.strip_suffix("_seconds") else { return false };
    let is_twin = |of: &str| of.strip_prefix(stem).is_some_and(|unit| unit == "_nanoseconds");
    catalog().any(|family| family.is_native_only() && is_twin(family.name))
}
