//! VictoriaMetrics, which stores exponential histograms by ranges of their own, and queries them.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ringscope::histogram::{Histogram, relative_error, slot_bounds};
use ringscope::metrics::Distribution;
use ringscope::publish::{Otlp, OtlpSignal, Publisher};
use serde_json::Value;

use crate::agent::{PATIENCE, get};
use crate::live::Live;
use crate::trace_tools::tool;

/// The server, on a free port, with a folder of its own. Dropping it ends it.
struct Victoria {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Victoria {
    fn start() -> Option<Victoria> {
        let program: PathBuf = tool("RINGSCOPE_VICTORIA")?.join("usr/bin/victoria-metrics");
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
        command.arg(format!("-storageDataPath={}", folder.path().display())).arg("-retentionPeriod=100y");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let victoria = Victoria { child, port, _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(victoria)
    }

    /// What a query says at the time of the samples: labels and values.
    fn query(&self, query: &str, time: f64) -> Vec<(Value, f64)> {
        get(self.port, "/internal/force_flush");
        let query: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let read = get(self.port, &format!("/api/v1/query?query={query}&time={time}"));
        let answer: Value = serde_json::from_str(&read).unwrap_or_else(|e| panic!("{e}: {read}"));
        let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{read}"));
        let number = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse().ok()).expect("a number");
        result.iter().map(|one| (one["metric"].clone(), number(one))).collect()
    }

    fn number(&self, query: &str, time: f64) -> f64 {
        let result = self.query(query, time);
        assert_eq!(result.len(), 1, "{query}: {result:?}");
        result[0].1
    }
}

impl Drop for Victoria {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bucket by bucket: each range has the bounds of one of the device's.
fn assert_buckets(victoria: &Victoria, name: &str, with: &str, time: f64, counted: &Histogram) {
    assert_eq!(victoria.number(&format!("{name}_count{with}"), time), counted.count() as f64);
    assert_eq!(victoria.number(&format!("{name}_sum{with}"), time), counted.sum() as f64);
    let ranges = victoria.query(&format!("{name}_bucket{with}"), time);
    let mut found: Vec<(f64, f64, u64)> = Vec::new();
    for (labels, count) in ranges {
        let (low, high) = labels["vmrange"].as_str().unwrap().split_once("...").unwrap();
        found.push((low.parse().unwrap(), high.parse().unwrap(), count as u64));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let used: Vec<_> = counted.slots().filter(|(_, count)| *count > 0).collect();
    assert_eq!(found.len(), used.len(), "{found:?} are not {used:?}");
    for ((slot, count), (low, high, stored)) in used.into_iter().zip(found) {
        assert_eq!(count, stored, "in slot {slot}");
        let (from, to) = slot_bounds(slot, counted.scale());
        // It writes bounds with four digits; zeros have a range of their own.
        let near = |a: f64, b: f64| (a - b).abs() <= b.abs() * 1e-3 + 1e-8;
        assert!(near(low, from) && near(high, to), "{low}...{high} is not ({from}, {to}]");
    }
    for q in [0.5, 0.9, 0.99] {
        let quantile = victoria.number(&format!("histogram_quantile({q}, {name}_bucket{with})"), time);
        let ours = counted.quantile(q);
        // Both lie in the same bucket.
        assert!(
            (quantile - ours).abs() <= ours * 2.5 * relative_error(counted.scale()) + 1.0,
            "{q}: {quantile}, {ours}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exponential_histograms_are_queried_back() {
    let Some(victoria) = Victoria::start() else { return };
    let live = Live::start().await;
    let snapshot = live.snapshot().await;
    let otlp = Otlp::builder(format!("http://127.0.0.1:{}/opentelemetry", victoria.port));
    let otlp = otlp.signals(&[OtlpSignal::Metrics]).gzip(true).build().unwrap();
    let published = otlp.publish(&live.publication(snapshot.clone())).await.unwrap();
    assert_eq!((published.rejected, published.warning), (0, None));
    let time = snapshot.time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() + 0.001;
    let worker = snapshot.kernel("worker").unwrap();
    let of_worker = "{kernel=\"worker\"}";
    let received = victoria.number(&format!("ringscope_kernel_messages_received{of_worker}"), time);
    assert_eq!(received, worker.messages_received as f64);
    assert_eq!(victoria.number("level", time), -0.25);
    assert_buckets(&victoria, "ringscope_kernel_message_duration_nanoseconds", of_worker, time, &worker.histogram);
    let sizes = snapshot.metric("sizes_bytes").and_then(|m| m.value(&[])?.histogram()).unwrap();
    let Distribution::Exponential(sizes) = &sizes.distribution else { panic!("{sizes:?}") };
    assert_eq!(sizes.slots().next(), Some((0, 1)), "a zero is among them");
    assert_buckets(&victoria, "sizes_bytes", "", time, sizes);
    let waits = snapshot.metric("waits_seconds").and_then(|m| m.value(&[])?.histogram()).unwrap();
    let Distribution::Explicit(waits) = &waits.distribution else { panic!("{waits:?}") };
    let mut below = 0;
    for (bound, count) in waits.bounds().iter().zip(waits.counts()) {
        below += count;
        assert_eq!(victoria.number(&format!("waits_seconds_bucket{{le=\"{bound}\"}}"), time), below as f64);
    }
    assert_eq!(victoria.number("waits_seconds_count", time), waits.count() as f64);
}
