//! `ringscope run` and `serve` with `--publish` and `--config`: what arrives, what is said of what does not, and that no secret
//! is told. `ringscope check` beside it.
#![cfg(all(feature = "cli", feature = "host", unix))]

#[path = "live_run/fake.rs"]
mod fake;
mod program;
mod serving;

use std::process::Output;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde_json::Value;

use fake::{Got, receiver};
use program::{Dir, json, output, path, ringscope, text};
use serving::Serving;

const SECRET: &str = "hunter2-swordfish";
const PATIENCE: Duration = Duration::from_secs(60);
/// Nobody listens there: it is reserved.
const DEAD: &str = "otlp+http://127.0.0.1:1";

fn run(args: &[&str]) -> (Value, Option<i32>) {
    json(&[&["run", "--json", "--device", "host", "--messages", "3000"], args].concat())
}

/// A counter of all kernels in a document of `json-file:`.
fn counted(document: &Value, name: &str) -> u64 {
    let series = document["metrics"][name].as_array().unwrap_or_else(|| panic!("{name} in {document}"));
    series.iter().map(|series| series["value"].as_u64().unwrap()).sum()
}

/// The newest value of a counter of all kernels, out of requests with OTLP as JSON.
fn received(requests: &[Got], name: &str) -> u64 {
    let bodies = requests.iter().filter(|got| got.path == "/v1/metrics");
    let mut newest = bodies.rev().filter_map(|got| {
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        let metrics = body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap().clone();
        metrics.into_iter().find(|metric| metric["name"] == name)
    });
    let metric = newest.next().unwrap_or_else(|| panic!("{name}"));
    let points = metric["sum"]["dataPoints"].as_array().unwrap();
    points.iter().map(|point| point["asInt"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}

fn all(got: &Receiver<Got>) -> Vec<Got> {
    got.try_iter().collect()
}

fn no_secret(output: &Output) {
    for bytes in [&output.stdout, &output.stderr] {
        assert!(!text(bytes).contains(SECRET), "{}", text(bytes));
    }
}

#[test]
fn a_file_gets_what_the_run_counted() {
    let dir = Dir::new("publish-file");
    let file = dir.0.join("run.json");
    let (document, code) = run(&["--publish", &format!("json-file:{}", path(&file))]);
    assert_eq!(code, Some(0), "{document:#}");
    let published: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (counted(&published, "ringscope_kernel_messages_processed_total"), &published["running"]),
        (3000, &false.into())
    );
    assert_eq!(document["summary"]["total_messages"], 3000);
    let entry = &document["published"][0];
    assert_eq!((&entry["publications"], &entry["last_error"]), (&1.into(), &Value::Null), "once, at the end: {entry}");
    assert!(
        entry["published_items"].as_u64().unwrap() > 100 && entry["dropped_items"] == serde_json::json!({}),
        "{entry}"
    );

    let table =
        output(&["run", "--device", "host", "--messages", "30", "--publish", &format!("json-file:{}", path(&file))]);
    let line = format!("published to json-file:{}: ", path(&file));
    assert!(text(&table.stdout).contains(&line), "{}", text(&table.stdout));
}

#[test]
fn a_receiver_gets_the_counts_by_its_protocol() {
    let (address, got) = receiver(&["200 OK\nContent-Type: application/json\n\n{}"]);
    let (document, code) = run(&["--publish", &format!("otlp+http://{address}?encoding=json")]);
    assert_eq!(code, Some(0), "{document:#}");
    let requests = all(&got);
    assert_eq!(received(&requests, "ringscope_kernel_messages_processed"), 3000);
    assert!(requests.iter().all(|got| got.method == "POST" && got.header("content-type") == "application/json"));
}

/// As in many containers.
#[test]
fn a_system_without_certificates_publishes_over_http_and_says_what_https_lacks() {
    let (address, got) = receiver(&["200 OK\nContent-Type: application/json\n\n{}"]);
    let run = |url: &str| {
        let mut command = ringscope(&["run", "--device", "host", "--messages", "30", "--publish", url]);
        command.envs([("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nonexistent")]).output().unwrap()
    };
    let output = run(&format!("otlp+http://{address}?encoding=json"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(received(&all(&got), "ringscope_kernel_messages_processed"), 30);
    let output = run("otlp+https://127.0.0.1:1");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("install them (ca-certificates)"), "{}", text(&output.stderr));
}

#[test]
fn spans_of_messages_are_published_where_they_are_wanted() {
    let (address, got) = receiver(&["200 OK\nContent-Type: application/json\n\n{}"]);
    let url = format!("otlp+http://{address}?encoding=json&signals=traces");
    let (document, code) = run(&["--publish", &url, "--publish-spans", "1/1"]);
    assert_eq!(code, Some(0), "{document:#}");
    let spans: usize = all(&got)
        .iter()
        .filter(|got| got.path == "/v1/traces")
        .map(|got| String::from_utf8_lossy(&got.body).matches("\"startTimeUnixNano\"").count())
        .sum();
    assert_eq!(spans, 3000, "of every message, to the last");
}

#[test]
fn a_dead_destination_takes_nothing_from_the_other_and_is_told() {
    let dir = Dir::new("publish-dead");
    let file = dir.0.join("run.ndjson");
    let begun = Instant::now();
    let lines = format!("json-lines:{}", path(&file));
    let (document, code) =
        run(&["--publish", &format!("{DEAD}?flush_limit=500ms"), "--publish", &lines, "--publish-interval", "100ms"]);
    assert!(begun.elapsed() < PATIENCE, "the end is within the limit");
    assert_eq!((code, &document["verified"]), (Some(1), &false.into()), "{document:#}");
    let last = std::fs::read_to_string(&file).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!(counted(&last, "ringscope_kernel_messages_processed_total"), 3000);
    let [dead, alive] = &document["published"].as_array().unwrap()[..] else { panic!("{document:#}") };
    assert_eq!(alive["dropped_items"], serde_json::json!({}));
    assert!(dead["published_items"] == 0 && dead["dropped_items"]["shutdown"].as_u64().unwrap() > 100, "{dead}");
    let troubles = document["troubles"].as_array().unwrap();
    let [trouble] = &troubles[..] else { panic!("{troubles:?}") };
    let trouble = trouble.as_str().unwrap();
    for says in [DEAD, "did not get there", "flush_limit", "127.0.0.1:1 cannot be reached"] {
        assert!(trouble.contains(says), "{trouble}");
    }
}

#[test]
fn a_key_arrives_and_is_told_nowhere() {
    let dir = Dir::new("publish-secret");
    let config = dir.0.join("ringscope.toml");
    std::fs::write(dir.0.join("key"), format!("{SECRET}\n")).unwrap();
    let cases = [
        ("200 OK\n\n{}", "token_file = \"KEY\"", Some(0)),
        ("401 Unauthorized\n\nno", "token_env = \"RINGSCOPE_TEST_KEY\"", Some(1)),
    ];
    for (answer, key, code) in cases {
        let (address, got) = receiver(&[answer]);
        let key = key.replace(
            "KEY\"",
            &if key.contains("env") { "KEY\"".into() } else { format!("{}\"", path(&dir.0.join("key"))) },
        );
        let file = format!(
            "[[publish]]\nurl = \"remote-write+http://{address}/write?version=1\"\n{key}\nflush_limit = \"1s\"\n"
        );
        std::fs::write(&config, file).unwrap();
        for args in [&["--json"][..], &[]] {
            let run = ringscope(&["run", "--device", "host", "--messages", "30", "--config", path(&config)])
                .args(args)
                .env("RINGSCOPE_TEST_KEY", SECRET)
                .output()
                .unwrap();
            no_secret(&run);
            assert_eq!(run.status.code(), code, "{}{}", text(&run.stdout), text(&run.stderr));
        }
        let requests = all(&got);
        assert!(!requests.is_empty());
        assert!(requests.iter().all(|got| got.header("authorization") == format!("Bearer {SECRET}")), "{requests:?}");
        for args in [&["--json"][..], &[]] {
            let check =
                ringscope(&["check", path(&config)]).args(args).env("RINGSCOPE_TEST_KEY", SECRET).output().unwrap();
            no_secret(&check);
            assert!(check.status.success() && text(&check.stdout).contains("token"), "{}", text(&check.stdout));
        }
    }
}

#[test]
fn wrong_destinations_are_2_and_wrong_files_1_before_anything_starts() {
    let dir = Dir::new("publish-wrong");
    let config = dir.0.join("ringscope.toml");
    for url in [
        format!("otlp+http://me:{SECRET}@localhost:1"),
        format!("http://me:{SECRET}@localhost"),
        format!("json-file:/tmp/x.json?token={SECRET}"),
        format!("otlp+http://localhost:1?password={SECRET}"),
        "carrier-pigeon://roof".to_owned(),
        SECRET.to_owned(),
    ] {
        for command in ["run", "serve"] {
            let wrong = output(&[command, "--device", "host", "--publish", &url]);
            no_secret(&wrong);
            assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
            assert!(
                text(&wrong.stderr).starts_with("error: --publish: ") && wrong.stdout.is_empty(),
                "{}",
                text(&wrong.stderr)
            );
        }
    }
    std::fs::write(
        &config,
        format!("[[publish]]\nurl = \"json-file:/tmp/x.json\"\npasword = \"{SECRET}\"\nspol = 1\n"),
    )
    .unwrap();
    let said =
        ["ringscope.toml:3:1: there is no key pasword", "ringscope.toml:4:1: there is no key spol: is spool meant?"];
    for args in [&["run", "--device", "host", "--config"][..], &["check"]] {
        let wrong = output(&[args, &[path(&config)]].concat());
        no_secret(&wrong);
        assert_eq!(wrong.status.code(), Some(1), "{args:?}");
        assert!(said.iter().all(|said| text(&wrong.stderr).contains(said)), "{}", text(&wrong.stderr));
    }
    let (document, code) = json(&["check", "--json", path(&config)]);
    assert_eq!((code, &document["ok"]), (Some(1), &false.into()));
    assert_eq!((&document["problems"][0]["line"], &document["problems"][1]["column"]), (&3.into(), &1.into()));
}

#[test]
fn serve_publishes_every_so_often_and_at_the_end() {
    let (address, got) = receiver(&["200 OK\nContent-Type: application/json\n\n{}"]);
    let url = format!("otlp+http://{address}?encoding=json&signals=metrics");
    let serving = Serving::start(&["--messages", "3000", "--publish", &url, "--publish-interval", "100ms"]);
    serving.snapshot_after(3000);
    let mut requests = Vec::new();
    while requests.len() < 3 {
        requests.push(got.recv_timeout(PATIENCE).expect("every so often"));
    }
    let metrics = serving.get("/metrics");
    assert!(metrics.contains("telemetry_publish_"), "what is published is counted: {metrics}");
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
    requests.extend(all(&got));
    assert_eq!(received(&requests, "ringscope_kernel_messages_processed"), 3000);
}

#[test]
fn a_log_says_once_that_a_destination_fails() {
    let url = format!("{DEAD}?flush_limit=100ms&retry_min=10ms");
    let run = ["run", "--device", "host", "--duration", "1500ms", "--interval", "100ms", "--publish-interval", "100ms"];
    let run = output(&[&run[..], &["--publish", &url]].concat());
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stderr);
    let fails: Vec<&str> = said.lines().filter(|line| line.starts_with("publishing to otlp fails: ")).collect();
    assert!(fails.len() == 1 && fails[0].contains("127.0.0.1:1 cannot be reached"), "{said}");
}
