//! Pages, JSON and the history say what the snapshot says.

use std::time::Duration;

use ringscope::collector::OperationsConfig;
use ringscope::snapshot::OperationStatus;
use ringscope::{TelemetryCollector, TelemetryConfig};

use super::{SOON, monitored, start};

fn sample(page: &str, sample: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is not on {page}")).parse().unwrap()
}

#[test]
fn pages_say_what_the_snapshot_says() {
    let telemetry = monitored();
    for n in 0..10u32 {
        let mut operation = start(&telemetry, "resize");
        (0..n % 3).for_each(|n| operation.retry(n));
        if n % 4 == 0 { operation.fail("broken") } else { operation.succeed() }
    }
    let mut request = telemetry.network_operation("http", "example.org", 80).unwrap();
    request.sent(18);
    request.received(1256);
    request.fail("reset");
    let running = start(&telemetry, "resize");
    let snapshot = telemetry.snapshot().unwrap();
    let all = snapshot.operations.as_ref().unwrap();
    let (resize, peer) = (all.operation("resize").unwrap(), &all.network[0]);
    assert_eq!((resize.counts.succeeded, resize.counts.failed, resize.retries), (7, 3, 9));
    let page = snapshot.export_prometheus();
    for status in OperationStatus::ALL {
        let name = format!("event_total{{name=\"resize\",status=\"{status}\"}}");
        assert_eq!(sample(&page, &name), resize.counts.with_status(*status) as f64);
        let name = format!("network_operations_total{{kind=\"http\",peer=\"example.org:80\",status=\"{status}\"}}");
        assert_eq!(sample(&page, &name), peer.counts.with_status(*status) as f64);
    }
    assert_eq!(sample(&page, "event_retries_total{name=\"resize\"}"), 9.0);
    assert_eq!(sample(&page, "event_running{name=\"resize\"}"), 1.0);
    assert_eq!(sample(&page, "event_duration_seconds_count{name=\"resize\"}"), 10.0);
    let of_peer = "{kind=\"http\",peer=\"example.org:80\"}";
    assert_eq!(sample(&page, &format!("network_sent_bytes_total{of_peer}")), 18.0);
    assert_eq!(sample(&page, &format!("network_received_bytes_total{of_peer}")), 1256.0);
    assert_eq!(sample(&page, &format!("network_latency_seconds_count{of_peer}")), 1.0);
    running.succeed();
    json_says_the_same(&telemetry, &snapshot);
}

#[cfg(not(feature = "json"))]
fn json_says_the_same(_: &TelemetryCollector, _: &ringscope::Snapshot) {}

#[cfg(feature = "json")]
fn json_says_the_same(telemetry: &TelemetryCollector, snapshot: &ringscope::Snapshot) {
    let read = |text: String| -> serde_json::Value { serde_json::from_str(&text).unwrap() };
    let nested = read(snapshot.export_json().unwrap());
    assert_eq!((&nested["operations"]["failed"], &nested["operations"]["retries"]), (&3.into(), &9.into()));
    assert_eq!(nested["operations"]["network"]["bytes_received"], 1256);
    let full = read(snapshot.export_json_full().unwrap());
    assert_eq!(full["operations"]["by_name"][0]["running"], 1);
    assert_eq!(full["operations"]["by_name"][0]["duration_seconds"]["count"], 10);
    telemetry.record_event("deploy", 0.5, &[("stage", "live")], &[]).unwrap();
    let report = read(telemetry.metrics_json().unwrap());
    assert_eq!((&report["monitored"], &report["retries"]["total"]), (&true.into(), &9.into()));
    let operations = report["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 11);
    assert!(operations.iter().all(|of| of["pid"] == std::process::id() && of["thread"]["id"].is_u64()));
    let failed = operations.iter().filter(|of| of["status"] == "failed" && of["error"] == "broken").count();
    assert_eq!(failed, 3);
    assert_eq!(report["network_operations"][0]["host"], "example.org");
    assert_eq!(report["events"][0]["labels"]["stage"], "live");
    assert_eq!(report["throughput"][0]["bytes_sent"], 18);
    let off = read(TelemetryCollector::new(false).metrics_json().unwrap());
    assert_eq!((&off["monitored"], off["operations"].as_array().map(Vec::len)), (&false.into(), Some(0)));
}

#[test]
fn the_history_keeps_operations_as_they_were() {
    // Of as many as a busy machine may take meanwhile.
    let config = TelemetryConfig { history_snapshots: 1 << 16, ..TelemetryConfig::default() };
    let telemetry = TelemetryCollector::with_config(true, config).unwrap();
    telemetry.monitor_operations_with(&OperationsConfig { max_names: 3, ..OperationsConfig::default() }).unwrap();
    let mut taken = telemetry.subscribe().unwrap();
    telemetry.start_collection(Duration::from_secs(3600)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut snapshots = Vec::new();
    for n in 0..70u32 {
        let mut operation = start(&telemetry, &format!("name {}", n / 10));
        (0..n % 3).for_each(|n| operation.retry(n));
        if n % 2 == 0 {
            operation.succeed()
        } else {
            operation.fail(n)
        }
        let mut request = telemetry.network_operation("tcp", "h", (n / 20) as u16).unwrap();
        request.sent(n.into());
        request.succeed();
        // Another interval takes the next one now.
        telemetry.start_collection(Duration::from_secs(3600)).unwrap();
        telemetry.start_collection(Duration::from_millis(1)).unwrap();
        let next = SOON;
        let next = runtime.block_on(async { tokio::time::timeout(next, taken.next()).await }).unwrap().unwrap();
        snapshots.push(next);
    }
    telemetry.stop_collection();
    let mut compared = 0;
    for kept in telemetry.snapshots() {
        let same = snapshots.iter().find(|taken| taken.sequence == kept.sequence);
        let Some(same) = same else { continue };
        assert_eq!(kept.operations, same.operations);
        compared += 1;
    }
    assert!(compared >= 60, "{compared}");
}
