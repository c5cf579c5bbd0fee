//! What shares a GPU: two runtimes of a process, kernels whose blocks are to be resident together, other libraries' kernels.

use std::sync::Arc;
use std::time::Duration;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::CUresult;
use ringscope::device::{CudaUnavailable, Device, DeviceError, DeviceKind, DeviceSpec, SharedDevice};
use ringscope::runtime::{LaunchOptions, RuntimeError};
use ringscope::{RingKernelRuntime, TelemetryConfig};

use crate::stand_in::{StandIn, assert_clean, on_stand_in};
use crate::{WAIT, blocks, builder, soon, start, traffic};

fn too_many(asked: u32, free: u32) -> RuntimeError {
    RuntimeError::Device(DeviceError::TooManyBlocks { asked, free })
}

/// Multiprocessors as large as a real GPU's, for kernels with as many registers as they have there.
fn real_occupancy(driver: &StandIn) {
    driver.set("blocks_each", 32);
    for (kernel, registers) in [("crc32c", 64), ("vector_add", 72), ("echo", 70)] {
        driver.set(&format!("registers:{kernel}_l2"), registers);
    }
}

on_stand_in! {
    fn two_runtimes_on_one_gpu_know_of_each_others_kernels(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let of_second = device.allocate(64).expect("memory");
        let first = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        let second = builder(DeviceSpec::Auto).on(Arc::clone(&device)).build().expect("a runtime");
        let third = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        start(&first, "w", &blocks(3));
        traffic(&first, "w", 20);
        // A drop and a launch free what there is to free, which would wait for the first one's kernel.
        let work = std::thread::spawn(move || {
            drop((third, of_second));
            start(&second, "v", &blocks(2));
            second
        });
        assert!(soon(|| work.is_finished()), "waits for a kernel of another runtime's");
        let second = work.join().expect("the launch");
        // One context for all of them.
        assert_eq!((driver.get("blocked"), driver.get("contexts")), (0, 1));
        // The room that there is, is that of both.
        assert_eq!(second.launch_blocking("x", &blocks(4)), Err(too_many(4, 3)));
        assert_eq!(first.launch_blocking("x", &blocks(4)), Err(too_many(4, 3)));
        traffic(&second, "v", 20);
        // The second runtime goes, and its kernel ends; the first one's runs on.
        drop((second, device));
        assert!(soon(|| driver.get("resident") == 1));
        traffic(&first, "w", 20);
        assert_eq!(first.telemetry_blocking("w").map(|w| w.messages_processed), Ok(40));
        first.terminate_blocking("w").expect("it ends");
        drop(first);
        assert_clean(&driver);
    }

    fn a_gpu_that_was_let_go_of_can_be_opened_again(driver) {
        for round in 0..3 {
            let runtimes = [(); 2].map(|()| builder(DeviceSpec::Cuda(0)).build().expect("a runtime"));
            start(&runtimes[1], "w", &blocks(2));
            traffic(&runtimes[1], "w", 10);
            if round == 1 {
                driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
                // While somebody has it open it is the dead one.
                assert!(matches!(CudaDevice::open(0), Err(CudaUnavailable::Open(_))));
                runtimes[1].snapshot_blocking().expect_err("its context is dead");
            } else {
                runtimes[1].terminate_blocking("w").expect("it ends");
            }
            drop(runtimes);
            assert_eq!((driver.get("contexts"), driver.get("live"), driver.get("blocked")), (0, 0, 0), "round {round}");
        }
        let devices: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (0..20).for_each(|_| drop(CudaDevice::open(0).expect("it opens"))))).collect();
        devices.into_iter().for_each(|opens| opens.join().expect("a thread"));
        assert_eq!((driver.get("contexts"), driver.get("live"), driver.get("blocked")), (0, 0, 0));
    }

    fn a_mix_that_leaves_blocks_outside_is_refused(driver) {
        real_occupancy(&driver);
        let runtime = many_blocks(true, WAIT);
        let fill = ["crc32c", "vector_add", "echo"].map(|kernel| runtime.blocks_to_fill(kernel).expect("it is there"));
        assert_eq!(fill, [128, 112, 112]);
        let of = |kernel: &str, blocks: u32| LaunchOptions::new().kernel(kernel).blocks(blocks);
        start(&runtime, "crc", &of("crc32c", 128 / 3));
        start(&runtime, "echo", &of("echo", 112 / 3));
        // By shares the third third fits as well; but each crc32c block costs one of nine granules a place.
        assert_eq!(runtime.launch_blocking("add", &of("vector_add", 112 / 3)), Err(too_many(37, 112 - 42 - 37)));
        // What is said to fit does, and starts.
        start(&runtime, "add", &of("vector_add", 33));
        let started = || -> Vec<u32> {
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            ["crc", "echo", "add"].iter().filter_map(|id| snapshot.kernel(id)).map(|k| k.blocks_started).collect()
        };
        assert!(soon(|| started() == [42, 37, 33]), "{:?}", started());
        runtime.shutdown_blocking(WAIT);
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_launch_of_which_some_blocks_find_no_room_is_stopped_and_says_so(driver) {
        for telemetry in [true, false] {
            let limit = Duration::from_secs(1);
            let runtime = many_blocks(telemetry, limit);
            // Another library's kernel takes six of the eight places, and nobody here knows.
            assert_eq!(driver.occupy(0, 6, [1, 32, 0]), 6);
            let error = runtime.launch_blocking("w", &blocks(4)).expect_err("two blocks stay outside");
            assert_eq!(error, RuntimeError::NotStarted { id: "w".into(), started: 2, blocks: 4, waited: limit });
            let text = error.to_string();
            assert!(text.starts_with("2 of 4 blocks of `w` started within 1s: ") && text.contains("launch fewer blocks"), "{text}");
            assert!(matches!(runtime.kernel("w"), Err(RuntimeError::UnknownKernel { .. })));
            // It was told to stop: two blocks end, and the others have their turn and end.
            assert!(soon(|| driver.get("resident") == 0));
            if telemetry {
                let snapshot = runtime.snapshot_blocking().expect("a snapshot");
                let w = snapshot.kernel("w").expect("it is registered");
                assert_eq!((w.state, w.last_error.as_deref()), (ringscope::KernelState::Failed, Some(&*text)));
            }
            // What fits is launched.
            start(&runtime, "v", &blocks(2));
            traffic(&runtime, "v", 10);
            runtime.terminate_blocking("v").expect("it ends");
            // And where there is no room at all, nothing hangs either.
            let all = || {
                driver.occupy(0, 0, [0; 3]);
                driver.occupy(0, 8, [1, 32, 0]) == 8
            };
            // A look at the clock takes a place for a moment.
            assert!(soon(all), "eight places");
            let error = runtime.launch_blocking("x", &blocks(1)).expect_err("nothing starts");
            assert!(matches!(error, RuntimeError::NotStarted { started: 0, blocks: 1, .. }), "{error}");
            driver.occupy(0, 0, [0; 3]);
            assert!(soon(|| driver.get("resident") == 0));
            drop(runtime);
            let device = CudaDevice::open(0).expect("a device");
            drop(device.allocate(64).expect("memory"));
            drop(device);
            assert_clean(&driver);
        }
    }

    fn launches_that_block_are_refused_with_the_reason(driver) {
        for value in ["1", "2", "yes"] {
            // SAFETY: nobody else in this process reads the environment now.
            unsafe { std::env::set_var("CUDA_LAUNCH_BLOCKING", value) };
            let error = CudaDevice::open(0).expect_err("the first launch would block for ever");
            assert_eq!(error, CudaUnavailable::LaunchBlocking { value: value.to_owned() });
            assert!(error.to_string().contains("CUDA_LAUNCH_BLOCKING") && error.to_string().contains("unset it"), "{error}");
            let required = builder(DeviceSpec::Auto).require_cuda().build().map(drop).expect_err("it is required");
            assert_eq!(required, RuntimeError::Device(error.clone().into()));
            // Where it may choose, it takes the host and says why.
            let runtime = builder(DeviceSpec::Auto).build().expect("a runtime");
            assert_eq!((runtime.device().kind, runtime.without_cuda()), (DeviceKind::Host, Some(&error)));
        }
        assert_eq!(driver.get("contexts"), 0);
        // SAFETY: as above.
        unsafe { std::env::set_var("CUDA_LAUNCH_BLOCKING", "0") };
        drop(CudaDevice::open(0).expect("it opens"));
        assert_clean(&driver);
    }
}

fn many_blocks(telemetry: bool, start_limit: Duration) -> RingKernelRuntime {
    let config = TelemetryConfig { max_blocks: 256, ..TelemetryConfig::default() };
    let builder = builder(DeviceSpec::Cuda(0)).telemetry(telemetry).telemetry_config(config);
    builder.start_limit(start_limit).build().expect("a runtime")
}
