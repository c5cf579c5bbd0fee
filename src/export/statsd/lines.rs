//! Lines of metrics: counts as what was added, gauges, distributions with a weight for each value.

use super::format::{push_tag, tag};
use super::packets::Packets;
use super::rate::weights;
use crate::export::catalog::{
    FamilyKind, LabelSet, MetricHeader, Number, Quantiles, Sample, Sink, Values, visit_since,
};
use crate::export::prometheus::number::{push_f64, push_nanos, push_u64};
use crate::export::weighted::each_value;
use crate::snapshot::Snapshot;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::format::Format;
    use super::*;

    fn lines(snapshot: &Snapshot, previous: Option<&Snapshot>) -> Vec<String> {
        let (tags, tail) = (vec!["env:test".to_owned()], String::new());
        let format = Format { packet_bytes: 1432, histograms: "d", tags, tail };
        let mut packets = Packets::new(&format);
        metrics(snapshot, previous, &mut packets);
        let (packets, too_long) = packets.finish();
        assert_eq!(too_long, 0);
        packets.iter().flat_map(|packet| packet.text.lines()).map(str::to_owned).collect()
    }

    #[test]
    fn each_type_has_its_line() {
        let collector = crate::TelemetryCollector::new(true);
        let busy =
            |n: u64| (0..n).for_each(|_| collector.record_processed("w", Some(Duration::from_nanos(3))).expect("on"));
        busy(93);
        let first = collector.snapshot().expect("a snapshot");
        let written = lines(&first, None);
        for line in [
            "ringscope_kernel_messages_processed:93|c|#kernel:w,env:test",
            "ringscope_kernel_message_duration_seconds:3e-9|d|@0.0107526881720430|#kernel:w,env:test",
            "ringscope_kernel_busy_seconds:0.000000279|c|#kernel:w,env:test",
            "ringscope_kernels:1|g|#env:test",
            "ringscope_kernel_state:1|g|#kernel:w,state:active,env:test",
            "ringscope_task_latency_seconds:3e-9|g|#quantile:0.5,env:test",
        ] {
            let (until_rate, _) = line.split_once("204").unwrap_or((line, ""));
            assert!(written.iter().any(|written| written.starts_with(until_rate)), "{line} is not in {written:#?}");
        }
        busy(1);
        let since = lines(&collector.snapshot().expect("a snapshot"), Some(&first));
        assert!(since.contains(&"ringscope_kernel_messages_processed:1|c|#kernel:w,env:test".to_owned()), "{since:#?}");
        assert!(since.contains(&"ringscope_kernel_message_duration_seconds:3e-9|d|#kernel:w,env:test".to_owned()));
        assert!(
            !since.iter().any(|line| line.starts_with("ringscope_kernel_errors:")),
            "nothing was added: {since:#?}"
        );
    }
}
