//! Spans and log records, against what was recorded.

use ringscope::publish::{Otlp, OtlpProtocol, OtlpSignal, Publication, Publisher};
use serde_json::{Value, json};

use crate::agent::{attribute, endpoint, items, took, whole};
use crate::live::{Live, MESSAGES};
use crate::receivers::OtlpAgent;

const SPANS: [&str; 3] = ["resourceSpans", "scopeSpans", "spans"];
const LOGS: [&str; 3] = ["resourceLogs", "scopeLogs", "logRecords"];

fn all(requests: Vec<Value>, path: [&str; 3]) -> Vec<Value> {
    took(requests).iter().flat_map(|request| items(request, path)).collect()
}

fn text(of: &Value, key: &str) -> String {
    attribute(of, key).and_then(|value| value["stringValue"].as_str()).unwrap_or_default().to_owned()
}

fn assert_spans(spans: &[Value], publication: &Publication) {
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    let recorded = &publication.trace.as_ref().expect("a trace").spans;
    let handled = named("handle");
    assert_eq!(handled.len() as u64, MESSAGES);
    for span in recorded.iter().filter(|span| span.name == "handle") {
        let begun = span.begin.unix_ns;
        let number = json!({ "intValue": span.attributes[0].value.to_string() });
        let same = |of: &&&Value| whole(&of["startTimeUnixNano"]) == begun && attribute(of, "number") == Some(&number);
        let found = handled.iter().find(same).unwrap_or_else(|| panic!("no span that began at {begun}"));
        let took = whole(&found["endTimeUnixNano"]) - whole(&found["startTimeUnixNano"]);
        assert_eq!(Some(took), span.duration_ns());
    }
    let resized = named("resize");
    assert_eq!(resized.len(), 2);
    let ids: Vec<_> = resized.iter().map(|span| text(span, "ringscope.operation.id")).collect();
    assert_eq!(ids, ["cat.png", "dog.png"]);
    assert_eq!(text(resized[0], "width"), "640");
    assert_eq!(resized[1]["status"]["message"], "no such file");
    for (span, record) in resized.iter().zip(publication.operations.iter()) {
        let took = whole(&span["endTimeUnixNano"]) - whole(&span["startTimeUnixNano"]);
        assert_eq!(u128::from(took), record.duration.as_nanos());
    }
    let request = named("http example.org:80");
    assert_eq!((request.len(), text(request[0], "server.address").as_str()), (1, "example.org"));
    assert_eq!(attribute(request[0], "ringscope.sent_bytes").map(|v| whole(&v["intValue"])), Some(18));
}

fn assert_logs(records: &[Value], publication: &Publication) {
    let named = |name: &str| {
        records.iter().find(|record| record["eventName"] == name).unwrap_or_else(|| panic!("no {name} in {records:?}"))
    };
    let deploy = named("deploy");
    assert_eq!((&deploy["severityText"], &deploy["body"]["stringValue"]), (&json!("INFO"), &json!("deploy 2.5")));
    assert_eq!(attribute(deploy, "value"), Some(&json!({ "doubleValue": 2.5 })));
    assert_eq!((text(deploy, "stage").as_str(), text(deploy, "commit").as_str()), ("live", "4f1c"));
    let unix = |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert_eq!(u128::from(whole(&deploy["timeUnixNano"])), unix(publication.events[0].time));
    assert_eq!(u128::from(whole(&deploy["observedTimeUnixNano"])), unix(publication.snapshot.time));
    let failed = named("ringscope.operation");
    assert_eq!((&failed["severityText"], text(failed, "error.message").as_str()), (&json!("ERROR"), "no such file"));
    assert_eq!(attribute(failed, "ringscope.retries").map(|v| whole(&v["intValue"])), Some(1));
    assert_eq!(text(named("ringscope.network_operation"), "error.message"), "reset");
    for event in publication.kernel_events.iter() {
        let record = named(&format!("ringscope.kernel.{}", event.kind));
        assert_eq!(text(record, "ringscope.kernel"), "worker");
        assert_eq!(u128::from(whole(&record["timeUnixNano"])), unix(event.time));
    }
    let one_each = 3 + publication.kernel_events.len();
    assert_eq!(records.len(), one_each, "what succeeded is no log record: {records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_and_log_records_arrive_whichever_way_they_go() {
    let Some(agent) = OtlpAgent::start() else { return };
    let live = Live::start().await;
    live.operate();
    live.heard(2).await;
    let publication = live.whole().await;
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson, OtlpProtocol::Grpc] {
        agent.clear();
        let otlp = Otlp::builder(endpoint(&agent, protocol == OtlpProtocol::Grpc)).protocol(protocol);
        let otlp = otlp.signals(&[OtlpSignal::Traces, OtlpSignal::Logs]).gzip(true).build().unwrap();
        let published = otlp.publish(&publication).await.unwrap();
        let (spans, logs) = (all(agent.traces(), SPANS), all(agent.logs(), LOGS));
        assert_spans(&spans, &publication);
        assert_logs(&logs, &publication);
        assert_eq!((published.items, published.warning), ((spans.len() + logs.len()) as u64, None));
        assert!(agent.metrics().is_empty(), "they were not asked for");
        let resource = &took(agent.logs())[0]["resourceLogs"][0]["resource"];
        assert_eq!([text(resource, "service.name"), text(resource, "host.name")], ["shop", "here"]);
    }
}
