//! Grafana Cloud, as far as it can be had: a receiver on loopback with basic auth that checks every header and reads the bodies by
//! OpenTelemetry's own messages.
#![cfg(feature = "grafana-cloud")]

#[path = "publish_otlp/fake.rs"]
mod fake;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use ringscope::TelemetryCollector;
use ringscope::publish::{
    Destination, Environment, GrafanaCloud, GrafanaCloudProtocol, Publication, PublishError, Publisher, Target,
};
use ringscope::trace::Source;

use fake::{Answer, Receiver, Request};

const INSTANCE: &str = "123456";
const KEY: &str = "glc_s3cret";
/// `123456:glc_s3cret` in base64.
const AUTHORIZATION: &str = "Basic MTIzNDU2OmdsY19zM2NyZXQ=";

/// Checks every header of a request by OTLP.
fn checked(request: &Request) -> Result<(), Answer> {
    let refused = |status, why: String| Err((status, String::new(), why.into_bytes()));
    if request.header("authorization") != Some(AUTHORIZATION) {
        return refused(401, "authentication error: invalid authentication credentials".to_owned());
    }
    if !["/otlp/v1/metrics", "/otlp/v1/traces", "/otlp/v1/logs"].contains(&request.path.as_str()) {
        return refused(404, request.path.clone());
    }
    let known = ["accept", "authorization", "content-encoding", "content-length", "content-type", "host", "user-agent"];
    if let Some((name, _)) = request.headers.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return refused(400, format!("who needs {name}?"));
    }
    let expected = [("content-type", "application/x-protobuf"), ("content-encoding", "gzip")];
    match expected.iter().find(|(name, value)| request.header(name) != Some(value)) {
        Some((name, _)) => refused(415, format!("{name} is wrong")),
        None => Ok(()),
    }
}

fn metrics(request: &Request) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(&request.body[..]).expect("it is a request")
}

/// How many histograms are exponential, and how many are not.
fn histograms(request: &ExportMetricsServiceRequest) -> (usize, usize) {
    let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
    metrics.fold((0, 0), |(exponential, explicit), metric| match &metric.data {
        Some(Data::ExponentialHistogram(_)) => (exponential + 1, explicit),
        Some(Data::Histogram(_)) => (exponential, explicit + 1),
        _ => (exponential, explicit),
    })
}

fn collector() -> TelemetryCollector {
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    for n in 1..=100 {
        collector.record_processed("worker", Some(Duration::from_micros(n))).unwrap();
    }
    collector.operation("resize").start().unwrap().fail("no such file");
    collector.record_event("deploy", 1.0, &[], &[]).unwrap();
    collector
}

fn publication(collector: &TelemetryCollector) -> Publication {
    let source = Source::this_process("shop").into();
    let mut publication = Publication::of_snapshot(source, SystemTime::UNIX_EPOCH, collector.snapshot().unwrap());
    publication.operations = collector.operations().into();
    publication.events = collector.events(&ringscope::collector::EventFilter::new()).into();
    publication
}

fn grafana(receiver: &Receiver) -> GrafanaCloud {
    let builder = GrafanaCloud::builder(KEY, "my-stack").instance(INSTANCE);
    builder.endpoint(format!("http://127.0.0.1:{}/otlp", receiver.port)).build().unwrap()
}

#[tokio::test]
async fn every_header_is_right_and_every_body_is_read() {
    let receiver = Receiver::start(|request| checked(request).err().unwrap_or((200, String::new(), Vec::new())));
    let grafana = grafana(&receiver);
    let collector = collector();
    let published = grafana.publish(&publication(&collector)).await.unwrap();
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3);
    let sent = metrics(&requests[0]);
    let (exponential, _) = histograms(&sent);
    assert!(exponential > 0 && published.items > 40, "{published:?}");
    let all = sent.resource_metrics[0].scope_metrics[0].metrics.iter();
    let handled = all.clone().find(|m| m.name == "ringscope_kernel_message_duration_nanoseconds").unwrap();
    let Some(Data::ExponentialHistogram(handled)) = &handled.data else { panic!("{handled:?}") };
    assert_eq!((handled.data_points[0].count, handled.data_points[0].sum), (100, Some(5050.0 * 1e3)));
    let wrong = GrafanaCloud::builder("another", "my-stack").instance(INSTANCE);
    let wrong = wrong.endpoint(format!("http://127.0.0.1:{}/otlp", receiver.port)).build().unwrap();
    let error = wrong.publish(&publication(&collector)).await.unwrap_err();
    assert!(matches!(&error, PublishError::Refused { status, .. } if status == "401"), "{error}");
    assert!(!format!("{grafana:?}{wrong:?}{error:?}{error}").contains("s3cret"));
}

/// Whether the gateway refuses a request as a whole, or a part of it: said once, and explicit from then on.
#[tokio::test]
async fn refused_exponential_histograms_are_explicit_from_then_on() {
    for partly in [false, true] {
        let receiver = Receiver::start(move |request| {
            if let Err(answer) = checked(request) {
                return answer;
            }
            let (exponential, _) =
                if request.path.ends_with("metrics") { histograms(&metrics(request)) } else { (0, 0) };
            if exponential == 0 {
                return (200, String::new(), Vec::new());
            }
            let said = "native histograms are not enabled for this tenant";
            let partial = ExportMetricsPartialSuccess { rejected_data_points: 2, error_message: said.into() };
            let body = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
            let protobuf = "Content-Type: application/x-protobuf\r\n".to_owned();
            if partly { (200, protobuf, body) } else { (400, String::new(), said.into()) }
        });
        let grafana = grafana(&receiver);
        let collector = collector();
        let first = grafana.encode(&publication(&collector)).unwrap();
        let said = match grafana.send(&first[0]).await {
            Ok(published) => {
                assert!(partly && published.rejected == 2);
                published.warning.unwrap()
            }
            Err(error) => {
                assert!(!partly && error.is_permanent());
                error.to_string()
            }
        };
        assert!(said.contains("explicit ones are sent from now on"), "{said}");
        // What was written before is refused once more, and nothing new is said of it.
        let again = match grafana.send(&first[0]).await {
            Ok(published) => published.warning.unwrap(),
            Err(error) => error.to_string(),
        };
        assert!(!again.contains("from now on"), "{again}");
        let published = grafana.publish(&publication(&collector)).await.unwrap();
        assert_eq!((published.rejected, published.warning), (0, None));
        let last = receiver.requests().into_iter().rfind(|request| request.path.ends_with("metrics")).unwrap();
        let (exponential, explicit) = histograms(&metrics(&last));
        assert!(exponential == 0 && explicit > 0);
    }
}

#[tokio::test]
async fn other_refusals_change_nothing() {
    let asked = AtomicUsize::new(0);
    let receiver = Receiver::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => (400, String::new(), b"the label is too long".to_vec()),
        _ => (200, String::new(), Vec::new()),
    });
    let grafana = grafana(&receiver);
    let collector = collector();
    assert!(grafana.publish(&publication(&collector)).await.is_err());
    grafana.publish(&publication(&collector)).await.unwrap();
    assert!(histograms(&metrics(&receiver.requests()[1])).0 > 0);
}

#[tokio::test]
async fn remote_write_has_the_same_key() {
    let receiver = Receiver::start(|_| (204, String::new(), Vec::new()));
    let builder = GrafanaCloud::builder(KEY, "my-stack").instance(INSTANCE).protocol(GrafanaCloudProtocol::RemoteWrite);
    let grafana = builder.endpoint(format!("http://127.0.0.1:{}/api/prom/push", receiver.port)).build().unwrap();
    let _ = grafana.publish(&publication(&collector())).await;
    let request = &receiver.requests()[0];
    assert_eq!((request.path.as_str(), request.header("authorization")), ("/api/prom/push", Some(AUTHORIZATION)));
    assert_eq!(request.header("content-encoding"), Some("snappy"));
}

#[test]
fn an_address_and_the_environment_say_where_and_who() {
    let target = |text: &str| Target::parse(text).unwrap();
    let environment = Environment::of([("GRAFANA_CLOUD_API_KEY", KEY), ("GRAFANA_CLOUD_INSTANCE_ID", INSTANCE)]);
    let made = |text: &str| GrafanaCloud::from_target(target(text), &environment);
    let grafana = made("grafana-cloud://my-stack?zone=prod-eu-west-2").unwrap();
    assert_eq!((grafana.org_slug(), Destination::name(&grafana)), ("my-stack", "grafana-cloud"));
    made("grafana-cloud://my-stack?endpoint=https://otlp-gateway-x.grafana.net/otlp&name=eu").unwrap();
    for (text, word) in [
        ("grafana-cloud://", "slug"),
        ("grafana-cloud://my-stack", "zone"),
        ("grafana-cloud://my-stack?endpoint=http://gateway.example/otlp", "https://"),
        ("grafana-cloud://my-stack?protocol=remote-write&zone=prod-eu-west-2", "whole"),
        ("grafana-cloud://my-stack?zone=z&protocol=smoke", "otlp, remote-write"),
        ("grafana-cloud://my-stack?zone=z&colour=red", "colour"),
    ] {
        let error = made(text).unwrap_err().to_string();
        assert!(error.contains(word) && !error.contains("s3cret"), "{text}: {error}");
    }
    let without_key = Environment::of([("GRAFANA_CLOUD_INSTANCE_ID", INSTANCE)]);
    let error = GrafanaCloud::from_target(target("grafana-cloud://s?zone=z"), &without_key).unwrap_err().to_string();
    assert!(error.contains("GRAFANA_CLOUD_API_KEY_FILE"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{KEY}\n")).unwrap();
    let from_file = Environment::of([
        ("GRAFANA_CLOUD_API_KEY_FILE", file.path().to_str().unwrap()),
        ("GRAFANA_CLOUD_INSTANCE_ID", INSTANCE),
    ]);
    GrafanaCloud::from_target(target("grafana-cloud://s?zone=z"), &from_file).unwrap();
}
