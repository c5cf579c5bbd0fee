//! A real Prometheus scrapes a live run, and is asked what it understood: every count, the native histogram's count, sum
//! and percentiles, the classic one's buckets. scripts/prometheus.sh brings one; without it these tests say so and pass,
//! unless RINGSCOPE_REQUIRE_PROMETHEUS=1.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod serving;

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ringscope::export::PageFormat;
use ringscope::histogram::relative_error;
use ringscope::{Snapshot, TelemetryCollector};
use serde_json::Value;

use serving::{PATIENCE, Serving, request};

const MESSAGES: u64 = 5000;

/// A Prometheus with a data folder of its own. Dropping it kills it.
struct Prometheus {
    child: Child,
    address: String,
    folder: PathBuf,
    /// What is asked is asked as of this Unix time: a scrape that a busy machine does not end in time leaves everything out.
    at: Cell<f64>,
}

impl Prometheus {
    /// One that scrapes `target`; `None`, aloud, where there is none.
    fn start(name: &str, target: &str, native: bool) -> Option<Prometheus> {
        let Some(program) = std::env::var_os("RINGSCOPE_PROMETHEUS").filter(|v| !v.is_empty()) else {
            let required = std::env::var("RINGSCOPE_REQUIRE_PROMETHEUS").is_ok_and(|v| v == "1");
            assert!(!required, "RINGSCOPE_PROMETHEUS is not set: eval \"$(scripts/prometheus.sh)\"");
            let _ = writeln!(std::io::stderr(), "skipped: no Prometheus: eval \"$(scripts/prometheus.sh)\" brings one");
            return None;
        };
        let folder = std::env::temp_dir().join(format!("ringscope-prometheus-{}-{name}", std::process::id()));
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: ringscope, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        // Somebody else may have taken the port that was free.
        let started = (0..5).find_map(|_| Prometheus::try_start(&program, &folder, &config, native));
        Some(started.expect("Prometheus starts"))
    }

    fn try_start(program: &OsStr, folder: &Path, config: &str, native: bool) -> Option<Prometheus> {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        // Taken and given back: Prometheus takes no port 0.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", folder.join("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).arg("--log.level=warn");
        if native {
            command.arg("--enable-feature=native-histograms");
        }
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("Prometheus starts");
        let mut prometheus = Prometheus { child, address, folder: folder.to_owned(), at: Cell::default() };
        let is_ready = |p: &Prometheus| {
            let ready = std::net::TcpStream::connect(&p.address).is_ok();
            ready && request(&p.address, "GET /-/ready HTTP/1.1\r\n").status == 200
        };
        let start = Instant::now();
        while prometheus.child.try_wait().unwrap().is_none() {
            if is_ready(&prometheus) {
                return Some(prometheus);
            }
            assert!(start.elapsed() < PATIENCE, "Prometheus: not ready: {}", prometheus.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        println!("Prometheus ended: {}", prometheus.log());
        None
    }

    fn wait_for(&self, what: &str, mut done: impl FnMut(&Prometheus) -> bool) {
        let start = Instant::now();
        loop {
            // So far back that no scrape of then is under way.
            self.at.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - 0.5);
            if done(self) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "Prometheus: waited in vain for {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn ask(&self, path: &str) -> Value {
        let answer = request(&self.address, &format!("GET {path} HTTP/1.1\r\n"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_str::<Value>(&answer.text()).unwrap()["data"].take()
    }

    /// The one value of an expression when [`wait_for`](Self::wait_for) had what it waited for.
    fn query(&self, promql: &str) -> Option<f64> {
        let encoded: String = promql.bytes().map(|b| format!("%{b:02X}")).collect();
        let data = self.ask(&format!("/api/v1/query?query={encoded}&time={}", self.at.get()));
        let results = data["result"].as_array().expect("a vector");
        assert!(results.len() < 2, "{promql} has more than one value: {data}");
        results.first().map(|r| r["value"][1].as_str().expect("a value").parse().expect("a number"))
    }

    /// The same, which must be there.
    fn value(&self, promql: &str) -> f64 {
        self.query(promql).unwrap_or_else(|| panic!("{promql} has no value"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A run that has handled its messages and stands still, and a Prometheus that has seen its last numbers.
fn scraped(name: &str, native: bool) -> Option<(Serving, Prometheus, Value)> {
    let messages = MESSAGES.to_string();
    let args = ["--messages", &messages, "--message-bytes", "777", "--inject-errors", "0.05", "--interval", "50ms"];
    let serving = Serving::start(&args);
    let prometheus = Prometheus::start(name, &serving.address, native)?;
    let snapshot = serving.snapshot_after(MESSAGES);
    // What it scrapes from here on is that, and the gauges of what waits and polls go on.
    let (time, sum) = ("ringscope_snapshot_timestamp_seconds", "sum(ringscope_kernel_messages_sent_total)");
    let taken = snapshot["time"].as_f64().unwrap();
    prometheus.wait_for("the last counts", |p| p.query(time) >= Some(taken) && p.query(sum) == Some(MESSAGES as f64));
    assert_eq!(prometheus.value("up"), 1.0);
    Some((serving, prometheus, snapshot))
}

fn counts_are_equal(prometheus: &Prometheus, kernel: &Value) {
    let id = &kernel["kernel_id"];
    for (name, field) in [
        ("messages_received_total", "messages_received"),
        ("messages_sent_total", "messages_sent"),
        ("messages_processed_total", "messages_processed"),
        ("errors_total", "errors"),
        ("retries_total", "retries"),
        ("dropped_total", "dropped"),
        ("received_bytes_total", "bytes_in"),
        ("sent_bytes_total", "bytes_out"),
        ("queue_high_water", "queue_high_water"),
        ("blocks", "blocks"),
    ] {
        let scraped = prometheus.value(&format!("ringscope_kernel_{name}{{kernel={id}}}"));
        assert_eq!(scraped, kernel[field].as_f64().unwrap(), "{name} of {id}");
    }
    assert_eq!(prometheus.value(&format!("ringscope_kernel_state{{kernel={id},state=\"active\"}}")), 1.0);
    assert_eq!(prometheus.value(&format!("sum(ringscope_kernel_state{{kernel={id}}})")), 1.0);
    let start = prometheus.value(&format!("ringscope_kernel_start_time_seconds{{kernel={id}}}"));
    assert!((start - kernel["start_time"].as_f64().unwrap()).abs() < 0.01, "the clock's fit moves it by less");
}

/// The classic histogram in seconds, bound by bound.
fn classic_is_equal(prometheus: &Prometheus, kernel: &Value) {
    let id = &kernel["kernel_id"];
    let histogram = &kernel["histogram"];
    let name = "ringscope_kernel_message_duration_seconds";
    assert_eq!(prometheus.value(&format!("{name}_count{{kernel={id}}}")), histogram["count"].as_f64().unwrap());
    let sum = prometheus.value(&format!("{name}_sum{{kernel={id}}}"));
    assert!((sum * 1e9 - histogram["sum"].as_f64().unwrap()).abs() < 1.0, "{sum} s of {id}");
    let at_most = |ns: u64| -> u64 {
        let buckets = histogram["buckets"].as_array().unwrap().iter();
        buckets.filter(|b| b[0].as_u64() <= Some(ns)).map(|b| b[1].as_u64().unwrap()).sum()
    };
    for (le, ns) in [("2.56e-07", 1 << 8), ("1.024e-06", 1 << 10), ("1.6384e-05", 1 << 14), ("1.073741824", 1 << 30)] {
        let bucket = prometheus.value(&format!("{name}_bucket{{kernel={id},le=\"{le}\"}}"));
        assert_eq!(bucket, at_most(ns) as f64, "{le} of {id}");
    }
    assert_eq!(prometheus.value(&format!("{name}_bucket{{kernel={id},le=\"+Inf\"}}")), at_most(u64::MAX) as f64);
}

/// All kernels together, as tasks.
fn tasks_are_equal(prometheus: &Prometheus, kernels: &[Value]) {
    let sum = |field: &str| kernels.iter().map(|k| k[field].as_f64().unwrap()).sum::<f64>();
    assert_eq!(prometheus.value("ringscope_tasks_executed_total"), sum("messages_processed"));
    assert_eq!(prometheus.value("ringscope_tasks_failed_total"), sum("errors"));
    assert_eq!(prometheus.value("ringscope_tasks_pending"), 0.0);
    let of_all = |field: &str| kernels.iter().map(|k| k["histogram"][field].as_f64().unwrap()).sum::<f64>();
    assert_eq!(prometheus.value("ringscope_task_latency_seconds_count"), of_all("count"));
    let seconds = prometheus.value("ringscope_task_latency_seconds_sum");
    assert!((seconds * 1e9 - of_all("sum")).abs() < 1.0, "{seconds} s");
    // Between the quickest kernel's median and the slowest one's, but for the error of the buckets.
    let median = prometheus.value("ringscope_task_latency_seconds{quantile=\"0.5\"}") * 1e9;
    let medians: Vec<f64> = kernels.iter().map(|k| k["latency"]["p50_ns"].as_f64().unwrap()).collect();
    let error = relative_error(kernels[0]["histogram"]["scale"].as_u64().unwrap() as u32);
    let (least, most) =
        (medians.iter().fold(f64::MAX, |a, b| a.min(*b)), medians.iter().fold(0.0, |a: f64, b| a.max(*b)));
    assert!(least * (1.0 - error) <= median && median <= most * (1.0 + error), "{median} ns of {medians:?}");
}

#[test]
fn native_histograms_are_the_devices_own() {
    let Some((_serving, prometheus, snapshot)) = scraped("native", true) else { return };
    tasks_are_equal(&prometheus, snapshot["kernels"].as_array().unwrap());
    for kernel in snapshot["kernels"].as_array().unwrap() {
        counts_are_equal(&prometheus, kernel);
        classic_is_equal(&prometheus, kernel);
        let native = format!("ringscope_kernel_message_duration_nanoseconds{{kernel={}}}", kernel["kernel_id"]);
        let histogram = &kernel["histogram"];
        assert_eq!(prometheus.value(&format!("histogram_count({native})")), histogram["count"].as_f64().unwrap());
        assert_eq!(prometheus.value(&format!("histogram_sum({native})")), histogram["sum"].as_f64().unwrap());
        let error = relative_error(histogram["scale"].as_u64().unwrap() as u32);
        for (q, field) in [("0.5", "p50_ns"), ("0.95", "p95_ns"), ("0.99", "p99_ns")] {
            let theirs = prometheus.value(&format!("histogram_quantile({q}, {native})"));
            let ours = kernel["latency"][field].as_f64().unwrap();
            assert!((theirs - ours).abs() <= error * theirs.max(ours), "{field}: {theirs} there, {ours} here");
        }
        // All values above the smallest bucket's lower bound, none above the largest's upper one.
        let most = kernel["latency"]["max_ns"].as_f64().unwrap() * (1.0 + 2.5 * error);
        assert_eq!(prometheus.value(&format!("histogram_fraction(0, {most}, {native})")), 1.0);
    }
    // Histograms of several kernels add up.
    let all = prometheus.value("histogram_count(sum(ringscope_kernel_message_duration_nanoseconds))");
    assert_eq!(all, MESSAGES as f64);
}

#[test]
fn without_native_histograms_it_reads_openmetrics() {
    let Some((_serving, prometheus, snapshot)) = scraped("text", false) else { return };
    tasks_are_equal(&prometheus, snapshot["kernels"].as_array().unwrap());
    for kernel in snapshot["kernels"].as_array().unwrap() {
        counts_are_equal(&prometheus, kernel);
        classic_is_equal(&prometheus, kernel);
    }
    let metadata = prometheus.ask("/api/v1/metadata");
    for (family, kind, unit) in [
        ("ringscope_kernel_messages_received", "counter", ""),
        ("ringscope_kernel_busy_seconds", "counter", "seconds"),
        ("ringscope_kernel_message_duration_seconds", "histogram", "seconds"),
        ("ringscope_kernel_queue_depth", "gauge", ""),
        ("ringscope_tasks_executed", "counter", ""),
        ("ringscope_task_latency_seconds", "summary", "seconds"),
    ] {
        let told = &metadata[family][0];
        assert_eq!((&told["type"], &told["unit"]), (&kind.into(), &unit.into()), "{family}: {told}");
        assert!(!told["help"].as_str().unwrap().is_empty());
    }
}

// ---- metrics of one's own, in every format --------------------------------------------------------------

/// Serves pages of one snapshot as an `Accept` header prefers, but for formats that are not `only`; tells the headers.
fn page_server(snapshot: Snapshot, only: Option<PageFormat>) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, accepts) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let accept = head.iter().find_map(|line| line.strip_prefix("Accept: ")).unwrap_or_default();
            let format = only.unwrap_or(PageFormat::negotiate(accept));
            let page = snapshot.export_page(format);
            let (kind, bytes) = (format.content_type(), page.len());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), &page].concat());
            if sender.send(accept.to_owned()).is_err() {
                return;
            }
        }
    });
    (address, accepts)
}

fn own_metrics() -> Snapshot {
    let collector = TelemetryCollector::new(true);
    collector.record_receive("an \"odd\"\\name\nof two lines").unwrap();
    collector.counter("cache_hits", "Hits").unwrap().label("table", "a\\b\"c\nd").on_host().unwrap().inc_by(7);
    collector.gauge("third", "A gauge").unwrap().on_host().unwrap().set(1.0 / 3.0);
    collector.gauge("up_and_away", "A gauge").unwrap().on_host().unwrap().set(f64::INFINITY);
    let tokens = collector.histogram("batch_tokens", "Tokens").unwrap().scale(5).on_host().unwrap();
    [0u64, 0, 1, 2, 3, 1000, 1000, 1000, 1000, 1 << 40].into_iter().for_each(|n| tokens.observe(n));
    // Never counted in, and yet a native histogram.
    collector.histogram("empty_tokens", "Tokens").unwrap().on_host().unwrap();
    let drift = collector.histogram("drift", "Drift").unwrap().buckets(&[-0.5, 0.0, 2.0]).on_host().unwrap();
    [-1.0, 1.0, 3.0].into_iter().for_each(|x| drift.observe(x));
    (*collector.snapshot().unwrap()).clone()
}

#[test]
fn own_metrics_arrive_in_every_format() {
    for (name, native, only) in
        [("own-native", true, None), ("own-text", false, None), ("own-classic", false, Some(PageFormat::Text))]
    {
        let (address, accepts) = page_server(own_metrics(), only);
        let Some(prometheus) = Prometheus::start(name, &address, native) else { return };
        prometheus.wait_for("a scrape", |p| p.query("cache_hits_total").is_some());
        let format = PageFormat::negotiate(&accepts.recv().unwrap());
        assert_eq!(format, if native { PageFormat::Protobuf } else { PageFormat::OpenMetrics });
        let value = |promql: &str| prometheus.value(promql);
        assert_eq!(value(r#"cache_hits_total{table="a\\b\"c\nd"}"#), 7.0);
        assert_eq!(value(r#"ringscope_kernel_messages_received_total{kernel="an \"odd\"\\name\nof two lines"}"#), 1.0);
        assert_eq!((value("third"), value("up_and_away")), (1.0 / 3.0, f64::INFINITY));
        let zero = if only.is_some() { "0" } else { "0.0" };
        assert_eq!(value(&format!("drift_bucket{{le=\"{zero}\"}}")), 1.0);
        if native {
            let sum = (1u64 << 40) + 4006;
            assert_eq!(
                (value("histogram_count(batch_tokens)"), value("histogram_sum(batch_tokens)")),
                (10.0, sum as f64)
            );
            // Two zeros, a one, a two, a three, four thousands: exact at the edges of buckets.
            assert_eq!(value("histogram_fraction(0.5, 1, batch_tokens)"), 0.1);
            assert_eq!(value("histogram_fraction(1, 2, batch_tokens)"), 0.1);
            assert_eq!(value("histogram_fraction(-1, 0.5, batch_tokens)"), 0.2);
            let p70 = value("histogram_quantile(0.7, batch_tokens)");
            assert!((p70 - 1000.0).abs() <= 2.0 * relative_error(5) * 1000.0, "{p70}");
            assert_eq!(value("histogram_count(empty_tokens)"), 0.0);
        } else {
            assert_eq!((value("batch_tokens_count"), value("batch_tokens_bucket{le=\"+Inf\"}")), (10.0, 10.0));
            let four = if only.is_some() { "4" } else { "4.0" };
            assert_eq!(value(&format!("batch_tokens_bucket{{le=\"{four}\"}}")), 5.0);
        }
    }
}
