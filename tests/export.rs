//! The exports' promise: the bytes of a page, to the last one. The pages are in tests/golden;
//! RINGSCOPE_WRITE_DOCS=1 writes them anew. Parsers that somebody else wrote read them too (scripts/prometheus.sh brings
//! them); without these the tests say so and pass, unless RINGSCOPE_REQUIRE_PROMETHEUS=1.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::export::{ExportedFamily, FamilyKind, catalog};
use ringscope::histogram::Histogram;
use ringscope::machine::GpuMetrics;
use ringscope::snapshot::PublisherTelemetry;
use ringscope::{KernelState, Snapshot, TelemetryCollector, TelemetryError};

/// A snapshot in which everything occurs, and nothing is of this moment.
fn everything() -> Result<Snapshot, TelemetryError> {
    let collector = TelemetryCollector::new(true);
    for id in ["worker_0", "a \"quoted\" \\ name\nof two lines, größer", "idle"] {
        collector.actor(id)?;
    }
    metrics(&collector)?;
    let mut snapshot = (*collector.snapshot()?).clone();
    snapshot.sequence = 42;
    snapshot.time = at(1_700_000_000_123_456_789);
    snapshot.copy_duration = Duration::from_nanos(12_345);
    snapshot.copied_bytes = 4096;
    snapshot.device_clock.uncertainty = Duration::from_nanos(2_345);
    (snapshot.device_clock.drift_ppb, snapshot.device_clock.restarts_total) = (-23_456, 2);
    for kernel in &mut snapshot.kernels {
        (kernel.start_time, kernel.last_message_time, kernel.last_sign_of_life) = (None, None, None);
        kernel.counted_since = None;
        (kernel.throughput, kernel.windowed_throughput, kernel.uptime) = (0.0, 0.0, Duration::ZERO);
    }
    kernel(&mut snapshot);
    snapshot.gpus = Some(gpus().into());
    operations(&collector, &mut snapshot)?;
    snapshot.publishers = publishers().into();
    snapshot.kernels[1].state = KernelState::Failed;
    snapshot.kernels[1].messages_received = u64::MAX;
    Ok(snapshot)
}

fn at(ns: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns)
}

/// One that tells everything, and one that tells little.
fn gpus() -> [GpuMetrics; 2] {
    let mut gpus = [GpuMetrics::default(), GpuMetrics::default()];
    let [first, second] = &mut gpus;
    (first.uuid, first.name) = (Some("GPU-4a1".into()), Some("A \"quoted\" GPU".into()));
    (first.utilization_percent, first.memory_utilization_percent) = (Some(100), Some(7));
    (first.memory_used_bytes, first.memory_total_bytes) = (Some(1_500_000_000), Some(25_000_000_000));
    (first.process_memory_bytes, first.temperature_celsius) = (Some(1_000_000_000), Some(61));
    (first.power_watts, first.sm_clock_mhz, first.memory_clock_mhz) = (Some(250.5), Some(1410), Some(1215));
    (first.ecc_errors_corrected, first.ecc_errors_uncorrected) = (Some(3), Some(0));
    first.throttle_reasons = Some(vec!["power"]);
    (second.index, second.utilization_percent, second.memory_used_bytes) = (1, Some(50), Some(500_000_000));
    gpus
}

/// One that has not begun, and one that has trouble.
fn publishers() -> [PublisherTelemetry; 2] {
    let mut troubled = PublisherTelemetry::new("a \"quoted\" one");
    (troubled.publications, troubled.skipped, troubled.attempts, troubled.failures) = (60, 2, 70, 12);
    (troubled.encoded_items, troubled.published_items, troubled.queued_items) = (1000, 900, 79);
    troubled.dropped_items = [1, 2, 3, 4, 5, 6];
    (troubled.queued_bytes, troubled.retries, troubled.sent_bytes) = (4096, 11, 1 << 33);
    (troubled.circuit_open, troubled.last_success) = (true, Some(at(1_700_000_000_000_000_001)));
    troubled.last_error = Some("collector:4318 cannot be reached: \"refused\"".into());
    [PublisherTelemetry::new("otlp"), troubled]
}

/// The first kernel has done something.
fn kernel(snapshot: &mut Snapshot) {
    let mut histogram = Histogram::new(3);
    for ns in [0, 1, 255, 256, 257, 1_000, 1_000, 1_500, 2_000_000, 20_000_000_000] {
        histogram.record(ns);
    }
    let kernel = &mut snapshot.kernels[0];
    kernel.state = KernelState::Active;
    (kernel.messages_received, kernel.messages_sent, kernel.messages_processed, kernel.errors) = (12, 11, 10, 1);
    (kernel.bytes_in, kernel.bytes_out, kernel.retries, kernel.dropped, kernel.polls) = (49_152, 44, 2, 3, 1_234_567);
    (kernel.queue_depth, kernel.queue_high_water, kernel.blocks, kernel.busy_ratio) = (1, 7, 4, 0.125);
    (kernel.busy_time, kernel.wait_time) = (Duration::from_nanos(20_002_004_270), Duration::from_millis(1_500));
    (kernel.uptime, kernel.throughput, kernel.windowed_throughput) = (Duration::from_secs(60), 0.2, 0.25);
    kernel.start_time = Some(at(1_699_999_940_000_000_000));
    // It was reset once, in its second life.
    (kernel.generation, kernel.counted_since) = (2, Some(at(1_699_999_970_250_000_000)));
    kernel.last_message_time = Some(at(1_700_000_000_000_000_001));
    kernel.last_sign_of_life = Some(at(1_700_000_000_123_000_000));
    kernel.error_rate = 1.0 / 11.0;
    kernel.latency = ringscope::Latency::from_histogram(&histogram);
    kernel.histogram = Arc::new(histogram);
}

/// Operations of two names and one peer, with times of no moment.
fn operations(collector: &TelemetryCollector, snapshot: &mut Snapshot) -> Result<(), TelemetryError> {
    collector.monitor_operations()?;
    let mut retried = collector.operation("resize").start()?;
    retried.retry("no memory");
    retried.succeed();
    collector.operation("a \"quoted\" \\ name\nof two lines").start()?.fail("an error");
    let running = collector.operation("resize").start()?;
    let mut request = collector.network_operation("http", "::1", 8080)?;
    request.sent(300);
    request.received(1 << 33);
    request.succeed();
    let mut all = (**collector.snapshot()?.operations.as_ref().expect("they are monitored")).clone();
    running.succeed();
    let mut histogram = Histogram::new(3);
    histogram.record(1_500_000);
    let histogram = Arc::new(histogram);
    all.by_name.iter_mut().for_each(|of| of.duration = Arc::clone(&histogram));
    all.network.iter_mut().for_each(|of| of.latency = Arc::clone(&histogram));
    snapshot.operations = Some(Arc::new(all));
    Ok(())
}

/// A metric of every kind, with values that are hard to write.
fn metrics(collector: &TelemetryCollector) -> Result<(), TelemetryError> {
    let hits = |table: &str| {
        collector
            .counter("cache_hits", "Hits: \\ and \"quotes\"\nin two lines")?
            .label("table", table)
            .on_host()
            .map_err(TelemetryError::from)
    };
    hits("users")?.inc_by(3);
    hits("with \"quotes\", \\ and\na line")?.inc_by(1 << 60);
    collector.counter("read_bytes_total", "Bytes read")?.unit("bytes").on_host()?.inc_by(1);
    for (of, value) in [
        ("nan", f64::NAN),
        ("up", f64::INFINITY),
        ("down", f64::NEG_INFINITY),
        ("small", 1e-9),
        ("big", 1e300),
        ("whole", 123_456_789.0),
        ("third", 1.0 / 3.0),
    ] {
        collector.gauge("frontier", "A gauge")?.label("of", of).on_host()?.set(value);
    }
    let tokens = collector.histogram("batch_tokens", "Tokens in a batch")?.unit("tokens").scale(4).on_host()?;
    for value in [0u64, 1, 2, 3, 512, 513, 1 << 41] {
        tokens.observe(value);
    }
    tokens.observe(f64::NAN);
    let drift = collector
        .histogram("drift_seconds", "Drift of the clock")?
        .unit("seconds")
        .buckets(&[-0.5, 0.0, 1e-5, 2.0, 1e6])
        .on_host()?;
    for value in [-1.0, -0.25, 0.00001, 1.5, 3e6] {
        drift.observe(value);
    }
    let wait = collector.histogram("wait_seconds", "Waits")?.unit("seconds").buckets(&[0.1, 1.0]).on_host()?;
    wait.observe(0.5);
    Ok(())
}

const REFRESH: &str = "RINGSCOPE_WRITE_DOCS=1 cargo test --test export --all-features";

fn golden(name: &str, page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if is_set("RINGSCOPE_WRITE_DOCS") {
        std::fs::write(&file, page).expect("the golden page can be written");
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = expected.lines().zip(page.lines()).find(|(was, is)| was != is);
    let (was, is) = differs.unwrap_or(("(another length)", "(another length)"));
    assert!(expected == page, "{name} is another page: {REFRESH}\n  it says {was}\n  it is   {is}");
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|v| !v.is_empty())
}

#[test]
fn classic_text_to_the_byte() {
    golden("prometheus.txt", &everything().unwrap().export_prometheus());
}

#[test]
fn openmetrics_to_the_byte() {
    golden("openmetrics.txt", &everything().unwrap().export_openmetrics());
}

#[cfg(feature = "json")]
#[test]
fn json_to_the_byte() {
    let snapshot = everything().unwrap();
    golden("nested.json", &(snapshot.export_json().unwrap() + "\n"));
    golden("full.json", &(snapshot.export_json_full().unwrap() + "\n"));
}

/// The keys of other systems' nested form, by which their dashboards read it; more may stand beside them.
#[cfg(feature = "json")]
const NESTED: [(&str, &[&str]); 3] = [
    ("tasks", &["executed", "failed", "pending"]),
    ("latency", &["avg_ms", "p50_ms", "p95_ms", "p99_ms"]),
    (
        "system",
        &["cpu_percent", "memory_mb", "throughput_tasks_per_sec", "gpu_utilization_percent", "gpu_memory_used_mb"],
    ),
];

#[cfg(feature = "json")]
#[test]
fn nested_json_has_the_keys_of_task_queues() {
    let mut snapshot = everything().unwrap();
    let read =
        |snapshot: &Snapshot| -> serde_json::Value { serde_json::from_str(&snapshot.export_json().unwrap()).unwrap() };
    let page = read(&snapshot);
    for (section, keys) in NESTED {
        let found = page[section].as_object().unwrap();
        assert!(keys.iter().all(|key| found.contains_key(*key)), "{section}: {found:?}");
    }
    let tasks = snapshot.tasks();
    assert_eq!(page["tasks"]["executed"], tasks.tasks_executed);
    assert_eq!((&page["tasks"]["failed"], &page["tasks"]["pending"]), (&1.into(), &1.into()));
    // The parser's last digit may differ.
    let near = |value: &serde_json::Value, expected: f64| {
        assert!((value.as_f64().unwrap() - expected).abs() <= expected * 1e-12, "{value} and {expected}");
    };
    near(&page["timestamp"], 1_700_000_000.123_456_7);
    near(&page["latency"]["avg_ms"], tasks.avg_latency_ms);
    near(&page["latency"]["p50_ms"], tasks.p50_latency_ms);
    near(&page["latency"]["p95_ms"], tasks.p95_latency_ms);
    near(&page["latency"]["p99_ms"], tasks.p99_latency_ms);
    near(&page["system"]["throughput_tasks_per_sec"], tasks.throughput_per_second);
    // The mean of both GPUs, and their sum.
    let gpu = |page: &serde_json::Value| {
        (page["system"]["gpu_utilization_percent"].clone(), page["system"]["gpu_memory_used_mb"].clone())
    };
    assert_eq!(gpu(&page), (75.0.into(), 2000.0.into()));
    snapshot.gpus = None;
    assert_eq!(gpu(&read(&snapshot)), (serde_json::Value::Null, serde_json::Value::Null));
    snapshot.kernels.clear();
    let page = read(&snapshot);
    for key in NESTED[1].1 {
        assert!(page["latency"][key].is_null(), "there is no {key} before the first message: {page}");
    }
}

/// The only page that is not text: its bytes, sixteen a line.
#[cfg(feature = "prometheus-protobuf")]
#[test]
fn protobuf_to_the_byte() {
    let page = everything().unwrap().export_prometheus_protobuf();
    let hex = |line: &[u8]| line.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ") + "\n";
    golden("protobuf.hex", &page.chunks(16).map(hex).collect::<String>());
}

// ---- the catalog ----------------------------------------------------------------------------------------

/// What a page says of its families: name, type, help and unit.
fn headers(page: &str) -> Vec<(String, String, String, Option<String>)> {
    let mut families: Vec<(String, String, String, Option<String>)> = Vec::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            families.push((name.to_owned(), String::new(), help.to_owned(), None));
        } else if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut families.last_mut().unwrap().1);
        } else if let Some((_, unit)) = line.strip_prefix("# UNIT ").and_then(|rest| rest.split_once(' ')) {
            families.last_mut().unwrap().3 = Some(unit.to_owned());
        }
    }
    families
}

fn is_ours(name: &str) -> bool {
    name.starts_with("ringscope_") || name.starts_with("telemetry_")
}

#[test]
fn the_catalog_says_what_pages_say() {
    let page = headers(&everything().unwrap().export_openmetrics());
    let ours: Vec<_> = page.into_iter().filter(|(name, ..)| is_ours(name)).collect();
    assert!(ours.len() > 40, "most of what there is, is on the page: {}", ours.len());
    for (name, kind, help, unit) in ours {
        let family = catalog().find(|f| f.name == name).unwrap_or_else(|| panic!("{name} is not in the catalog"));
        let (listed_kind, listed_unit) = (family.kind.name(), family.unit.map(str::to_owned));
        assert_eq!((listed_kind, family.help, listed_unit), (&*kind, &*help, unit), "{name}");
    }
}

/// The names of the samples of a family, as a query has them.
fn sample_names(family: &ExportedFamily) -> Vec<String> {
    let name = family.sample_name();
    let suffixes: &[&str] = match family.kind {
        FamilyKind::Histogram => &["", "_bucket", "_sum", "_count"],
        FamilyKind::Summary => &["", "_sum", "_count"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// Names of other systems that the documents map to ours, the beginnings of names, and functions.
const NOT_SAMPLES: [&str; 6] = [
    "ringscope_",
    "telemetry_",
    "telemetry_publish_",
    "telemetry_metrics_count",
    "telemetry_blocking",
    "telemetry_config",
];

#[test]
fn names_in_the_documents_are_exported() {
    let samples: Vec<String> = catalog().flat_map(sample_names).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for document in
        ["README.md", "CHANGELOG.md", "src/lib.rs", "src/export/mod.rs", "docs/destinations.md", "docs/fleet.md"]
    {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| is_ours(word) && !NOT_SAMPLES.contains(word)) {
            assert!(samples.iter().any(|sample| sample == name), "{document} has {name}, which is not exported");
            found += 1;
        }
    }
    assert!(found > 5, "the documents name {found}");
}

#[test]
fn all_kernels_together_are_tasks() {
    let snapshot = everything().unwrap();
    let (tasks, page) = (snapshot.tasks(), snapshot.export_prometheus());
    let value = |sample: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{sample} is not on {page}")).parse().unwrap()
    };
    assert_eq!(value("ringscope_tasks_executed_total"), tasks.tasks_executed as f64);
    assert_eq!(value("ringscope_tasks_failed_total"), tasks.tasks_failed as f64);
    assert_eq!(value("ringscope_tasks_pending"), tasks.tasks_pending as f64);
    let name = "ringscope_task_latency_seconds";
    for (q, ms) in [("0.5", tasks.p50_latency_ms), ("0.95", tasks.p95_latency_ms), ("0.99", tasks.p99_latency_ms)] {
        let seconds = value(&format!("{name}{{quantile=\"{q}\"}}"));
        assert!((seconds * 1e3 - ms).abs() <= ms * 1e-9, "{q}: {seconds} s, {ms} ms");
    }
    let mean = value(&format!("{name}_sum")) / value(&format!("{name}_count"));
    assert!((mean * 1e3 - tasks.avg_latency_ms).abs() <= tasks.avg_latency_ms * 1e-9, "{mean}");
    let nothing = TelemetryCollector::new(true).snapshot().unwrap().export_prometheus();
    assert!(nothing.contains("\nringscope_task_latency_seconds{quantile=\"0.5\"} NaN\n"), "{nothing}");
    assert!(nothing.contains("\nringscope_task_latency_seconds_count 0\n"), "{nothing}");
}

#[test]
fn nothing_registered_is_a_page_too() {
    let snapshot = TelemetryCollector::new(true).snapshot().unwrap();
    let page = snapshot.export_prometheus();
    assert!(page.starts_with("# HELP ringscope_kernels ") && page.ends_with('\n'), "{page}");
    assert!(!page.contains("ringscope_kernel_") && page.contains("\nringscope_snapshots_total 1\n"), "{page}");
    assert!(snapshot.export_openmetrics().ends_with("\n# EOF\n"));
}

#[test]
fn a_page_takes_the_place_of_the_one_before() {
    let snapshot = everything().unwrap();
    let mut page = String::from("something else");
    snapshot.export_prometheus_into(&mut page);
    assert_eq!(page, snapshot.export_prometheus());
    let memory = page.as_ptr();
    snapshot.export_prometheus_into(&mut page);
    assert_eq!(page.as_ptr(), memory);
}

#[test]
fn counters_of_the_classic_page_never_fall_until_a_reset() {
    let collector = TelemetryCollector::new(true);
    collector.record_receive("w").unwrap();
    collector.record_receive("w").unwrap();
    let received = || {
        let page = collector.snapshot().unwrap().export_prometheus();
        let line = page.lines().find(|l| l.starts_with("ringscope_kernel_messages_received_total{")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(received(), "2");
    collector.reset(None).unwrap();
    assert_eq!(received(), "0");
}

#[test]
fn names_of_ringscope_are_not_for_others() {
    let collector = TelemetryCollector::new(true);
    let refused = collector.counter("ringscope_kernels", "Mine").unwrap().on_host().unwrap_err();
    assert!(refused.to_string().contains("begins with ringscope_"), "{refused}");
}

// ---- parsers that somebody else wrote -------------------------------------------------------------------

/// A tool of scripts/prometheus.sh, or `None`, aloud.
fn tool(variable: &str) -> Option<PathBuf> {
    let tool = std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
    if tool.is_none() {
        assert!(!is_set("RINGSCOPE_REQUIRE_PROMETHEUS"), "{variable} is not set: eval \"$(scripts/prometheus.sh)\"");
        eprintln!("skipped: no {variable}: eval \"$(scripts/prometheus.sh)\" brings it");
    }
    tool
}

/// Runs it with `page` on its stdin; what it says, and whether all was well.
fn feed(command: &mut Command, page: &str) -> (String, bool) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, page.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

#[test]
fn promtool_finds_nothing_to_lint() {
    let Some(promtool) = tool("RINGSCOPE_PROMTOOL") else { return };
    let (said, good) =
        feed(Command::new(promtool).args(["check", "metrics"]), &everything().unwrap().export_prometheus());
    assert!(good && said.is_empty(), "{said}");
}

/// Prints name, labels and value of every sample, sorted, as the parser understood them.
const PARSE: &str = r"
import sys, json
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
text = sys.stdin.buffer.read().decode()
parse = openmetrics if sys.argv[1] == 'openmetrics' else parser
families = list(parse.text_string_to_metric_families(text))
samples = sorted([s.name, sorted(s.labels.items()), repr(float(s.value))] for f in families for s in f.samples)
print(json.dumps({'families': [[f.name, f.type, f.unit, f.documentation] for f in families], 'samples': samples}))
";

#[test]
fn python_parsers_read_back_what_was_written() {
    let Some(packages) = tool("RINGSCOPE_PROMETHEUS_PYTHON") else { return };
    let parse = |format: &str, page: &str| -> serde_json::Value {
        let mut python = Command::new("python3");
        let (said, good) = feed(python.args(["-c", PARSE, format]).env("PYTHONPATH", &packages), page);
        assert!(good, "{format}: {said}");
        serde_json::from_str(&said).unwrap()
    };
    let snapshot = everything().unwrap();
    let classic = parse("classic", &snapshot.export_prometheus());
    let openmetrics = parse("openmetrics", &snapshot.export_openmetrics());
    let sample = |page: &serde_json::Value, name: &str, labels: serde_json::Value| {
        let samples = page["samples"].as_array().unwrap();
        let found = samples.iter().find(|s| s[0] == name && s[1] == labels);
        found.unwrap_or_else(|| panic!("{name}{labels} in {page:#}"))[2].as_str().unwrap().to_owned()
    };
    let odd = "a \"quoted\" \\ name\nof two lines, größer";
    for page in [&classic, &openmetrics] {
        let received =
            |id: &str| sample(page, "ringscope_kernel_messages_received_total", serde_json::json!([["kernel", id]]));
        assert_eq!((received("worker_0"), received(odd)), ("12.0".to_owned(), "1.8446744073709552e+19".to_owned()));
        let table = serde_json::json!([["table", "with \"quotes\", \\ and\na line"]]);
        assert_eq!(sample(page, "cache_hits_total", table), format!("{:?}", (1u64 << 60) as f64).replace("e", "e+"));
        assert_eq!(sample(page, "frontier", serde_json::json!([["of", "third"]])), "0.3333333333333333");
        assert_eq!(sample(page, "batch_tokens_bucket", serde_json::json!([["le", "+Inf"]])), "7.0");
        let families = page["families"].as_array().unwrap();
        let help = families.iter().find(|f| f[0] == "cache_hits").unwrap()[3].as_str().unwrap();
        assert_eq!(help, "Hits: \\ and \"quotes\"\nin two lines");
    }
    // But for the sum and count that OpenMetrics does not want, the created times that only it has, and how bounds are written, they
    // say the same.
    let is_of_one =
        |name: &str| ["drift_seconds_sum", "drift_seconds_count"].contains(&name) || name.ends_with("_created");
    let has_created =
        openmetrics["samples"].as_array().unwrap().iter().any(|s| s[0].as_str().unwrap().ends_with("_created"));
    assert!(has_created);
    let normal = |page: &serde_json::Value| -> Vec<String> {
        let kept = page["samples"].as_array().unwrap().iter().filter(|s| !is_of_one(s[0].as_str().unwrap()));
        let mut lines: Vec<String> = kept.map(|s| s.to_string().replace(".0\"]]", "\"]]")).collect();
        lines.sort();
        lines
    };
    assert_eq!(normal(&classic), normal(&openmetrics));
}
