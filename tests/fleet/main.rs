//! Beyond one machine: a thousand instances in one Prometheus and in one VictoriaMetrics. What these then say of all together is
//! what was counted in all together; what the fleet costs is measured, and docs/fleet.md says so. scripts/receivers.sh brings the
//! servers; without them these tests say so and pass, unless RINGSCOPE_REQUIRE_RECEIVERS=1.
#![cfg(all(feature = "remote-write", feature = "otlp", feature = "prometheus-protobuf", feature = "host", unix))]

mod cost;
mod instances;
#[path = "../receivers/mod.rs"]
mod receivers;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use instances::{Counted, Fleet, serve, targets};
use receivers::{Prometheus, Victoria, wait_for};
use ringscope::publish::{Otlp, OtlpSignal, Publisher, RemoteWrite};

const INSTANCES: usize = 1000;
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];
const DURATIONS: &str = "ringscope_kernel_message_duration_nanoseconds";

fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// How many buckets lie between two values, of histograms with 2^`scale` buckets an octave.
fn buckets_between(a: f64, b: f64, scale: u32) -> f64 {
    (a / b).log2().abs() * 2f64.powi(scale as i32)
}

/// Both tests ask of the same.
static FLEET: LazyLock<Fleet> = LazyLock::new(|| Fleet::new(INSTANCES));

/// Totals are exact: what one Prometheus and one VictoriaMetrics add up is what was counted.
fn totals_are_exact(value: impl Fn(&str) -> f64, counted: &Counted) {
    let messages = counted.durations.len() as f64;
    for (promql, exact) in [
        ("sum(ringscope_kernel_messages_received_total)", messages),
        ("sum(ringscope_kernel_messages_processed_total)", messages),
        ("sum(ringscope_kernel_errors_total)", counted.errors as f64),
        ("sum(ringscope_kernel_received_bytes_total)", counted.bytes as f64),
        ("sum(requests_total)", messages),
        ("sum(sum by (model) (requests_total))", messages),
        ("count(ringscope_kernel_messages_received_total)", INSTANCES as f64),
    ] {
        assert_eq!(value(promql), exact, "{promql}");
    }
}

/// Each recording rule of deploy/ has values.
fn no_rule_is_empty(prometheus: &Prometheus) {
    let rules = std::fs::read_to_string(of_repository("deploy/prometheus/rules.yml")).unwrap();
    let records: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    assert!(records.len() > 10, "{records:?}");
    for record in records {
        let results = wait_for(record, || {
            let results = prometheus.query(record);
            let is_number = |r: &serde_json::Value| r["value"][1] != "NaN";
            (!results.as_array()?.is_empty() && results.as_array()?.iter().all(is_number)).then_some(results)
        });
        println!("{record}: {} series", results.as_array().unwrap().len());
    }
    let groups = prometheus.ask("/api/v1/rules");
    for rule in groups["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()) {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
}

#[test]
fn a_thousand_instances_in_one_prometheus() {
    let server = serve(FLEET.pages.clone());
    let config = format!(
        "global: {{scrape_interval: 3s, scrape_timeout: 3s, evaluation_interval: 1s}}\n\
         rule_files: ['{}']\n\
         scrape_configs:\n- job_name: fleet\n  static_configs:\n{}",
        of_repository("deploy/prometheus/rules.yml").display(),
        targets(&server, INSTANCES),
    );
    let Some(prometheus) = Prometheus::with_config(&config) else { return };
    let received = "sum(ringscope_kernel_messages_received_total)";
    let [before, counted] = &FLEET.counted;
    prometheus.wait_for(received, |all| all == before.durations.len() as f64);
    server.page.store(1, Ordering::Relaxed);
    prometheus.wait_for(received, |all| all == counted.durations.len() as f64);
    // A scrape that a busy machine does not end in time leaves its instance out for a while: all is asked as of one moment at which
    // none was out, and which lies so far back that no scrape of then is under way.
    let all = format!("histogram_count(sum({DURATIONS}))");
    let at = wait_for("all instances at one moment", || {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() - 5.0;
        let is = |promql: &str, value: usize| prometheus.value_at(promql, at) == Some(value as f64);
        (is("sum(up)", INSTANCES) && is(&all, counted.durations.len())).then_some(at)
    });
    assert!(server.native.load(Ordering::Relaxed) >= 2 * INSTANCES, "scraped with native histograms");

    let value = |promql: &str| prometheus.value_at(promql, at).unwrap_or_else(|| panic!("{promql} has no value"));
    totals_are_exact(value, counted);
    let sum: u64 = counted.durations.iter().sum();
    assert_eq!(value(&format!("histogram_sum(sum({DURATIONS}))")), sum as f64);
    let documented = cost::documented();
    let scale = FLEET.pages[0][1].kernels[0].histogram.scale();
    println!("{} values in {INSTANCES} instances, {} buckets an octave", counted.durations.len(), 1 << scale);
    for q in QUANTILES {
        let exact = counted.quantile(q) as f64;
        let merged = value(&format!("histogram_quantile({q}, sum({DURATIONS}))"));
        let averaged = value(&format!("avg(histogram_quantile({q}, {DURATIONS}))"));
        let off = |there: f64| 100.0 * (there / exact - 1.0);
        println!(
            "p{:.0}: exact {exact} ns; of the merged histograms {merged:.0} ns ({:+.1} %); average of the instances' {averaged:.0} ns ({:+.1} %)",
            100.0 * q,
            off(merged),
            off(averaged),
        );
        assert!(buckets_between(merged, exact, scale) <= 1.0, "{q}: {merged}, and {exact} is exact");
        assert!(buckets_between(averaged, exact, scale) > 2.0, "{q}: averages of percentiles are not percentiles");
        let documented = &documented[&format!("p{:.0}", 100.0 * q)];
        for (cell, there) in documented.iter().zip([exact, merged, averaged]) {
            assert!((cost::number(cell) * 1e3 / there - 1.0).abs() < 0.01, "docs/fleet.md: {cell}, not {there} ns");
        }
    }
    no_rule_is_empty(&prometheus);
    cost::memory_is_documented(&prometheus);
}

#[test]
fn a_thousand_instances_pushed_to_one_victoria_metrics() {
    let Some(victoria) = Victoria::start() else { return };
    let counted = &FLEET.counted[0];
    let destination = RemoteWrite::builder(victoria.remote_write_url()).build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for instance in 0..INSTANCES {
        runtime.block_on(destination.publish(&FLEET.publication(instance, 0))).unwrap();
    }
    let value = |promql: &str| victoria.value(promql).unwrap_or_else(|| panic!("{promql} has no value"));
    totals_are_exact(value, counted);
    // It takes classic buckets by remote write, powers of two: each is eight of those that were counted.
    let buckets = "sum by (le) (ringscope_kernel_message_duration_seconds_bucket)";
    for q in QUANTILES {
        let exact = counted.quantile(q) as f64;
        let merged = value(&format!("histogram_quantile({q}, {buckets})")) * 1e9;
        println!("p{:.0}: exact {exact} ns; of the merged classic histograms {merged:.0} ns", 100.0 * q);
        assert!(buckets_between(merged, exact, 0) <= 1.0, "{q}: {merged}, and {exact} is exact");
    }
    by_otlp(counted, &runtime);
}

/// By OpenTelemetry's protocol it takes exponential buckets, each as it was counted.
fn by_otlp(counted: &Counted, runtime: &tokio::runtime::Runtime) {
    let Some(victoria) = Victoria::start() else { return };
    let endpoint = format!("http://{}/opentelemetry", victoria.address());
    let destination = Otlp::builder(endpoint).signals(&[OtlpSignal::Metrics]).build().unwrap();
    for instance in 0..INSTANCES {
        runtime.block_on(destination.publish(&FLEET.publication(instance, 0))).unwrap();
    }
    let value = |promql: &str| victoria.value(promql).unwrap_or_else(|| panic!("{promql} has no value"));
    let messages = counted.durations.len() as f64;
    assert_eq!(value("sum(ringscope_kernel_messages_received)"), messages);
    assert_eq!(value(&format!("sum({DURATIONS}_count)")), messages);
    for q in QUANTILES {
        let exact = counted.quantile(q) as f64;
        let merged = value(&format!("histogram_quantile({q}, sum by (vmrange) ({DURATIONS}_bucket))"));
        println!("p{:.0}: exact {exact} ns; of the merged exponential histograms {merged:.0} ns", 100.0 * q);
        let scale = FLEET.pages[0][0].kernels[0].histogram.scale();
        assert!(buckets_between(merged, exact, scale) <= 1.0, "{q}: {merged}, and {exact} is exact");
    }
}
