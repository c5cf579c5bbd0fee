//! Requests read back by messages that are written here from the protocols' definitions alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message;

use super::{Batch, Histograms, Request, Version, encode, v1_of_v2, without_native};
use crate::TelemetryCollector;
use crate::collector::TelemetryConfig;
use crate::snapshot::Snapshot;

const STALE: u64 = 0x7ff0_0000_0000_0002;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricMetadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    count: Option<Count>,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, PartialEq, Message)]
struct Request2 {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeries2>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
    #[prost(int64, tag = "6")]
    created: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help: u32,
    #[prost(uint32, tag = "4")]
    unit: u32,
}

fn snapshot() -> Arc<Snapshot> {
    let collector = TelemetryCollector::new(true);
    collector.record_processed("parser", Some(Duration::from_micros(3))).unwrap();
    collector.counter("hits", "Hits").unwrap().label("Zone", "a").label("job", "own").on_host().unwrap().inc_by(7);
    let sizes = collector.histogram("sizes", "Sizes").unwrap().on_host().unwrap();
    [0, 1, 1000].into_iter().for_each(|n| sizes.observe(n));
    collector.snapshot().unwrap()
}

fn batch<'a>(snapshot: &'a Snapshot, labels: &'a [(String, String)]) -> Batch<'a> {
    Batch {
        snapshot,
        previous: None,
        started: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        metadata: true,
        ends: false,
        labels,
        histograms: Histograms::Both,
        most: 100,
    }
}

/// By their labels, as text.
fn series(requests: &[Vec<u8>]) -> BTreeMap<String, TimeSeries> {
    let mut all = BTreeMap::new();
    for request in requests {
        for series in WriteRequest::decode(&**request).unwrap().timeseries {
            let names: Vec<&str> = series.labels.iter().map(|label| &*label.name).collect();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            let key = series.labels.iter().map(|label| format!("{}={} ", label.name, label.value)).collect();
            assert_eq!(all.insert(key, series), None);
        }
    }
    all
}

fn bytes(requests: Vec<Request>) -> Vec<Vec<u8>> {
    requests.into_iter().map(|request| request.bytes).collect()
}

#[test]
fn both_versions_say_the_same() {
    let (snapshot, labels) = (snapshot(), [("job".to_owned(), "j".to_owned()), ("az".to_owned(), "1".to_owned())]);
    let batch = batch(&snapshot, &labels);
    let first = series(&bytes(encode(&batch, Version::V1)));
    let second: Vec<Vec<u8>> = encode(&batch, Version::V2).iter().map(|r| v1_of_v2(&r.bytes).unwrap()).collect();
    assert_eq!(first, series(&second));
    let time = super::batch::millis(snapshot.time);
    let value = |key: &str| {
        let series = first.get(key).unwrap_or_else(|| panic!("{key} of {:?}", first.keys()));
        assert_eq!((series.samples.len(), series.samples[0].timestamp, series.histograms.len()), (1, time, 0), "{key}");
        series.samples[0].value
    };
    // Upper case comes before _, and a label of its own before one for all.
    assert_eq!(value("Zone=a __name__=hits_total az=1 job=own "), 7.0);
    assert_eq!(value("__name__=ringscope_kernel_messages_processed_total az=1 job=j kernel=parser "), 1.0);
    assert_eq!(value("__name__=sizes_bucket az=1 job=j le=1.0 "), 2.0);
    assert_eq!(value("__name__=sizes_bucket az=1 job=j le=+Inf "), 3.0);
    assert_eq!((value("__name__=sizes_sum az=1 job=j "), value("__name__=sizes_count az=1 job=j ")), (1001.0, 3.0));
    assert!(value("__name__=ringscope_task_latency_seconds az=1 job=j quantile=0.5 ") > 0.0);
    let native = &first["__name__=sizes az=1 job=j "];
    assert_eq!((native.samples.len(), native.histograms.len()), (0, 1));
    let histogram = &native.histograms[0];
    assert_eq!((&histogram.count, histogram.sum, histogram.timestamp), (&Some(Count::Int(3)), 1001.0, time));
}

#[test]
fn version_2_has_types_helps_units_and_since_when() {
    let snapshot = snapshot();
    for request in encode(&batch(&snapshot, &[]), Version::V2) {
        let request = Request2::decode(&*request.bytes).unwrap();
        assert_eq!(request.symbols[0], "");
        let mut unique = request.symbols.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), request.symbols.len());
        for series in &request.timeseries {
            let labels: Vec<&str> = series.labels.iter().map(|n| &*request.symbols[*n as usize]).collect();
            let name = labels[labels.iter().position(|label| *label == "__name__").unwrap() + 1];
            let of = series.metadata.as_ref().unwrap();
            let help = &request.symbols[of.help as usize];
            let (kind, unit) = (of.kind, &request.symbols[of.unit as usize]);
            assert!(!help.is_empty(), "{name}");
            match name {
                "hits_total" => assert_eq!((kind, &**help, &**unit, series.created), (1, "Hits", "", 1500)),
                "ringscope_kernels" => assert_eq!((kind, series.created), (2, 0)),
                "sizes" | "sizes_bucket" => assert_eq!((kind, series.created), (3, 1500)),
                "ringscope_task_latency_seconds" => assert_eq!((kind, &**unit, series.created), (5, "seconds", 1500)),
                _ => {}
            }
        }
    }
}

#[test]
fn version_1_has_them_in_messages_of_their_own() {
    let snapshot = snapshot();
    let mut batch = batch(&snapshot, &[]);
    let all = |batch: &Batch| -> Vec<MetricMetadata> {
        let requests = bytes(encode(batch, Version::V1));
        requests.iter().flat_map(|r| WriteRequest::decode(&**r).unwrap().metadata).collect()
    };
    let metadata = all(&batch);
    let of = |name: &str| metadata.iter().find(|metadata| metadata.name == name).unwrap();
    assert_eq!((of("hits").kind, &*of("hits").help), (1, "Hits"));
    let latency = of("ringscope_task_latency_seconds");
    assert_eq!((latency.kind, &*latency.unit), (5, "seconds"));
    batch.metadata = false;
    assert_eq!(all(&batch), []);
}

#[test]
fn histograms_in_the_form_that_was_chosen() {
    let snapshot = snapshot();
    for (form, native, classic) in
        [(Histograms::Both, true, true), (Histograms::Native, true, false), (Histograms::Classic, false, true)]
    {
        for version in [Version::V1, Version::V2] {
            let requests = encode(&Batch { histograms: form, ..batch(&snapshot, &[]) }, version);
            let v1 = |r: Vec<u8>| if version == Version::V1 { r } else { v1_of_v2(&r).unwrap() };
            let all = series(&bytes(requests).into_iter().map(v1).collect::<Vec<_>>());
            let has = |key: &str| all.contains_key(key);
            assert_eq!(has("__name__=sizes "), native, "{form:?}");
            assert_eq!(has("__name__=sizes_bucket le=1.0 "), classic, "{form:?}");
            assert_eq!(has("__name__=ringscope_kernel_message_duration_nanoseconds kernel=parser "), native);
            assert!(has("__name__=ringscope_kernel_message_duration_seconds_count kernel=parser "));
        }
    }
}

#[test]
fn what_is_gone_and_what_ends_is_marked() {
    let before = snapshot();
    let mut now = (*before).clone();
    (now.kernels, now.time) = (Vec::new(), before.time + Duration::from_secs(1));
    let time = super::batch::millis(now.time);
    let is_stale = |sample: &Sample| sample.value.to_bits() == STALE;
    for ends in [false, true] {
        let batch = Batch { previous: Some(&before), ends, ..batch(&now, &[]) };
        let requests = bytes(encode(&batch, Version::V1));
        let all = series(&requests);
        let gone = &all["__name__=ringscope_kernel_messages_processed_total kernel=parser "];
        assert!(gone.samples.len() == 1 && is_stale(&gone.samples[0]) && gone.samples[0].timestamp == time);
        let gone = &all["__name__=ringscope_kernel_message_duration_nanoseconds kernel=parser "];
        assert!(gone.histograms.len() == 1 && gone.histograms[0].sum.to_bits() == STALE && gone.samples.is_empty());
        let there = &all["Zone=a __name__=hits_total job=own "];
        let native = &all["__name__=sizes "];
        let times = |series: &TimeSeries| series.samples.iter().map(|sample| sample.timestamp).collect::<Vec<_>>();
        if ends {
            assert_eq!((there.samples[0].value, times(there)), (7.0, vec![time, time + 1]));
            assert!(is_stale(&there.samples[1]));
            assert_eq!((native.histograms.len(), native.histograms[1].sum.to_bits()), (2, STALE));
        } else {
            assert_eq!((there.samples[0].value, times(there), native.histograms.len()), (7.0, vec![time], 1));
        }
        let points: u64 = encode(&batch, Version::V2).iter().map(|request| request.points).sum();
        let in_series = all.values().map(|series| series.samples.len() + series.histograms.len()).sum::<usize>();
        assert_eq!(points, in_series as u64);
    }
}

/// A millisecond holds more than one snapshot, and Prometheus one value.
#[test]
fn no_time_has_two_values() {
    let snapshot = snapshot();
    let batch = Batch { previous: Some(&snapshot), ..batch(&snapshot, &[]) };
    for series in series(&bytes(encode(&batch, Version::V1))).values() {
        let times = series.samples.iter().map(|s| s.timestamp).chain(series.histograms.iter().map(|h| h.timestamp));
        assert!(times.into_iter().all(|time| time == super::batch::millis(snapshot.time) + 1));
    }
}

#[test]
fn requests_are_cut() {
    let config = TelemetryConfig { max_series: 5000, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    for n in 0..5000 {
        collector.counter("many", "Many").unwrap().label("n", &n.to_string()).on_host().unwrap().inc_by(n);
    }
    // Its quantiles are numbers, which equal themselves.
    collector.record_processed("parser", Some(Duration::from_micros(3))).unwrap();
    let snapshot = collector.snapshot().unwrap();
    for most in [1, 7, 999, usize::MAX] {
        let batch = Batch { most, ..batch(&snapshot, &[]) };
        let v1 = encode(&batch, Version::V1);
        let v2 = encode(&batch, Version::V2);
        let points = |requests: &[Request]| requests.iter().map(|request| request.points).collect::<Vec<_>>();
        assert_eq!(points(&v1), points(&v2));
        assert!(points(&v1).iter().all(|n| 0 < *n && *n <= most as u64));
        let second: Vec<Vec<u8>> = v2.iter().map(|r| v1_of_v2(&r.bytes).unwrap()).collect();
        let all = series(&bytes(v1));
        assert!(all == series(&second), "{most}");
        let many = all.iter().filter(|(key, _)| key.starts_with("__name__=many_total"));
        assert_eq!(many.map(|(_, series)| series.samples[0].value).sum::<f64>(), 4999.0 * 2500.0);
    }
    assert!(v1_of_v2(b"\xff").is_err() && without_native(b"\xff").is_err());
}

#[test]
fn native_histograms_are_taken_out() {
    let snapshot = snapshot();
    let batch = Batch { most: usize::MAX, ..batch(&snapshot, &[]) };
    let request = encode(&batch, Version::V1).remove(0);
    let (rest, taken) = without_native(&request.bytes).unwrap();
    let classic = encode(&Batch { histograms: Histograms::Classic, ..batch }, Version::V1).remove(0);
    assert!(series(&[rest]) == series(&[classic.bytes]));
    assert_eq!((taken, request.points - taken), (2, classic.points));
}
