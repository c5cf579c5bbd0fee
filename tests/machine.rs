//! What a snapshot says of the machine: the processors and memory, and GPUs as the management library tells of them.
//! There the library is a stand-in: no real GPU was asked.
#![cfg(any(feature = "system", feature = "nvml"))]

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

/// The first snapshot of which that holds.
fn snapshot_where(holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let config = TelemetryConfig { sample_interval: Duration::from_millis(1), ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let snapshot = collector.snapshot().unwrap();
        if holds(&snapshot) {
            return snapshot;
        }
        assert!(Instant::now() < patience, "{snapshot:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[cfg(feature = "system")]
fn the_processors_and_the_memory_are_those_of_this_machine() {
    let snapshot = snapshot_where(|s| s.system.is_some());
    let system = snapshot.system.unwrap();
    assert!((0.0..=100.0).contains(&system.cpu_utilization_percent), "{system:?}");
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap();
    let total_mb = total.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1.024e-3;
    assert!(system.memory_used_mb > 0.0 && system.memory_used_mb <= total_mb, "{system:?} of {total_mb}");
}

#[test]
fn nobody_is_asked_where_the_interval_is_zero() {
    let config = TelemetryConfig { sample_interval: Duration::ZERO, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    for _ in 0..10 {
        let snapshot = collector.snapshot().unwrap();
        assert!(snapshot.system.is_none() && snapshot.gpus.is_none());
        std::thread::sleep(Duration::from_millis(40));
    }
}

#[cfg(feature = "nvml")]
mod gpus {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use ringscope::machine::GpuMetrics;

    const CHILD: &str = "RINGSCOPE_TEST_NVML";

    /// Where the stand-in is, under the name by which the library is looked for; nowhere without a compiler.
    fn stand_in() -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvml-stand-in");
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvml/nvml.c");
        let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]).arg(source);
        let status = cc.arg("-o").arg(folder.join("libnvidia-ml.so.1")).status().ok()?;
        assert!(status.success(), "{cc:?}");
        Some(folder)
    }

    /// Runs the test of that name again, in a process that finds the library there. Whether this is that process.
    fn is_child(test: &str, library: Option<&Path>) -> bool {
        if std::env::var_os(CHILD).is_some() {
            return true;
        }
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", test, "--nocapture"]).env(CHILD, "1");
        if let Some(library) = library {
            child.env("LD_LIBRARY_PATH", library);
        }
        let output = child.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    fn gpu(set: impl FnOnce(&mut GpuMetrics)) -> GpuMetrics {
        let mut gpu = GpuMetrics::default();
        set(&mut gpu);
        gpu
    }

    #[test]
    fn each_gpu_tells_what_it_can() {
        let Some(library) = stand_in() else {
            println!("skipped: no C compiler (cc) for the stand-in of the management library");
            return;
        };
        if !is_child("gpus::each_gpu_tells_what_it_can", Some(&library)) {
            return;
        }
        let snapshot = snapshot_where(|s| s.gpus.is_some());
        let first = gpu(|gpu| {
            gpu.index = 0;
            gpu.uuid = Some("GPU-0a".into());
            gpu.name = Some("Stand-in 1".into());
            gpu.utilization_percent = Some(100);
            gpu.memory_utilization_percent = Some(7);
            gpu.memory_used_bytes = Some(12_345_678_901);
            gpu.memory_total_bytes = Some(80_000_000_000);
            gpu.process_memory_bytes = Some(777);
            gpu.temperature_celsius = Some(64);
            gpu.power_watts = Some(321.5);
            gpu.sm_clock_mhz = Some(1001);
            gpu.memory_clock_mhz = Some(1002);
            gpu.ecc_errors_corrected = Some(1);
            gpu.ecc_errors_uncorrected = Some(11);
            gpu.throttle_reasons = Some(vec!["sw_power_cap", "sw_thermal_slowdown"]);
        });
        let second = gpu(|gpu| {
            gpu.index = 1;
            gpu.uuid = Some("GPU-0b".into());
            gpu.name = Some("Stand-in 2".into());
            gpu.utilization_percent = Some(0);
            gpu.memory_utilization_percent = Some(0);
            gpu.memory_used_bytes = Some(0);
            gpu.memory_total_bytes = Some(80_000_000_000);
            gpu.process_memory_bytes = None;
            gpu.temperature_celsius = Some(31);
            gpu.power_watts = None;
            gpu.sm_clock_mhz = Some(201);
            gpu.memory_clock_mhz = Some(202);
            gpu.ecc_errors_corrected = None;
            gpu.ecc_errors_uncorrected = None;
            gpu.throttle_reasons = None;
        });
        assert_eq!(snapshot.gpus.as_deref(), Some(&[first, second][..]));
    }

    #[test]
    fn without_a_driver_there_are_none_and_snapshots_go_on() {
        // A file that is no library, where the loader looks first: also a machine that has a driver has none then.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nvml-broken");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("libnvidia-ml.so.1"), "no library").unwrap();
        if !is_child("gpus::without_a_driver_there_are_none_and_snapshots_go_on", Some(&folder)) {
            return;
        }
        let collector = TelemetryCollector::new(true);
        for n in 1..=20 {
            let snapshot = collector.snapshot().unwrap();
            assert_eq!((snapshot.sequence, snapshot.gpus.is_none()), (n, true));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
