//! `ringscope serve`: what is answered to whom, that it stays so beside slow and rude clients, and how it ends.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod serving;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use serving::{Serving, request};

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROTOBUF: &str = "application/vnd.google.protobuf; proto=io.prometheus.client.metricfamily; encoding=delimited";

#[test]
fn every_page_has_the_same_counts() {
    let serving = Serving::start(&["--messages", "3000", "--interval", "20ms", "--inject-errors", "0.1"]);
    let everything = serving.snapshot_after(3000);
    let metrics = serving.get("/metrics");
    for kernel in everything["kernels"].as_array().unwrap() {
        let labels = format!("kernel={},device=\"{}\"", kernel["kernel_id"], kernel["device"]);
        for (name, field) in [
            ("ringscope_kernel_messages_received_total", "messages_received"),
            ("ringscope_kernel_messages_sent_total", "messages_sent"),
            ("ringscope_kernel_messages_processed_total", "messages_processed"),
            ("ringscope_kernel_errors_total", "errors"),
            ("ringscope_kernel_received_bytes_total", "bytes_in"),
            ("ringscope_kernel_sent_bytes_total", "bytes_out"),
        ] {
            let line = format!("\n{name}{{{labels}}} {}\n", kernel[field]);
            assert!(metrics.contains(&line), "{line} in {metrics}");
        }
        let count = format!("_duration_seconds_count{{{labels}}} {}\n", kernel["latency"]["count"]);
        assert!(metrics.contains(&count), "{count} in {metrics}");
    }
    let sums: Value = serde_json::from_str(&serving.get("/summary.json")).unwrap();
    let keys: Vec<&String> = sums.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["timestamp", "tasks", "latency", "system"]);
    assert_eq!((&sums["tasks"]["received"], &sums["latency"]["count"]), (&3000.into(), &3000.into()));
    assert_eq!((&sums["system"]["kernels"], &sums["system"]["states"]["active"]), (&3.into(), &3.into()));

    let (status, table) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
    assert!(table.contains("PASS: every reply is correct") && table.contains("3,000"), "{table}");
}

#[test]
fn formats_are_negotiated_and_methods_and_paths_are_checked() {
    let serving = Serving::start(&["--messages", "10"]);
    let ask = |line: &str| request(&serving.address, &format!("{line}\r\n"));
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (accept, expected) in [
        ("Accept: */*", TEXT),
        ("X-None: of them", TEXT),
        ("Accept: text/plain;version=0.0.4", TEXT),
        ("Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5", OPENMETRICS),
        (&format!("Accept: {protobuf},application/openmetrics-text;q=0.8\r\nAccept: */*;q=0.1"), PROTOBUF),
    ] {
        let answer = ask(&format!("GET /metrics HTTP/1.1\r\n{accept}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)), "{accept}");
        assert_eq!((answer.header("vary"), answer.body.is_empty()), (Some("accept"), false));
    }
    for path in ["/snapshot.json", "/summary.json", "/healthz"] {
        let answer = ask(&format!("GET {path}?x=y HTTP/1.1"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
        let head = ask(&format!("HEAD {path} HTTP/1.1"));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert!(head.header("content-length").and_then(|n| n.parse().ok()) > Some(0), "{}", head.head);
    }
    for (line, content_type, body) in [
        ("GET /stuck HTTP/1.1", "text/plain; charset=utf-8", "no kernel hangs\n"),
        ("GET /stuck?format=json HTTP/1.1", "application/json", "{\"stuck\":[]}"),
        ("GET /stuck HTTP/1.1\r\nAccept: application/json", "application/json", "{\"stuck\":[]}"),
    ] {
        let answer = ask(line);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(content_type)), "{line}");
        assert_eq!(answer.text(), body, "{line}");
    }
    for (line, status) in [
        ("POST /metrics HTTP/1.1\r\nContent-Length: 0", 405),
        ("DELETE /healthz HTTP/1.1", 405),
        ("GET /nothing HTTP/1.1", 404),
        ("POST /nothing HTTP/1.1\r\nContent-Length: 0", 404),
        ("GET / HTTP/1.1", 200),
        ("nonsense", 400),
    ] {
        let answer = ask(line);
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("get, head"), "{line}");
    }
    // A head without an end is refused; what of the answer arrives depends on how much of it is still under way.
    let mut endless = TcpStream::connect(&serving.address).unwrap();
    let _ = write!(endless, "GET /metrics HTTP/1.1\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000));
    let mut answer = Vec::new();
    let _ = endless.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ask("GET /metrics HTTP/1.1").status, 200);
}

#[test]
fn trouble_with_the_stream_is_503_with_the_reason_and_then_exit_code_1() {
    let serving = Serving::start(&["/proc/self/mem", "--interval", "20ms"]);
    let start = Instant::now();
    let answer = loop {
        let answer = request(&serving.address, "GET /healthz HTTP/1.1\r\n");
        if answer.status != 200 || start.elapsed() > serving::PATIENCE {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let health: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!((answer.status, &health["healthy"], &health["kernels"]), (503, &false.into(), &3.into()));
    assert!(health["reasons"][0].as_str().unwrap().contains("/proc/self/mem: cannot be read"), "{health}");
    // It serves on, so that somebody can see it.
    assert!(serving.get("/metrics").contains("ringscope_kernel_state"));
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn it_ends_by_itself_after_its_time() {
    let serving = Serving::start(&["--duration", "3s", "--interval", "50ms", "--json"]);
    assert_eq!(request(&serving.address, "GET /healthz HTTP/1.1\r\n").status, 200);
    let (status, document) = serving.end();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status.code(), &document["verified"]), (Some(0), &true.into()));
    assert!(document["messages"].as_u64() > Some(0));
}

/// However it ends before: by an error, it serves until its time, and then says so.
#[test]
fn trouble_does_not_put_off_the_end_of_its_time() {
    let serving = Serving::start(&["/proc/self/mem", "--duration", "500ms", "--interval", "20ms", "--json"]);
    let (status, document) = serving.end();
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status.code(), &document["verified"]), (Some(1), &false.into()));
    assert!(document["troubles"][0].as_str().unwrap().contains("/proc/self/mem: cannot be read"), "{document}");
}

#[test]
fn sigterm_ends_it_as_ctrl_c_does() {
    let serving = Serving::start(&["--json", "--interval", "20ms"]);
    assert!(serving.get("/metrics").contains("ringscope_kernel_state"));
    let (status, document) = serving.signal("TERM");
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((status.code(), &document["verified"], &document["interrupted"]), (Some(0), &true.into(), &true.into()));
}

#[test]
fn names_can_be_listened_on_and_addresses_of_all_are_warned_of() {
    let serve = |listen: &str| {
        let args = ["serve", "--listen", listen, "--device", "host", "--messages", "10"];
        Serving::spawn(Command::new(env!("CARGO_BIN_EXE_ringscope")).args(args))
    };
    let local = serve("localhost:0");
    assert!(local.said.iter().all(|line| !line.contains("warning")), "{:?}", local.said);
    let (_, port) = local.address.rsplit_once(':').unwrap();
    let asked = request(&format!("localhost:{port}"), "GET /metrics HTTP/1.1\r\n");
    assert_eq!((asked.status, local.get("/").starts_with("ringscope")), (200, true));
    let all = serve("0.0.0.0:0");
    assert!(all.said.iter().any(|line| line.contains("warning: every machine")), "{:?}", all.said);
    assert_eq!(all.interrupt().0.code(), Some(0));
}

#[test]
fn on_loopback_only_this_machine_is_answered() {
    let serving = Serving::start(&["--messages", "10"]);
    let (_, port) = serving.address.rsplit_once(':').unwrap();
    let ask = |head: &str| serving::exchange(&serving.address, &format!("{head}\r\nConnection: close\r\n\r\n"));
    for path in ["/metrics", "/snapshot.json", "/healthz", "/nothing"] {
        for host in ["evil.example", &format!("evil.example:{port}"), "192.0.2.1", "localhost.evil.example"] {
            let answer = ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}"));
            assert!(answer.status == 403 && answer.text().contains("--listen"), "{host}: {}", answer.text());
        }
        assert_eq!(ask(&format!("GET http://evil.example{path} HTTP/1.1\r\nHost: localhost")).status, 403);
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}"), format!("{host}:1")] {
            assert_eq!(ask(&format!("GET /metrics HTTP/1.1\r\nHost: {host}")).status, 200, "{host}");
        }
    }
    // No browser asks so.
    assert_eq!(ask("GET /metrics HTTP/1.0").status, 200);
}

#[test]
fn a_pipe_is_streamed_to_its_end_and_its_counts_stay() {
    let dir = std::env::temp_dir().join(format!("ringscope-serve-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let pipe = dir.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = pipe.clone();
    let writer = std::thread::spawn(move || std::fs::write(writer, [7; 10_000]).unwrap());
    let serving = Serving::start(&[pipe.to_str().unwrap(), "--interval", "20ms"]);
    serving.snapshot_after(3);
    writer.join().unwrap();
    assert_eq!(request(&serving.address, "GET /healthz HTTP/1.1\r\n").status, 200);
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn addresses_and_usage_that_cannot_be() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ringscope = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ringscope")).arg("serve").args(args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = ringscope(&["--listen", &address, "--device", "host"]);
    assert!(code == Some(1) && said.contains(&address) && said.contains("port 0 for any"), "{said}");
    let (code, said) = ringscope(&["--listen", "192.0.2.1:0", "--device", "host"]);
    assert!(code == Some(1) && said.contains("an address of this machine"), "{said}");
    let (code, said) = ringscope(&["--listen", "no-such-name.invalid:9464", "--device", "host"]);
    assert!(code == Some(1) && said.contains("check the spelling"), "{said}");
    let (code, said) = ringscope(&["--listen", ":9464"]);
    assert!(code == Some(2) && said.contains("127.0.0.1:9464"), "{said}");
    for args in [
        &["--listen", "nowhere"][..],
        &["--listen", "9464"],
        &["--no-telemetry"],
        &["--messages", "1", "--duration", "1s"],
    ] {
        assert_eq!(ringscope(args).0, Some(2), "{args:?}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_ringscope")).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for part in [
        "Examples:",
        "Exit codes:",
        "[default: 127.0.0.1:9464]",
        "/healthz",
        "/stuck",
        "until Ctrl-C",
        "scrape_configs",
    ] {
        assert!(help.contains(part), "{part}");
    }
    assert!(!help.contains("--no-telemetry"), "{help}");
}
