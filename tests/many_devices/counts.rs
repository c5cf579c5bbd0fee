//! A metric of the user's that kernels on two devices count in: each counts another amount of other values.

use ringscope::device::SharedDevice;
use ringscope::device::probe::{Probe, RecordMode};
use ringscope::histogram::Histogram;
use ringscope::metrics::{Distribution, ExplicitHistogram, Value};
use ringscope::{Snapshot, TelemetryCollector};

const BOUNDS: [f64; 3] = [0.0, 2.5, 100.0];
const SCALE: u32 = 3;
const BLOCKS: u32 = 3;

/// What a device counts: a whole number and a real one each. Sums of these real numbers are exact.
fn values(device: u64, count: u64) -> Vec<(u64, f64)> {
    let value = |i: u64| ((7 * i + device) % 1000, (i % 64) as f64 * 0.5 - if device == 0 { 8.0 } else { 2.0 });
    (0..count).map(value).collect()
}

/// The metrics that a probe counts in, on all devices; the index of the first, which is the same on each.
fn register(telemetry: &TelemetryCollector) -> u32 {
    let counters = telemetry.counter("sum", "Sum").unwrap().on_devices().unwrap();
    let gauge = |name| telemetry.gauge(name, "A gauge").unwrap().on_devices().unwrap();
    let gauges = ["total", "most", "least"].map(gauge);
    let whole = telemetry.histogram("whole", "Whole numbers").unwrap().scale(SCALE).on_devices().unwrap();
    let real = telemetry.histogram("real", "Real numbers").unwrap().buckets(&BOUNDS).on_devices().unwrap();
    let sets: [&[&str]; 5] = [&["0"], &["1"], &["2"], &["3"], &["4"]];
    let family = telemetry.counter("by_rest", "By rest").unwrap().family(&["rest"], &sets).on_devices().unwrap();
    let first = counters[0].index();
    for device in 0..2 {
        let of_gauges = gauges.iter().map(|gauge| gauge[device].index());
        let rest = [whole[device].index(), real[device].index(), family[device].index()];
        let all: Vec<u32> = [counters[device].index()].into_iter().chain(of_gauges).chain(rest).collect();
        assert_eq!(all, (first..first + 7).collect::<Vec<_>>());
    }
    first
}

/// Counts on each device what is its own, in the way that is its own.
fn count(devices: &[SharedDevice], telemetry: &TelemetryCollector, first: u32, amounts: &[(usize, Vec<(u64, f64)>)]) {
    for (device, values) in amounts {
        let mut probe = Probe::new(&devices[*device], BLOCKS).expect("a probe");
        let table = telemetry.metric_table_of(*device).expect("there is such a device");
        let way = RecordMode::ALL[*device % RecordMode::ALL.len()];
        probe.count(&table, first, values, way, BLOCKS).expect("it counts");
    }
}

fn value<'a>(snapshot: &'a Snapshot, name: &str, labels: &[(&str, &str)]) -> &'a Value {
    let metric = snapshot.metric(name).expect("it is registered");
    metric.value(labels).unwrap_or_else(|| panic!("{name} {labels:?}: {:?}", metric.series))
}

/// What the definitions say of what each device counted: sums of all, and gauges of each.
fn check(snapshot: &Snapshot, counted: [&[(u64, f64)]; 2]) {
    let all = || counted.iter().copied().flatten();
    assert_eq!(value(snapshot, "sum", &[]).counter(), Some(all().map(|(whole, _)| whole).sum()));
    let mut whole = Histogram::new(SCALE);
    all().for_each(|(v, _)| whole.record(*v));
    let found = value(snapshot, "whole", &[]).histogram().expect("a histogram");
    assert_eq!(found.distribution, Distribution::Exponential(whole));
    let mut real = ExplicitHistogram::new(&BOUNDS).unwrap();
    all().for_each(|(_, x)| assert!(real.record(*x)));
    let found = value(snapshot, "real", &[]).histogram().expect("a histogram");
    assert_eq!((&found.distribution, found.dropped), (&Distribution::Explicit(real), 0));
    for rest in 0..5u64 {
        let expected = all().filter(|(v, _)| v % 7 == rest).count() as u64;
        assert_eq!(value(snapshot, "by_rest", &[("rest", &rest.to_string())]).counter(), Some(expected), "{rest}");
    }
    let beyond = all().filter(|(v, _)| v % 7 >= 5).count() as u64;
    assert_eq!(value(snapshot, "by_rest", &[("rest", "overflow")]).counter(), Some(beyond));
    for (device, values) in counted.iter().enumerate() {
        let gauge = |name| value(snapshot, name, &[("device", &device.to_string())]).gauge();
        let reals = || values.iter().map(|(_, x)| *x);
        assert_eq!(gauge("total"), Some(reals().sum()), "of device {device}");
        assert_eq!(gauge("most"), Some(reals().fold(0.0, f64::max)), "of device {device}");
        assert_eq!(gauge("least"), Some(reals().fold(0.0, f64::min)), "of device {device}");
    }
}

/// Counts and checks, in turns; what the first and the second have counted then.
pub fn add_up(devices: [SharedDevice; 2]) -> (TelemetryCollector, u32, [Vec<(u64, f64)>; 2]) {
    let telemetry = TelemetryCollector::builder().devices(devices.clone()).build().expect("a collector");
    let first = register(&telemetry);
    check(&telemetry.snapshot().expect("both can be read"), [&[], &[]]);
    let (a, b) = (values(0, 300), values(1, 170));
    count(&devices, &telemetry, first, &[(0, a.clone()), (1, b.clone())]);
    check(&telemetry.snapshot().expect("both can be read"), [&a, &b]);
    // More on one of them is more of the sums, and of its own gauges alone.
    let more = values(0, 41);
    count(&devices, &telemetry, first, &[(0, more.clone())]);
    let now = telemetry.snapshot().expect("both can be read");
    let a = [a, more].concat();
    check(&now, [&a, &b]);
    let page = now.export_prometheus();
    for device in 0..2 {
        let line = format!("total{{device=\"{device}\"}} ");
        assert!(page.lines().any(|l| l.starts_with(&line)), "{line}: {page}");
    }
    (telemetry, first, [a, b])
}

/// What one of them counted before it died stays counted, and the other goes on.
#[cfg(feature = "cuda")]
pub fn go_on_without_the_second(devices: [SharedDevice; 2], kill: impl FnOnce()) {
    let (telemetry, first, [a, b]) = add_up(devices.clone());
    kill();
    let more = values(0, 23);
    count(&devices, &telemetry, first, &[(0, more.clone())]);
    let now = telemetry.snapshot().expect("one can be read");
    assert_eq!(now.devices.iter().map(|device| device.error.is_some()).collect::<Vec<_>>(), [false, true]);
    check(&now, [&[a, more].concat(), &b]);
}
