//! A hang made on purpose on the CUDA device, against the stand-in of the driver: 32 lanes, a barrier that nobody reaches,
//! and waypoints named by the module itself.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ringscope::device::cuda::CudaDevice;
use ringscope::device::{KernelSource, SharedDevice};
use ringscope::snapshot::{Place, RingPlace, WaitsFor};
use ringscope::{KernelState, LaunchOptions, RingKernelRuntime, Snapshot, TelemetryConfig};

use stand_in::{Runs, StandIn, assert_clean, with_stand_in};

const WAIT: Duration = Duration::from_secs(60);
/// The PTX machine takes turns on the cores with whatever else runs.
const LIMIT: Duration = Duration::from_secs(2);

fn wait_for(what: &str, runtime: &RingKernelRuntime, is: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let patience = Instant::now() + WAIT;
    loop {
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        if is(&snapshot) {
            return snapshot;
        }
        assert!(Instant::now() < patience, "{what}: {:?} {:?}", snapshot.kernels, snapshot.blocks("w"));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_barrier_that_nobody_reaches_is_explained_by_the_modules_own_names() {
    if !with_stand_in("a_barrier_that_nobody_reaches_is_explained_by_the_modules_own_names", Runs::Ptx) {
        return;
    }
    let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
    let arrived = device.allocate_mapped(64).expect("memory");
    let word = &arrived.host_words().expect("mapped memory")[0];
    word.store(3, Ordering::SeqCst);
    // SAFETY: the stand-in's NVRTC has what scripts/ptx.sh made of it; it writes to its rings alone.
    let source = unsafe { KernelSource::cuda_text(include_str!("cuda-driver/ptx/kernels/hang.cu"), "hang") };
    let config = TelemetryConfig { stall_limit: LIMIT, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(Arc::clone(&device)).max_kernels(1).slots(4).telemetry(true);
    let builder = builder.telemetry_config(config).source("hang", source).kernel("hang");
    let runtime = builder.build().expect("a runtime");
    let options = LaunchOptions::new().args(&arrived.device_address()).keep(&arrived);
    runtime.launch_blocking("w", &options).expect("it is launched");
    runtime.activate_blocking("w").expect("it is activated");
    let block = |s: &Snapshot| s.blocks("w").expect("its blocks").remove(0);
    let s = wait_for("it waits for a message", &runtime, |s| block(s).place == Place::Ring(RingPlace::Message));
    assert!(block(&s).multiprocessor.is_some() && block(&s).message.is_none());

    // By its length a message says where the block is to hang.
    runtime.send_blocking("w", &[0]).expect("it is sent");
    let s = wait_for("it stalls", &runtime, |s| s.stuck_kernel("w").is_some());
    let stuck = s.stuck_kernel("w").expect("it is stuck");
    let look_at = stuck.look_at().expect("a block");
    assert_eq!(look_at.place, Place::Waypoint { name: "wait_barrier".into(), index: 1 });
    assert_eq!(look_at.waits_for, Some(WaitsFor::Due { resource: 7, expected: 4, seen: 3 }));
    let sm = look_at.multiprocessor.expect("a multiprocessor");
    let sentence = format!("block 0 (SM {sm}) at \"wait_barrier\": resource 7, expected 4, seen 3, message 0");
    assert!(stuck.to_string().starts_with("w hangs since ") && stuck.to_string().ends_with(&sentence), "{stuck}");

    // The barrier is reached after all.
    word.store(4, Ordering::SeqCst);
    runtime.receive_blocking("w", WAIT).expect("a reply");
    wait_for("it recovers", &runtime, |s| s.kernel("w").is_some_and(|k| k.state == KernelState::Active));
    word.store(3, Ordering::SeqCst);
    runtime.send_blocking("w", &[0; 2]).expect("it is sent");
    let s = wait_for("its time has run out", &runtime, |s| s.stuck_kernel("w").is_some());
    let stuck = s.stuck_kernel("w").expect("it is stuck").to_string();
    assert!(stuck.contains(" at \"hurry\": expected 1, seen 0, message 1"), "{stuck}");
    word.store(4, Ordering::SeqCst);
    runtime.receive_blocking("w", WAIT).expect("a reply");
    runtime.shutdown_blocking(WAIT);
    drop((options, runtime, arrived, device));
    assert_clean(&StandIn);
}
