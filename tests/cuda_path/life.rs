//! What a runtime's life is on this device, from its build to its end.

use std::sync::Arc;

use ringscope::KernelState;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::CUresult;
use ringscope::device::probe::Probe;
use ringscope::device::{Device, DeviceSpec, KernelCode, KernelSource, Level, SharedDevice};
use ringscope::runtime::{LaunchOptions, RuntimeError};

use crate::stand_in::{Fault, assert_clean, on_stand_in};
use crate::{WAIT, blocks, builder, soon, start, traffic};

on_stand_in! {
    fn the_embedded_ptx_is_all_that_a_driver_needs(driver) {
        // A GPU that no nvcc knows yet, with the oldest driver.
        driver.set("capability_major", 99);
        driver.set("driver_version", 12_000);
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        let code = runtime.device().kernel_code;
        assert!(matches!(code, Some(KernelCode::Ptx { architecture: 75, .. })), "{code:?}");
        assert!(driver.get("ptx") > 0, "it is what was loaded");
        start(&runtime, "a", &blocks(2));
        traffic(&runtime, "a", 300);
        assert_eq!(runtime.telemetry_blocking("a").map(|k| k.messages_processed), Ok(300));
        runtime.terminate_blocking("a").expect("it ends");
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_runtime_lives_its_whole_life(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        assert_eq!(runtime.device().name, "Stand-in GPU 0");
        start(&runtime, "a", &blocks(3));
        start(&runtime, "b", &blocks(3));
        for round in 1..=4 {
            traffic(&runtime, "a", 100);
            traffic(&runtime, "b", 150);
            // Mid-run: both kernels are resident.
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            let [a, b] = ["a", "b"].map(|id| snapshot.kernel(id).expect("it is registered").clone());
            assert_eq!((a.messages_received, a.messages_sent, a.messages_processed), (round * 100, round * 100, round * 100));
            assert_eq!((b.messages_processed, b.errors, b.blocks), (round * 150, 0, 3));
            assert_eq!((a.state, b.state), (KernelState::Active, KernelState::Active));
            assert!(a.latency.is_some_and(|l| l.min_ns <= l.max_ns));
        }
        assert_eq!(driver.get("resident"), 2);
        runtime.reset_telemetry_blocking(Some("a")).expect("a reset");
        traffic(&runtime, "a", 7);
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        let processed = |id| snapshot.kernel(id).map(|k| k.messages_processed);
        assert_eq!((processed("a"), processed("b")), (Some(7), Some(600)));

        runtime.deactivate_blocking("a").expect("it is deactivated");
        assert!(runtime.send_blocking("a", b"").is_err());
        runtime.activate_blocking("a").expect("it is activated again");
        traffic(&runtime, "a", 5);
        runtime.terminate_blocking("a").expect("it ends");
        assert_eq!(runtime.telemetry_blocking("a").map(|k| (k.state, k.messages_processed)), Ok((KernelState::Terminated, 12)));
        assert_eq!(driver.get("resident"), 1);
        // The other runs on, and there is room for a third.
        start(&runtime, "c", &blocks(5));
        traffic(&runtime, "c", 64);
        traffic(&runtime, "b", 10);
        assert_eq!(runtime.shutdown_blocking(WAIT).abandoned, Vec::<String>::new());
        assert_eq!(runtime.summary_blocking().expect("a summary").total_messages, 12 + 610 + 64);
        drop(runtime);
        assert_clean(&driver);
    }

    fn every_built_in_kernel_runs_at_every_level(driver) {
        for &level in Level::ALL {
            let runtime = builder(DeviceSpec::Cuda(0)).telemetry(level > Level::Off).level(level).build().expect("a runtime");
            let of = |kernel: &str| LaunchOptions::new().kernel(kernel).blocks(2);
            start(&runtime, "crc", &of("crc32c"));
            traffic(&runtime, "crc", 50);
            start(&runtime, "echo", &of("echo"));
            runtime.send_blocking("echo", b"hello").expect("it is sent");
            assert_eq!(runtime.receive_blocking("echo", WAIT).expect("a reply").payload, b"hello");
            start(&runtime, "add", &of("vector_add"));
            let floats: Vec<u8> = [1.0f32, 2.0, 10.0, 20.0].iter().flat_map(|f| f.to_le_bytes()).collect();
            runtime.send_blocking("add", &floats).expect("it is sent");
            let sum: Vec<u8> = [11.0f32, 22.0].iter().flat_map(|f| f.to_le_bytes()).collect();
            assert_eq!(runtime.receive_blocking("add", WAIT).expect("a reply").payload, sum);
            match level {
                // Level 0 is telemetry off.
                Level::Off => assert!(runtime.snapshot_blocking().is_err()),
                _ => assert_eq!(runtime.telemetry_blocking("crc").expect("it is counted").messages_processed, 50),
            }
            runtime.shutdown_blocking(WAIT);
            drop(runtime);
            assert_clean(&driver);
        }
    }

    fn without_telemetry_a_kernel_with_its_code_has_a_null_ref(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).telemetry(false).null_telemetry().level(Level::Histograms).build().expect("a runtime");
        start(&runtime, "w", &blocks(2));
        // Which looked whether both blocks have started.
        let copies = driver.get("copies");
        traffic(&runtime, "w", 100);
        assert!(runtime.snapshot_blocking().is_err());
        runtime.terminate_blocking("w").expect("it ends");
        drop(runtime);
        assert_eq!(driver.get("copies"), copies);
        assert_clean(&driver);
    }

    fn a_fault_that_a_kernel_makes_is_an_error_with_its_name(driver) {
        let device = ringscope::device::open(DeviceSpec::Cuda(0)).expect("it opens").device;
        let mut probe = Probe::new(&device, 2).expect("a probe");
        assert!(probe.max_resident_blocks() > 0 && probe.tick(1000).expect("it ticks").steps > 0);
        let error = probe.fault().expect_err("an illegal address").to_string();
        assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{error}");
        assert!(probe.tick(1000).is_err(), "the context is dead");
        drop((probe, device));
        assert_eq!(driver.get("resident"), 0);
    }

    fn two_devices_at_once(driver) {
        let runtimes = [0, 1].map(|n| builder(DeviceSpec::Cuda(n)).build().expect("a runtime"));
        assert_eq!(runtimes.each_ref().map(|r| r.device().name.clone()), ["Stand-in GPU 0", "Stand-in GPU 1"]);
        std::thread::scope(|scope| {
            for (runtime, count) in runtimes.iter().zip([300, 200]) {
                scope.spawn(move || {
                    start(runtime, "w", &blocks(3));
                    traffic(runtime, "w", count);
                    assert_eq!(runtime.telemetry_blocking("w").expect("it is counted").messages_processed, count as u64);
                });
            }
        });
        // What one of them dies of is not the other's.
        driver.kill(1, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        let error = runtimes[1].snapshot_blocking().expect_err("its context is dead").to_string();
        assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{error}");
        assert_eq!(runtimes[1].latest().and_then(|s| s.kernel("w").map(|k| (k.state, k.messages_processed))), Some((KernelState::Failed, 200)));
        traffic(&runtimes[0], "w", 20);
        assert_eq!(runtimes[0].telemetry_blocking("w").expect("it is counted").messages_processed, 320);
        runtimes[0].terminate_blocking("w").expect("it ends");
        drop(runtimes);
        for what in ["live", "contexts", "resident", "blocked", "null_stream", "wild"] {
            assert_eq!(driver.get(what), 0, "{what}");
        }
        let error = CudaDevice::open(2).expect_err("there are two").to_string();
        assert!(error.contains("use cuda:0 to cuda:1"), "{error}");
    }

    fn an_id_lives_again_where_it_lived(driver) {
        let config = ringscope::TelemetryConfig { max_kernels: 2, max_blocks: 4, trace_records: 64, ..Default::default() };
        let builder = builder(DeviceSpec::Cuda(0)).telemetry_config(config).level(Level::Events).max_kernels(2);
        let runtime = builder.build().expect("a runtime");
        let (mut live, mut contexts) = (0, 0);
        for life in 1..=6_u64 {
            // All shards, in turn of one kernel and of two.
            let ids = if life % 2 == 0 { &["a", "b"][..] } else { &["a"] };
            let each = 4 / ids.len() as u32;
            for id in ids {
                start(&runtime, id, &blocks(each));
                traffic(&runtime, id, 10 * life as usize);
            }
            let snapshot = runtime.snapshot_blocking().expect("a snapshot");
            for id in ids {
                let kernel = snapshot.kernel(id).expect("it is registered");
                let counts = [kernel.messages_received, kernel.messages_sent, kernel.messages_processed, kernel.histogram.count()];
                assert_eq!((counts, kernel.errors, kernel.blocks), ([10 * life; 4], 0, each), "{id} in life {life}");
                assert_eq!(kernel.state, KernelState::Active);
                assert!(snapshot.blocks(id).is_some_and(|blocks| blocks.len() == each as usize));
            }
            let taken = runtime.launch_blocking("a", &blocks(1)).expect_err("it runs");
            assert!(matches!(taken, RuntimeError::Telemetry(ringscope::TelemetryError::AlreadyRegistered { .. })), "{taken:?}");
            ids.iter().for_each(|id| runtime.terminate_blocking(id).expect("it ends"));
            assert_eq!(driver.get("resident"), 0);
            let last = runtime.snapshot_blocking().expect("a snapshot");
            let last = last.kernel("a").expect("its last numbers");
            assert_eq!((last.messages_processed, last.state), (10 * life, KernelState::Terminated));
            match life {
                // A stream is kept until the next life of its kernel has another.
                1..=3 => (live, contexts) = (driver.get("live"), driver.get("contexts")),
                _ => assert_eq!((driver.get("live"), driver.get("contexts")), (live, contexts), "nothing is allocated anew"),
            }
        }
        drop(runtime);
        assert_clean(&driver);
    }

    fn a_kernel_that_failed_says_of_what(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        let said = |id: &str| {
            let latest = runtime.latest().expect("a snapshot");
            let kernel = latest.kernel(id).expect("it is registered");
            (kernel.state, kernel.last_error.as_deref().unwrap_or_default().to_owned())
        };
        // A launch that failed, a query that failed once, and one that nothing befell.
        driver.phase(1);
        driver.fault("cuLaunchKernel", 1, 1, Fault::OutOfMemory);
        runtime.launch_blocking("launch", &blocks(1)).expect_err("its launch fails");
        start(&runtime, "query", &blocks(1));
        traffic(&runtime, "query", 5);
        driver.phase(2);
        driver.fault("cuStreamQuery", 2, 1, Fault::OutOfMemory);
        runtime.snapshot_blocking().expect("a snapshot");
        start(&runtime, "well", &blocks(1));
        traffic(&runtime, "well", 5);
        let failures = [("launch", "cuLaunchKernel failed with CUDA_ERROR_OUT_OF_MEMORY (2)"), ("query", "cuStreamQuery failed with CUDA_ERROR_OUT_OF_MEMORY (2)")];
        let all_say_so = || for (id, text) in failures {
            let (state, error) = said(id);
            assert!(state == KernelState::Failed && error.starts_with(text), "{id}: {state:?}, {error}");
        };
        runtime.snapshot_blocking().expect("a snapshot");
        all_say_so();
        assert_eq!(said("well"), (KernelState::Active, String::new()));
        // It is what they are, not something that was counted.
        runtime.reset_telemetry_blocking(None).expect("a reset");
        all_say_so();
        // The call that ends it is told, too, when it has ended.
        let error = runtime.terminate_blocking("query").expect_err("it failed").to_string();
        assert!(error.starts_with(failures[1].1), "{error}");
        assert_eq!(driver.get("resident"), 1);
        // What the last good snapshot does not have yet: who died with the context.
        driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        runtime.snapshot_blocking().expect_err("the context is dead");
        all_say_so();
        let (state, error) = said("well");
        assert!(state == KernelState::Failed && error.starts_with("cuStreamQuery failed with CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{state:?}, {error}");
        assert!(runtime.collector().snapshot().is_err());
        assert_eq!(said("well"), (state, error));
    }

    fn a_kernel_that_ended_before_its_context_died_is_terminated(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        for id in ["ended", "told", "runs"] {
            start(&runtime, id, &blocks(1));
            traffic(&runtime, id, 5);
        }
        // The last good snapshot: all three were active.
        runtime.snapshot_blocking().expect("a snapshot");
        runtime.terminate_blocking("ended").expect("it ends");
        driver.kill(0, CUresult::CUDA_ERROR_LAUNCH_FAILED as i32);
        // By now its blocks have ended; but nobody saw that before the error.
        assert!(soon(|| driver.get("resident") == 0));
        runtime.terminate_blocking("told").expect_err("its context is dead");
        runtime.collector().snapshot().expect_err("its context is dead");
        runtime.snapshot_blocking().expect_err("its context is dead");
        runtime.shutdown_blocking(WAIT);
        let latest = runtime.latest().expect("a snapshot");
        for (id, state) in [("ended", KernelState::Terminated), ("told", KernelState::Failed), ("runs", KernelState::Failed)] {
            let read = latest.kernel(id).expect("it is registered");
            assert_eq!((read.state, read.messages_processed), (state, 5), "{id}");
            assert_eq!(runtime.kernel(id).map(|k| k.state()), Ok(state), "{id}");
            assert_eq!(read.last_error.is_some(), state == KernelState::Failed, "{id}");
        }
    }

    fn a_dropped_runtime_leaves_its_kernels_to_end_by_themselves(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let runtime = builder(DeviceSpec::Auto).on(Arc::clone(&device)).build().expect("a runtime");
        start(&runtime, "w", &blocks(4));
        traffic(&runtime, "w", 10);
        drop(runtime);
        while driver.get("resident") > 0 {
            std::thread::yield_now();
        }
        let raw = device.allocate(64).expect("memory");
        drop((raw, device));
        assert_clean(&driver);
    }

    fn nothing_but_a_drop_waits_for_a_kernel_of_somebody_else(driver) {
        let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
        let runtime = builder(DeviceSpec::Auto).on(Arc::clone(&device)).build().expect("a runtime");
        let retired = device.allocate(64).expect("memory");
        start(&runtime, "w", &blocks(2));
        // Another library's kernel, of which nobody here knows: freeing would wait for it.
        assert_eq!(driver.occupy(0, 2, [1, 32, 0]), 2);
        traffic(&runtime, "w", 20);
        let before = driver.get("memory");
        drop(retired);
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a worker");
        tokio.block_on(async {
            runtime.deactivate("w").await.expect("it is deactivated");
            runtime.activate("w").await.expect("it is activated");
            runtime.terminate("w").await.expect("it ends");
            runtime.launch("v").await.expect("it is launched");
            runtime.terminate("v").await.expect("it ends");
            for _ in 0..200 {
                let error = runtime.try_receive("w").expect_err("all replies were received");
                assert!(matches!(error, RuntimeError::Ended { .. }), "{error}");
            }
            assert!(matches!(runtime.receive("w", WAIT).await, Err(RuntimeError::Ended { .. })));
            assert!(runtime.send("w", b"late").await.is_err());
        });
        runtime.snapshot_blocking().expect("a snapshot");
        assert_eq!((driver.get("blocked"), driver.get("memory")), (0, before));
        driver.occupy(0, 0, [0; 3]);
        drop((runtime, device));
        assert_clean(&driver);
    }

    fn a_source_that_does_not_compile_says_what_the_compiler_said(driver) {
        let device = CudaDevice::open(0).expect("a device");
        // SAFETY: it does not compile, so none of it runs.
        let source = unsafe { KernelSource::cuda_text("#error this is wrong\n", "mine") };
        let error = device.load(&source, Level::Off).map(|_| ()).expect_err("it does not compile").to_string();
        assert!(error.contains("this is wrong"), "{error}");
        drop(device);
        assert_clean(&driver);
    }
}
