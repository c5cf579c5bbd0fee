//! The numbers of a snapshot: one document for each set of labels, which is a kernel, a GPU, a peer, or the process itself.

use std::collections::HashMap;

use super::json::Fields;
use crate::export::catalog::{self, FamilyKind, LabelSet, MetricHeader, Number, Sample, Sink, Values};
use crate::histogram::{Histogram, slot_bounds};
use crate::metrics::ExplicitHistogram;
use crate::snapshot::Snapshot;

/// From so many bytes on, what else is known of the same labels is in a further document.
const MOST_DOCUMENT: usize = 256 << 10;
/// Labels of ringscope's own that say what is counted, not of whom: each value is a field.
const KINDS_OF_COUNT: [&str; 3] = ["status", "what", "reason"];
/// The label of which one value is true.
const STATE: &str = "state";

/// The fields of each document that `snapshot` makes. Counters are totals; histograms have what was added since `previous`.
pub(super) fn documents(snapshot: &Snapshot, previous: Option<&Snapshot>) -> impl Iterator<Item = Fields> {
    let mut documents = Documents::default();
    catalog::visit_since(snapshot, previous, &mut documents);
    documents.all.into_iter().map(|document| document.fields).filter(|fields| !fields.bytes.is_empty())
}

/// The document of one label set.
struct Document {
    key: Vec<u8>,
    fields: Fields,
}

/// Collects samples, which come family by family, by their label sets.
#[derive(Default)]
struct Documents {
    all: Vec<Document>,
    by_key: HashMap<Vec<u8>, usize>,
    /// Families mostly come with the same label sets in the same order: the one after the last is looked at first.
    next: usize,
    key: Vec<u8>,
    name: String,
    kind: Option<FamilyKind>,
}

impl Documents {
    /// The document of the labels, without those that are part of a field's name.
    fn of(&mut self, labels: LabelSet<'_>, own: usize) -> &mut Fields {
        self.key.clear();
        let mut n = 0;
        labels.for_each(|name, value| {
            n += 1;
            if n <= own {
                for text in [name, value] {
                    self.key.extend_from_slice(&text.len().to_le_bytes());
                    self.key.extend_from_slice(text.as_bytes());
                }
            }
        });
        let mut at = self.find();
        if at.is_none_or(|at| self.all[at].fields.bytes.len() > MOST_DOCUMENT) {
            let mut fields = Fields::default();
            let mut n = 0;
            labels.for_each(|name, value| {
                n += 1;
                if n <= own {
                    fields.text(&["labels.", name], value);
                }
            });
            at = Some(self.all.len());
            self.by_key.insert(self.key.clone(), self.all.len());
            self.all.push(Document { key: self.key.clone(), fields });
        }
        let at = at.unwrap_or_default();
        self.next = at + 1;
        &mut self.all[at].fields
    }

    fn find(&self) -> Option<usize> {
        let next = self.all.get(self.next).filter(|document| document.key == self.key);
        match next {
            // It may have been continued.
            Some(document) if document.fields.bytes.len() <= MOST_DOCUMENT => Some(self.next),
            _ => self.by_key.get(&self.key).copied(),
        }
    }
}

impl Sink for Documents {
    const COUNTS_SINCE: bool = false;

    fn family(&mut self, header: &MetricHeader<'_>) {
        self.name.clear();
        self.name.push_str(header.name);
        self.kind = Some(header.kind);
        self.next = 0;
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let (own, last) = split(labels);
        let name = std::mem::take(&mut self.name);
        let is_counter = self.kind == Some(FamilyKind::Counter);
        match (sample, last) {
            (Sample::Number(number), Some((STATE, value))) => {
                if *number != Number::Count(0) {
                    self.of(labels, own).text(&["state.", &name], value);
                }
            }
            (Sample::Number(value), Some((_, what))) => {
                number(self.of(labels, own), is_counter, &[&name, ".", what], *value);
            }
            (Sample::Number(value), None) => number(self.of(labels, own), is_counter, &[&name], *value),
            // Nothing new: the field is not there.
            (Sample::Histogram(values), _) if values.count() == 0 => {}
            (Sample::Histogram(Values::Seconds(h)), _) => exponential(self.of(labels, own), &name, h, Unit::Seconds),
            (Sample::Histogram(Values::Native(h) | Values::Exponential(h)), _) => {
                exponential(self.of(labels, own), &name, h, Unit::Counted);
            }
            (Sample::Histogram(Values::Explicit(h)), _) => explicit(self.of(labels, own), &name, h),
            (Sample::Summary(quantiles), _) => {
                let fields = self.of(labels, own);
                fields.count(&["summary.", &name, ".count"], quantiles.count());
                fields.real(&["summary.", &name, ".sum"], quantiles.sum().as_f64());
                for (q, value) in quantiles.iter() {
                    fields.real(&["summary.", &name, percentile(q)], value);
                }
            }
        }
        self.name = name;
    }
}

/// How many labels say of whom a sample is, and the label after those that says what it counts.
fn split<'a>(labels: LabelSet<'a>) -> (usize, Option<(&'static str, &'a str)>) {
    let LabelSet::Pairs(pairs) = labels else { return (usize::MAX, None) };
    let Some((last, others)) = pairs.split_last() else { return (0, None) };
    let what = KINDS_OF_COUNT.into_iter().chain([STATE]).find(|name| *name == last.0);
    match what {
        Some(name) => (others.len(), Some((name, last.1))),
        None => (pairs.len(), None),
    }
}

fn percentile(q: f64) -> &'static str {
    match q {
        0.5 => ".p50",
        0.95 => ".p95",
        _ => ".p99",
    }
}

fn number(fields: &mut Fields, is_counter: bool, name: &[&str], value: Number) {
    let mut parts = [if is_counter { "counter." } else { "gauge." }, "", "", ""];
    let parts_len = 1 + name.len().min(3);
    parts[1..parts_len].copy_from_slice(&name[..parts_len - 1]);
    match value {
        Number::Count(count) => fields.count(&parts[..parts_len], count),
        value => fields.real(&parts[..parts_len], value.as_f64()),
    }
}

#[derive(Clone, Copy)]
enum Unit {
    /// Nanoseconds were counted.
    Seconds,
    Counted,
}

impl Unit {
    fn of(self, value: f64) -> f64 {
        match self {
            Unit::Seconds => value / 1e9,
            Unit::Counted => value,
        }
    }
}

/// Each used bucket as the value that its quantiles are estimated by, so that no value is further from the truth than the
/// bucket allows.
fn exponential(fields: &mut Fields, name: &str, h: &Histogram, unit: Unit) {
    let (min, max) = (h.min().unwrap_or(0) as f64, h.max().unwrap_or(u64::MAX) as f64);
    let value_of = |slot: usize| {
        let (low, high) = slot_bounds(slot, h.scale());
        let middle = if slot < 2 { slot as f64 } else { 2.0 * low * high / (low + high) };
        unit.of(if min <= max { middle.clamp(min, max) } else { middle })
    };
    let used = || h.slots().filter(|(_, count)| *count > 0);
    let (values, counts) = (used().map(|(slot, _)| value_of(slot)), used().map(|(_, count)| count));
    fields.histogram(&["histogram.", name], values, counts);
    summary(
        fields,
        name,
        &[
            (".min", unit.of(min)),
            (".max", unit.of(max)),
            (".p50", unit.of(h.quantile(0.5))),
            (".p95", unit.of(h.quantile(0.95))),
            (".p99", unit.of(h.quantile(0.99))),
        ],
        h.count(),
        unit.of(h.sum() as f64),
    );
}

/// Each used bucket as its middle; the outer ones end where the values do, as far as that is known.
fn explicit(fields: &mut Fields, name: &str, h: &ExplicitHistogram) {
    let bounds = h.bounds();
    let (first, last) = (bounds.first().copied().unwrap_or(0.0), bounds.last().copied().unwrap_or(0.0));
    let (min, max) = (h.min().unwrap_or(first.min(0.0)), h.max().unwrap_or(last));
    let middle = |i: usize| {
        let low = i.checked_sub(1).map_or(min.min(first), |before| bounds[before]);
        let high = bounds.get(i).copied().unwrap_or(max.max(last));
        let middle = low / 2.0 + high / 2.0;
        if h.min().is_some() && h.max().is_some() { middle.clamp(min, max) } else { middle }
    };
    let used = || h.counts().iter().copied().enumerate().filter(|(_, count)| *count > 0);
    fields.histogram(&["histogram.", name], used().map(|(i, _)| middle(i)), used().map(|(_, count)| count));
    let extremes = [(".min", h.min().unwrap_or(f64::NAN)), (".max", h.max().unwrap_or(f64::NAN))];
    let quantiles = [(".p50", h.quantile(0.5)), (".p95", h.quantile(0.95)), (".p99", h.quantile(0.99))];
    let numbers: Vec<_> = extremes.into_iter().chain(quantiles).collect();
    summary(fields, name, &numbers, h.count(), h.sum());
}

fn summary(fields: &mut Fields, name: &str, numbers: &[(&str, f64)], count: u64, sum: f64) {
    fields.count(&["summary.", name, ".count"], count);
    fields.real(&["summary.", name, ".sum"], sum);
    numbers.iter().for_each(|(part, value)| fields.real(&["summary.", name, part], *value));
}
