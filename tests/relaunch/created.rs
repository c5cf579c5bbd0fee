//! Since when a life was counted, in each format that has a place for it, read by other people's messages or by their numbers.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use ringscope::Snapshot;
use ringscope::publish::{Destination, Otlp, OtlpSignal, Publication, RemoteWrite, RemoteWriteVersion};
use ringscope::trace::Source;

use crate::{builders, echoes, launched};

#[derive(Clone, PartialEq, Message)]
struct Family {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Counter {
    #[prost(message, optional, tag = "3")]
    created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(message, optional, tag = "15")]
    created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// `io.prometheus.write.v2.Request`.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    series: Vec<Series>,
}

#[derive(Clone, PartialEq, Message)]
struct Series {
    #[prost(uint32, repeated, tag = "1")]
    labels: Vec<u32>,
    #[prost(int64, tag = "6")]
    created: i64,
}

const COUNTER: &str = "ringscope_kernel_messages_received";
const HISTOGRAM: &str = "ringscope_kernel_message_duration_nanoseconds";

/// Of a counter and of a histogram of Prometheus's protobuf.
fn in_protobuf(snapshot: &Snapshot) -> [Duration; 2] {
    let (page, mut families) = (snapshot.export_prometheus_protobuf(), Vec::new());
    let mut rest = &page[..];
    while !rest.is_empty() {
        families.push(Family::decode_length_delimited(&mut rest).unwrap());
    }
    let metric = |name: &str| &families.iter().find(|family| family.name == name).expect(name).metric[0];
    let counter = metric(&format!("{COUNTER}_total")).counter.clone().unwrap().created.unwrap();
    let histogram = metric(HISTOGRAM).histogram.clone().unwrap().created.unwrap();
    [counter, histogram].map(|time| Duration::new(time.seconds as u64, time.nanos as u32))
}

fn publication(snapshot: &Arc<Snapshot>, previous: Option<&Arc<Snapshot>>) -> Publication {
    let source = Source::this_process("test").into();
    let mut publication = Publication::of_snapshot(source, UNIX_EPOCH, Arc::clone(snapshot));
    publication.previous = previous.cloned();
    publication
}

/// Of the same in OTLP, and the counter's value.
fn in_otlp(of: &Publication) -> ([Duration; 2], i64) {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
    let otlp = Otlp::builder("http://localhost:4318").signals(&[OtlpSignal::Metrics]).build().unwrap();
    let payloads = otlp.encode(of).unwrap();
    let requests = payloads.iter().map(|payload| ExportMetricsServiceRequest::decode(&payload.bytes[..]).unwrap());
    let metrics: Vec<_> = requests
        .flat_map(|request| request.resource_metrics)
        .flat_map(|of| of.scope_metrics)
        .flat_map(|of| of.metrics)
        .collect();
    let data = |name: &str| metrics.iter().find(|metric| metric.name == name).expect(name).data.clone();
    let (Some(Data::Sum(sum)), Some(Data::ExponentialHistogram(histogram))) = (data(COUNTER), data(HISTOGRAM)) else {
        panic!("other kinds")
    };
    let (sum, histogram) = (&sum.data_points[0], &histogram.data_points[0]);
    let Some(Value::AsInt(count)) = sum.value else { panic!("{sum:?}") };
    ([sum.start_time_unix_nano, histogram.start_time_unix_nano].map(Duration::from_nanos), count)
}

/// Of the same in remote write 2.0, in milliseconds.
fn in_remote_write(of: &Publication) -> [Duration; 2] {
    let to = RemoteWrite::builder("http://localhost:9").version(RemoteWriteVersion::V2).build().unwrap();
    let payloads = to.encode(of).unwrap();
    let requests: Vec<Request> = payloads
        .iter()
        .map(|payload| snap::raw::Decoder::new().decompress_vec(&payload.bytes).unwrap())
        .map(|bytes| Request::decode(&bytes[..]).unwrap())
        .collect();
    let created = |name: &str| {
        let is_it = |request: &Request, series: &Series| {
            series.labels.chunks(2).any(|pair| {
                request.symbols[pair[0] as usize] == "__name__" && request.symbols[pair[1] as usize] == name
            })
        };
        let all = requests.iter().flat_map(|request| request.series.iter().map(move |series| (request, series)));
        let (_, series) = all.into_iter().find(|(request, series)| is_it(request, series)).expect(name);
        Duration::from_millis(series.created as u64)
    };
    [created(&format!("{COUNTER}_total")), created(HISTOGRAM)]
}

fn since_epoch(time: Option<SystemTime>) -> Duration {
    time.expect("it has begun").duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn each_life_says_since_when_it_was_counted() {
    for builder in builders() {
        let runtime = builder.max_kernels(1).build().unwrap();
        let (mut last, mut previous) = (Duration::ZERO, None);
        for life in 1..=3 {
            echoes(&launched(&runtime, "w", 1), 5);
            if life == 3 {
                runtime.collector().reset(Some("w")).unwrap();
                echoes(&runtime.kernel("w").unwrap(), 2);
            }
            let snapshot = runtime.snapshot_blocking().unwrap();
            let began = since_epoch(snapshot.kernels[0].counted_since);
            assert!(began > last, "the counts of each life begin later");
            last = began;
            assert_eq!(in_protobuf(&snapshot), [began; 2]);
            let cumulative = publication(&snapshot, None);
            assert_eq!(in_otlp(&cumulative), ([began; 2], if life == 3 { 2 } else { 5 }));
            assert_eq!(in_remote_write(&cumulative), [Duration::from_millis(began.as_millis() as u64); 2]);
            // With what was published before, too: these are cumulative.
            assert_eq!(in_otlp(&publication(&snapshot, previous.as_ref())).0, [began; 2]);
            previous = Some(snapshot);
            runtime.terminate_blocking("w").unwrap();
        }
    }
}
