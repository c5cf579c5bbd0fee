//! A receiver by gRPC's own Python library, which refuses in every way that OTLP knows.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use ringscope::publish::{Destination, Otlp, OtlpProtocol, OtlpSignal, Publication, PublishError};
use ringscope::trace::Source;

use crate::receivers::brought;

struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: String,
}

impl Server {
    fn start() -> Option<Server> {
        let python = brought("RINGSCOPE_OTLP_AGENT", "scripts/trace-tools.sh", "RINGSCOPE_REQUIRE_TRACE_TOOLS")?;
        let mut command = Command::new("python3");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/publish_otlp/grpc_server.py"));
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

#[tokio::test]
async fn what_is_tried_again_is_as_the_protocol_has_it() {
    let Some(mut server) = Server::start() else { return };
    let collector = ringscope::TelemetryCollector::new(true);
    let snapshot = collector.snapshot().unwrap();
    let publication = Publication::of_snapshot(Source::this_process("shop").into(), snapshot.time, snapshot);
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}", server.port)).protocol(OtlpProtocol::Grpc);
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).header("api-key", "s3cret").build().unwrap();
    let payloads = otlp.encode(&publication).unwrap();
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
    let collector = ringscope::TelemetryCollector::new(true);
    let snapshot = collector.snapshot().unwrap();
    let publication = Publication::of_snapshot(Source::this_process("shop").into(), snapshot.time, snapshot);
    let otlp = Otlp::builder(format!("http://{}", agent.grpc())).protocol(OtlpProtocol::Grpc);
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).build().unwrap();
    let payloads = otlp.encode(&publication).unwrap();
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
