//! What readers of the files understand: the node exporter's textfile collector, promtool, a JSON parser.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use ringscope::histogram::slot_values;
use ringscope::publish::{JsonFile, PrometheusFile};
use serde_json::{Value, json};

use super::{folder, live_run, publication, publish, receivers, target};
use ringscope::TelemetryCollector;

const MESSAGES: u32 = 300;

/// Every sample of a page in Prometheus's text, by its name and its labels in order.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let line = |line: &str| {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels: Vec<&str> = split(labels.strip_suffix('}').expect("labels"));
        labels.sort();
        (format!("{name}{{{}}}", labels.join(",")), value.parse().expect("a number"))
    };
    page.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).map(line).collect()
}

/// Labels, at the commas that are in no value.
fn split(labels: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in labels.char_indices() {
        match c {
            ',' if !is_quoted => {
                parts.push(&labels[begin..at]);
                begin = at + 1;
            }
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    if begin < labels.len() {
        parts.push(&labels[begin..]);
    }
    parts
}

#[test]
fn the_node_exporter_serves_exactly_the_devices_numbers() {
    let Some(exporter) = receivers::NodeExporter::start() else { return };
    let (runtime, publication) = live_run(MESSAGES);
    let path = exporter.folder().join("run.prom");
    let published = publish(&PrometheusFile::new(&path).unwrap(), &publication).unwrap();

    let served = samples(&exporter.page());
    assert_eq!(served["node_textfile_scrape_error{}"], 0.0);
    let kernel = runtime.telemetry_blocking("worker").unwrap();
    for (name, counted) in [
        ("ringscope_kernel_messages_received_total", u64::from(MESSAGES)),
        ("ringscope_kernel_messages_sent_total", u64::from(MESSAGES)),
        ("ringscope_kernel_messages_processed_total", kernel.messages_processed),
        ("ringscope_kernel_errors_total", kernel.errors),
        ("ringscope_kernel_received_bytes_total", kernel.bytes_in),
        ("ringscope_kernel_sent_bytes_total", kernel.bytes_out),
        ("ringscope_kernel_message_duration_seconds_count", kernel.histogram.count()),
    ] {
        assert_eq!(served[&format!("{name}{{device=\"0\",kernel=\"worker\"}}")], counted as f64, "{name}");
    }
    assert!(kernel.errors > 0 && kernel.messages_processed + kernel.errors == u64::from(MESSAGES));
    let is_below = |slot: usize| *slot_values(slot, kernel.histogram.scale()).end() <= 1 << 20;
    let under_a_millisecond: u64 = kernel.histogram.slots().filter(|(slot, _)| is_below(*slot)).map(|(_, n)| n).sum();
    let bucket = "ringscope_kernel_message_duration_seconds_bucket{device=\"0\",kernel=\"worker\",le=\"0.001048576\"}";
    assert_eq!(served[bucket], under_a_millisecond as f64);
    assert_eq!(served["batch_tokens_count{model=\"a\\\\b\\\"c\\nd\"}"], f64::from(MESSAGES));
    assert_eq!((served["third{}"], served["drift_bucket{le=\"0\"}"]), (1.0 / 3.0, 11.0));

    // And everything else that is in the file, with the types that the file states.
    let page = std::fs::read_to_string(&path).unwrap();
    let written = samples(&page);
    assert_eq!(written.len() as u64, published.items);
    for (series, value) in &written {
        let theirs = served.get(series).unwrap_or_else(|| panic!("{series} is not served"));
        assert!(theirs == value || theirs.is_nan() && value.is_nan(), "{series}: {theirs}, not {value}");
    }
    for line in page.lines().filter(|line| line.starts_with("# TYPE ")) {
        assert!(exporter.page().lines().any(|theirs| theirs == line), "{line}");
    }
}

/// The exporter shows all files as one page, in which a series is there once.
#[test]
fn a_label_tells_two_processes_of_one_machine_apart() {
    let Some(exporter) = receivers::NodeExporter::start() else { return };
    let of_kernel = |messages: u32| {
        let collector = TelemetryCollector::new(true);
        (0..messages).for_each(|_| collector.record_receive("parser").unwrap());
        publication(collector.snapshot().unwrap())
    };
    let received = || {
        let served = samples(&exporter.page());
        let name = "ringscope_kernel_messages_received_total";
        let of_name = served.into_iter().filter(|(series, _)| series.starts_with(name));
        of_name.map(|(series, value)| (series[name.len()..].to_owned(), value)).collect::<Vec<_>>()
    };
    for (name, messages) in [("a", 2), ("b", 3)] {
        publish(&PrometheusFile::new(exporter.folder().join(format!("{name}.prom"))).unwrap(), &of_kernel(messages))
            .unwrap();
    }
    assert_eq!(received().len(), 1, "what the documentation warns of");
    for (name, messages) in [("a", 2), ("b", 3)] {
        let path = exporter.folder().join(format!("{name}.prom"));
        let (target, environment) = target(&format!("prometheus-file:{}?labels=process={name}", path.display()));
        publish(&PrometheusFile::from_target(target, &environment).unwrap(), &of_kernel(messages)).unwrap();
    }
    let both =
        [("{kernel=\"parser\",process=\"a\"}".to_owned(), 2.0), ("{kernel=\"parser\",process=\"b\"}".to_owned(), 3.0)];
    assert_eq!(received(), both);
}

/// A metric of one's own may have a label of the same name.
#[test]
fn a_sample_keeps_its_own_label() {
    let collector = TelemetryCollector::new(true);
    collector.counter("own", "Own").unwrap().label("process", "its own").on_host().unwrap().inc_by(2);
    collector.counter("other", "Other").unwrap().on_host().unwrap().inc_by(3);
    let folder = folder();
    let path = folder.path().join("a.prom");
    let file = PrometheusFile::new(&path).unwrap().label("process", "a \"quoted\" one").unwrap();
    publish(&file, &publication(collector.snapshot().unwrap())).unwrap();
    let served = samples(&std::fs::read_to_string(&path).unwrap());
    assert_eq!(served["own_total{process=\"its own\"}"], 2.0);
    assert_eq!(served["other_total{process=\"a \\\"quoted\\\" one\"}"], 3.0);
}

#[test]
fn promtool_finds_nothing_wrong_with_the_page() {
    let Some(promtool) = receivers::found("RINGSCOPE_PROMTOOL3") else { return };
    let (_runtime, publication) = live_run(50);
    let folder = folder();
    let path = folder.path().join("run.prom");
    publish(&PrometheusFile::new(&path).unwrap().label("process", "a").unwrap(), &publication).unwrap();
    let check = |page: &[u8]| {
        let mut command = Command::new(&promtool);
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("promtool starts");
        process.stdin.take().unwrap().write_all(page).unwrap();
        let output = process.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let page = std::fs::read(&path).unwrap();
    assert_eq!(check(&page), (true, String::new()));
    assert!(!check(b"# TYPE wrong counter\nwrong 1\n").0, "it finds something where there is something");
}

#[test]
fn the_json_document_has_the_devices_numbers() {
    let (runtime, publication) = live_run(MESSAGES);
    let folder = folder();
    let path = folder.path().join("telemetry.json");
    let published = publish(&JsonFile::new(&path).unwrap(), &publication).unwrap();
    let document: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let metrics = &document["metrics"];
    let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["timestamp", "metrics", "events_count", "running"]);
    let all =
        metrics.as_object().unwrap().values().map(|of_name| of_name.as_array().unwrap().len() as u64).sum::<u64>();
    assert_eq!(all, published.items);

    let kernel = runtime.telemetry_blocking("worker").unwrap();
    for (name, counted) in [
        ("messages_received_total", u64::from(MESSAGES)),
        ("messages_processed_total", kernel.messages_processed),
        ("errors_total", kernel.errors),
        ("received_bytes_total", kernel.bytes_in),
    ] {
        let labels = json!({"kernel": "worker", "device": "0"});
        let expected = json!([{"value": counted, "labels": labels, "timestamp": document["timestamp"]}]);
        assert_eq!(metrics[format!("ringscope_kernel_{name}")], expected);
    }
    // In full resolution: bucket by bucket what the device counted, in seconds.
    let device = serde_json::to_value(&kernel).unwrap()["histogram"].take();
    let value = &metrics["ringscope_kernel_message_duration_seconds"][0]["value"];
    assert_eq!(value["count"], device["count"]);
    assert_eq!(value["sum"], device["sum"].as_f64().unwrap() / 1e9);
    let in_seconds = device["buckets"].as_array().unwrap().iter().map(|b| json!([b[0].as_f64().unwrap() / 1e9, b[1]]));
    assert_eq!(value["buckets"], in_seconds.collect::<Value>());

    let tokens = publication.snapshot.metric("batch_tokens").unwrap().series[0].value.histogram().unwrap();
    let tokens_there = &metrics["batch_tokens"][0];
    assert_eq!(tokens_there["labels"], json!({"model": "a\\b\"c\nd"}));
    assert_eq!(tokens_there["value"]["count"], tokens.count());
    assert_eq!(metrics["drift"][0]["value"]["buckets"], json!([[-0.5, 6], [0.0, 5], [2.0, 20], [null, 269]]));
    assert_eq!(metrics["third"][0]["value"], 1.0 / 3.0);
    assert_eq!(metrics["event_total"][0]["labels"]["name"], "request");
    assert_eq!(document["events_count"], publication.snapshot.self_metrics.events_total);
    assert!(publication.snapshot.self_metrics.events_total > 0);
    assert_eq!(document["running"], true);
}
