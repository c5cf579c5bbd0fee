//! What a receiver says, and where and how it is asked.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use prost::Message;
use ringscope::publish::{Auth, Environment, Otlp, OtlpSignal, Payload, Publication, PublishError, Publisher, Target};
use ringscope::publish::{Destination, Jaeger};
use ringscope::trace::Source;

use crate::fake::{Answer, Receiver};

const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

fn publication() -> Publication {
    let collector = ringscope::TelemetryCollector::new(true);
    collector.record_receive("worker").unwrap();
    let snapshot = collector.snapshot().unwrap();
    Publication::of_snapshot(Source::this_process("shop").into(), snapshot.time, snapshot)
}

fn metrics_to(receiver: &Receiver) -> Otlp {
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}", receiver.port));
    otlp.signals(&[OtlpSignal::Metrics]).build().unwrap()
}

/// What becomes of metrics that are answered so, and how many there were.
async fn answered(answer: Answer) -> (Result<ringscope::publish::Published, PublishError>, u64) {
    let receiver = Receiver::start(move |_| answer.clone());
    let otlp = metrics_to(&receiver);
    let payload: Vec<Payload> = otlp.encode(&publication()).unwrap();
    assert_eq!(payload.len(), 1);
    (otlp.send(&payload[0]).await, payload[0].items)
}

#[tokio::test]
async fn a_partial_success_says_how_many_were_rejected_and_why() {
    let partial = ExportMetricsPartialSuccess { rejected_data_points: 3, error_message: "too old".into() };
    let protobuf = ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
    let json = br#"{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"too old"}}"#.to_vec();
    for answer in [(200, PROTOBUF.to_owned(), protobuf), (200, JSON.to_owned(), json)] {
        let (published, items) = answered(answer).await;
        let published = published.unwrap();
        assert_eq!((published.items, published.rejected), (items - 3, 3));
        assert_eq!(published.warning.as_deref(), Some("too old"));
    }
    let (published, items) = answered((202, String::new(), Vec::new())).await;
    assert_eq!(published.map(|p| (p.items, p.rejected, p.warning)), Ok((items, 0, None)));
}

#[tokio::test]
async fn refusals_are_final_and_the_rest_is_tried_again() {
    // google.rpc.Status with code 3 and a message.
    let status = [&[8, 3, 18, 9][..], b"no such x"].concat();
    let (error, _) = answered((400, PROTOBUF.to_owned(), status)).await;
    let error = error.unwrap_err();
    assert!(error.is_permanent() && error.to_string().ends_with("refused it (400): no such x"), "{error}");
    for status in [429, 502, 503, 504] {
        let (error, _) = answered((status, "Retry-After: 7\r\n".to_owned(), b"busy".to_vec())).await;
        let error = error.unwrap_err();
        assert_eq!((error.is_permanent(), error.retry_after()), (false, Some(Duration::from_secs(7))), "{error}");
    }
    for status in [301, 401, 404, 413] {
        assert!(answered((status, String::new(), Vec::new())).await.0.unwrap_err().is_permanent(), "{status}");
    }
    for (kind, body) in [("text/html", "<html>Log in</html>"), ("application/json", "[1"), ("", "?")] {
        let (error, _) = answered((200, format!("Content-Type: {kind}\r\n"), body.into())).await;
        assert_eq!(error.as_ref().map_err(PublishError::reason), Err("malformed"), "{error:?}");
    }
    let otlp = Otlp::builder("http://127.0.0.1:1").build().unwrap();
    assert_eq!(otlp.publish(&publication()).await.unwrap_err().reason(), "unreachable");
}

#[tokio::test]
async fn each_signal_has_its_address_and_its_headers() {
    let receiver = Receiver::content();
    let base = format!("http://127.0.0.1:{}", receiver.port);
    let collector = ringscope::TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    collector.operation("o").start().unwrap().fail("broken");
    let mut publication = publication();
    publication.operations = collector.operations().into();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{base}/a/")),
        ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", format!("{base}/as-it-is")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret%2C1,x-tenant=t".to_owned()),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=traces".to_owned()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json".to_owned()),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,rack=7%20b".to_owned()),
        ("OTEL_SERVICE_NAME", "till".to_owned()),
    ];
    let environment = Environment::of(variables.each_ref().map(|(name, value)| (*name, value.as_str())));
    let otlp = Otlp::from_environment(&environment).unwrap();
    assert!(!format!("{otlp:?} {environment:?}").contains("s3cret"));
    otlp.publish(&publication).await.unwrap();
    let requests = receiver.requests();
    let paths: Vec<_> = requests.iter().map(|request| request.path.as_str()).collect();
    assert_eq!(paths, ["/a/v1/metrics", "/a/v1/traces", "/as-it-is"]);
    let tenants: Vec<_> = requests.iter().map(|r| (r.header("x-tenant"), r.header("api-key"))).collect();
    assert_eq!(tenants, [(Some("t"), Some("s3cret,1")), (Some("traces"), None), (Some("t"), Some("s3cret,1"))]);
    for request in &requests {
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert_eq!(request.header("user-agent"), Some(concat!("ringscope/", env!("CARGO_PKG_VERSION"))));
        let text = String::from_utf8(request.body.clone()).unwrap();
        for said in
            [r#""key":"rack","value":{"stringValue":"7 b"}"#, r#""service.name","value":{"stringValue":"till"}"#]
        {
            assert!(text.contains(said), "{text}");
        }
        assert_eq!(text.matches("service.name").count(), 1);
    }
}

#[tokio::test]
async fn an_address_goes_before_the_environment_and_its_options_are_checked() {
    let receiver = Receiver::content();
    let (host, unused) = (format!("127.0.0.1:{}", receiver.port), "http://127.0.0.1:1");
    let environment = Environment::of([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", unused),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", unused),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
    ]);
    let target = |text: &str| Target::parse(text).unwrap();
    let otlp = Otlp::from_target(target(&format!("otlp+http://{host}/b?signals=metrics&name=mine")), &environment);
    let otlp = otlp.unwrap();
    assert_eq!((Destination::name(&otlp), otlp.temporality()), ("mine", ringscope::publish::Temporality::Delta));
    otlp.publish(&publication()).await.unwrap();
    assert_eq!(receiver.requests()[0].path, "/b/v1/metrics");
    let jaeger = Jaeger::from_target(target(&format!("jaeger://{host}")), &Environment::of([])).unwrap();
    let mut with_span = publication();
    let tracer = ringscope::trace::Tracer::new("shop");
    tracer.span("work").start().end();
    with_span.trace = Some(tracer.trace().into());
    assert_eq!(jaeger.publish(&with_span).await.unwrap().items, 1);
    assert_eq!(receiver.requests()[1].path, "/v1/traces");
    for (text, word) in [
        ("otlp+http://h?encoding=xml", "protobuf, json"),
        ("otlp+http://h?colour=red", "colour"),
        ("otlp+http://h?signals=metrics,smells", "smells"),
        ("otlp+http://h?timeout=soon", "such as 500ms"),
        ("otlp+http://h?timeout=0", "longer than 0"),
        ("otlp+http://h?request_bytes=0", "at least 1"),
        ("otlp+http://a b", "endpoint"),
        ("otlp+smoke://h", "otlp+grpcs"),
    ] {
        let error = Otlp::from_target(target(text), &Environment::of([])).unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains(word), "{text}: {error}");
    }
    let wrong = Environment::of([("OTEL_EXPORTER_OTLP_HEADERS", "Bearer s3cret")]);
    let error = Otlp::from_environment(&wrong).unwrap_err().to_string();
    assert!(error.contains("OTEL_EXPORTER_OTLP_HEADERS") && !error.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn keys_are_in_no_text() {
    let receiver = Receiver::start(|_| (401, String::new(), Vec::new()));
    let auth = Auth::Basic { user: "u".into(), password: "s3cret".into() };
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}", receiver.port)).auth(auth).build().unwrap();
    let error = otlp.publish(&publication()).await.unwrap_err();
    assert_eq!(receiver.requests()[0].header("authorization"), Some("Basic dTpzM2NyZXQ="));
    let said = format!("{otlp:?} {error:?} {error}");
    assert!(!said.contains("s3cret") && !said.contains("dTpz"), "{said}");
}
