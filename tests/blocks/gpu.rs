//! On the stand-in's GPU: the PTX machine.

use std::path::Path;
use std::sync::Arc;

use ringscope::RingKernelRuntime;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::{KernelSource, Level, SharedDevice};

use crate::sized::{How, SIZES, Sized};
use crate::stand_in::{Runs, StandIn, assert_clean, with_stand_in};

fn device() -> SharedDevice {
    Arc::new(CudaDevice::open(0).expect("a device"))
}

/// What scripts/ptx.sh made of sized.cu.
fn source(threads: u32, level: Level) -> KernelSource {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda-driver/ptx/kernels");
    let image = std::fs::read(folder.join(format!("sized_l{}.ptx", level as u32))).expect("scripts/ptx.sh made it");
    // SAFETY: it was made of RINGSCOPE_RING_KERNEL_BLOCK, and writes to its rings and its total.
    unsafe { KernelSource::cuda_module(image, format!("sized_{threads}")) }
}

fn each_size(test: &str, runs: impl Fn(&SharedDevice, u32)) {
    if !with_stand_in(test, Runs::Ptx) {
        return;
    }
    for threads in SIZES {
        let device = device();
        runs(&device, threads);
        drop(device);
        assert_clean(&StandIn);
    }
}

#[test]
fn every_size_is_exact() {
    each_size("gpu::every_size_is_exact", |device, threads| {
        let levels = if threads == 64 { Level::ALL } else { &[Level::Histograms] };
        for &level in levels {
            let how = How { level, dynamic: threads % 128 == 0, inject_errors: 0.1, ..How::new(threads) };
            let mut kernel = Sized::start(device, source(threads, level), how);
            kernel.activate();
            kernel.traffic(u64::from(2048 / threads).clamp(4, 20));
            kernel.end();
        }
    });
}

#[test]
fn every_size_is_held_and_stopped_with_its_reply_ring_full() {
    each_size("gpu::every_size_is_held_and_stopped_with_its_reply_ring_full", |device, threads| {
        let how = How { slots: 2, ..How::new(threads) };
        let mut kernel = Sized::start(device, source(threads, how.level), how);
        kernel.activate();
        // Replies fill their ring; what else was sent is in hand, or waits. A fourth finds no room where the reply to the second
        // is the one that waits.
        kernel.send_until(3);
        // Who is held takes no further message: by then both replies are there.
        let both = |runtime: &RingKernelRuntime| runtime.telemetry_blocking("w").is_ok_and(|t| t.messages_sent == 2);
        kernel.until("two replies fill their ring", both);
        kernel.runtime.deactivate_blocking("w").expect("it is held");
        for _ in 0..2 {
            kernel.receive();
        }
        kernel.activate();
        kernel.end();
    });
}

#[test]
fn a_thread_that_dies_ends_the_kernel() {
    if !with_stand_in("gpu::a_thread_that_dies_ends_the_kernel", Runs::Ptx) {
        return;
    }
    for threads in SIZES {
        let (device, how) = (device(), How { deadly: Some(131), ..How::new(threads) });
        let mut kernel = Sized::start(&device, source(threads, how.level), how);
        kernel.activate();
        kernel.send_until(2);
        let error = loop {
            match kernel.runtime.snapshot_blocking() {
                Ok(_) => std::thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("CUDA_ERROR_LAUNCH_FAILED (719)"), "{error}");
        drop((kernel, device));
        StandIn.reset();
    }
}
