//! The GPU's clock on the host's, against the stand-in of the driver, whose clock drifts, ticks and is set as a test wants:
//! what the host says that it reads is right to within what the host says of that.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ringscope::device::SharedDevice;
use ringscope::device::cuda::CudaDevice;
use ringscope::{InputRing, LaunchOptions, Level, RingKernelRuntime, TelemetryCollector, TelemetryConfig};

use stand_in::{StandIn, assert_clean, on_stand_in};

const WAIT: Duration = Duration::from_secs(20);
/// Far more than any clock drifts: a second shows it.
const DRIFTS: [i64; 2] = [400_000, -400_000];

fn open(driver: &StandIn, drift_ppb: i64, tick_ns: u64) -> SharedDevice {
    driver.set_clock(drift_ppb, tick_ns);
    Arc::new(CudaDevice::open(0).expect("a device"))
}

fn runtime(device: &SharedDevice, telemetry: bool) -> RingKernelRuntime {
    runtime_with(device, telemetry, InputRing::Mapped)
}

fn runtime_with(device: &SharedDevice, telemetry: bool, ring: InputRing) -> RingKernelRuntime {
    let config = TelemetryConfig { max_blocks: 8, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(Arc::clone(device)).kernel("echo").telemetry(telemetry);
    let builder = builder.telemetry_config(config).level(if telemetry { Level::Histograms } else { Level::Off });
    builder.input_ring(ring).slots(64).max_kernels(2).build().expect("a runtime")
}

fn start(runtime: &RingKernelRuntime, id: &str, blocks: u32) {
    runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks)).expect("it is launched");
    runtime.activate_blocking(id).expect("it is activated");
}

/// Whether the host is right, as of now, about what the clock reads.
fn is_right(driver: &StandIn, device: &SharedDevice) -> Result<(), String> {
    let before = device.clock().expect("the time");
    let truth = driver.clock_ns();
    let after = device.clock().expect("the time");
    let (least, most) = (before.device_ns - before.uncertainty_ns, after.device_ns + after.uncertainty_ns);
    let right = least <= truth && truth <= most;
    if right { Ok(()) } else { Err(format!("{truth} from {before:?} to {after:?}")) }
}

/// Looks on for that long, or until it is not.
fn is_right_for(driver: &StandIn, device: &SharedDevice, time: Duration) -> Result<(), String> {
    let start = Instant::now();
    while start.elapsed() < time {
        is_right(driver, device)?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn stays_right(driver: &StandIn, device: &SharedDevice, time: Duration) {
    is_right_for(driver, device, time).unwrap();
}

fn soon(mut come: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !come() {
        if start.elapsed() > WAIT {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Whether the drift is known to a quarter of itself.
fn knows(device: &SharedDevice, drift_ppb: i64) -> bool {
    let known = device.clock().expect("the time").drift_ppb;
    (known - drift_ppb).abs() < drift_ppb.abs() / 4
}

fn call(runtime: &RingKernelRuntime) -> Duration {
    let start = Instant::now();
    runtime.call_blocking("w", b"what time is it", WAIT).expect("a reply");
    start.elapsed()
}

on_stand_in! {
    fn the_clock_is_known_with_and_without_traffic(driver) {
        for (drift, ring) in DRIFTS.into_iter().zip([InputRing::Mapped, InputRing::DeviceMemory]) {
            let device = open(&driver, drift, 1024);
            let runtime = runtime_with(&device, true, ring);
            start(&runtime, "w", 2);
            is_right(&driver, &device).unwrap();
            // Traffic, with pauses, and then none: the blocks are asked.
            for _ in 0..200 {
                call(&runtime);
                is_right(&driver, &device).unwrap();
            }
            stays_right(&driver, &device, Duration::from_millis(500));
            assert!(soon(|| knows(&device, drift)), "{:?}", device.clock());
            stays_right(&driver, &device, Duration::from_millis(500));
            let sample = device.clock().expect("the time");
            assert!((1024..2048).contains(&sample.tick_ns), "{sample:?}");
            assert_eq!(sample.restarts, 0);
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            assert!(snapshot.device_clock.uncertainty > Duration::ZERO, "{:?}", snapshot.device_clock);
            assert!((snapshot.device_clock.drift_ppb - drift).abs() < drift.abs() / 4, "{:?}", snapshot.device_clock);
            runtime.shutdown_blocking(WAIT);
            drop((snapshot, runtime, device));
            assert_clean(&driver);
        }
    }

    fn times_and_waits_are_right_to_within_what_is_said_of_them(driver) {
        for drift in DRIFTS {
            let device = open(&driver, drift, 32);
            let runtime = runtime(&device, true);
            let launched = SystemTime::now();
            start(&runtime, "w", 1);
            let mut longest = call(&runtime);
            let started = SystemTime::now();
            let mut sent = started;
            let mut unknown = Duration::ZERO;
            for _ in 0..4 {
                std::thread::sleep(Duration::from_millis(400));
                unknown = unknown.max(Duration::from_nanos(device.clock().expect("the time").uncertainty_ns));
                sent = SystemTime::now();
                longest = longest.max(call(&runtime));
            }
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            let seen = SystemTime::now();
            let kernel = snapshot.kernel("w").expect("it is there");
            let unknown = unknown.max(snapshot.device_clock.uncertainty) + Duration::from_micros(20);
            let waiting = kernel.waiting.as_ref().expect("it is known").latency;
            assert!(waiting.max_ns <= (longest + unknown).as_nanos() as u64, "{waiting:?}, and {longest:?} ± {unknown:?}");
            // A message is recorded after its reply, and before it is seen.
            for (time, from, to) in [
                (kernel.last_message_time, sent, seen),
                (kernel.start_time, launched, started),
            ] {
                let time = time.expect("it is known");
                assert!(from - unknown <= time && time <= to + unknown, "{time:?} from {from:?} to {to:?} ± {unknown:?}");
            }
            // The device's clock has gone by more or less than that.
            let up = launched.elapsed().expect("a time");
            assert!(kernel.uptime <= up + unknown, "{:?} of {up:?}", kernel.uptime);
            runtime.shutdown_blocking(WAIT);
            drop((snapshot, runtime, device));
            assert_clean(&driver);
        }
    }

    fn without_rings_a_kernel_of_one_thread_is_started_where_there_is_room(driver) {
        let drift = DRIFTS[0];
        let device = open(&driver, drift, 1024);
        let collector = TelemetryCollector::on_device(Arc::clone(&device), TelemetryConfig::default()).expect("a collector");
        let learned = soon(|| {
            collector.snapshot().expect("a snapshot");
            is_right(&driver, &device).unwrap();
            knows(&device, drift)
        });
        assert!(learned, "{:?}", device.clock());
        drop((collector, device));
        assert_clean(&driver);
    }

    fn a_full_gpu_that_does_not_answer_leaves_the_clock_uncertain_and_nothing_waits(driver) {
        let device = open(&driver, DRIFTS[1], 1024);
        // Built without telemetry: its blocks read no clock.
        let runtime = runtime(&device, false);
        start(&runtime, "w", 8);
        let before = device.clock().expect("the time").uncertainty_ns;
        for _ in 0..20 {
            call(&runtime);
            stays_right(&driver, &device, Duration::from_millis(50));
        }
        assert!(device.clock().expect("the time").uncertainty_ns > before, "{before}");
        runtime.shutdown_blocking(WAIT);
        // Then there is room.
        assert!(soon(|| { is_right(&driver, &device).unwrap(); knows(&device, DRIFTS[1]) }), "{:?}", device.clock());
        drop((runtime, device));
        assert_clean(&driver);
    }

    fn a_full_gpu_whose_blocks_answer_is_enough_for_either_kind_of_rings(driver) {
        for (drift, ring) in DRIFTS.into_iter().zip([InputRing::Mapped, InputRing::DeviceMemory]) {
            let device = open(&driver, drift, 32);
            let runtime = runtime_with(&device, true, ring);
            // No room for a kernel of one thread, and no traffic.
            start(&runtime, "w", 8);
            let learned = soon(|| { is_right(&driver, &device).unwrap(); knows(&device, drift) });
            assert!(learned, "{ring:?}: {:?}", device.clock());
            runtime.shutdown_blocking(WAIT);
            drop((runtime, device));
            assert_clean(&driver);
        }
    }

    fn a_look_at_the_clock_that_found_no_room_at_first_keeps_nothing_from_being_freed(driver) {
        let device = open(&driver, 0, 32);
        let memory = driver.get("memory");
        let dropped = device.allocate(64).expect("memory");
        // Another library's kernel fills the GPU.
        assert_eq!(driver.occupy(0, 8, [1, 32, 0]), 8);
        let launches = driver.get("launches");
        assert!(soon(|| { device.clock().expect("the time"); driver.get("launches") > launches }));
        std::thread::sleep(Duration::from_millis(100));
        driver.occupy(0, 0, [0; 3]);
        // Nobody looks at the clock any more.
        drop(dropped);
        assert!(soon(|| { drop(device.allocate(64).expect("memory")); driver.get("memory") == memory }));
        drop(device);
        assert_clean(&driver);
    }

    fn a_clock_that_is_set_is_noticed_and_learned_anew(driver) {
        let device = open(&driver, 100_000, 32);
        let runtime = runtime(&device, true);
        start(&runtime, "w", 1);
        for (n, step) in [3_000_000_000, -20_000_000, 100_000_000_000].into_iter().enumerate() {
            assert!(soon(|| is_right(&driver, &device).is_ok()));
            let restarts = device.clock().expect("the time").restarts;
            driver.step_clock(step);
            assert!(soon(|| device.clock().expect("the time").restarts > restarts), "step {n}");
            // What a block read before the step may arrive behind it, and looks like a step back.
            assert!(soon(|| is_right_for(&driver, &device, Duration::from_millis(200)).is_ok()), "step {n}");
            call(&runtime);
        }
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        assert!(snapshot.device_clock.restarts_total >= 3, "{:?}", snapshot.device_clock);
        runtime.shutdown_blocking(WAIT);
        drop((snapshot, runtime, device));
        assert_clean(&driver);
    }

    fn a_device_that_is_dropped_at_any_moment_leaves_nothing(driver) {
        for n in 0..30 {
            let device = open(&driver, 0, 32);
            let collector = TelemetryCollector::on_device(Arc::clone(&device), TelemetryConfig::default()).expect("a collector");
            collector.snapshot().expect("a snapshot");
            std::thread::sleep(Duration::from_millis(n));
            drop((collector, device));
            assert_clean(&driver);
        }
    }
}
