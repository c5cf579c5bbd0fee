//! JSON by metric: each name with its values, labels and times.

use std::borrow::Cow;
#[cfg(feature = "files")]
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::catalog::{FamilyKind, LabelSet, MetricHeader, Number, Quantiles, Sample, Sink, Values, visit};
#[cfg(feature = "files")]
use crate::collector::{ApplicationEvent, KernelEvent, NetworkRecord, OperationRecord};
use crate::histogram::{Histogram, slot_values};
use crate::metrics::ExplicitHistogram;
use crate::snapshot::Snapshot;

/// The document of [`Snapshot::export_json_metrics`].
#[derive(Serialize)]
pub(super) struct ByMetric {
    /// Unix time in seconds.
    timestamp: f64,
    metrics: Map<String, Value>,
    /// Since the start.
    events_count: u64,
    running: bool,
    #[serde(skip)]
    #[cfg_attr(not(feature = "files"), allow(dead_code))] // destinations count what they send
    samples: u64,
}

/// What ended or happened since the snapshot before, in a document of a stream.
#[cfg(feature = "files")]
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Happened<'a> {
    pub(crate) events: &'a [Arc<ApplicationEvent>],
    pub(crate) kernel_events: &'a [KernelEvent],
    pub(crate) operations: &'a [OperationRecord],
    pub(crate) network_operations: &'a [NetworkRecord],
    /// How many of them were gone before they could be written.
    pub(crate) missed: u64,
}

impl ByMetric {
    pub(super) fn new(snapshot: &Snapshot, running: bool) -> ByMetric {
        let timestamp = snapshot.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut page = Page { timestamp, metrics: Map::new(), family: String::new(), samples: 0 };
        visit(snapshot, &mut page);
        let events_count = snapshot.self_metrics.events_total;
        ByMetric { timestamp, metrics: page.metrics, events_count, running, samples: page.samples }
    }
}

/// Writes the document and how many samples are in it.
#[cfg(feature = "files")]
pub(crate) fn document(snapshot: &Snapshot, running: bool) -> Result<(String, u64), serde_json::Error> {
    let page = ByMetric::new(snapshot, running);
    Ok((serde_json::to_string(&page)?, page.samples))
}

/// Writes the document with what happened, and how many samples, records and events are in it.
#[cfg(feature = "files")]
pub(crate) fn line(
    snapshot: &Snapshot,
    running: bool,
    happened: Happened<'_>,
) -> Result<(String, u64), serde_json::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        page: ByMetric,
        #[serde(flatten)]
        happened: Happened<'a>,
    }
    let page = ByMetric::new(snapshot, running);
    let records = happened.operations.len() + happened.network_operations.len();
    let items = page.samples + (records + happened.events.len() + happened.kernel_events.len()) as u64;
    Ok((serde_json::to_string(&Line { page, happened })?, items))
}

/// The metrics that were written so far.
struct Page {
    timestamp: f64,
    metrics: Map<String, Value>,
    /// The name of the samples that follow.
    family: String,
    samples: u64,
}

impl Sink for Page {
    fn family(&mut self, header: &MetricHeader<'_>) {
        let name = match header.kind {
            FamilyKind::Counter => Cow::Owned(format!("{}_total", header.name)),
            _ => Cow::Borrowed(header.name),
        };
        self.family.clear();
        self.family.push_str(&name);
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        let mut of_sample = Map::new();
        labels.for_each(|name, value| drop(of_sample.insert(name.to_owned(), value.into())));
        let value = match sample {
            Sample::Number(value) => number(*value),
            Sample::Histogram(values) => histogram(values),
            Sample::Summary(quantiles) => summary(quantiles),
        };
        let entry = json!({"value": value, "labels": of_sample, "timestamp": self.timestamp});
        self.samples += 1;
        match self.metrics.get_mut(&self.family) {
            Some(Value::Array(samples)) => samples.push(entry),
            _ => drop(self.metrics.insert(self.family.clone(), Value::Array(vec![entry]))),
        }
    }
}

/// Counts are exact; JSON has neither NaN nor infinity, which are `null`.
fn number(number: Number) -> Value {
    match number {
        Number::Count(count) => count.into(),
        other => other.as_f64().into(),
    }
}

fn histogram(values: &Values<'_>) -> Value {
    let buckets = match values {
        Values::Seconds(h) => exponential(h, |most| (most as f64 / 1e9).into()),
        Values::Native(h) | Values::Exponential(h) => exponential(h, Value::from),
        Values::Explicit(h) => explicit(h),
    };
    json!({"count": values.count(), "sum": number(values.sum()), "buckets": buckets})
}

/// The buckets that have values, by their largest value.
fn exponential(histogram: &Histogram, bound: impl Fn(u64) -> Value) -> Vec<Value> {
    let used = histogram.slots().filter(|(_, count)| *count > 0);
    used.map(|(slot, count)| json!([bound(*slot_values(slot, histogram.scale()).end()), count])).collect()
}

fn explicit(histogram: &ExplicitHistogram) -> Vec<Value> {
    let bounds = histogram.bounds().iter().map(|bound| Some(*bound)).chain([None]);
    bounds.zip(histogram.counts()).map(|(bound, count)| json!([bound, count])).collect()
}

fn summary(quantiles: &Quantiles<'_>) -> Value {
    let of_each: Map<String, Value> = quantiles.iter().map(|(q, value)| (q.to_string(), value.into())).collect();
    json!({"count": quantiles.count(), "sum": number(quantiles.sum()), "quantiles": of_each})
}
