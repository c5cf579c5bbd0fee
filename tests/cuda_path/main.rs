//! The whole life of a runtime on the CUDA device, against a stand-in of the driver that runs the kernels on CPU threads
//! and hangs where a GPU would (tests/cuda-driver). How fast a GPU is, and what its memory model allows, is not
//! shown here.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "../cuda-driver/mod.rs"]
mod stand_in;

#[cfg(feature = "capi")]
mod c_interface;
mod contexts;
mod device_rings;
mod life;
#[cfg(feature = "cli")]
mod program;
mod rows;
mod together;
mod what_a_gpu_would;

use std::time::{Duration, Instant};

use ringscope::device::DeviceSpec;
use ringscope::runtime::{LaunchOptions, RuntimeBuilder};
use ringscope::{RingKernelRuntime, TelemetryConfig};

const WAIT: Duration = Duration::from_secs(20);

fn builder(spec: DeviceSpec) -> RuntimeBuilder {
    let config = TelemetryConfig { max_blocks: 16, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(spec).kernel("crc32c").telemetry(true).telemetry_config(config);
    builder.slots(64).slot_bytes(512).max_kernels(4)
}

fn blocks(blocks: u32) -> LaunchOptions {
    LaunchOptions::new().blocks(blocks)
}

fn start(runtime: &RingKernelRuntime, id: &str, options: &LaunchOptions) {
    runtime.launch_blocking(id, options).expect("it is launched");
    runtime.activate_blocking(id).expect("it is activated");
}

/// Sends `count` messages of different sizes, in pieces that the rings hold, and checks each reply.
fn traffic(runtime: &RingKernelRuntime, id: &str, count: usize) {
    let payload = |n: u64| -> Vec<u8> { (0..n % 500).map(|i| (n * 31 + i) as u8).collect() };
    for piece in (0..count).collect::<Vec<_>>().chunks(48) {
        piece.iter().for_each(|_| {
            let n = runtime.kernel(id).expect("it is there").messages_sent();
            assert_eq!(runtime.send_blocking(id, &payload(n)).expect("it is sent"), n);
        });
        for _ in piece {
            let reply = runtime.receive_blocking(id, WAIT).expect("a reply");
            assert_eq!(reply.payload, crc32c::crc32c(&payload(reply.seq)).to_le_bytes(), "message {}", reply.seq);
        }
    }
}

/// Whether it becomes true: at once, or on a busy machine a while later.
fn soon(mut come: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !come() {
        if start.elapsed() > WAIT {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}
