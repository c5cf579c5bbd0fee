//! `ringscope serve` with a token, a certificate, rules, a recording.

use std::process::Command;
use std::time::Duration;

use ringscope::TelemetryCollector;
use ringscope::feed::Moment;
use ringscope::recording::Encoder;
use serde_json::json;
use tokio_rustls::rustls::version::TLS13;

use crate::client::{get, get_with, json as document};
use crate::serving::Serving;
use crate::{tls, until};

fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ringscope"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(args)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn its_page_has_blocks_a_history_and_a_trace_of_messages() {
    let serving = Serving::start(&["--messages", "3000", "--interval", "20ms", "--trace", "1/1"]);
    serving.snapshot_after(3000);
    let address = &serving.address;
    let blocks = document(address, "/blocks.json?kernel=worker_1");
    assert_eq!((&blocks[0]["block"], &blocks[0]["state"]), (&json!(0), &json!("active")));
    assert_eq!(get(address, "/blocks.json?kernel=nobody").status, 404);
    assert_eq!(get(address, "/blocks.json").status, 400);
    until("a history", || {
        document(address, "/history.json")["time"].as_array().filter(|time| time.len() > 2).map(|_| ())
    });
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    until("messages in the trace", || {
        let trace = get(address, "/trace.pftrace?seconds=3600");
        assert_eq!((trace.status, trace.header("content-type")), (200, Some("application/octet-stream")));
        (contains(&trace.body, "worker_2") && contains(&trace.body, "messages/s") && trace.body.len() > 50_000)
            .then_some(())
    });
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_token_and_a_certificate_are_files() {
    let (folder, certificate, key, trusted) = tls::files();
    let token = folder.path().join("token").to_str().unwrap().to_owned();
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    let serving = Serving::spawn(Command::new(env!("CARGO_BIN_EXE_ringscope")).args([
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--device",
        "host",
        "--messages",
        "10",
        "--token-file",
        &token,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]));
    let said = serving.said.join("\n");
    assert!(
        !said.contains("warning") && said.contains("serving https://") && !said.contains("0123456789abcdef"),
        "{said}"
    );
    let (_, port) = serving.address.rsplit_once(':').unwrap();
    let head = "GET /summary.json HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    let answer = tls::ask(&format!("127.0.0.1:{port}"), &trusted, &TLS13, head).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let half = Serving::spawn(Command::new(env!("CARGO_BIN_EXE_ringscope")).args([
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--device",
        "host",
        "--messages",
        "10",
        "--token-file",
        &token,
    ]));
    assert!(half.said.iter().any(|line| line.contains("warning") && line.contains("--tls-cert")), "{:?}", half.said);
    let bad = |name: &str, text: &str| {
        let path = folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(&path, text).unwrap();
        path
    };
    let (short, empty, rules) =
        (bad("short", "12345"), bad("empty", "\n"), bad("rules.toml", "[[rule]]\nkind = \"p9\"\n"));
    for (args, code, part) in [
        (&["--token-file", &*short][..], 1, "openssl rand"),
        (&["--token-file", &empty], 1, "no secret in it"),
        (&["--token-file", "/nowhere/token"], 1, "/nowhere/token"),
        (&["--tls-cert", &certificate], 2, "--tls-key"),
        (&["--tls-cert", &key, "--tls-key", &certificate], 1, "in each other's place"),
        (&["--rules", &rules], 1, "rules.toml:2:"),
        (&["--rules", "/nowhere/rules.toml"], 1, "/nowhere/rules.toml"),
        (&["--replay", "/nowhere/run.rscope"], 1, "/nowhere/run.rscope"),
        (&["--replay", &short], 1, "short"),
        (&["--replay", &short, "file"], 2, "--replay"),
        (&["--speed", "2"], 2, "--replay"),
        (&["--replay", &short, "--speed", "0"], 2, "0.01"),
    ] {
        let (status, said) = refused(args);
        assert!(status == Some(code) && said.contains(part), "{args:?}: {status:?} {said}");
    }
}

/// A recording of so many moments, a second apart.
fn recording(path: &std::path::Path, moments: u64) {
    let collector = TelemetryCollector::new(true);
    let mut encoder = Encoder::new();
    let mut bytes = encoder.header();
    for n in 0..moments {
        collector.record_processed("parser", Some(Duration::from_millis(2))).unwrap();
        let mut snapshot = (*collector.snapshot().unwrap()).clone();
        snapshot.time = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n);
        bytes.extend(encoder.encode(&Moment::of_snapshot(snapshot.into())));
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_recording_is_served_as_if_it_ran() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("run.rscope");
    recording(&path, 50);
    let serving = Serving::spawn(Command::new(env!("CARGO_BIN_EXE_ringscope")).args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--replay",
        path.to_str().unwrap(),
        "--speed",
        "1000",
    ]));
    let address = &serving.address;
    let newest = until("the last moment", || {
        let answer = get(address, "/moment.json");
        let moment = (answer.status == 200).then(|| answer.json())?;
        (moment["snapshot"]["kernels"][0]["messages_processed"] == 50).then_some(moment)
    });
    assert_eq!(newest["snapshot"]["time"], 1_700_000_049.0);
    // A machine that is busy may be too slow for some of a thousand moments a second; the last one is always there.
    let history = until("the end of it", || {
        let history = document(address, "/history.json?points=2000");
        let times = history["time"].as_array().unwrap();
        (times.last()?.as_f64() == Some(1_700_000_049.0)).then_some(history)
    });
    let rates = history["kernels"]["parser"]["messages_per_second"].as_array().unwrap();
    assert!(rates.iter().all(|rate| *rate == 1.0), "{rates:?}");
    assert_eq!(get(address, "/healthz").status, 200);
    assert!(
        get(address, "/metrics").text().contains("ringscope_kernel_messages_processed_total{kernel=\"parser\"} 50\n")
    );
    assert!(get(address, "/trace.pftrace?seconds=60").body.len() > 100);
    let page = get_with(address, "/", "Accept: text/html\r\n");
    assert!(page.status == 200 && page.text().contains("<html"));
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn what_is_damaged_is_said_and_the_rest_is_served() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("run.rscope");
    recording(&path, 20);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ringscope"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--speed",
            "100000",
            "--duration",
            "100ms",
            "--replay",
            path.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("run.rscope") && said.contains("warning"), "{said}");
}
