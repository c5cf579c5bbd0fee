//! Prometheus 3.5 scrapes the library's server, and the program's: its numbers are the device's. And the server's manners.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod live_run;
mod receivers;
mod serving;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringscope::TelemetryCollector;
use ringscope::export::PageFormat;
use ringscope::histogram::Histogram;
use ringscope::publish::{PrometheusPublisher, PublishError};
use serde_json::Value;

use live_run::asked::Asked;
use live_run::{Live, MESSAGES};
use receivers::http::exchange;
use receivers::{Prometheus, wait_for};
use serving::Serving;

fn get(address: &str, head: &str) -> receivers::http::Answer {
    exchange(address, format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lines_are_scraped_with_native_histograms() {
    let live = Live::start().await;
    let server = PrometheusPublisher::new(0).serve(live.collector()).unwrap();
    let Some(prometheus) = Prometheus::scraping(&[server.address().to_string()], "200ms") else { return };
    let snapshot = live.collector().snapshot().unwrap();
    prometheus.wait_for("sum(ringscope_kernel_messages_sent_total)", |sum| sum == f64::from(MESSAGES + MESSAGES / 3));
    let asked = Asked { prometheus: &prometheus, at: now() };
    for kernel in &snapshot.kernels {
        let of = format!("{{kernel={:?}}}", kernel.kernel_id);
        assert_eq!(asked.value(&format!("ringscope_kernel_received_bytes_total{of}")), kernel.bytes_in as f64);
        asked.native_is(&format!("ringscope_kernel_message_duration_nanoseconds{of}"), &kernel.histogram);
        let count = asked.value(&format!("ringscope_kernel_message_duration_seconds_count{of}"));
        assert_eq!(count, kernel.histogram.count() as f64);
    }
    assert_eq!(asked.value("cache_hits_total{Table=\"a\\\\b\\\"c\\nd\"}"), 7.0);
    // No collection runs: each scrape reads the device.
    live.messages("worker", 5).await;
    prometheus.wait_for("ringscope_kernel_messages_sent_total{kernel=\"worker\"}", |n| n == f64::from(MESSAGES + 5));
    drop(server);
    prometheus.wait_for("up", |up| up == 0.0);
}

/// A histogram as the program's JSON has it.
fn read(histogram: &Value) -> Histogram {
    let mut read = Histogram::new(histogram["scale"].as_u64().unwrap() as u32);
    for bucket in histogram["buckets"].as_array().unwrap() {
        (0..bucket[1].as_u64().unwrap()).for_each(|_| read.record(bucket[0].as_u64().unwrap()));
    }
    read
}

#[test]
fn the_program_is_scraped_with_native_histograms() {
    let serving = Serving::start(&["--messages", "2000", "--interval", "50ms"]);
    let Some(prometheus) = Prometheus::scraping(std::slice::from_ref(&serving.address), "200ms") else { return };
    let snapshot = serving.snapshot_after(2000);
    prometheus.wait_for("sum(ringscope_kernel_messages_sent_total)", |sum| sum == 2000.0);
    let asked = Asked { prometheus: &prometheus, at: now() };
    for kernel in snapshot["kernels"].as_array().unwrap() {
        let native = format!("ringscope_kernel_message_duration_nanoseconds{{kernel={}}}", kernel["kernel_id"]);
        let theirs = &asked.results(&native)[0]["histogram"][1];
        assert_eq!(theirs["count"], kernel["histogram"]["count"].to_string());
        assert_eq!(
            theirs["sum"].as_str().unwrap().parse::<f64>().unwrap(),
            kernel["histogram"]["sum"].as_f64().unwrap()
        );
        let counts: Vec<String> =
            theirs["buckets"].as_array().unwrap().iter().map(|b| b[3].as_str().unwrap().to_owned()).collect();
        let ours: Vec<String> =
            read(&kernel["histogram"]).slots().filter(|(_, n)| *n > 0).map(|(_, n)| n.to_string()).collect();
        assert_eq!(counts, ours);
    }
}

#[test]
fn formats_methods_and_paths() {
    let collector = TelemetryCollector::new(true);
    collector.record_receive("parser").unwrap();
    let server = PrometheusPublisher::new(0).serve(&collector).unwrap();
    assert!(server.address().ip().is_loopback());
    let address = server.address().to_string();
    let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    for (accept, format) in [
        ("*/*", PageFormat::Text),
        ("application/openmetrics-text", PageFormat::OpenMetrics),
        (protobuf, PageFormat::Protobuf),
    ] {
        let answer = get(&address, &format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}"));
        let expected = format.content_type().to_ascii_lowercase();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(&*expected)));
        assert_eq!(answer.header("vary"), Some("accept"));
        assert!(!answer.body.is_empty());
    }
    let page = get(&address, "GET /metrics HTTP/1.1\r\nHost: localhost").text();
    assert!(page.contains("\nringscope_kernel_messages_received_total{kernel=\"parser\"} 1\n"), "{page}");
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: localhost", 200),
        ("GET /snapshot.json HTTP/1.1\r\nHost: localhost", 404),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0", 405),
        // A page of the web that has the browser ask, under a name of its own.
        ("GET /metrics HTTP/1.1\r\nHost: evil.example", 403),
        ("GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost", 403),
    ] {
        assert_eq!(get(&address, head).status, status, "{head}");
    }
}

#[test]
fn a_page_is_new_enough() {
    let collector = TelemetryCollector::new(true);
    let server = PrometheusPublisher::new(0).max_age(Duration::from_secs(3600)).serve(&collector).unwrap();
    let pages = |address: &str| get(address, "GET /metrics HTTP/1.1\r\nHost: localhost").text();
    let address = server.address().to_string();
    let snapshots = |page: String| {
        let line = page.lines().find_map(|line| line.strip_prefix("ringscope_snapshots_total "));
        line.expect("its number").parse::<u64>().unwrap()
    };
    let first = snapshots(pages(&address));
    assert_eq!(snapshots(pages(&address)), first, "it is not an hour old");
    let server = PrometheusPublisher::new(0).max_age(Duration::ZERO).serve(&collector).unwrap();
    assert!(snapshots(pages(&server.address().to_string())) > first);
}

#[test]
fn addresses_that_cannot_be_had_are_said() {
    let collector = TelemetryCollector::new(true);
    let server = PrometheusPublisher::new(0).serve(&collector).unwrap();
    let taken = PrometheusPublisher::new(server.address().port()).serve(&collector).unwrap_err();
    assert!(taken.to_string().contains("in use"), "{taken}");
    for (address, why) in
        [("nowhere", "port is missing"), ("[::1", "brackets"), ("no-such-name.invalid:1", "not known here")]
    {
        let error = PrometheusPublisher::new(0).listen(address).serve(&collector).unwrap_err();
        assert!(matches!(error, PublishError::BadSetting { .. }) && error.to_string().contains(why), "{error}");
    }
    let open = PrometheusPublisher::new(0).listen("0.0.0.0:0").serve(&collector).unwrap();
    let address = format!("127.0.0.1:{}", open.address().port());
    assert_eq!(get(&address, "GET /metrics HTTP/1.1\r\nHost: any.example").status, 200);
}

/// As long as somebody is connected and says nothing, and somebody has asked and does not read.
#[test]
fn it_ends_at_once_and_takes_no_more_connections_than_it_may() {
    let collector = TelemetryCollector::new(true);
    let server = PrometheusPublisher::new(0).connections(2).serve(&collector).unwrap();
    let address = server.address().to_string();
    let mut silent: Vec<TcpStream> = (0..5).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The oldest have given way.
    for stream in &mut silent[..3] {
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    }
    assert_eq!(get(&address, "GET /metrics HTTP/1.1\r\nHost: localhost").status, 200);
    let mut deaf = TcpStream::connect(&address).unwrap();
    deaf.write_all(&b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000)).unwrap();
    drop(server);
    wait_for("the port's release", || TcpStream::connect(&address).is_err().then_some(()));
}
