//! DogStatsD: counts as what was added, gauges, distributions with a weight for each value, and events; a line each, in packets.

mod events;
mod packets;
mod rate;

pub(crate) use events::{application_event, kernel_event};
pub(crate) use packets::{Packet, Packets};

use self::rate::weights;
use super::catalog::{FamilyKind, LabelSet, MetricHeader, Number, Quantiles, Sample, Sink, Values, visit_since};
use super::prometheus::number::{push_f64, push_nanos, push_u64};
use super::weighted::each_value;
use crate::snapshot::Snapshot;

/// Longest tag that Datadog takes, and longest name of a metric.
const MOST_CHARS: usize = 200;

/// What all lines of a destination have in common.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// Longest packet, in bytes.
    pub(crate) packet_bytes: usize,
    /// What histograms are sent as: `d`, `h` or `ms`.
    pub(crate) histograms: &'static str,
    /// Tags of every line, `key:value`.
    pub(crate) tags: Vec<String>,
    /// What follows the tags of every line, such as `|e:…`, or nothing.
    pub(crate) tail: String,
}

/// What a client of DogStatsD tells of itself, since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientCounts {
    pub(crate) packets_sent: u64,
    pub(crate) packets_dropped: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_dropped: u64,
}

/// Writes what was added since `previous`, and how things are.
pub(crate) fn metrics(snapshot: &Snapshot, previous: Option<&Snapshot>, packets: &mut Packets<'_>) {
    visit_since(
        snapshot,
        previous,
        &mut Lines { name: String::new(), is_counter: false, tags: String::new(), packets },
    );
}

/// Writes what the client tells of itself, with what is in `packets` by now; `transport` is `udp` or `uds`.
pub(crate) fn telemetry(counts: ClientCounts, transport: &str, packets: &mut Packets<'_>) {
    let (metrics, events) = (packets.metrics, packets.events);
    let version = env!("CARGO_PKG_VERSION");
    let tags = format!("client:ringscope,client_version:{version},client_transport:{transport}");
    for (name, count) in [
        ("metrics", metrics),
        ("events", events),
        ("packets_sent", counts.packets_sent),
        ("packets_dropped", counts.packets_dropped),
        ("bytes_sent", counts.bytes_sent),
        ("bytes_dropped", counts.bytes_dropped),
    ] {
        if count > 0 {
            let name = format!("datadog.dogstatsd.client.{name}");
            packets.metric(&name, &tags, "c", |line| push_u64(line, count));
        }
    }
}

/// A tag as `key:value`, without what ends it: commas, bars and line ends are underscores. Datadog cuts tags at 200 characters.
pub(crate) fn tag(name: &str, value: &str) -> String {
    let mut text = String::new();
    push_tag(&mut text, name, value);
    text
}

fn push_tag(text: &mut String, name: &str, value: &str) {
    let chars = name.chars().chain([':']).chain(value.chars());
    text.extend(chars.take(MOST_CHARS).map(|c| if matches!(c, ',' | '|') || c.is_control() { '_' } else { c }));
}

/// A line for each sample, and one for each bucket of a histogram that has values.
struct Lines<'a, 'b> {
    name: String,
    is_counter: bool,
    /// Of the sample, with commas between them.
    tags: String,
    packets: &'a mut Packets<'b>,
}

impl Lines<'_, '_> {
    fn number(&mut self, number: Number) {
        let kind = if self.is_counter { "c" } else { "g" };
        match number {
            // Nothing was added.
            Number::Count(0) | Number::Nanos(0) if self.is_counter => {}
            Number::Real(value) if !value.is_finite() || self.is_counter && value == 0.0 => {}
            Number::Count(count) => self.packets.metric(&self.name, &self.tags, kind, |line| push_u64(line, count)),
            Number::Real(value) => self.packets.metric(&self.name, &self.tags, kind, |line| push_f64(line, value)),
            Number::Nanos(ns) => self.packets.metric(&self.name, &self.tags, kind, |line| push_nanos(line, ns)),
        }
    }

    fn histogram(&mut self, values: &Values<'_>) {
        let kind = self.packets.format().histograms;
        each_value(values, |value, count| {
            for weight in weights(count) {
                self.packets.weighted(&self.name, &self.tags, kind, weight, |line| push_f64(line, value));
            }
        });
    }

    /// As gauges. What is counted is in the histograms.
    fn summary(&mut self, quantiles: &Quantiles<'_>) {
        for (q, value) in quantiles.iter().filter(|(_, value)| value.is_finite()) {
            let tags = tag("quantile", &q.to_string());
            self.packets.metric(&self.name, &tags, "g", |line| push_f64(line, value));
        }
    }
}

impl Sink for Lines<'_, '_> {
    fn family(&mut self, header: &MetricHeader<'_>) {
        self.name.clear();
        self.name.push_str(header.name);
        self.is_counter = header.kind == FamilyKind::Counter;
    }

    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>) {
        self.tags.clear();
        labels.for_each(|name, value| {
            if !self.tags.is_empty() {
                self.tags.push(',');
            }
            push_tag(&mut self.tags, name, value);
        });
        match sample {
            Sample::Number(number) => self.number(*number),
            Sample::Histogram(values) => self.histogram(values),
            Sample::Summary(quantiles) => self.summary(quantiles),
        }
    }
}
