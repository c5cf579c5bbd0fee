//! Every receiver that the tests of the destinations start, with data written by hand: what such a test reads back is what was
//! sent, and a failure there is not the receiver's. Without the programs of scripts/receivers.sh these tests say so and pass,
//! unless RINGSCOPE_REQUIRE_RECEIVERS=1.

mod receivers;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use receivers::{
    Alertmanager, CloudWatch, Datadog, Elastic, NodeExporter, OtlpAgent, Prometheus, Pushgateway, Series, Sketch,
    Statsd, Victoria, http, schemas, wait_for,
};
use serde_json::{Value, json};

// ---- protobuf and snappy by hand ------------------------------------------------------------------------

fn varint(mut n: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
    bytes
}

fn whole(field: u64, n: u64) -> Vec<u8> {
    [varint(field << 3), varint(n)].concat()
}

fn double(field: u64, x: f64) -> Vec<u8> {
    [varint(field << 3 | 1), x.to_le_bytes().to_vec()].concat()
}

fn message(field: u64, parts: &[Vec<u8>]) -> Vec<u8> {
    let bytes = parts.concat();
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes].concat()
}

fn label(name: &str, value: &str) -> Vec<u8> {
    message(1, &[message(1, &[name.into()]), message(2, &[value.into()])])
}

/// A block of snappy that is one literal.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    let least = (bytes.len() - 1) as u16;
    [varint(bytes.len() as u64), vec![61 << 2], least.to_le_bytes().to_vec(), bytes.to_vec()].concat()
}

/// A page that is served for ever; a Prometheus that scrapes it.
fn page(text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let kind = "Content-Type: text/plain; version=0.0.4";
            let _ = write!(&stream, "HTTP/1.1 200 OK\r\n{kind}\r\nConnection: close\r\n\r\n{text}");
        }
    });
    address
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

#[test]
fn prometheus_takes_remote_write_and_scrapes() {
    let target = page("# TYPE scraped_total counter\nscraped_total{a=\"b\"} 41\n");
    let Some(mut prometheus) = Prometheus::scraping(&[target], "200ms") else { return };
    let time = whole(2, now().as_millis() as u64);
    let counter = message(1, &[label("__name__", "sent_total"), message(2, &[double(1, 7.0), time])]);
    // Schema 0 has powers of two as bounds: two values in (1, 2], one in (2, 4].
    let (span, deltas) = (message(11, &[whole(1, 2), whole(2, 2)]), message(12, &[vec![4, 1]]));
    let buckets = [whole(1, 3), double(3, 5.5), whole(4, 0), span, deltas, whole(15, now().as_millis() as u64)];
    let histogram = message(1, &[label("__name__", "sent_seconds"), message(4, &buckets)]);
    let request = snappy(&[counter, histogram].concat());
    let answer = prometheus.remote_write("application/x-protobuf", "0.1.0", &request);
    assert_eq!(answer.status, 204, "{}", answer.text());
    let all_is_there = |prometheus: &Prometheus| {
        assert_eq!(prometheus.wait_for("sent_total", |_| true), 7.0);
        assert_eq!(prometheus.value("histogram_count(sent_seconds)"), Some(3.0));
        assert_eq!(prometheus.value("histogram_sum(sent_seconds)"), Some(5.5));
        assert_eq!(prometheus.value("histogram_fraction(1, 2, sent_seconds)"), Some(2.0 / 3.0));
        assert_eq!(prometheus.wait_for("scraped_total{a=\"b\"}", |_| true), 41.0);
    };
    all_is_there(&prometheus);
    assert_eq!(prometheus.query("sent_seconds")[0]["histogram"][1]["count"], "3");
    prometheus.process.kill();
    assert!(http::request(&prometheus.address(), "GET", "/", &[], &[]).is_err());
    prometheus.process.restart();
    all_is_there(&prometheus);
}

#[test]
fn victoria_metrics_exports_what_it_took() {
    let Some(mut victoria) = Victoria::start() else { return };
    let seconds = now().as_secs();
    let lines = format!("sent_total{{a=\"b\"}} 7 {}\nsent_total{{a=\"b\"}} 9 {seconds}\n", seconds - 10);
    let answer = victoria.process.ask(0, "POST", "/api/v1/import/prometheus", &[], lines.as_bytes());
    assert_eq!(answer.status, 204, "{}", answer.text());
    let expected = [json!({
        "metric": {"__name__": "sent_total", "a": "b"},
        "values": [7, 9],
        "timestamps": [(seconds - 10) * 1000, seconds * 1000],
    })];
    assert_eq!(victoria.export("{__name__=\"sent_total\"}"), expected);
    assert_eq!(victoria.value("sent_total"), Some(9.0));
    victoria.process.stop();
    victoria.process.restart();
    assert_eq!(victoria.export("sent_total"), expected);
}

#[test]
fn the_otlp_agent_tells_what_it_understood() {
    let Some(agent) = OtlpAgent::start() else { return };
    let post = |path: &str, body: &Value| {
        let headers = [("Content-Type", "application/json")];
        let answer = agent.process.ask(0, "POST", path, &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let point = json!({"startTimeUnixNano": "1", "timeUnixNano": "2", "asInt": "7"});
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point]});
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "sent", "sum": sum}]}]}]});
    post("/v1/metrics", &metrics);
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "stalled"}}]}]}]});
    post("/v1/logs", &logs);
    let span = json!({"traceId": "0".repeat(31) + "1", "spanId": "0000000000000001", "name": "request"});
    let spans = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
    post("/v1/traces", &spans);
    // What comes as JSON is kept as it came.
    assert_eq!((agent.metrics(), agent.logs(), agent.traces()), (vec![metrics], vec![logs], vec![spans]));
    assert_eq!(agent.requests().len(), 3);
    agent.clear();
    assert_eq!((agent.metrics().len(), agent.logs().len(), agent.traces().len()), (0, 0, 0));
}

#[test]
fn the_pushgateway_shows_what_was_pushed() {
    let Some(mut gateway) = Pushgateway::start() else { return };
    let text = b"# TYPE sent_total counter\nsent_total{a=\"b\"} 7\n";
    let answer = gateway.process.ask(0, "PUT", "/metrics/job/test", &[], text);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let line = "sent_total{a=\"b\",instance=\"\",job=\"test\"} 7";
    assert!(gateway.metrics_page().lines().any(|l| l == line), "{}", gateway.metrics_page());
    assert_eq!(gateway.groups()[0]["labels"]["job"], "test");
    gateway.process.stop();
    gateway.process.restart();
    assert!(gateway.metrics_page().lines().any(|l| l == line), "{}", gateway.metrics_page());
}

#[test]
fn the_node_exporter_shows_text_files() {
    let Some(exporter) = NodeExporter::start() else { return };
    let file = exporter.folder().join("run.prom");
    std::fs::write(&file, "# HELP sent_total Sent\n# TYPE sent_total counter\nsent_total 7\n").unwrap();
    let page = exporter.page();
    assert!(page.contains("\nsent_total 7\n") && page.contains("node_textfile_scrape_error 0\n"), "{page}");
    assert!(page.contains("# TYPE sent_total counter\n"), "{page}");
    std::fs::write(&file, "sent_to").unwrap();
    assert!(exporter.page().contains("node_textfile_scrape_error 1\n"));
}

#[test]
fn the_alertmanager_has_what_a_prometheus_fires() {
    let Some(alertmanager) = Alertmanager::start() else { return };
    let address = alertmanager.address();
    let folder = alertmanager.process.folder().join("rules.yml");
    let rules = "groups: [{name: g, interval: 200ms, rules: [{alert: Stalled, expr: 'vector(7)', labels: {a: b}}]}]\n";
    std::fs::write(&folder, rules).unwrap();
    let config = format!(
        "global: {{evaluation_interval: 200ms}}\nrule_files: ['{}']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{address}']}}]}}]}}\n",
        folder.display()
    );
    let Some(_prometheus) = Prometheus::with_config(&config) else { return };
    let alert = wait_for("an alert", || alertmanager.alerts().pop());
    assert_eq!(alert["labels"], json!({"alertname": "Stalled", "a": "b"}));
}

#[test]
fn elasticsearch_counts_and_adds_up_documents() {
    let Some(mut elastic) = Elastic::start() else { return };
    let template = json!({
        "index_patterns": ["run-*"], "data_stream": {},
        "template": {"mappings": {"properties": {"duration": {"type": "histogram"}, "sent": {"type": "long"}}}},
    });
    assert_eq!(elastic.request("PUT", "/_index_template/run", &template.to_string()).status, 200);
    let document = |sent: u64| json!({"@timestamp": "2026-01-01T00:00:00Z", "sent": sent, "duration": {"values": [1.5, 3.0], "counts": [3, 4]}});
    let action = |id: &str| json!({"create": {"_id": id}});
    let lines = [action("a"), document(7), action("b"), document(9), action("a"), document(7)];
    let bulk: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let answer = elastic.request("POST", "/run-1/_bulk?refresh=true", &bulk);
    let items = answer.json();
    let statuses: Vec<&Value> = items["items"].as_array().unwrap().iter().map(|i| &i["create"]["status"]).collect();
    assert_eq!((statuses, &items["errors"]), (vec![&json!(201), &json!(201), &json!(409)], &json!(true)));
    let aggregations = json!({"size": 0, "aggs": {"sent": {"sum": {"field": "sent"}}}});
    let all_is_there = |elastic: &Elastic| {
        assert_eq!(elastic.count("run-1"), 2);
        assert_eq!(elastic.search("run-1", &aggregations)["aggregations"]["sent"]["value"], 16.0);
        let found = elastic.search("run-*", &json!({"query": {"term": {"sent": 9}}}));
        assert_eq!(found["hits"]["hits"][0]["_source"]["duration"], document(9)["duration"]);
    };
    all_is_there(&elastic);
    elastic.process.stop();
    elastic.process.restart();
    all_is_there(&elastic);
}

#[test]
fn cloudwatch_takes_weighted_values_in_json_and_in_cbor() {
    let Some(cloudwatch) = CloudWatch::start() else { return };
    let dimensions = json!([{"Name": "Kernel", "Value": "echo"}]);
    let datum = json!({"MetricName": "Duration", "Dimensions": dimensions, "Values": [1.5, 4.0], "Counts": [3, 2], "Unit": "Microseconds"});
    let answer = cloudwatch.request("PutMetricData", &json!({"Namespace": "Test", "MetricData": [datum]}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed = json!({"Namespace": "Test", "MetricName": "Duration", "Dimensions": dimensions});
    assert_eq!(cloudwatch.list_metrics("Test"), [listed]);
    let statistics = ["Sum", "SampleCount", "Minimum", "Maximum"];
    let of = |metric: &str, dimensions: &[(&str, &str)]| {
        let points = cloudwatch.get_metric_statistics("Test", metric, dimensions, 1 << 31, &statistics);
        assert_eq!(points.len(), 1, "{points:?}");
        statistics.map(|name| points[0][name].as_f64().unwrap())
    };
    assert_eq!(of("Duration", &[("Kernel", "echo")]), [12.5, 5.0, 1.5, 4.0]);
    // {"Namespace": "Test", "MetricData": [{"MetricName": "Sent", "Values": [2.0], "Counts": [3.0]}]}
    let text = |text: &str| [&[0x60 | text.len() as u8], text.as_bytes()].concat();
    let number = |x: f64| [&[0x81, 0xfb][..], &x.to_be_bytes()].concat();
    let datum = [text("MetricName"), text("Sent"), text("Values"), number(2.0), text("Counts"), number(3.0)].concat();
    let body = [vec![0xa2], text("Namespace"), text("Test"), text("MetricData"), vec![0x81, 0xa3], datum].concat();
    let answer = cloudwatch.request_cbor("PutMetricData", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(of("Sent", &[]), [6.0, 3.0, 2.0, 2.0]);
}

#[test]
fn statsd_adds_up_what_arrives_by_udp() {
    let Some(statsd) = Statsd::start() else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in
        ["sent:4|c|#kernel:echo\nsent:3|c|@0.5|#kernel:echo\n", "depth:2.5|g", "wait:3|ms|@0.1\nwait:5|ms", "odd"]
    {
        socket.send_to(packet.as_bytes(), statsd.address()).unwrap();
    }
    wait_for("all packets", || (statsd.received() == 6.0).then_some(()));
    assert_eq!(statsd.counter("sent;kernel=echo"), 10.0);
    assert_eq!(statsd.gauge("depth"), Some(2.5));
    assert_eq!(statsd.timer("wait"), (vec![3.0, 5.0], 11.0));
    assert_eq!(statsd.bad_lines(), 1.0);
}

#[test]
fn datadogs_parser_tells_what_it_understood_and_what_not() {
    let Some(datadog) = Datadog::start() else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in
        ["sent:4|c|#kernel:echo,a:b\ndepth:2.5|g", "wait:3|d|#kernel:echo\nwait:5|d|#kernel:echo", "odd", "sent:x|c"]
    {
        socket.send_to(packet.as_bytes(), datadog.address()).unwrap();
    }
    wait_for("four metrics", || (datadog.parsed() == 4).then_some(()));
    wait_for("two errors", || (datadog.errors().len() == 2).then_some(()));
    wait_for("its next flush", || (datadog.sketches().len() == 1 && datadog.series().len() == 2).then_some(()));
    let mut series = datadog.series();
    series.sort_by(|a, b| a.metric.cmp(&b.metric));
    let (kernel, a) = ("kernel:echo".to_owned(), "a:b".to_owned());
    let gauge = Series { metric: "depth".into(), kind: "Gauge".into(), tags: vec![], value: 2.5 };
    let count = Series { metric: "sent".into(), kind: "Count".into(), tags: vec![a, kernel.clone()], value: 4.0 };
    assert_eq!(series, [gauge, count]);
    let sketch = Sketch { metric: "wait".into(), tags: vec![kernel], count: 2.0, min: 3.0, max: 5.0, sum: 8.0 };
    assert_eq!(datadog.sketches(), [sketch]);
}

/// A file that is deleted when this is dropped.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str, text: &str) -> Scratch {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn schemas_tell_what_is_wrong_with_a_compose_file() {
    let right = Scratch::new("right.yaml", "services: {a: {image: b, ports: ['9464:9464']}}\n");
    let wrong = Scratch::new("wrong.yaml", "services: {a: {image: b, port: ['9464:9464']}}\n");
    let Some(found) = schemas::compose(&right.0) else { return };
    assert_eq!(found, [""; 0]);
    assert!(schemas::compose(&wrong.0).unwrap().concat().contains("'port' was unexpected"));
}

#[test]
fn schemas_tell_what_is_wrong_with_a_manifest() {
    let manifest = |ports: &str, monitor: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\n\
             spec: {{containers: [{{name: b, image: c, {ports}: [{{name: metrics, containerPort: 9464}}]}}]}}\n---\n\
             apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {{name: a, labels: {{x: y}}}}\n\
             spec: {{selector: {{matchLabels: {{app: a}}}}, podMetricsEndpoints: [{{port: metrics, {monitor}}}]}}\n"
        )
    };
    let right = Scratch::new("right-manifest.yaml", &manifest("ports", "interval: 5s"));
    let Some(found) = schemas::kubernetes(&right.0) else { return };
    assert_eq!(found, [""; 0]);
    for (ports, monitor, complaint) in [
        ("prts", "interval: 5s", "'prts' was unexpected"),
        ("ports", "intervall: 5s", "PodMonitor a: /spec/podMetricsEndpoints/0/intervall is no field"),
        ("ports", "interval: often", "PodMonitor a: /spec/podMetricsEndpoints/0/interval: pattern"),
    ] {
        let wrong = Scratch::new("wrong-manifest.yaml", &manifest(ports, monitor));
        let found = schemas::kubernetes(&wrong.0).unwrap();
        assert!(found.len() == 1 && found[0].contains(complaint), "{complaint}: {found:?}");
    }
}

/// What a test of a fault does with each: it is gone, and then there again on the same ports.
#[test]
fn each_one_comes_back_on_its_ports_after_it_was_killed() {
    let killed = |process: Option<receivers::Process>| {
        let Some(mut process) = process else { return };
        let (pid, address) = (process.pid(), process.address(0));
        process.kill();
        process.restart();
        assert!(process.pid() != pid && process.address(0) == address);
        let folder = process.folder().to_owned();
        drop(process);
        assert!(!folder.exists());
    };
    killed(Prometheus::start().map(|r| r.process));
    killed(Victoria::start().map(|r| r.process));
    killed(OtlpAgent::start().map(|r| r.process));
    killed(Pushgateway::start().map(|r| r.process));
    killed(NodeExporter::start().map(|r| r.process));
    killed(Alertmanager::start().map(|r| r.process));
    killed(Elastic::start().map(|r| r.process));
    killed(CloudWatch::start().map(|r| r.process));
    killed(Statsd::start().map(|r| r.process));
    killed(Datadog::start().map(|r| r.process));
}
