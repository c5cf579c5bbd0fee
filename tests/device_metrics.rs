//! Metrics that kernels count in, one suite over every way to do it: by single threads, by warps, in shared memory first.
//! On the host device, and on a GPU where there is one.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

mod common;

use proptest::prelude::*;
use ringscope::device::probe::{Entry, Probe, RecordMode};
use ringscope::device::{SharedDevice, open};
use ringscope::histogram::Histogram;
use ringscope::metrics::{Difference, Distribution, ExplicitHistogram, MetricError, Value};
use ringscope::{KernelRef, Level, Snapshot, TelemetryCollector, TelemetryConfig};

const BOUNDS: [f64; 4] = [-1.0, 0.0, 2.5, 1000.0];

/// By which numbers a kernel chooses from the family: their places, or with gaps and in no order.
fn indices_at(scale: u32) -> [u32; 5] {
    if scale.is_multiple_of(2) { [0, 1, 2, 3, 4] } else { [6, 0, 3, 349, 2] }
}

/// Seven metrics as `Probe::count` wants them; the index of the first.
fn register(telemetry: &TelemetryCollector, scale: u32) -> u32 {
    let counter = telemetry.counter("sum", "Sum").unwrap().on_device().unwrap();
    let gauges = ["total", "most", "least"].map(|name| telemetry.gauge(name, "A gauge").unwrap().on_device().unwrap());
    let whole = telemetry.histogram("whole", "Whole numbers").unwrap().scale(scale).on_device().unwrap();
    let real = telemetry.histogram("real", "Real numbers").unwrap().buckets(&BOUNDS).on_device().unwrap();
    let sets: [&[&str]; 5] = [&["0"], &["1"], &["2"], &["3"], &["4"]];
    let family = telemetry.counter("by_rest", "By rest").unwrap().family(&["rest"], &sets);
    let family = if scale.is_multiple_of(2) { family } else { family.indices(&indices_at(scale)) }.on_device().unwrap();
    let indices = [counter.index(), gauges[0].index(), gauges[1].index(), gauges[2].index()];
    let more = [whole.index(), real.index(), family.index()];
    let first = indices[0];
    assert!(indices.iter().chain(&more).enumerate().all(|(i, index)| *index == first + i as u32));
    first
}

fn value<'a>(snapshot: &'a Snapshot, name: &str, labels: &[(&str, &str)]) -> &'a Value {
    snapshot.metric(name).and_then(|metric| metric.value(labels)).expect("it is registered")
}

/// What the definitions say of these values.
fn check(snapshot: &Snapshot, values: &[(u64, f64)], scale: u32) {
    let sum = values.iter().fold(0u64, |sum, (whole, _)| sum.wrapping_add(*whole));
    assert_eq!(value(snapshot, "sum", &[]).counter(), Some(sum));

    let mut whole = Histogram::new(scale);
    values.iter().for_each(|(v, _)| whole.record(*v));
    let found = value(snapshot, "whole", &[]).histogram().expect("a histogram");
    assert_eq!(found.distribution, Distribution::Exponential(whole));

    let mut real = ExplicitHistogram::new(&BOUNDS).unwrap();
    let dropped = values.iter().filter(|(_, x)| !real.record(*x)).count() as u64;
    let found = value(snapshot, "real", &[]).histogram().expect("a histogram");
    let Distribution::Explicit(explicit) = &found.distribution else { panic!("{found:?}") };
    assert_eq!((explicit.counts(), explicit.min(), explicit.max()), (real.counts(), real.min(), real.max()));
    assert_eq!(found.dropped, dropped);
    near(explicit.sum(), real.sum(), values);

    let finite = values.iter().all(|(_, x)| x.is_finite());
    if finite {
        near(value(snapshot, "total", &[]).gauge().unwrap(), real.sum(), values);
        let most = values.iter().map(|(_, x)| *x).fold(0.0, f64::max);
        let least = values.iter().map(|(_, x)| *x).fold(0.0, f64::min);
        assert_eq!(value(snapshot, "most", &[]).gauge(), Some(most));
        assert_eq!(value(snapshot, "least", &[]).gauge(), Some(least));
    }

    let indices = indices_at(scale);
    for (set, index) in indices.into_iter().enumerate() {
        let expected = values.iter().filter(|(v, _)| v % 7 == u64::from(index)).count() as u64;
        let found = value(snapshot, "by_rest", &[("rest", &set.to_string())]);
        assert_eq!(found.counter(), Some(expected), "set {set} of {indices:?}");
    }
    let beyond = values.iter().filter(|(v, _)| !indices.contains(&((v % 7) as u32))).count() as u64;
    assert_eq!(value(snapshot, "by_rest", &[("rest", "overflow")]).counter(), Some(beyond));
}

/// Doubles added in another order.
fn near(found: f64, expected: f64, values: &[(u64, f64)]) {
    let size: f64 = values.iter().map(|(_, x)| x.abs()).filter(|x| x.is_finite()).sum();
    assert!((found - expected).abs() <= size * 1e-12, "{found}, {expected}");
}

fn count_and_check(device: &SharedDevice, values: &[(u64, f64)], scale: u32, way: RecordMode, blocks: u32) {
    let mut probe = Probe::new(device, blocks).expect("a probe");
    let telemetry = TelemetryCollector::on_device(device.clone(), TelemetryConfig::default()).unwrap();
    let first = register(&telemetry, scale);
    let table = telemetry.metric_table().expect("there is a device");
    check(&telemetry.snapshot().unwrap(), &[], scale);
    let (half, rest) = values.split_at(values.len() / 2);
    probe.count(&table, first, half, way, blocks).expect("it counts");
    check(&telemetry.snapshot().unwrap(), half, scale);
    probe.count(&table, first, rest, way, blocks).expect("it counts");
    check(&telemetry.snapshot().unwrap(), values, scale);
    // What did not change is not read again, and stays.
    check(&telemetry.snapshot().unwrap(), values, scale);
}

fn whole() -> impl Strategy<Value = u64> {
    prop_oneof![0..20u64, 0..5000u64, any::<u64>(), Just(u64::MAX)]
}

fn real() -> impl Strategy<Value = f64> {
    let odd = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(2.5)];
    prop_oneof![8 => -2000.0..2000.0f64, 1 => odd]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 128 }))]

    #[test]
    fn every_way_counts_what_the_definitions_say(
        values in prop::collection::vec((whole(), real()), 0..400),
        scale in 0..6u32,
        blocks in 1..6u32,
    ) {
        for spec in common::devices() {
            let device = open(spec).expect("it opens").device;
            for &way in RecordMode::ALL {
                count_and_check(&device, &values, scale, way, blocks);
            }
        }
    }
}

#[test]
fn many_values_from_many_blocks() {
    for spec in common::devices() {
        let device = open(spec).expect("it opens").device;
        let values: Vec<(u64, f64)> = (0..20_000u64).map(|n| (n * n, n as f64 / 8.0)).collect();
        for &way in RecordMode::ALL {
            count_and_check(&device, &values, 3, way, 16);
        }
    }
}

#[test]
fn the_largest_value_alone_is_in_the_histogram() {
    for spec in common::devices() {
        let device = open(spec).expect("it opens").device;
        for &way in RecordMode::ALL {
            count_and_check(&device, &[(u64::MAX, 0.0)], 3, way, 1);
        }
    }
}

/// Looks a gauge up by one thread, for a kernel that is registered, and changes nothing.
fn look_up_a_gauge(device: &SharedDevice, telemetry: &TelemetryCollector, kernel: KernelRef, index: u32) {
    // What `kernels/probe/probe.cu` takes after the kernel: four addresses, what to do, of how many, rounds, the index.
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
    #[repr(C)]
    struct Asked(KernelRef, [u64; 8]);
    const CHANGE_GAUGE: u64 = 8;
    let asked = Asked(kernel, [0, 0, 0, 0, CHANGE_GAUGE, 0, 0, index.into()]);
    let probe = device.load_probe(Entry::Metrics, Level::Histograms).expect("it loads");
    device.reserve_launches(1).expect("a launch");
    // SAFETY: the kernel's addresses are those of the memory that is kept; of no values none is read.
    let launch = unsafe { probe.launch(1, &[bytemuck::bytes_of(&asked)], telemetry.memory()) }.expect("it is launched");
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !launch.ended().expect("it runs") {
        assert!(std::time::Instant::now() < patience, "it does not end");
        std::thread::yield_now();
    }
}

#[test]
fn look_ups_by_a_wrong_index_or_of_another_kind_are_counted_and_shown() {
    for spec in common::devices() {
        let device = open(spec).expect("it opens").device;
        let telemetry = TelemetryCollector::on_device(device.clone(), TelemetryConfig::default()).unwrap();
        let kernel = telemetry.register("looks up", 1).unwrap();
        let gauge = telemetry.gauge("depth", "Depth").unwrap().on_device().unwrap().index();
        let counter = telemetry.counter("hits", "Hits").unwrap().on_device().unwrap().index();
        let found_nothing =
            [(gauge, 0), (counter, 1), (counter + 1, 2), (kernel.metric_count, 3), (u32::MAX, 4), (gauge, 4)];
        for (index, misses) in found_nothing {
            look_up_a_gauge(&device, &telemetry, kernel, index);
            let snapshot = telemetry.snapshot().unwrap();
            assert_eq!(snapshot.self_metrics.lookup_misses_total, misses, "after index {index} on {spec}");
            let line = format!("\ntelemetry_lookup_misses_total {misses}\n");
            assert!(snapshot.export_prometheus().contains(&line), "after index {index} on {spec}");
        }
    }
}

fn collector(config: TelemetryConfig) -> TelemetryCollector {
    let device = open(ringscope::DeviceSpec::Host).expect("it opens").device;
    TelemetryCollector::on_device(device, config).unwrap()
}

#[test]
fn the_same_again_is_the_same_metric() {
    let telemetry = collector(TelemetryConfig::default());
    let hits = |table: &str| telemetry.counter("hits", "Hits").unwrap().label("table", table).on_device();
    let users = hits("users").unwrap();
    assert_eq!(hits("users"), Ok(users));
    assert_ne!(hits("orders").unwrap().0.slot, users.0.slot);
    let sets: [&[&str]; 2] = [&["users"], &["items"]];
    let family = telemetry.counter("hits", "Hits").unwrap().family(&["table"], &sets).on_device();
    assert!(matches!(family, Err(MetricError::Owned { .. })), "one of its sets is there: {family:?}");
    let of_host = telemetry.counter("hits", "Hits").unwrap().label("table", "users").on_host();
    assert!(matches!(of_host, Err(MetricError::Owned { .. })));
    assert!(!of_host.unwrap_err().to_string().contains("  "), "a sentence without gaps");
    telemetry.gauge("depth", "Depth").unwrap().on_host().unwrap().set(2.0);
    assert!(matches!(telemetry.gauge("depth", "Depth").unwrap().on_device(), Err(MetricError::Owned { .. })));
    let other = telemetry.gauge("hits", "Hits").unwrap().label("table", "users").on_device();
    assert!(matches!(other, Err(MetricError::Differs { .. })), "{other:?}");
    assert_eq!(telemetry.metric("depth").unwrap().value(&[]).and_then(Value::gauge), Some(2.0));
}

#[test]
fn bounds_are_errors_with_the_remedy() {
    let none = TelemetryCollector::new(true).counter("hits", "Hits").unwrap().on_device().unwrap_err();
    assert!(none.to_string().contains(".on_host()"), "{none}");
    let small = collector(TelemetryConfig { device_metrics: 2, device_buckets: 600, ..TelemetryConfig::default() });
    let histogram = |name: &str| small.histogram(name, "A histogram").unwrap().on_device();
    histogram("first").unwrap();
    let full = histogram("second").unwrap_err().to_string();
    assert!(full.contains("buckets of `second`") && full.contains("device_buckets"), "{full}");
    small.gauge("second", "Another").unwrap().on_device().unwrap();
    let full = small.counter("third", "One more").unwrap().on_device().unwrap_err().to_string();
    assert!(full.contains("device_metrics"), "{full}");
    let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let sets: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let sets: Vec<&[&str]> = sets.iter().map(|set| &set[..]).collect();
    let wide = collector(TelemetryConfig { device_metrics: 1, ..TelemetryConfig::default() });
    let full = wide.histogram("wide", "Many").unwrap().family(&["n"], &sets).on_device().unwrap_err();
    assert!(matches!(full, MetricError::DeviceFull { what: "series", .. }), "{full}");
    assert!(wide.snapshot().unwrap().metrics.is_empty(), "nothing is left of what was refused");
}

#[test]
fn what_is_off_or_unknown_counts_nowhere() {
    let device = open(ringscope::DeviceSpec::Host).expect("it opens").device;
    let mut probe = Probe::new(&device, 2).unwrap();
    let telemetry = TelemetryCollector::on_device(device, TelemetryConfig::default()).unwrap();
    let first = register(&telemetry, 3);
    let table = telemetry.metric_table().unwrap();
    for nobodys in [first + 7, 249, 256, u32::MAX - 8] {
        probe.count(&table, nobodys, &[(1, 1.0); 50], RecordMode::One, 2).unwrap();
    }
    check(&telemetry.snapshot().unwrap(), &[], 3);
}

#[test]
fn a_probe_takes_no_table_of_another_device() {
    let open_host = || open(ringscope::DeviceSpec::Host).expect("it opens").device;
    let mut probe = Probe::new(&open_host(), 1).unwrap();
    let telemetry = TelemetryCollector::on_device(open_host(), TelemetryConfig::default()).unwrap();
    let first = register(&telemetry, 3);
    let error = probe.count(&telemetry.metric_table().unwrap(), first, &[(1, 1.0)], RecordMode::One, 1).unwrap_err();
    assert!(error.to_string().contains("of another device"), "{error}");
    check(&telemetry.snapshot().unwrap(), &[], 3);
}

#[test]
fn what_kernels_cannot_choose_from_is_refused() {
    for spec in common::devices() {
        let device = open(spec).expect("it was there").device;
        let config = TelemetryConfig { device_buckets: 1024, ..TelemetryConfig::default() };
        let telemetry = TelemetryCollector::on_device(device, config).unwrap();
        let counters = |name: &str, indices: &[u32]| {
            let family = telemetry.counter(name, "Tasks").unwrap().family(&["kind"], &[&["a"], &["b"]]);
            family.indices(indices).on_device()
        };
        let first = counters("tasks", &[5, 349]).unwrap();
        assert_eq!(counters("tasks", &[5, 349]), Ok(first), "the same again");
        let Err(MetricError::Differs { what: Difference::Indices, registered, asked, .. }) =
            counters("tasks", &[5, 348])
        else {
            panic!("other numbers are another family")
        };
        assert_eq!((registered.as_str(), asked.as_str()), ("5, 349", "5, 348"));
        // The map of its numbers lies where the bounds of buckets do.
        let full = counters("wide", &[0, 65_535]);
        assert!(matches!(&full, Err(MetricError::DeviceFull { bound: "device_buckets", .. })), "{full:?}");
        let waits = telemetry.histogram("waits", "Waits").unwrap().buckets(&[1.0]).family(&["kind"], &[&["a"]]);
        assert_eq!(waits.indices(&[7]).on_device(), Err(MetricError::IndexedBuckets { metric: "waits".into() }));
        assert!(counters("others", &[7, 8]).is_ok(), "what was refused took no room");
    }
}
