//! What a run counted is in Elasticsearch, number by number; and what becomes of documents that are refused, put off, or there
//! already.
#![cfg(all(feature = "elasticsearch", feature = "host", unix))]

mod live_run;
mod receivers;

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, UNIX_EPOCH};

use ringscope::Snapshot;
use ringscope::collector::EventFilter;
use ringscope::histogram::relative_error;
use ringscope::publish::{
    Delivery, Destination, Elasticsearch, ElasticsearchStream, Environment, Outbox, Payload, Periodic, Publication,
    PublishError, Publisher, Target, Temporality,
};
use serde_json::{Value, json};

use live_run::fake::{Got, receiver};
use live_run::{Live, MESSAGES};
use receivers::Elastic;

fn from(url: &str, environment: &Environment) -> Result<Elasticsearch, PublishError> {
    Elasticsearch::from_target(Target::parse(url)?, environment)
}

fn to(address: &str, options: &str) -> Elasticsearch {
    from(&format!("elasticsearch+http://{address}{options}"), &Environment::of([])).unwrap()
}

/// A publication with everything that there is.
fn publication(live: &Live, previous: Option<&Publication>) -> Publication {
    let mut publication = live.publication();
    let of = live.collector();
    publication.number = previous.map_or(1, |previous| previous.number + 1);
    publication.previous = previous.map(|previous| Arc::clone(&previous.snapshot));
    if previous.is_none() {
        publication.operations = of.operations().into();
        publication.network_operations = of.network_operations().into();
        publication.events = of.events(&EventFilter::new()).into();
    }
    publication
}

/// What a search finds, as the documents say it.
fn found(elastic: &Elastic, index: &str, query: &Value) -> Vec<Value> {
    let search = json!({ "size": 1000, "query": query, "sort": ["@timestamp"] });
    let hits = elastic.search(index, &search)["hits"]["hits"].as_array().cloned().unwrap_or_default();
    hits.into_iter().map(|mut hit| hit["_source"].take()).collect()
}

/// A number that is worked out of all documents of a kernel.
fn aggregate(elastic: &Elastic, kernel: &str, kind: &str, field: &str) -> f64 {
    let search = json!({
        "size": 0,
        "query": { "term": { "labels.kernel": kernel } },
        "aggs": { "it": { kind: { "field": field } } },
    });
    let answer = elastic.search("ringscope-metrics", &search);
    answer["aggregations"]["it"]["value"].as_f64().unwrap_or_else(|| panic!("{kind} of {field}: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_counted_is_found_and_added_up() {
    let Some(elastic) = Elastic::start() else { return };
    let live = Live::start().await;
    live.collector().record_event("deploy", 2.5, &[("stage.of", "test")], &[("commit", "4f1c")]).unwrap();
    let destination = to(&elastic.address(), "");
    let first = publication(&live, None);
    let published = destination.publish(&first).await.unwrap();
    assert_eq!((published.rejected, &published.warning), (0, &None));
    elastic.request("POST", "/_refresh", "");
    let there = |streams: &[&str]| streams.iter().map(|s| elastic.count(&format!("ringscope-{s}"))).sum::<u64>();
    assert_eq!(published.items, there(&["metrics", "events", "operations"]));

    live.messages("worker", 50).await;
    let second = publication(&live, Some(&first));
    destination.publish(&second).await.unwrap();
    elastic.request("POST", "/_refresh", "");
    for kernel in &second.snapshot.kernels {
        let id = &*kernel.kernel_id;
        let counter = |name: &str| aggregate(&elastic, id, "max", &format!("counter.ringscope_kernel_{name}"));
        assert_eq!(counter("messages_processed"), kernel.messages_processed as f64);
        assert_eq!(counter("received_bytes"), kernel.bytes_in as f64);
        assert_eq!(counter("busy_seconds"), kernel.busy_time.as_nanos() as f64 / 1e9);
        // Histograms have what was added: all documents together have all.
        let of = "summary.ringscope_kernel_message_duration_seconds";
        assert_eq!(aggregate(&elastic, id, "sum", &format!("{of}.count")), kernel.histogram.count() as f64);
        let sum = aggregate(&elastic, id, "sum", &format!("{of}.sum"));
        assert!((sum * 1e9 - kernel.histogram.sum() as f64).abs() < 1e-6 * kernel.histogram.sum() as f64, "{sum}");
        let documents = found(&elastic, "ringscope-metrics", &json!({ "term": { "labels.kernel": id } }));
        assert_eq!(merged(&documents), buckets_of(&kernel.histogram), "{id}");
        assert_eq!(documents[1]["state.ringscope_kernel_state"], "active");
    }
    let states = json!({
        "size": 0,
        "aggs": { "it": { "terms": { "field": "state.ringscope_kernel_state" } } },
    });
    let states = elastic.search("ringscope-metrics", &states);
    assert_eq!(states["aggregations"]["it"]["buckets"], json!([{ "key": "active", "doc_count": 4 }]));
    own_metrics(&elastic, &second.snapshot);
    records(&elastic, &first);
    templates(&elastic);
}

/// Values and counts of a field of type `histogram`, all documents together.
fn merged(documents: &[Value]) -> Vec<u64> {
    let mut all: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    for document in documents {
        let field = &document["histogram.ringscope_kernel_message_duration_seconds"];
        let Some(values) = field["values"].as_array() else { continue };
        assert!(values.windows(2).all(|two| two[0].as_f64() <= two[1].as_f64()), "they ascend: {field}");
        for (value, count) in values.iter().zip(field["counts"].as_array().unwrap()) {
            let ns = (value.as_f64().unwrap() * 1e9).round() as u64;
            *all.entry(ns).or_default() += count.as_u64().unwrap();
        }
    }
    // By bucket of the scale that the device counts in.
    let mut by_slot = std::collections::BTreeMap::new();
    for (ns, count) in all {
        *by_slot.entry(ringscope::histogram::slot_of(ns, SCALE)).or_insert(0) += count;
    }
    by_slot.into_iter().flat_map(|(slot, count)| [slot as u64, count]).collect()
}

const SCALE: u32 = 3;

fn buckets_of(histogram: &ringscope::histogram::Histogram) -> Vec<u64> {
    assert_eq!(histogram.scale(), SCALE);
    let used = histogram.slots().filter(|(_, count)| *count > 0);
    used.flat_map(|(slot, count)| [slot as u64, count]).collect()
}

fn own_metrics(elastic: &Elastic, snapshot: &Snapshot) {
    let one = |field: &str| {
        let documents = found(elastic, "ringscope-metrics", &json!({ "exists": { "field": field } }));
        documents.last().unwrap_or_else(|| panic!("no {field}")).clone()
    };
    let hits = one("counter.cache_hits");
    assert_eq!((&hits["counter.cache_hits"], &hits["labels.Table"]), (&7.into(), &"a\\b\"c\nd".into()));
    assert_eq!(one("gauge.third")["gauge.third"], 1.0 / 3.0);
    let tokens = one("summary.batch_tokens.count");
    assert_eq!(tokens["summary.batch_tokens.count"], 10);
    assert_eq!(tokens["summary.batch_tokens.max"], (1u64 << 40) as f64);
    assert_eq!(tokens["histogram.batch_tokens"]["counts"], json!([2, 1, 1, 1, 4, 1]));
    let p50 = tokens["summary.batch_tokens.p50"].as_f64().unwrap();
    assert!((p50 - 3.0).abs() <= 3.0 * relative_error(5), "{p50}");
    // -1 | ] -0.5 | ] 0 | 1 ] 2 | 3: the outer ones end where the values do.
    assert_eq!(tokens["histogram.drift"], json!({ "values": [-0.75, 1.0, 2.5], "counts": [1, 1, 1] }));
    assert_eq!(tokens["summary.drift.sum"], 3.0);
    assert_eq!(tokens.get("histogram.empty_tokens"), None);
    let operations = snapshot.operations.as_ref().unwrap();
    let resize = one("counter.event.succeeded");
    assert_eq!(resize["labels.name"], "resize");
    let counts = operations.operation("resize").unwrap().counts;
    assert_eq!((&resize["counter.event.succeeded"], &resize["counter.event.failed"]), (&5.into(), &1.into()));
    assert_eq!((counts.succeeded, counts.failed), (5, 1));
    assert_eq!(one("counter.network_sent_bytes")["counter.network_sent_bytes"], 1234);
}

fn records(elastic: &Elastic, publication: &Publication) {
    let operations = found(elastic, "ringscope-operations", &json!({ "match_all": {} }));
    assert_eq!(operations.len(), publication.operations.len() + publication.network_operations.len());
    let by_outcome = json!({
        "size": 0,
        "query": { "term": { "event.action": "resize" } },
        "aggs": {
            "outcomes": { "terms": { "field": "event.outcome" } },
            "time": { "sum": { "field": "event.duration" } },
        },
    });
    let answer = elastic.search("ringscope-operations", &by_outcome);
    let outcomes = json!([{ "key": "success", "doc_count": 5 }, { "key": "failure", "doc_count": 1 }]);
    assert_eq!(answer["aggregations"]["outcomes"]["buckets"], outcomes);
    let resizes = publication.operations.iter().filter(|operation| &*operation.name == "resize");
    let time: u128 = resizes.clone().map(|operation| operation.duration.as_nanos()).sum();
    assert_eq!(answer["aggregations"]["time"]["value"], time as f64);
    let failed = found(elastic, "ringscope-operations", &json!({ "term": { "event.outcome": "failure" } }));
    assert_eq!(failed[0]["error.message"], "no memory");
    let network = found(elastic, "ringscope-operations", &json!({ "term": { "server.port": 80 } }));
    assert_eq!((&network[0]["server.address"], &network[0]["client.bytes"]), (&"example".into(), &1234.into()));
    let sent = publication.network_operations[0].start_time.duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    assert!(network[0]["@timestamp"].as_str().unwrap().ends_with(&format!(".{sent:09}Z")), "{}", network[0]);
    let deploy = &found(elastic, "ringscope-events", &json!({ "term": { "event.action": "deploy" } }))[0];
    assert_eq!((&deploy["ringscope.value"], &deploy["labels.stage_of"]), (&2.5.into(), &"test".into()));
    assert_eq!((&deploy["ringscope.metadata"], &deploy["event.sequence"]), (&json!({ "commit": "4f1c" }), &1.into()));
    for document in [deploy, &network[0]] {
        assert_eq!((&document["service.name"], &document["service.node.name"]), (&"live run".into(), &"one".into()));
        assert_eq!(document["process.pid"], std::process::id());
    }
}

fn templates(elastic: &Elastic) {
    for stream in ElasticsearchStream::ALL {
        let name = format!("ringscope-{}", stream.name());
        let there = elastic.request("GET", &format!("/_index_template/{name}"), "").json();
        let template = &there["index_templates"][0]["index_template"];
        assert_eq!(template["index_patterns"], json!([name]), "{there}");
        assert_eq!((&template["version"], &template["data_stream"]), (&1.into(), &json!({})));
        assert_eq!(template["template"]["lifecycle"]["data_retention"], "30d");
        // The index has the template's types, so the template was there first.
        let mappings = elastic.request("GET", &format!("/{name}/_mapping"), "").json();
        let time = &mappings[&name]["mappings"]["properties"]["@timestamp"]["type"];
        assert_eq!(time, "date_nanos", "{mappings}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_is_not_there_twice() {
    let Some(elastic) = Elastic::start() else { return };
    let live = Live::start().await;
    let destination = to(&elastic.address(), "?index_prefix=twice&retention=90m");
    let payloads = destination.encode(&publication(&live, None)).unwrap();
    let documents: u64 = payloads.iter().map(|payload| payload.items).sum();
    for _ in 0..2 {
        for payload in &payloads {
            let published = destination.send(payload).await.unwrap();
            assert_eq!((published.items, published.again), (payload.items, None));
        }
        elastic.request("POST", "/_refresh", "");
        assert_eq!(elastic.count("twice-*"), documents);
    }
    let there = elastic.request("GET", "/_index_template/twice-metrics", "").text();
    assert!(there.contains("\"data_retention\":\"90m\""), "{there}");
}

/// The way of a program: queue, retries, its own network operations; the receiver dies meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_comes_back_gets_what_waited() {
    let Some(mut elastic) = Elastic::start() else { return };
    let live = Live::start().await;
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(20), Duration::from_millis(100));
    delivery.circuit_pause = Duration::from_millis(100);
    let outbox = Outbox::destination(to(&elastic.address(), ""), delivery).unwrap();
    outbox.attach(live.collector());
    let first = publication(&live, None);
    outbox.offer(&first);
    assert!(outbox.flush(receivers::PATIENCE));
    elastic.process.stop();
    live.messages("worker", 10).await;
    let second = publication(&live, Some(&first));
    outbox.offer(&second);
    receivers::wait_for("a failure", || (outbox.status().failures > 0).then_some(()));
    elastic.process.restart();
    assert!(outbox.flush(receivers::PATIENCE), "{:?}", outbox.status());
    elastic.request("POST", "/_refresh", "");
    let status = outbox.status();
    assert_eq!(status.published_items, status.encoded_items, "{status:?}");
    assert_eq!(elastic.count("ringscope-*"), status.encoded_items);
    let handled = u64::from(MESSAGES) + 10;
    let field = "summary.ringscope_kernel_message_duration_seconds.count";
    assert_eq!(aggregate(&elastic, "worker", "sum", field), handled as f64);
    let own = live.collector().network_operations();
    assert!(own.iter().any(|of| &*of.kind == "publish" && of.bytes_sent > 1000), "{own:?}");
    outbox.stop();
}

/// A program's whole way, with what happens to kernels meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_kernels_is_an_event_each() {
    let Some(elastic) = Elastic::start() else { return };
    let live = Live::start().await;
    let builder = Periodic::builder(live.collector()).interval(Duration::from_secs(3600));
    let periodic = builder.destination(to(&elastic.address(), "?streams=events")).start().unwrap();
    live.runtime.deactivate("worker").await.unwrap();
    live.runtime.activate("worker").await.unwrap();
    assert!(periodic.flush(receivers::PATIENCE), "{:?}", periodic.status());
    elastic.request("POST", "/_refresh", "");
    let of_kernels = found(&elastic, "ringscope-events", &json!({ "term": { "event.provider": "kernel" } }));
    let said: Vec<_> = of_kernels.iter().map(|event| (&event["ringscope.kernel"], &event["message"])).collect();
    for message in ["kernel worker deactivated", "kernel worker activated"] {
        assert!(said.contains(&(&"worker".into(), &message.into())), "{said:?}");
    }
    assert_eq!(periodic.status()[0].published_items, elastic.count("ringscope-*"));
    assert_eq!(elastic.request("GET", "/ringscope-metrics/_count", "").status, 404, "only what was asked for");
    periodic.stop();
}

// ---- by the script ----------------------------------------------------------------------------------------

/// A body of so many documents.
fn payload(documents: u64) -> Payload {
    let pair = |n: u64| format!("{{\"create\":{{\"_index\":\"i\",\"_id\":\"{n}\"}}}}\n{{\"n\":{n}}}\n");
    let text: String = (0..documents).map(pair).collect();
    Payload::new(1, documents, UNIX_EPOCH, text.into_bytes())
}

fn items(statuses: &[u16]) -> String {
    let item = |status: &u16| match status {
        200..=299 => json!({ "create": { "status": status } }),
        _ => json!({ "create": { "status": status, "error": { "type": "t_exception", "reason": "why\nnot" } } }),
    };
    format!("200 OK\n\n{}", json!({ "items": statuses.iter().map(item).collect::<Vec<_>>() }))
}

/// The numbers of the documents that a request had.
fn numbers(got: &Receiver<Got>) -> Vec<u64> {
    let got = got.recv().unwrap();
    assert_eq!((&*got.method, got.path.split('?').next().unwrap()), ("POST", "/_bulk"));
    assert_eq!(got.header("content-type"), "application/x-ndjson");
    let text = String::from_utf8(got.body).unwrap();
    let documents = text.lines().skip(1).step_by(2);
    documents.map(|line| serde_json::from_str::<Value>(line).unwrap()["n"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn each_document_of_a_body_has_its_own_end() {
    let answers = [&*items(&[201, 409, 429, 400, 503, 200, 400]), &items(&[201, 429]), &items(&[409])];
    let (address, got) = receiver(&answers);
    let destination = to(&address, "?templates=off");
    let published = destination.send(&payload(7)).await.unwrap();
    assert_eq!((published.items, published.rejected), (3, 2));
    assert_eq!(published.warning.as_deref(), Some("400 t_exception: why not"));
    assert_eq!(numbers(&got), [0, 1, 2, 3, 4, 5, 6]);
    let again = published.again.unwrap();
    assert_eq!(again.items, 2);
    let published = destination.send(&again).await.unwrap();
    assert_eq!(numbers(&got), [2, 4]);
    assert_eq!(published.items, 1);
    let published = destination.send(&published.again.unwrap()).await.unwrap();
    assert_eq!(numbers(&got), [4]);
    assert_eq!((published.items, published.again), (1, None));
}

#[tokio::test]
async fn a_body_that_is_too_large_goes_in_halves() {
    let too_large = "413 Payload Too Large\n\nno";
    let answers = [too_large, too_large, &items(&[201]), &items(&[201]), &items(&[201, 429, 201])];
    let (address, got) = receiver(&answers);
    let published = to(&address, "?templates=off").send(&payload(5)).await.unwrap();
    for expected in [&[0, 1, 2, 3, 4][..], &[0, 1], &[0], &[1], &[2, 3, 4]] {
        assert_eq!(numbers(&got), expected);
    }
    assert_eq!(published.items, 4);
    let (address, _got) = receiver(&[too_large]);
    let published = to(&address, "?templates=off").send(&payload(3)).await.unwrap();
    assert_eq!((published.items, published.rejected), (0, 3));
    assert!(published.warning.unwrap().starts_with("413"));
}

#[tokio::test]
async fn errors_of_a_whole_request_say_whether_to_come_again() {
    for (answer, permanent, says) in [
        ("429 Too Many Requests\nRetry-After: 7\n\nbusy", false, "busy"),
        ("503 Service Unavailable\n\n", false, "503"),
        ("401 Unauthorized\n\nsecurity_exception", true, "security_exception"),
        ("200 OK\n\n<html>", false, "not what was expected"),
        ("200 OK\n\n{\"items\":[]}", false, "0 documents, 2 were sent"),
    ] {
        let (address, _got) = receiver(&[answer]);
        let error = to(&address, "?templates=off").send(&payload(2)).await.unwrap_err();
        assert_eq!(error.is_permanent(), permanent, "{answer}: {error}");
        assert!(error.to_string().contains(says), "{answer}: {error}");
        let wants = answer.contains("Retry-After").then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), wants);
    }
}

#[tokio::test]
async fn the_next_host_is_asked_when_one_is_gone_or_broken() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (broken, of_broken) = receiver(&["502 Bad Gateway\n\n"]);
    let (first, of_first) = receiver(&[&items(&[201])]);
    let (second, of_second) = receiver(&[&items(&[201])]);
    let destination = to(&gone.to_string(), &format!("?templates=off&hosts={broken},http://{first},{second}"));
    for _ in 0..6 {
        assert_eq!(destination.send(&payload(1)).await.unwrap().items, 1);
    }
    // The broken one was asked once, and rests.
    let counts = [of_broken, of_first, of_second].map(|got| got.try_iter().count());
    assert_eq!(counts[0], 1, "{counts:?}");
    assert!(counts[1] >= 2 && counts[2] >= 2, "{counts:?}");
    let nobody = to(&gone.to_string(), "?templates=off").send(&payload(1)).await.unwrap_err();
    assert!(matches!(nobody, PublishError::Unreachable { .. }), "{nobody}");
}

#[tokio::test]
async fn templates_are_put_first_and_again_when_they_are_gone() {
    let none = "404 Not Found\n\n{}";
    let newer = "200 OK\n\n{\"index_templates\":[{\"index_template\":{\"version\":99}}]}";
    let older = newer.replace("99", "0");
    let done = "200 OK\n\n{\"acknowledged\":true}";
    let answers = [none, done, newer, &older, done, &items(&[404]), none, done, newer, newer, &items(&[201])];
    let (address, got) = receiver(&answers);
    let destination = to(&address, "/proxy/?retention=none");
    let published = destination.send(&payload(1)).await.unwrap();
    assert_eq!((published.items, published.again.as_ref().map(|again| again.items)), (0, Some(1)));
    assert_eq!(destination.send(&published.again.unwrap()).await.unwrap().items, 1);
    let asked: Vec<_> = got.try_iter().collect();
    let asked_for: Vec<_> = asked.iter().map(|got| (&*got.method, got.path.split('?').next().unwrap())).collect();
    let of = |stream: &'static str| ("GET", stream);
    let [metrics, events, operations] =
        ["metrics", "events", "operations"].map(|s| format!("/proxy/_index_template/ringscope-{s}").leak() as &str);
    let bulk = ("POST", "/proxy/_bulk");
    let first = [of(metrics), ("PUT", metrics), of(events), of(operations), ("PUT", operations), bulk];
    assert_eq!(asked_for, [&first[..], &[of(metrics), ("PUT", metrics), of(events), of(operations), bulk]].concat());
    assert!(!String::from_utf8_lossy(&asked[1].body).contains("lifecycle"));
    let (address, _got) = receiver(&[none, "403 Forbidden\n\nno privilege manage_index_templates"]);
    let error = to(&address, "").send(&payload(1)).await.unwrap_err();
    assert!(error.is_permanent() && error.to_string().contains("manage_index_templates"), "{error}");
}

#[tokio::test]
async fn who_asks_is_in_the_environment_and_nowhere_else() {
    // "id:sesame" and "elastic:sesame".
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "id:sesame\n").unwrap();
    let file = file.to_str().unwrap();
    for (name, value, header) in [
        ("ELASTIC_API_KEY_FILE", file, "ApiKey aWQ6c2VzYW1l"),
        ("ELASTIC_PASSWORD", "sesame", "Basic ZWxhc3RpYzpzZXNhbWU="),
    ] {
        let (address, got) = receiver(&["401 Unauthorized\n\nno"]);
        let hosts = format!("[\"http://{address}\"]");
        let environment = Environment::of([(name, value), ("ELASTICSEARCH_HOSTS", &hosts)]);
        let destination = from("elasticsearch+http://?templates=off", &environment).unwrap();
        let error = destination.send(&payload(1)).await.unwrap_err();
        assert_eq!(got.recv().unwrap().header("authorization"), header);
        let said = format!("{destination:?} {error:?} {error}");
        assert!(!said.contains("sesame") && !said.contains("c2VzYW1l"), "{said}");
    }
}

#[test]
fn wrong_settings_are_refused_with_what_would_be_right() {
    let long = format!("elasticsearch+http://x?index_prefix={}", "x".repeat(201));
    for (url, why) in [
        ("elasticsearch+http://", "ELASTICSEARCH_HOSTS"),
        ("elasticsearch+http://x?index_prefix=", "empty"),
        ("elasticsearch+http://x?index_prefix=Upper", "lower-case"),
        ("elasticsearch+http://x?index_prefix=-x", "begins with"),
        (&long, "200 bytes"),
        ("elasticsearch+http://x?streams=metrics,traces", "traces is none of"),
        ("elasticsearch+http://x?streams=", "at least one"),
        ("elasticsearch+http://x?retention=30", "30d"),
        ("elasticsearch+http://x?retention=0d", "30d"),
        ("elasticsearch+http://x?retention=99999999999999999999d", "30d"),
        ("elasticsearch+http://x?templates=perhaps", "on, off"),
        ("elasticsearch+http://x?hosts=ftp://y", "http"),
        ("elasticsearch+http://x?colour=red", "index_prefix"),
    ] {
        let said = from(url, &Environment::of([])).unwrap_err().to_string();
        assert!(said.contains(why), "{url}: {said}");
    }
    let alone = Environment::of([("ELASTIC_USERNAME", "me")]);
    let said = from("elasticsearch+http://x", &alone).unwrap_err().to_string();
    assert!(said.contains("ELASTIC_PASSWORD"), "{said}");
    assert_eq!(Destination::temporality(&to("x", "")), Temporality::Delta);
}
