//! The text formats: Prometheus's classic one, version 0.0.4, and, with what [`openmetrics`](super::openmetrics) says is
//! different there, OpenMetrics.

use super::{buckets, number};
use crate::export::catalog::{FamilyKind, LabelSet, MetricHeader, Number, Quantiles, Sample, Sink, Values, visit};
use crate::snapshot::Snapshot;
use std::time::{SystemTime, UNIX_EPOCH};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::export) enum Dialect {
    Classic,
    OpenMetrics,
}

impl Dialect {
    /// Whether a histogram with these bounds, ascending, has a sum and a count. Of values below zero the sum may fall,
    /// and OpenMetrics then wants neither.
    fn has_sum(self, bounds: &[String]) -> bool {
        self == Dialect::Classic || !bounds.first().is_some_and(|bound| bound.starts_with('-'))
    }
}

/// Adds the page of `snapshot` to `out`. Every sample has the labels `constant`, but for those whose names it has itself.
pub(in crate::export) fn encode(
    snapshot: &Snapshot,
    dialect: Dialect,
    constant: &[(String, String)],
    out: &mut String,
) {
    let (sample, prefix, bounds, counts) = (String::new(), String::new(), Vec::new(), Vec::new());
    let mut page = Page { out, dialect, constant, sample, prefix, bounds, counts, created: None };
    visit(snapshot, &mut page);
    if dialect == Dialect::OpenMetrics {
        out.push_str("# EOF\n");
    }
}

/// A page that is being written.
struct Page<'a> {
    out: &'a mut String,
    dialect: Dialect,
    /// Labels of every sample.
    constant: &'a [(String, String)],
    /// The name of the family's samples.
    sample: String,
    /// What the lines of one histogram or summary begin with.
    prefix: String,
    /// The bounds of the family's buckets, as text; worked out with its first sample, as all samples have the same.
    bounds: Vec<String>,
    /// How many values are at most each bound, of one sample.
    counts: Vec<u64>,
    /// Since when the next sample is counted, where it says that.
    created: Option<Number>,
}

impl Sink for Page<'_> {
    fn family(&mut self, header: &MetricHeader<'_>) {
        self.sample.clear();
        self.sample.push_str(header.name);
        self.bounds.clear();
        self.created = None;
        if header.kind == FamilyKind::Counter {
            self.sample.push_str("_total");
        }
        // The classic format knows samples only; in OpenMetrics a counter's family has a name of its own.
        let name = if self.dialect == Dialect::Classic { &self.sample } else { header.name };
        for part in ["# HELP ", name, " "] {
            self.out.push_str(part);
        }
        let quotes = self.dialect == Dialect::OpenMetrics;
        push_escaped(self.out, header.help, quotes);
        for part in ["\n# TYPE ", name, " ", header.kind.name(), "\n"] {
            self.out.push_str(part);
        }
        if let Some(unit) = header.unit {
            for part in ["# UNIT ", name, " ", unit, "\n"] {
                self.out.push_str(part);
            }
        }
    }

    fn counted_since(&mut self, since: Option<SystemTime>) {
        let ns = |since: SystemTime| since.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        self.created = since.filter(|_| self.dialect == Dialect::OpenMetrics).map(|since| Number::Nanos(ns(since)));
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        match sample {
            Sample::Number(value) => self.number(labels, *value),
            Sample::Histogram(values) => self.histogram(labels, values),
            Sample::Summary(quantiles) => self.summary(labels, quantiles),
        }
        if let Some(created) = self.created {
            // A counter's is called as its family is.
            let of_counter = self.sample.ends_with("_total").then(|| self.sample.len() - "_total".len());
            let total = of_counter.map(|length| self.sample.split_off(length));
            self.total("_created", labels, created);
            self.sample.extend(total);
        }
    }
}

impl Page<'_> {
    fn number(&mut self, labels: LabelSet<'_>, value: Number) {
        self.out.push_str(&self.sample);
        let before = push_labels(self.out, self.constant, labels);
        self.end_line(if before == "{" { " " } else { "} " }, value);
    }

    fn histogram(&mut self, labels: LabelSet<'_>, values: &Values<'_>) {
        if self.bounds.is_empty() {
            self.bounds = buckets::bounds(values).into_iter().map(|bound| self.bound(bound)).collect();
        }
        buckets::cumulative(values, &mut self.counts);
        self.begin_prefix("_bucket", labels, "le");
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            for part in [&*self.prefix, bound, "\"} "] {
                self.out.push_str(part);
            }
            number::push_u64(self.out, *count);
            self.out.push('\n');
        }
        self.out.push_str(&self.prefix);
        self.end_line("+Inf\"} ", Number::Count(values.count()));
        if self.dialect.has_sum(&self.bounds) {
            self.total("_sum", labels, values.sum());
            self.total("_count", labels, Number::Count(values.count()));
        }
    }

    fn summary(&mut self, labels: LabelSet<'_>, quantiles: &Quantiles<'_>) {
        self.begin_prefix("", labels, "quantile");
        for (quantile, value) in quantiles.iter() {
            self.out.push_str(&self.prefix);
            number::push_f64(self.out, quantile);
            self.end_line("\"} ", Number::Real(value));
        }
        self.total("_sum", labels, quantiles.sum());
        self.total("_count", labels, Number::Count(quantiles.count()));
    }

    /// What lines begin with that differ in one more label.
    fn begin_prefix(&mut self, suffix: &str, labels: LabelSet<'_>, label: &str) {
        self.prefix.clear();
        self.prefix.push_str(&self.sample);
        self.prefix.push_str(suffix);
        let before = push_labels(&mut self.prefix, self.constant, labels);
        for part in [before, label, "=\""] {
            self.prefix.push_str(part);
        }
    }

    fn bound(&self, bound: f64) -> String {
        let mut text = String::new();
        match self.dialect {
            Dialect::Classic => number::push_canonical(&mut text, bound),
            Dialect::OpenMetrics => number::push_openmetrics_bound(&mut text, bound),
        }
        text
    }

    fn total(&mut self, suffix: &str, labels: LabelSet<'_>, value: Number) {
        let length = self.sample.len();
        self.sample.push_str(suffix);
        self.number(labels, value);
        self.sample.truncate(length);
    }

    fn end_line(&mut self, before: &str, value: Number) {
        self.out.push_str(before);
        match value {
            Number::Count(count) => number::push_u64(self.out, count),
            Number::Real(value) => number::push_f64(self.out, value),
            Number::Nanos(ns) => number::push_nanos(self.out, ns),
        }
        self.out.push('\n');
    }
}

/// Writes the labels of every sample, then those of this one, and says what comes before the next one.
#[inline]
fn push_labels(out: &mut String, constant: &[(String, String)], labels: LabelSet<'_>) -> &'static str {
    let mut before = "{";
    for (name, value) in constant {
        let mut is_its_own = false;
        labels.for_each(|own, _| is_its_own |= own == name);
        if !is_its_own {
            push_label(out, &mut before, name, value);
        }
    }
    labels.for_each(|name, value| push_label(out, &mut before, name, value));
    before
}

/// Writes one label, and says what comes before the next one.
#[inline]
fn push_label(out: &mut String, before: &mut &'static str, name: &str, value: &str) {
    out.push_str(before);
    out.push_str(name);
    out.push_str("=\"");
    push_escaped(out, value, true);
    out.push('"');
    *before = ",";
}

/// A label's value, or a help text, in which the classic format leaves `"` as it is.
fn push_escaped(out: &mut String, text: &str, quotes: bool) {
    let special = |b: &u8| matches!(b, b'\\' | b'\n') || (quotes && *b == b'"');
    if !text.as_bytes().iter().any(special) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
