//! Real kernels on the host, with a bit of everything around them: what is replayed exports as what was recorded.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringscope::alert::{Alert, AlertState, Severity};
use ringscope::feed::{Entry, EntryKind, Moment};
use ringscope::machine::GpuMetrics;
use ringscope::recording::Encoder;
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, Snapshot, TelemetryConfig};

use crate::roundtrip::replayed;

const SOON: Duration = Duration::from_secs(60);

/// Work for `compute`: so many rounds.
fn rounds(n: u32) -> Vec<u8> {
    [n.to_le_bytes(), [0; 4], [7, 0, 0, 0], [0; 4]].concat()
}

fn gpus(seed: u32) -> Arc<[GpuMetrics]> {
    let mut gpu = GpuMetrics::default();
    gpu.index = seed % 3;
    gpu.uuid = Some("GPU-0001".into());
    gpu.utilization_percent = Some(seed);
    gpu.memory_used_bytes = Some(0);
    gpu.temperature_celsius = (seed.is_multiple_of(2)).then_some(70);
    gpu.power_watts = Some(250.5 + f64::from(seed));
    gpu.throttle_reasons = Some(if seed.is_multiple_of(2) { Vec::new() } else { vec!["sw_power_cap", "hw_slowdown"] });
    [gpu, GpuMetrics::default()].into()
}

fn alert(seed: u64) -> Alert {
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789 + seed);
    let mut alert = Alert::pending("p99 above", Severity::Critical, 0.25 * seed as f64, at);
    alert.state = [AlertState::Pending, AlertState::Firing, AlertState::Resolved][seed as usize % 3];
    alert.labels = [("kernel".into(), "busy \u{202e}".into())].into();
    alert.threshold = seed.is_multiple_of(2).then_some(f64::INFINITY);
    alert.summary = "p99 is 3 ms\n".into();
    alert.fired_at = seed.is_multiple_of(2).then_some(at);
    alert.silenced = seed.is_multiple_of(2);
    alert
}

fn entry(seed: u64) -> Entry {
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001 + seed);
    let kind = EntryKind::ALL[seed as usize % EntryKind::ALL.len()];
    let mut entry = Entry::new(at, Severity::ALL[seed as usize % 3], kind, "größe", format!("entry {seed}"));
    entry.labels = [("a".into(), "".into()), ("b".into(), "2".into())].into();
    entry
}

#[test]
fn a_real_run_exports_as_it_did() {
    let config = TelemetryConfig { stall_limit: Duration::from_millis(300), ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("compute").telemetry(true).slots(8);
    let runtime = builder.telemetry_config(config).build().unwrap();
    let collector = runtime.collector();
    collector.monitor_operations().unwrap();
    let hits = collector.counter("hits", "Hits").unwrap().label("table", "users").on_host().unwrap();
    let depth = collector.gauge("depth", "Depth").unwrap().on_host().unwrap();
    let sizes = collector.histogram("sizes_bytes", "Sizes").unwrap().unit("bytes").scale(4).on_host().unwrap();
    let waits = collector.histogram("waits", "Waits").unwrap().buckets(&[0.5, 1.5]).on_host().unwrap();
    let family =
        collector.counter("by_kind", "By kind").unwrap().family(&["kind"], &[&["a"], &["b"]]).on_host().unwrap();
    runtime.launch_blocking("busy", &LaunchOptions::new().blocks(3)).unwrap();
    runtime.activate_blocking("busy").unwrap();
    let mut encoder = Encoder::new();
    let (mut bytes, mut originals) = (encoder.header(), Vec::new());
    let mut record = |snapshot: &Snapshot| {
        let seed = originals.len() as u64;
        let mut snapshot = snapshot.clone();
        snapshot.gpus = (seed % 5 != 4).then(|| gpus(seed as u32));
        let mut moment = Moment::of_snapshot(snapshot.into());
        moment.entries = (0..seed % 3).map(entry).collect();
        moment.alerts = (0..seed % 4).map(|i| alert(i + seed / 7)).collect();
        moment.missed = seed % 2;
        bytes.extend(encoder.encode(&moment));
        originals.push(moment);
        originals.len()
    };
    let mut stalled = 0;
    let begun = Instant::now();
    runtime.send_blocking("busy", &rounds(1)).unwrap();
    while stalled < 3 {
        assert!(begun.elapsed() < SOON, "it never stalls");
        hits.inc();
        depth.set(begun.elapsed().as_secs_f64());
        sizes.observe(begun.elapsed().as_micros() as u64);
        waits.observe(begun.elapsed().as_secs_f64());
        family.with(1).inc_by(3);
        collector.operation("resize").start().unwrap().fail("no room");
        collector.record_error("actor", "refused").unwrap();
        let snapshot = runtime.snapshot_blocking().unwrap();
        stalled += usize::from(!snapshot.stuck().is_empty());
        // A kernel, and one that works on a single message for longer than the limit.
        match record(&snapshot) {
            4 => {
                runtime.launch_blocking("late", &LaunchOptions::new().blocks(1)).unwrap();
                runtime.activate_blocking("late").unwrap();
            }
            6 => collector.reset(Some("busy")).unwrap(),
            8 => {
                runtime.send_blocking("busy", &rounds(u32::MAX)).unwrap();
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    let replayed = replayed(&bytes);
    assert_eq!(replayed.len(), originals.len());
    for (now, then) in replayed.iter().zip(&originals) {
        let (new, old) = (&now.snapshot, &then.snapshot);
        assert_eq!(new.export_json_full().unwrap(), old.export_json_full().unwrap());
        assert_eq!(new.export_json_metrics(true).unwrap(), old.export_json_metrics(true).unwrap());
        assert_eq!(new.export_prometheus_protobuf(), old.export_prometheus_protobuf());
        assert_eq!(new.export_openmetrics(), old.export_openmetrics());
        assert_eq!((&new.gpus, new.totals(), new.tasks()), (&old.gpus, old.totals(), old.tasks()));
        assert_eq!((new.blocks("busy"), new.stuck()), (old.blocks("busy"), old.stuck()));
        assert_eq!((&now.entries, &now.alerts, now.missed), (&then.entries, &then.alerts, then.missed));
    }
    let told = replayed.last().unwrap().snapshot.stuck()[0].to_string();
    assert!(told.starts_with("busy hangs since"), "{told}");
}
