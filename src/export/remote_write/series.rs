//! The snapshot as series: every bucket, sum and count is one, with its labels in order.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use super::batch::{Batch, Histograms, Request};
use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Quantiles, Sample, Sink, Values};
use crate::export::prometheus::{buckets, number};
use crate::histogram::Histogram;

/// The label that is the name.
const NAME: &str = "__name__";

/// What a series has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Point<'a> {
    Value(f64),
    Native(&'a Histogram),
    /// It has ended.
    Gone,
    NativeGone,
}

impl Point<'_> {
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Point::Gone | Point::NativeGone)
    }
}

/// Name and value of labels, sorted by name, `__name__` among them.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

/// Takes series.
pub(super) trait Writer {
    fn family(&mut self, header: &MetricHeader<'_>);
    /// Says since when the family's next series is counted, where it is another time than others'.
    fn counted_since(&mut self, _: Option<SystemTime>) {}
    fn series(&mut self, labels: &Labels<'_>, point: Point<'_>);
    fn finish(self) -> Vec<Request>;
}

/// Remembers which series there were.
pub(super) struct Seen<W> {
    pub(super) series: HashSet<u64>,
    pub(super) writer: W,
}

impl<W: Writer> Writer for Seen<W> {
    fn family(&mut self, header: &MetricHeader<'_>) {
        self.writer.family(header);
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        self.writer.counted_since(since);
    }

    fn series(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        self.series.insert(hash(labels));
        self.writer.series(labels, point);
    }

    fn finish(self) -> Vec<Request> {
        self.writer.finish()
    }
}

/// Ends the series that were not seen.
pub(super) struct Gone<W> {
    pub(super) seen: HashSet<u64>,
    pub(super) writer: W,
}

impl<W: Writer> Writer for Gone<W> {
    fn family(&mut self, header: &MetricHeader<'_>) {
        self.writer.family(header);
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        self.writer.counted_since(since);
    }

    fn series(&mut self, labels: &Labels<'_>, point: Point<'_>) {
        if !self.seen.contains(&hash(labels)) {
            let gone = if matches!(point, Point::Native(_)) { Point::NativeGone } else { Point::Gone };
            self.writer.series(labels, gone);
        }
    }

    fn finish(self) -> Vec<Request> {
        self.writer.finish()
    }
}

/// One that met another's would not be ended: with 64 bits that does not happen.
fn hash(labels: &Labels<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish()
}

/// Walks a snapshot.
pub(super) struct Walk<'a, W, const NATIVE: bool> {
    writer: &'a mut W,
    common: &'a [(String, String)],
    /// Whether histograms with exponential buckets get classic ones as well.
    classic: bool,
    /// Of the family's samples.
    name: String,
    /// The name and what histograms add to it.
    parts: [String; 3],
    /// Bounds of the family's buckets, as text.
    bounds: Vec<String>,
    counts: Vec<u64>,
    /// Memory for the labels of one series.
    spare: Spare,
}

/// Empty, with memory that is used again.
type Spare = Vec<(&'static str, &'static str)>;

impl<'a, W: Writer, const NATIVE: bool> Walk<'a, W, NATIVE> {
    pub(super) fn new(batch: &Batch<'a>, writer: &'a mut W) -> Self {
        Walk {
            writer,
            common: batch.labels,
            classic: batch.histograms != Histograms::Native,
            name: String::new(),
            parts: Default::default(),
            bounds: Vec::new(),
            counts: Vec::new(),
            spare: Vec::new(),
        }
    }

    fn histogram(&mut self, labels: LabelSet<'_>, values: &Values<'_>) {
        if let Values::Native(counted) | Values::Exponential(counted) = values
            && NATIVE
        {
            let one = One::new(&mut self.spare, &self.name, self.common, labels, None);
            self.writer.series(&one.labels, Point::Native(counted));
            self.spare = one.spare();
        }
        let classic = match values {
            Values::Native(_) => false,
            Values::Exponential(_) => self.classic,
            _ => true,
        };
        if classic {
            self.classic(labels, values);
        }
    }

    fn classic(&mut self, labels: LabelSet<'_>, values: &Values<'_>) {
        if self.bounds.is_empty() {
            let text = |bound| {
                let mut text = String::new();
                number::push_openmetrics_bound(&mut text, bound);
                text
            };
            self.bounds = buckets::bounds(values).into_iter().chain([f64::INFINITY]).map(text).collect();
        }
        buckets::cumulative(values, &mut self.counts);
        self.counts.push(values.count());
        let [bucket, ..] = &self.parts;
        let mut one = One::new(&mut self.spare, bucket, self.common, labels, Some("le"));
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            one.set_extra(bound);
            self.writer.series(&one.labels, Point::Value(*count as f64));
        }
        self.spare = one.spare();
        self.totals(labels, values.sum().as_f64(), values.count());
    }

    fn summary(&mut self, labels: LabelSet<'_>, quantiles: &Quantiles<'_>) {
        for (quantile, value) in quantiles.iter() {
            let mut text = String::new();
            number::push_f64(&mut text, quantile);
            let mut one = One::new(&mut self.spare, &self.name, self.common, labels, Some("quantile"));
            one.set_extra(&text);
            self.writer.series(&one.labels, Point::Value(value));
            self.spare = one.spare();
        }
        self.totals(labels, quantiles.sum().as_f64(), quantiles.count());
    }

    fn totals(&mut self, labels: LabelSet<'_>, sum: f64, count: u64) {
        let [_, of_sum, of_count] = &self.parts;
        for (name, value) in [(of_sum, sum), (of_count, count as f64)] {
            let one = One::new(&mut self.spare, name, self.common, labels, None);
            self.writer.series(&one.labels, Point::Value(value));
            self.spare = one.spare();
        }
    }
}

impl<W: Writer, const NATIVE: bool> Sink for Walk<'_, W, NATIVE> {
    const NATIVE: bool = NATIVE;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.bounds.clear();
        self.name.clear();
        self.name.push_str(header.name);
        if header.kind == FamilyKind::Counter {
            self.name.push_str("_total");
        }
        if matches!(header.kind, FamilyKind::Histogram | FamilyKind::Summary) {
            for (part, suffix) in self.parts.iter_mut().zip(["_bucket", "_sum", "_count"]) {
                part.clear();
                part.push_str(header.name);
                part.push_str(suffix);
            }
        }
        self.writer.family(header);
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        self.writer.counted_since(since);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        match sample {
            Sample::Number(number) => {
                let one = One::new(&mut self.spare, &self.name, self.common, labels, None);
                self.writer.series(&one.labels, Point::Value(number.as_f64()));
                self.spare = one.spare();
            }
            Sample::Histogram(values) => self.histogram(labels, values),
            Sample::Summary(quantiles) => self.summary(labels, quantiles),
        }
    }
}

/// The labels of one series, in order.
struct One<'a> {
    labels: Vec<(&'a str, &'a str)>,
    extra: usize,
}

impl<'a> One<'a> {
    fn new(
        spare: &mut Spare,
        name: &'a str,
        common: &'a [(String, String)],
        own: LabelSet<'a>,
        extra: Option<&'a str>,
    ) -> One<'a> {
        let mut labels: Vec<(&'a str, &'a str)> = std::mem::take(spare);
        labels.push((NAME, name));
        labels.extend(extra.map(|extra| (extra, "")));
        // A label without a value is none.
        own.for_each(|name, value| labels.extend((!value.is_empty()).then_some((name, value))));
        let own = labels.len();
        for (name, value) in common {
            if !labels[..own].iter().any(|(known, _)| *known == name) {
                labels.push((name, value));
            }
        }
        labels.sort_unstable();
        let place = |extra| labels.iter().position(|(name, _)| *name == extra);
        let extra = extra.and_then(place).unwrap_or(0);
        One { labels, extra }
    }

    /// The memory, for the next series. What is collected from a vector's own elements stays where they were.
    fn spare(mut self) -> Spare {
        self.labels.clear();
        self.labels.into_iter().map(|_| ("", "")).collect()
    }

    /// Sets the value of the label that differs.
    fn set_extra(&mut self, value: &'a str) {
        self.labels[self.extra].1 = value;
    }
}
