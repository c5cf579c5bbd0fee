//! A receiver by gRPC's own Python library, which refuses in every way that OTLP knows.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringscope::publish::{
    Delivery, Destination, Environment, Otlp, OtlpProtocol, OtlpSignal, Outbox, Publication, PublishError, Publisher,
    Target,
};
use ringscope::trace::Source;

use crate::receivers::{PATIENCE, brought};

struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Option<Server> {
        let python = brought("RINGSCOPE_OTLP_AGENT", "scripts/trace-tools.sh", "RINGSCOPE_REQUIRE_TRACE_TOOLS")?;
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/publish_otlp/grpc_server.py")).args(arguments);
        command.env("PYTHONPATH", python).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("a line").unwrap();
        let port = first.strip_prefix("port ").expect("its port").to_owned();
        Some(Server { child, lines, port })
    }

    fn says(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn publication() -> Publication {
    let snapshot = ringscope::TelemetryCollector::new(true).snapshot().unwrap();
    Publication::of_snapshot(Source::this_process("shop").into(), snapshot.time, snapshot)
}

#[tokio::test]
async fn what_is_tried_again_is_as_the_protocol_has_it() {
    let Some(mut server) = Server::start(&["table"]) else { return };
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}", server.port)).protocol(OtlpProtocol::Grpc);
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).header("api-key", "s3cret").build().unwrap();
    let payloads = otlp.encode(&publication()).unwrap();
    let [payload] = &payloads[..] else { panic!("{payloads:?}") };
    let unavailable = otlp.send(payload).await.unwrap_err();
    assert!(
        matches!(&unavailable, PublishError::Unavailable { status, said, .. } if status == "UNAVAILABLE" && said == "not yet")
    );
    assert!(server.says().ends_with(" s3cret"));
    let later = otlp.send(payload).await.unwrap_err();
    assert_eq!((later.is_permanent(), later.retry_after()), (false, Some(Duration::from_secs(7))), "{later}");
    for code in ["RESOURCE_EXHAUSTED", "INVALID_ARGUMENT"] {
        let refused = otlp.send(payload).await.unwrap_err();
        assert!(refused.is_permanent() && refused.to_string().contains(code), "{refused}");
    }
    let partly = otlp.send(payload).await.unwrap();
    assert_eq!((partly.items, partly.rejected), (payload.items - 3, 3));
    assert_eq!(partly.warning.as_deref(), Some("too old"));
    assert_eq!(otlp.send(payload).await.unwrap().items, payload.items);
    drop(server);
    assert_eq!(otlp.send(payload).await.unwrap_err().reason(), "unreachable");
    assert!(!format!("{otlp:?}").contains("s3cret"));
}

/// A connection ends with the runtime that it was made in; the next one makes another.
#[test]
fn a_destination_outlives_the_runtime_that_sent_first() {
    let Some(agent) = crate::receivers::OtlpAgent::start() else { return };
    let otlp = Otlp::builder(format!("http://{}", agent.grpc())).protocol(OtlpProtocol::Grpc);
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).build().unwrap();
    let payloads = otlp.encode(&publication()).unwrap();
    for round in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sent = runtime.block_on(async {
            match otlp.send(&payloads[0]).await {
                Err(error) if !error.is_permanent() => otlp.send(&payloads[0]).await,
                first => first,
            }
        });
        assert_eq!(sent.map(|published| published.items), Ok(payloads[0].items), "round {round}");
    }
}

/// What waits in an outbox arrives once the receiver takes it.
fn arrives_in_the_end(server: &mut Server, otlp: Otlp) {
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(2), Duration::from_millis(8));
    let outbox = Outbox::destination(otlp, delivery).unwrap();
    outbox.offer(&publication());
    assert!(outbox.flush(PATIENCE));
    let counts = outbox.status();
    assert_eq!((counts.published_items, counts.dropped_items), (counts.encoded_items, [0; 6]), "{counts:?}");
    assert_eq!((counts.attempts, counts.failures), (3, 2), "{counts:?}");
    let took: Vec<String> = (0..3).map(|_| server.says()).collect();
    assert!(took.iter().all(|line| *line == took[0]), "{took:?}");
}

#[test]
fn a_receiver_that_is_not_there_yet_gets_it_later() {
    let Some(mut server) = Server::start(&["busy"]) else { return };
    let target = Target::parse(&format!("otlp+grpc://127.0.0.1:{}?signals=metrics&compression=gzip", server.port));
    let otlp = Otlp::from_target(target.unwrap(), &Environment::of([])).unwrap();
    arrives_in_the_end(&mut server, otlp);
}

#[test]
fn a_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let [key, certificate] = ["key", "certificate"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    let Some(mut server) = Server::start(&["busy", &key, &certificate]) else { return };
    let to = |options: &str| {
        let target = Target::parse(&format!("otlp+grpcs://127.0.0.1:{}?signals=metrics{options}", server.port));
        Otlp::from_target(target.unwrap(), &Environment::of([])).unwrap()
    };
    let (strict, trusting) = (to(""), to(&format!("&certificate={certificate}")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(strict.publish(&publication())).unwrap_err();
    assert!(error.reason() == "unreachable" && error.to_string().contains("certificate"), "{error}");
    arrives_in_the_end(&mut server, trusting);
}
