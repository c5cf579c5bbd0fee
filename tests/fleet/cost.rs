//! What a GPU costs a Prometheus: series, bytes on disk, memory. docs/fleet.md has these numbers; here they are measured anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::publish::{Histograms, Publication, Publisher, RemoteWrite};
use ringscope::snapshot::PublisherTelemetry;
use ringscope::trace::Source;
use ringscope::{DeviceSpec, RingKernelRuntime, Snapshot, TelemetryCollector};
use serde_json::Value;

use super::instances::{Random, gpu, serve, targets};
use super::of_repository;
use super::receivers::Prometheus;
use super::receivers::http::percent;

const GPUS: f64 = 10_000.0;
const KERNELS: usize = 3;
const SECONDS: f64 = 15.0;
/// How far what is measured may lie from what the document says: it depends on what is counted, and on the machine.
const FACTOR: f64 = 2.0;

/// The rows of the tables in docs/fleet.md, by their first cells.
pub fn documented() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(of_repository("docs/fleet.md")).unwrap();
    let cells = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        (cells.next().unwrap_or_default(), cells.collect())
    };
    text.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

pub fn number(cell: &str) -> f64 {
    let digits = cell.split(' ').next().unwrap_or_default().replace(',', "");
    digits.parse().unwrap_or_else(|_| panic!("{cell} is no number"))
}

fn is_about(what: &str, measured: f64, row: &str, column: usize) {
    let documented =
        number(&documented().get(row).unwrap_or_else(|| panic!("docs/fleet.md has no row: {row}"))[column]);
    let factor = measured / documented;
    println!("{what}: {measured:.2}; docs/fleet.md says {documented}");
    assert!((1.0 / FACTOR..=FACTOR).contains(&factor), "docs/fleet.md is wrong: {measured} in {row}");
}

const MEMORY: &str = "memory of Prometheus for a series";

/// What Prometheus says of itself.
fn own(prometheus: &Prometheus, name: &str) -> f64 {
    let page = prometheus.process.get(0, "/metrics");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

pub fn memory_is_documented(prometheus: &Prometheus) {
    let (bytes, series) =
        (own(prometheus, "process_resident_memory_bytes"), own(prometheus, "prometheus_tsdb_head_series"));
    println!("{:.0} MiB of memory for {series} series", bytes / f64::from(1 << 20));
    is_about("KiB of memory a series", bytes / 1024.0 / series, MEMORY, 0);
}

/// A page of a real run with so many kernels.
fn page_of(kernels: usize, with_gpu: bool) -> Snapshot {
    let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).build().unwrap();
    for id in (0..kernels).map(|n| format!("worker_{n}")) {
        runtime.launch_blocking(&id, &Default::default()).unwrap();
        runtime.activate_blocking(&id).unwrap();
        for n in 0..20u32 {
            runtime.send_blocking(&id, &n.to_le_bytes()).unwrap();
            runtime.receive_blocking(&id, Duration::from_secs(20)).unwrap();
        }
    }
    let mut snapshot = (*runtime.snapshot_blocking().unwrap()).clone();
    snapshot.gpus = with_gpu.then(|| [gpu()].into());
    snapshot
}

/// Names of the series that the configuration of deploy/ drops.
fn dropped() -> String {
    let config = std::fs::read_to_string(of_repository("deploy/prometheus/prometheus.yml")).unwrap();
    config.lines().find_map(|line| line.trim().strip_prefix("regex: ")).expect("it drops some").to_owned()
}

/// How many series Prometheus takes of each of these, with the configuration of deploy/ or without what it drops.
fn series(snapshots: &[Snapshot], is_native: bool) -> Option<Vec<f64>> {
    let server = serve(snapshots.iter().map(|snapshot| [Arc::new(snapshot.clone())]).collect());
    let config = std::fs::read_to_string(of_repository("deploy/prometheus/prometheus.yml")).unwrap();
    let rules = of_repository("deploy/prometheus/rules.yml").display().to_string();
    let mut config =
        config.replace("- rules.yml", &format!("- {rules}")).replace("15s", "500ms").replace("10s", "500ms");
    let target = "      - targets: [\"application:9464\"]\n";
    assert!(config.contains(target));
    config = config.replace(target, &targets(&server, snapshots.len()).replace("    - ", "      - "));
    if !is_native {
        config = config
            .replace("PrometheusProto, ", "")
            .replace("action: drop", "action: keep")
            .replace("regex: ring", "regex: .*|ring");
    }
    let prometheus = Prometheus::with_config(&config)?;
    let of_each = (0..snapshots.len()).map(|n| {
        let promql = format!("scrape_samples_post_metric_relabeling{{instance=\"instance-{n}\"}}");
        prometheus.wait_for(&promql, |series| series > 0.0)
    });
    Some(of_each.collect())
}

/// Bytes on disk for each sample of an hour, one every 15 seconds, of a process that works.
fn bytes_a_sample(histograms: Histograms) -> Option<f64> {
    let prometheus = Prometheus::start()?;
    let destination = RemoteWrite::builder(prometheus.remote_write_url()).histograms(histograms).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let collector = TelemetryCollector::new(true);
    let kernels: Vec<_> = (0..KERNELS).map(|n| collector.actor(&format!("worker_{n}")).unwrap()).collect();
    let source = Arc::new(Source::this_process("cost"));
    let mut random = Random(1);
    let started = SystemTime::now() - Duration::from_secs(59 * 60);
    for step in 0..(59 * 4) {
        for kernel in &kernels {
            for _ in 0..random.next() % 50 {
                kernel.record_receive();
                kernel.record_bytes(random.next() % 1000, 4);
                kernel.record_processed_in(Duration::from_nanos((200e3 * (0.4 * random.normal()).exp()) as u64));
                kernel.record_send();
            }
        }
        let mut snapshot = (*collector.snapshot().unwrap()).clone();
        snapshot.time = started + Duration::from_secs_f64(f64::from(step) * SECONDS);
        let mut gpu = gpu();
        (gpu.utilization_percent, gpu.temperature_celsius) = (Some((random.next() % 100) as u32), Some(60));
        gpu.power_watts = Some(200.0 + (random.next() % 1000) as f64 / 10.0);
        snapshot.gpus = Some([gpu].into());
        let publication = Publication::of_snapshot(source.clone(), started, Arc::new(snapshot));
        runtime.block_on(destination.publish(&publication)).unwrap();
    }
    if histograms == Histograms::Native {
        // As the configuration of deploy/ does when it scrapes.
        let dropped = format!(
            "/api/v1/admin/tsdb/delete_series?match%5B%5D={}",
            percent(&format!("{{__name__=~\"{}\"}}", dropped()))
        );
        assert_eq!(prometheus.process.ask(0, "POST", &dropped, &[], &[]).status, 204);
    }
    let snapshot = prometheus.process.ask(0, "POST", "/api/v1/admin/tsdb/snapshot", &[], &[]).json();
    let name = snapshot["data"]["name"].as_str().unwrap_or_else(|| panic!("{snapshot}"));
    let blocks = prometheus.process.folder().join("data/snapshots").join(name);
    let (mut bytes, mut samples, mut series) = (0, 0, 0);
    for block in std::fs::read_dir(blocks).unwrap().map(|entry| entry.unwrap().path()) {
        let meta: Value = serde_json::from_slice(&std::fs::read(block.join("meta.json")).unwrap()).unwrap();
        samples += meta["stats"]["numSamples"].as_u64().unwrap();
        series += meta["stats"]["numSeries"].as_u64().unwrap();
        bytes += length(&block.join("chunks")) + length(&block.join("index"));
    }
    println!("{samples} samples of {series} series in {bytes} bytes, {histograms:?} histograms");
    Some(bytes as f64 / samples as f64)
}

fn length(path: &Path) -> u64 {
    match path.metadata().unwrap() {
        of if of.is_dir() => std::fs::read_dir(path).unwrap().map(|entry| length(&entry.unwrap().path())).sum(),
        of => of.len(),
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let split = |(i, c): (usize, char)| [(i > 0 && (digits.len() - i) % 3 == 0).then_some(','), Some(c)];
    digits.char_indices().flat_map(split).flatten().collect()
}

#[test]
fn what_a_gpu_costs_is_documented() {
    let mut publishing = page_of(2, true);
    let mut published = PublisherTelemetry::new("somewhere");
    published.last_success = Some(publishing.time);
    publishing.publishers = [published].into();
    let pages = [page_of(1, false), page_of(2, false), page_of(2, true), publishing];
    let rows = documented();
    let mut wrong = Vec::new();
    let mut is = |row: &str, column: usize, expected: String| {
        let documented = rows.get(row).map(|cells| cells[column].clone());
        println!("{row} ({}): {expected}", ["native", "classic"][column]);
        if documented.as_deref() != Some(&expected) {
            wrong.push(format!("{row}: {expected}, not {documented:?}"));
        }
    };
    for (column, (is_native, histograms)) in
        [(true, Histograms::Native), (false, Histograms::Classic)].into_iter().enumerate()
    {
        let Some(of_pages) = series(&pages, is_native) else { return };
        let [one, two, with_gpu, publishing] = of_pages[..] else { panic!("of each") };
        let (kernel, gpu) = (two - one, with_gpu - two);
        is("series of a process", column, thousands(one - kernel));
        is("series of each kernel", column, thousands(kernel));
        is("series of each GPU", column, thousands(gpu));
        is("series of each destination that a process publishes to", column, thousands(publishing - with_gpu));
        let a_gpu = one - kernel + KERNELS as f64 * kernel + gpu;
        is("series of a GPU whose process runs 3 kernels", column, thousands(a_gpu));

        let Some(bytes) = bytes_a_sample(histograms) else { return };
        is_about("bytes a sample", bytes, "bytes on disk for a sample", column);
        let (bytes, kib) = (number(&rows["bytes on disk for a sample"][column]), number(&rows[MEMORY][column]));
        let samples = GPUS * a_gpu / SECONDS;
        is("10,000 of those: series", column, thousands(GPUS * a_gpu));
        is("10,000 of those: samples in a second", column, thousands(samples));
        is("10,000 of those: disk for a day", column, format!("{} GB", thousands(samples * 86_400.0 * bytes / 1e9)));
        is("10,000 of those: memory", column, format!("{} GB", thousands(GPUS * a_gpu * kib * 1024.0 / 1e9)));
    }
    assert!(wrong.is_empty(), "docs/fleet.md says otherwise:\n{}", wrong.join("\n"));
}
