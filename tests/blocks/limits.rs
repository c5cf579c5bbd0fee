//! What is refused, by which error, and that nothing is lost by it.

use std::sync::Arc;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::host::{Grid, HostDevice, MAX_BLOCKS, MAX_SHARED_BYTES, MAX_THREADS, neighbours_entry};
use ringscope::device::{Builtin, Device, KernelSource, Level, SharedDevice};
use ringscope::{DeviceError, LaunchOptions, RingKernelRuntime, RuntimeError};

use crate::matmul::one_product;
use crate::stand_in::{Runs, StandIn, assert_clean, with_stand_in};

#[test]
fn what_a_block_of_the_host_device_cannot_have() {
    let refused = |grid: Grid| {
        // SAFETY: none of these is launched.
        unsafe { HostDevice::new().launch(neighbours_entry(), grid, &[], Vec::new()) }
            .map(|_| ())
            .expect_err("too much")
    };
    for threads in [0, MAX_THREADS + 1, u32::MAX] {
        let error = refused(Grid::from(1).threads(threads));
        assert!(matches!(error, DeviceError::BlockTooLarge { limit: MAX_THREADS, .. }), "{error}");
        assert!(error.to_string().contains(&format!("blocks of {threads} threads, and here a block can have 1024")));
    }
    let error = refused(Grid::from(1).threads(32).shared_bytes(MAX_SHARED_BYTES + 1));
    assert!(matches!(error, DeviceError::TooMuchSharedMemory { own: 0, limit: MAX_SHARED_BYTES, .. }), "{error}");
    assert!(error.to_string().contains("lower .shared_bytes(…)"), "{error}");
    // Threads are what the process has so many of.
    let error = refused(Grid::from(MAX_BLOCKS / MAX_THREADS + 1).threads(MAX_THREADS));
    assert!(matches!(error, DeviceError::TooManyBlocks { asked: 9, free: 0..=8 }), "{error}");
}

/// Launches of `matmul_f32` with too much shared memory leave the id, the rings and the counts to the next one.
fn too_much_shared_memory_is_refused(device: &SharedDevice) {
    let runtime = RingKernelRuntime::builder().on(Arc::clone(device)).telemetry(true).kernel("matmul_f32");
    let runtime = runtime.max_kernels(1).build().expect("a runtime");
    for bytes in [MAX_SHARED_BYTES + 1, u32::MAX] {
        let error = runtime.launch_blocking("w", &LaunchOptions::new().shared_bytes(bytes)).expect_err("too much");
        let RuntimeError::Device(DeviceError::TooMuchSharedMemory { asked, own, limit }) = error else {
            panic!("{error}")
        };
        assert_eq!((asked, limit), (u64::from(bytes) + u64::from(own), MAX_SHARED_BYTES));
    }
    runtime.launch_blocking("w", &LaunchOptions::new().shared_bytes(100_000)).expect("there is as much");
    runtime.activate_blocking("w").expect("it is activated");
    one_product(&runtime);
    runtime.terminate_blocking("w").expect("it ends");
    let t = runtime.telemetry_blocking("w").expect("it is known");
    assert_eq!((t.messages_processed, t.errors, t.dropped), (1, 0, 0));
}

#[test]
fn shared_memory_beyond_the_devices_is_refused() {
    too_much_shared_memory_is_refused(&(Arc::new(HostDevice::new()) as SharedDevice));
}

#[test]
fn shared_memory_beyond_the_gpus_is_refused() {
    if with_stand_in("limits::shared_memory_beyond_the_gpus_is_refused", Runs::Ptx) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        too_much_shared_memory_is_refused(&device);
        drop(device);
        assert_clean(&StandIn);
    }
}

#[test]
fn more_threads_than_a_kernel_can_have_are_refused_when_it_is_loaded() {
    if !with_stand_in("limits::more_threads_than_a_kernel_can_have_are_refused_when_it_is_loaded", Runs::Ptx) {
        return;
    }
    // Its registers leave room for fewer.
    StandIn.set("max_threads:matmul_f32_l2", 128);
    let device = CudaDevice::open(0).expect("a device");
    let load = |level| device.load(&KernelSource::Builtin(Builtin::MatmulF32), level).map(|kernel| kernel.threads());
    let error = load(Level::Histograms).expect_err("128 threads are all");
    let text = error.to_string();
    assert!(matches!(error, DeviceError::BlockTooLarge { threads: 256, limit: 128, .. }), "{text}");
    assert!(text.starts_with("the built-in kernel `matmul_f32` has blocks of 256 threads"), "{text}");
    assert!(text.contains("fewer registers"), "{text}");
    assert_eq!(load(Level::Counters), Ok(256));
    let echo = device.load(&KernelSource::Builtin(Builtin::Echo), Level::Counters).expect("it is loaded");
    assert_eq!(echo.threads(), 32);
    drop((echo, device));
    assert_clean(&StandIn);
}

#[test]
fn a_gpu_has_room_for_as_many_large_blocks_as_fit() {
    if !with_stand_in("limits::a_gpu_has_room_for_as_many_large_blocks_as_fit", Runs::Ptx) {
        return;
    }
    StandIn.set("blocks_each", 32);
    let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
    let runtime = RingKernelRuntime::builder().on(Arc::clone(&device)).kernel("matmul_f32").max_kernels(4);
    let runtime = runtime.build().expect("a runtime");
    // 2,048 threads of a multiprocessor, of which there are four.
    assert_eq!(runtime.blocks_to_fill("matmul_f32"), Ok(32));
    let of = |blocks, shared| LaunchOptions::new().blocks(blocks).shared_bytes(shared);
    let free = |blocks, shared| match runtime.launch_blocking("x", &of(blocks, shared)) {
        Err(RuntimeError::Device(DeviceError::TooManyBlocks { free, .. })) => free,
        other => panic!("{other:?}"),
    };
    assert_eq!(free(33, 0), 32);
    // 228 KiB of a multiprocessor are two of 100,000 bytes.
    assert_eq!(free(9, 100_000), 8);
    runtime.launch_blocking("a", &of(3, 100_000)).expect("there is room");
    // Three multiprocessors may have one of them each.
    assert_eq!(free(6, 100_000), 5);
    assert_eq!(free(30, 0), 29);
    runtime.launch_blocking("b", &of(29, 0)).expect("there is room");
    runtime.shutdown_blocking(crate::sized::SOON);
    drop((runtime, device));
    assert_clean(&StandIn);
}
