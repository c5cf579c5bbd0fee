//! The black box on the CUDA device, against the stand-in of the driver: it is read when the context is dead.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::CUresult;
use ringscope::device::{DeviceError, KernelSource, SharedDevice};
use ringscope::snapshot::{BlackBox, BoxRecordKind, Place, RingPlace};
use ringscope::{KernelState, LaunchOptions, Level, RingKernelRuntime, RuntimeError, TelemetryConfig};

use stand_in::{StandIn, on_stand_in};

const WAIT: Duration = Duration::from_secs(20);
const DEADLY: u32 = 0xdead;

/// The mirror of the one in cuda-driver/tally.cu.
#[derive(Clone, Copy, bytemuck::NoUninit)]
#[repr(C)]
struct TallyArgs {
    total: u64,
    limit: u32,
    first: u32,
}

/// Runs `t` and a bystander with black boxes of so many records; `t` adds to that address.
fn start(device: &SharedDevice, black_box_records: u32, total: u64) -> RingKernelRuntime {
    // SAFETY: the stand-in's NVRTC finds its name in it, and the stand-in has the code.
    let source = unsafe { KernelSource::cuda_text(include_str!("cuda-driver/tally.cu"), "tally") };
    let config = TelemetryConfig { black_box_records, max_blocks: 8, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(Arc::clone(device)).max_kernels(2).telemetry(true);
    let builder = builder.level(Level::Histograms).source("tally", source).kernel("tally").telemetry_config(config);
    let runtime = builder.build().expect("a runtime");
    for id in ["t", "bystander"] {
        let args = TallyArgs { total, limit: u32::MAX, first: 0 };
        let options = LaunchOptions::new().args(&args).waypoints(&["tally_adds", "tally_sum"]);
        runtime.launch_blocking(id, &options).expect("it is launched");
        runtime.activate_blocking(id).expect("it is activated");
    }
    runtime.snapshot_blocking().expect("a snapshot");
    runtime
}

fn send(runtime: &RingKernelRuntime, value: u32) {
    runtime.send_blocking("t", &value.to_le_bytes()).expect("it is sent");
}

fn soon(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + WAIT;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_dead(runtime: &RingKernelRuntime) {
    soon("the context dies", || runtime.snapshot_blocking().is_err());
}

fn boxed(runtime: &RingKernelRuntime, id: &str) -> BlackBox {
    let [only]: [BlackBox; 1] = runtime.collector().black_box(id).expect("black boxes").try_into().expect("one block");
    only
}

fn last_error(runtime: &RingKernelRuntime, id: &str) -> String {
    let latest = runtime.latest().expect("the last good one");
    let kernel = latest.kernel(id).expect("it is registered");
    assert_eq!(kernel.state, KernelState::Failed);
    kernel.last_error.as_deref().expect("a reason").to_owned()
}

/// Nothing of the dead context is left but what it took along.
fn let_go(driver: &StandIn, runtime: RingKernelRuntime, device: SharedDevice) {
    drop((runtime, device));
    assert_eq!(driver.get("resident"), 0);
}

on_stand_in! {
    fn a_check_that_failed_is_quoted_when_the_context_is_dead(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let total = device.allocate_mapped(64).expect("memory");
        let runtime = start(&device, 64, total.device_address());
        for value in [5, 6] {
            send(&runtime, value);
            runtime.receive_blocking("t", WAIT).expect("a reply");
        }
        send(&runtime, DEADLY);
        is_dead(&runtime);
        let b = boxed(&runtime, "t");
        let words = b.last_words.as_ref().expect("last words");
        assert_eq!((words.code, words.value, b.message), (7, DEADLY.into(), Some(2)));
        assert_eq!(b.place, Place::Ring(RingPlace::Handler));
        let numbers = b.records.iter().filter_map(|r| match r.kind {
            BoxRecordKind::Message { number, status: 0, .. } => number,
            _ => None,
        });
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 1]);
        let sm = b.sm.expect("it said so");
        let quote = format!(" (block 0 on SM {sm}: check 7 failed with value {DEADLY} in the handler, message 2)");
        let text = last_error(&runtime, "t");
        assert!(text.contains("CUDA_ERROR_LAUNCH_FAILED (719)") && text.ends_with(&quote), "{text}");
        // Who waits for its reply is told the same.
        let error = runtime.receive_blocking("t", WAIT).expect_err("it died");
        assert!(matches!(&error, RuntimeError::Device(DeviceError::Call { code: 719, .. })), "{error:?}");
        assert!(error.to_string().ends_with(&quote), "{error}");
        assert!(runtime.terminate_blocking("t").expect_err("it died").to_string().ends_with(&quote));
        // What else ran there has ended with it, of no check of its own.
        let text = last_error(&runtime, "bystander");
        assert!(text.ends_with("was the last to move: waiting for a message)"), "{text}");
        drop(total);
        let_go(&driver, runtime, device);
    }

    fn an_illegal_address_is_quoted_with_the_place_of_the_last_block_at_work(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let total = device.allocate_mapped(64).expect("memory");
        // Nothing is at 8. Threads would end the process there: the context is killed for them.
        let runtime = start(&device, 128, if driver.runs_ptx() { 8 } else { total.device_address() });
        send(&runtime, 5);
        if !driver.runs_ptx() {
            runtime.receive_blocking("t", WAIT).expect("a reply");
            soon("it waits", || boxed(&runtime, "t").place == Place::Ring(RingPlace::Message));
            driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        }
        is_dead(&runtime);
        let text = last_error(&runtime, "t");
        assert!(text.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{text}");
        let place = match driver.runs_ptx() {
            true => "was the last at work: at \"tally_adds\", message 0)",
            false => "was the last to move: waiting for a message)",
        };
        assert!(text.ends_with(place), "{text}");
        assert_eq!(boxed(&runtime, "t").last_words, None);
        drop(total);
        let_go(&driver, runtime, device);
    }

    fn without_black_boxes_the_error_is_the_drivers(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let total = device.allocate_mapped(64).expect("memory");
        let runtime = start(&device, 0, total.device_address());
        send(&runtime, DEADLY);
        is_dead(&runtime);
        let text = last_error(&runtime, "t");
        assert!(text.contains("(719)") && !text.contains("block 0") && !text.contains("check 7"), "{text}");
        assert!(runtime.collector().black_box("t").is_err());
        drop(total);
        let_go(&driver, runtime, device);
    }
}
