//! What is written, read by OpenTelemetry's own messages, whatever was counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as OneValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data, number_data_point::Value};
use proptest::prelude::*;
use prost::Message;
use ringscope::histogram::Histogram;
use ringscope::metrics::{Distribution, Value as Counted};
use ringscope::publish::{Destination, Otlp, OtlpProtocol, OtlpSignal, Publication};
use ringscope::trace::Source;
use ringscope::{Snapshot, TelemetryCollector};

use crate::receivers::brought;

/// One of each kind of metric, with these values.
#[derive(Clone, Debug)]
struct Values {
    label: String,
    count: u64,
    level: f64,
    sizes: Vec<u64>,
    scale: u32,
    waits: Vec<f64>,
}

fn any_values() -> impl Strategy<Value = Values> {
    let double = prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), -5.0..5.0];
    let size = prop_oneof![Just(0), Just(u64::MAX), 0..100_u64, any::<u64>()];
    let (sizes, waits) = (prop::collection::vec(size, 0..40), prop::collection::vec(double.clone(), 0..40));
    ("\\PC{0,20}", any::<u64>(), double, sizes, 0..=5_u32, waits)
        .prop_map(|(label, count, level, sizes, scale, waits)| Values { label, count, level, sizes, scale, waits })
}

fn snapshot(of: &Values) -> (TelemetryCollector, std::sync::Arc<Snapshot>) {
    let collector = TelemetryCollector::new(true);
    let labelled = |builder: ringscope::metrics::CounterBuilder| builder.label("of", &of.label).on_host().unwrap();
    labelled(collector.counter("hits", "Hits").unwrap()).inc_by(of.count);
    collector.gauge("level", "Level").unwrap().on_host().unwrap().set(of.level);
    let sizes = collector.histogram("sizes", "Sizes").unwrap().scale(of.scale).on_host().unwrap();
    of.sizes.iter().for_each(|size| sizes.observe(*size));
    let waits = collector.histogram("waits", "Waits").unwrap().buckets(&[-1.0, 0.0, 2.5]).on_host().unwrap();
    of.waits.iter().for_each(|wait| waits.observe(*wait));
    let snapshot = collector.snapshot().unwrap();
    (collector, snapshot)
}

fn encoded(snapshot: &std::sync::Arc<Snapshot>, protocol: OtlpProtocol, limit: usize) -> Vec<Vec<u8>> {
    let otlp = Otlp::builder("http://localhost:4318").protocol(protocol).request_bytes(limit);
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).build().unwrap();
    let source = Source::this_process("shop").into();
    let publication = Publication::of_snapshot(source, SystemTime::UNIX_EPOCH, snapshot.clone());
    otlp.encode(&publication).unwrap().iter().map(|payload| payload.bytes.to_vec()).collect()
}

/// The metrics of all requests, by name; what was cut is in one again.
fn decoded(requests: &[Vec<u8>]) -> BTreeMap<String, Vec<Metric>> {
    let mut all: BTreeMap<String, Vec<Metric>> = BTreeMap::new();
    for request in requests {
        let request = ExportMetricsServiceRequest::decode(&request[..]).expect("it is a request");
        for resource in request.resource_metrics {
            assert!(resource.resource.is_some());
            for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                all.entry(metric.name.clone()).or_default().push(metric);
            }
        }
    }
    all
}

/// The slots that have something in them.
fn slots_of(counted: &Histogram) -> Vec<(usize, u64)> {
    counted.slots().filter(|(_, count)| *count > 0).collect()
}

fn assert_is(metric: &Metric, of: &Counted, label: Option<&str>) {
    let value = |v: &Option<Value>| match v {
        Some(Value::AsInt(v)) => (Some(*v), None),
        Some(Value::AsDouble(v)) => (None, Some(v.to_bits())),
        None => panic!("no value"),
    };
    match (metric.data.as_ref().expect("data"), of) {
        (Data::Sum(sum), Counted::Counter(count)) => {
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
            let expected = match i64::try_from(*count) {
                Ok(count) => (Some(count), None),
                Err(_) => (None, Some((*count as f64).to_bits())),
            };
            let point = &sum.data_points[0];
            assert_eq!(value(&point.value), expected);
            let written = point.attributes.iter().find(|a| a.key == "of").and_then(|a| a.value.clone()?.value);
            assert_eq!(written, label.map(|label| OneValue::StringValue(label.to_owned())));
        }
        (Data::Gauge(gauge), Counted::Gauge(level)) => {
            let point = &gauge.data_points[0];
            assert_eq!((value(&point.value), point.start_time_unix_nano), ((None, Some(level.to_bits())), 0));
        }
        (Data::ExponentialHistogram(data), Counted::Histogram(counted)) => {
            let Distribution::Exponential(counted) = &counted.distribution else { panic!("{counted:?}") };
            let point = &data.data_points[0];
            let positive = point.positive.clone().unwrap_or_default();
            let mut slots = vec![(0, point.zero_count)];
            let first = i64::from(positive.offset) + 2;
            slots.extend((first..).map(|slot| slot as usize).zip(positive.bucket_counts));
            slots.retain(|(_, count)| *count > 0);
            assert_eq!(slots, slots_of(counted));
            assert_eq!((point.count, point.scale), (counted.count(), counted.scale() as i32));
            let exact = [Some(counted.sum()), counted.min(), counted.max()].map(|v| v.map(|v| v as f64));
            assert_eq!([point.sum, point.min, point.max], exact);
            assert!(point.negative.is_none() && point.zero_threshold == 0.0 && point.flags == 0);
        }
        (Data::Histogram(data), Counted::Histogram(counted)) => {
            let Distribution::Explicit(counted) = &counted.distribution else { panic!("{counted:?}") };
            let point = &data.data_points[0];
            assert_eq!(
                (&point.bucket_counts[..], &point.explicit_bounds[..]),
                (counted.counts(), &counted.bounds()[..])
            );
            assert_eq!((point.count, point.min, point.max), (counted.count(), counted.min(), counted.max()));
            let is_sum = counted.sum().is_finite() && counted.min().is_none_or(|min| min >= 0.0);
            assert_eq!(point.sum, is_sum.then(|| counted.sum()));
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_went_in_is_what_comes_out(of in any_values(), limit in prop_oneof![Just(usize::MAX), 1..20_000_usize]) {
        let (_collector, snapshot) = snapshot(&of);
        let requests = encoded(&snapshot, OtlpProtocol::HttpProtobuf, limit);
        let metrics = decoded(&requests);
        for request in &requests {
            let items = ExportMetricsServiceRequest::decode(&request[..]).unwrap();
            let metrics = &items.resource_metrics[0].scope_metrics[0].metrics;
            let points: usize = metrics.iter().map(points).sum();
            prop_assert!(request.len() <= limit || points == 1, "{} bytes, {points} points", request.len());
        }
        for family in &snapshot.metrics {
            let metric = &metrics[&*family.description.name];
            prop_assert_eq!(metric.len(), 1);
            let label = (&*family.description.name == "hits").then_some(of.label.as_str());
            assert_is(&metric[0], &family.series[0].value, label);
        }
        prop_assert!(metrics.values().flatten().all(|metric| points(metric) > 0), "a metric is empty");
    }
}

fn points(metric: &Metric) -> usize {
    match metric.data.as_ref().expect("data") {
        Data::Gauge(data) => data.data_points.len(),
        Data::Sum(data) => data.data_points.len(),
        Data::Histogram(data) => data.data_points.len(),
        Data::ExponentialHistogram(data) => data.data_points.len(),
        Data::Summary(data) => data.data_points.len(),
    }
}

/// Protobuf's own reader of JSON makes the same message of it.
#[test]
fn json_is_the_same_message() {
    let required = "RINGSCOPE_REQUIRE_TRACE_TOOLS";
    let Some(python) = brought("RINGSCOPE_OTLP_AGENT", "scripts/trace-tools.sh", required) else { return };
    let values = Values {
        label: "ü \"\n\\ \u{1}".to_owned(),
        count: (1 << 53) + 1,
        level: f64::NEG_INFINITY,
        sizes: vec![0, 1, 1, 7, u64::MAX],
        scale: 5,
        waits: vec![0.1, 3e300],
    };
    let (_collector, snapshot) = snapshot(&values);
    let [protobuf, json] = [OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson]
        .map(|protocol| encoded(&snapshot, protocol, usize::MAX).remove(0));
    let script = "import sys
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
read = Parse(sys.stdin.buffer.read(), ExportMetricsServiceRequest())
sys.stdout.buffer.write(read.SerializeToString())";
    let mut command = Command::new("python3");
    command.args(["-c", script]).env("PYTHONPATH", python).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("python3 starts");
    child.stdin.take().unwrap().write_all(&json).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&json));
    let [expected, read] =
        [&protobuf, &output.stdout].map(|bytes| ExportMetricsServiceRequest::decode(&bytes[..]).unwrap());
    assert_eq!(read, expected);
}
