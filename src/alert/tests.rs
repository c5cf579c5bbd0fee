//! Each kind of rule fires on what it is of, on nothing else, and is resolved when that is over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::TelemetryCollector;
use crate::histogram::Histogram;
use crate::machine::{GpuMetrics, SystemMetrics};
use crate::snapshot::{BlockStatus, KernelState, PublisherTelemetry, Snapshot, Stall, TraceRecords, Waiting};

const TEN: Duration = Duration::from_secs(10);

/// What a snapshot is made, for its number: 0 and 1 are well, 2 is not, 3 is well again.
type Change = fn(&mut Snapshot, usize);

fn at(n: usize) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000) + TEN * n as u32
}

/// A snapshot with a kernel, a metric, operations, GPUs and a destination.
fn snapshot() -> Snapshot {
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    collector.record_processed("w", Some(Duration::from_millis(1))).unwrap();
    collector.operation("resize").start().unwrap().succeed();
    collector.gauge("depth", "Depth").unwrap().label("table", "users").on_host().unwrap().set(1.0);
    let mut snapshot = (*collector.snapshot().unwrap()).clone();
    snapshot.gpus = Some([GpuMetrics { index: 3, uuid: Some("GPU-1".into()), ..GpuMetrics::default() }].into());
    snapshot.publishers = [PublisherTelemetry::new("somewhere")].into();
    snapshot
}

/// A counter that rises with the third snapshot.
fn count(n: usize, by: u64) -> u64 {
    100 + if n >= 2 { by } else { 0 }
}

/// Latencies: of one millisecond each time, and many of half a second with the third snapshot.
fn times(n: usize) -> Arc<Histogram> {
    let mut all = Histogram::new(3);
    (0..=n).for_each(|_| all.record(1_000_000));
    (0..if n >= 2 { 100 } else { 0 }).for_each(|_| all.record(500_000_000));
    Arc::new(all)
}

fn operations(s: &mut Snapshot, change: impl FnOnce(&mut crate::snapshot::OperationTelemetry)) {
    let mut all = (**s.operations.as_ref().unwrap()).clone();
    change(&mut all.by_name[0]);
    s.operations = Some(Arc::new(all));
}

fn gpu(s: &mut Snapshot, change: impl FnOnce(&mut GpuMetrics)) {
    let mut gpu = s.gpus.as_ref().unwrap()[0].clone();
    change(&mut gpu);
    s.gpus = Some([gpu].into());
}

fn cases() -> Vec<(Rule, Change, &'static str)> {
    let ms = Duration::from_millis;
    let latency: Change = |s, n| s.kernels[0].histogram = times(n);
    let age: Change = |s, n| {
        let since = s.time - if n == 2 { Duration::from_secs(9) } else { Duration::from_secs(1) };
        (s.kernels[0].last_sign_of_life, s.kernels[0].last_message_time) = (Some(since), Some(since));
    };
    let system: Change = |s, n| {
        let (cpu_utilization_percent, memory_used_mb) = if n == 2 { (99.0, 9000.0) } else { (50.0, 1000.0) };
        s.system = Some(SystemMetrics { cpu_utilization_percent, memory_used_mb });
    };
    let w = "kernel=w";
    let gpu_3 = "gpu=3 uuid=GPU-1";
    vec![
        (Rule::latency_above("w", 0.5, ms(100)), latency, w),
        (Rule::latency_above("w", 0.9, ms(100)), latency, w),
        (Rule::latency_above("w", 0.95, ms(100)), latency, w),
        (Rule::p99_above("w", ms(100)), latency, w),
        (Rule::latency_above("w", 0.999, ms(100)), latency, w),
        (Rule::latency_above("w", 0.7, ms(100)), latency, w),
        (
            Rule::waiting_above("w", 0.99, ms(100)),
            |s, n| {
                let (latency, histogram) = (s.kernels[0].latency.unwrap(), times(n));
                s.kernels[0].waiting = Some(Arc::new(Waiting { latency, histogram }));
            },
            w,
        ),
        (Rule::failure_rate_above("w", 0.5), |s, n| s.kernels[0].errors = count(n, 5), w),
        (Rule::errors_above("w", 0.4), |s, n| s.kernels[0].errors = count(n, 5), w),
        (Rule::throughput_below("w", 5.0), |s, n| s.kernels[0].messages_processed = [100, 200, 210, 310][n], w),
        (Rule::queue_depth_above("w", 10), |s, n| s.kernels[0].queue_depth = if n == 2 { 11 } else { 10 }, w),
        (Rule::queue_full("w"), |s, n| s.kernels[0].queue_full = count(n, 1), w),
        (
            Rule::busy_above("w", 0.9),
            |s, n| s.kernels[0].busy_time = Duration::from_millis([0, 1000, 10_600, 10_700][n]),
            w,
        ),
        (
            Rule::stalled("w"),
            |s, n| {
                let stall = Arc::new(Stall::new(s.time - TEN, BlockStatus::unknown(7)));
                s.kernels[0].stall = (n == 2).then_some(stall);
            },
            w,
        ),
        (Rule::heartbeat_older_than("w", Duration::from_secs(5)), age, w),
        (Rule::no_messages_for("w", Duration::from_secs(5)), age, w),
        (
            Rule::failed("w"),
            |s, n| s.kernels[0].state = if n == 2 { KernelState::Failed } else { KernelState::Active },
            w,
        ),
        (Rule::dropped("w"), |s, n| s.kernels[0].dropped = count(n, 1), w),
        (Rule::trace_lost("w"), |s, n| s.kernels[0].trace = Some(TraceRecords::new(500, 300, count(n, 1))), w),
        (
            Rule::absent("w"),
            |s, n| s.kernels[0].state = if n == 2 { KernelState::Terminated } else { KernelState::Active },
            w,
        ),
        (Rule::cpu_above(0.9), system, ""),
        (Rule::memory_above(5_000_000_000), system, ""),
        (
            Rule::gpu_memory_above("GPU-*", 0.9),
            |s, n| {
                gpu(s, |gpu| {
                    gpu.memory_total_bytes = Some(100);
                    gpu.memory_used_bytes = Some(if n == 2 { 95 } else { 90 });
                });
            },
            gpu_3,
        ),
        (
            Rule::gpu_temperature_above("3", 85.0),
            |s, n| gpu(s, |gpu| gpu.temperature_celsius = Some(if n == 2 { 90 } else { 60 })),
            gpu_3,
        ),
        (
            Rule::new(Watch::GpuPower, Side::Above, 300.0),
            |s, n| gpu(s, |gpu| gpu.power_watts = Some(if n == 2 { 301.0 } else { 60.0 })),
            gpu_3,
        ),
        (
            Rule::gpu_throttled("*"),
            |s, n| gpu(s, |gpu| gpu.throttle_reasons = Some(vec![if n == 2 { "sw_power_cap" } else { "gpu_idle" }])),
            gpu_3,
        ),
        (Rule::gpu_ecc_errors("*"), |s, n| gpu(s, |gpu| gpu.ecc_errors_uncorrected = Some(count(n, 1))), gpu_3),
        (
            Rule::operation_failure_rate_above("re*", 0.5),
            |s, n| operations(s, |of| of.counts.failed = count(n, 1)),
            "operation=resize",
        ),
        (
            Rule::operation_p99_above("resize", ms(100)),
            |s, n| operations(s, |of| of.duration = times(n)),
            "operation=resize",
        ),
        (Rule::collection_failed(), |s, n| s.self_metrics.collection_failures_total = count(n, 1), ""),
        (Rule::collection_slower_than(ms(100)), |s, n| s.self_metrics.collection_duration = times(n), ""),
        (Rule::telemetry_dropped(), |s, n| s.self_metrics.dropped.hooks = count(n, 1), ""),
        (
            Rule::undelivered("some*"),
            |s, n| {
                let mut of = PublisherTelemetry::new("somewhere");
                of.dropped_items[0] = count(n, 1);
                s.publishers = [of].into();
            },
            "destination=somewhere",
        ),
        (
            Rule::metric(MetricWatch::new("depth", MetricValue::Value).label("table", "u*"), Side::Above, 5.0),
            |s, n| {
                s.metrics[0].series[0].value = crate::metrics::Value::Gauge(if n == 2 { 6.0 } else { 5.0 });
            },
            "table=users",
        ),
        (
            Rule::metric_absent("depth"),
            |s, n| {
                if n == 2 {
                    s.metrics.clear();
                }
            },
            "metric=depth",
        ),
    ]
}

fn labels_of(alert: &Alert) -> String {
    alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_kind_fires_on_what_it_is_of_and_is_resolved_when_that_is_over() {
    let base = snapshot();
    let mut seen = BTreeSet::new();
    for (rule, change, labels) in cases() {
        let name = rule.watch.kind().name;
        seen.insert(name);
        let mut engine = Engine::new(Rules::new().rule(rule.clone().over(TEN)));
        let mut look = |n: usize| {
            let mut snapshot = Snapshot { time: at(n), sequence: n as u64 + 1, ..base.clone() };
            change(&mut snapshot, n);
            engine.judge(&Arc::new(snapshot))
        };
        assert!(look(0).is_empty() && look(1).is_empty(), "{name} fires although all is well");
        let fires = look(2);
        assert_eq!(fires.len(), 1, "{name} does not fire");
        assert_eq!((fires[0].state, labels_of(&fires[0]).as_str()), (AlertState::Firing, labels), "{name}");
        assert!(fires[0].summary.len() > 10 && rule.is_wrong(fires[0].value), "{name}: {:?}", fires[0]);
        let over = look(3);
        assert_eq!(over.iter().map(|alert| alert.state).collect::<Vec<_>>(), [AlertState::Resolved], "{name}");
        // The other way round, nothing but silence: of another name there is none.
        if !rule.of.is_any() {
            let mut other =
                Engine::new(Rules::new().rule(Rule { of: Pattern::new("other"), ..rule.clone() }.over(TEN)));
            for n in 0..3 {
                let mut snapshot = Snapshot { time: at(n), ..base.clone() };
                change(&mut snapshot, n);
                let found = other.judge(&Arc::new(snapshot));
                assert!(found.is_empty() || name == "absent", "{name} fires for another name");
            }
        }
    }
    let tried_elsewhere = ["collection_gap", "anomaly"];
    let missing: Vec<_> = watch::KINDS.iter().map(|(_, kind)| kind.name).filter(|name| !seen.contains(name)).collect();
    assert!(missing.iter().all(|name| tried_elsewhere.contains(name)), "not tried: {missing:?}");
}

#[test]
fn a_gap_between_two_snapshots_is_seen_with_the_second() {
    let base = snapshot();
    let mut engine = Engine::new(Rules::new().rule(Rule::collection_gap_above(Duration::from_secs(30))));
    let mut look = |seconds| {
        engine.judge(&Arc::new(Snapshot { time: UNIX_EPOCH + Duration::from_secs(seconds), ..base.clone() })).len()
    };
    assert_eq!([look(1000), look(1030), look(1061), look(1062)], [0, 0, 1, 1]);
}

#[test]
fn what_is_not_as_it_was_says_what_was_expected_and_lasts_for_a_while() {
    let base = snapshot();
    let rules = Rules::new().rule(Rule::anomaly("w")).rule(Rule::anomaly("other").named("Other"));
    let mut engine = Engine::new(rules);
    let mut all = Histogram::new(3);
    let (mut fired, mut left) = (Vec::new(), 0);
    for second in 0..900u64 {
        let ns = if second < 600 { 1_000_000 } else { 40_000_000 };
        (0..200).for_each(|i| all.record(ns + ns / 50 * ((second * 7 + i) % 5)));
        let mut now = Snapshot { time: UNIX_EPOCH + Duration::from_secs(1_000_000 + second), ..base.clone() };
        let kernel = &mut now.kernels[0];
        (kernel.histogram, kernel.messages_processed) = (Arc::new(all.clone()), 200 * (second + 1));
        let alerts = engine.judge(&Arc::new(now));
        assert!(second >= 600 || alerts.is_empty(), "{second}: {alerts:?}");
        fired.extend(alerts.iter().filter(|alert| alert.fired_at == Some(at_second(second))).cloned());
        left = alerts.len();
    }
    let first = fired.first().expect("forty times as slow is found");
    assert_eq!((&*first.rule, first.label("kernel")), ("anomaly", Some("w")));
    assert!(first.summary.contains("expected") && first.summary.contains("sure"), "{}", first.summary);
    assert!(first.value > 0.0 && first.value <= 1.0 && left < 10, "{first:?}");
}

fn at_second(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_000_000 + second)
}

#[test]
fn together_is_one_alert_of_all() {
    let collector = TelemetryCollector::new(true);
    let rules = Rules::new().rule(Rule::failure_rate_above("*", 0.5).together().over(TEN));
    let mut engine = Engine::new(rules);
    let mut look = |n| {
        let now = Snapshot { time: at(n), ..(*collector.snapshot().unwrap()).clone() };
        engine.judge(&Arc::new(now)).iter().map(|alert| (labels_of(alert), alert.value)).collect::<Vec<_>>()
    };
    assert!(look(0).is_empty());
    collector.record_error("a", "no").unwrap();
    collector.record_processed("b", None).unwrap();
    assert!(look(1).is_empty(), "half of them is not more than half");
    collector.record_error("a", "no").unwrap();
    assert_eq!(look(2), [(String::new(), 1.0)]);
}
