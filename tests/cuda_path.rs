//! The whole life of a runtime on the CUDA device, against a stand-in of the driver that runs the kernels on CPU threads
//! and hangs where a GPU would (cuda-driver/driver.cpp). How fast a GPU is, and what its memory model allows, is not
//! shown here.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::ffi::c_void;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::{self, CUresult};
use ringscope::device::probe::Probe;
use ringscope::device::{Device, DeviceSpec, KernelSource, Level, SharedDevice};
use ringscope::runtime::{LaunchOptions, RuntimeBuilder, RuntimeError};
use ringscope::{KernelState, RingKernelRuntime, TelemetryConfig};

use stand_in::{Fault, StandIn, with_stand_in};

const WAIT: Duration = Duration::from_secs(20);

macro_rules! on_stand_in {
    ($(fn $name:ident($driver:ident) $body:block)*) => {
        $(#[test]
        fn $name() {
            if with_stand_in(stringify!($name)) {
                let $driver = StandIn;
                $body
            }
        })*
    };
}

fn builder(spec: DeviceSpec) -> RuntimeBuilder {
    let config = TelemetryConfig { max_blocks: 16, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(spec).kernel("crc32c").telemetry(true).telemetry_config(config);
    builder.slots(64).slot_bytes(512).max_kernels(4)
}

fn blocks(blocks: u32) -> LaunchOptions {
    LaunchOptions { blocks, ..LaunchOptions::default() }
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

/// Nothing was left behind, nothing waited for a kernel, and nobody used the NULL stream.
fn assert_clean(driver: &StandIn) {
    for what in ["live", "reclaimed", "contexts", "resident", "blocked", "null_stream", "pageable", "wild"] {
        assert_eq!(driver.get(what), 0, "{what}");
    }
}

on_stand_in! {
    fn a_runtime_lives_its_whole_life(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).build().expect("a runtime");
        assert_eq!(runtime.device().name, "Stand-in GPU 0");
        start(&runtime, "a", &blocks(3));
        start(&runtime, "b", &blocks(3));
        for round in 1..=4 {
            traffic(&runtime, "a", 100);
            traffic(&runtime, "b", 150);
            // Mid-run: both kernels are resident.
            let snapshot = runtime.snapshot().expect("a snapshot");
            let [a, b] = ["a", "b"].map(|id| snapshot.kernel(id).expect("it is registered").clone());
            assert_eq!((a.messages_received, a.messages_sent, a.messages_processed), (round * 100, round * 100, round * 100));
            assert_eq!((b.messages_processed, b.errors, b.blocks), (round * 150, 0, 3));
            assert_eq!((a.state, b.state), (KernelState::Active, KernelState::Active));
            assert!(a.latency.is_some_and(|l| l.min_ns <= l.max_ns));
        }
        assert_eq!(driver.get("resident"), 2);
        runtime.reset_telemetry(Some("a")).expect("a reset");
        traffic(&runtime, "a", 7);
        let snapshot = runtime.snapshot().expect("a snapshot");
        let processed = |id| snapshot.kernel(id).map(|k| k.messages_processed);
        assert_eq!((processed("a"), processed("b")), (Some(7), Some(600)));

        runtime.deactivate_blocking("a").expect("it is deactivated");
        assert!(runtime.send_blocking("a", b"").is_err());
        runtime.activate_blocking("a").expect("it is activated again");
        traffic(&runtime, "a", 5);
        runtime.terminate_blocking("a").expect("it ends");
        assert_eq!(runtime.telemetry("a").map(|k| (k.state, k.messages_processed)), Ok((KernelState::Terminated, 12)));
        assert_eq!(driver.get("resident"), 1);
        // The other runs on, and there is room for a third.
        start(&runtime, "c", &blocks(5));
        traffic(&runtime, "c", 64);
        traffic(&runtime, "b", 10);
        assert_eq!(runtime.shutdown_blocking(WAIT).abandoned, Vec::<String>::new());
        assert_eq!(runtime.summary().expect("a summary").total_messages, 12 + 610 + 64);
        drop(runtime);
        assert_clean(&driver);
    }

    fn every_built_in_kernel_runs_at_every_level(driver) {
        for level in [Level::Off, Level::Counters, Level::Histograms] {
            let runtime = builder(DeviceSpec::Cuda(0)).level(level).build().expect("a runtime");
            let of = |kernel: &str| LaunchOptions { kernel: Some(kernel.to_owned()), blocks: 2, ..LaunchOptions::default() };
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
                Level::Off => assert!(runtime.snapshot().is_err()),
                _ => assert_eq!(runtime.telemetry("crc").expect("it is counted").messages_processed, 50),
            }
            runtime.shutdown_blocking(WAIT);
            drop(runtime);
            assert_clean(&driver);
        }
    }

    fn without_telemetry_a_kernel_with_its_code_has_a_null_ref(driver) {
        let runtime = builder(DeviceSpec::Cuda(0)).telemetry(false).level(Level::Histograms).build().expect("a runtime");
        start(&runtime, "w", &blocks(2));
        traffic(&runtime, "w", 100);
        assert!(runtime.snapshot().is_err());
        runtime.terminate_blocking("w").expect("it ends");
        drop(runtime);
        assert_eq!(driver.get("copies"), 0);
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
                    assert_eq!(runtime.telemetry("w").expect("it is counted").messages_processed, count as u64);
                });
            }
        });
        // What one of them dies of is not the other's.
        driver.kill(1, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        let error = runtimes[1].snapshot().expect_err("its context is dead").to_string();
        assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS (700)"), "{error}");
        assert_eq!(runtimes[1].latest().and_then(|s| s.kernel("w").map(|k| (k.state, k.messages_processed))), Some((KernelState::Failed, 200)));
        traffic(&runtimes[0], "w", 20);
        assert_eq!(runtimes[0].telemetry("w").expect("it is counted").messages_processed, 320);
        runtimes[0].terminate_blocking("w").expect("it ends");
        drop(runtimes);
        for what in ["live", "contexts", "resident", "blocked", "null_stream", "wild"] {
            assert_eq!(driver.get(what), 0, "{what}");
        }
        let error = CudaDevice::open(2).expect_err("there are two").to_string();
        assert!(error.contains("use cuda:0 to cuda:1"), "{error}");
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
        runtime.snapshot().expect("a snapshot");
        start(&runtime, "well", &blocks(1));
        traffic(&runtime, "well", 5);
        let failures = [("launch", "cuLaunchKernel failed with CUDA_ERROR_OUT_OF_MEMORY (2)"), ("query", "cuStreamQuery failed with CUDA_ERROR_OUT_OF_MEMORY (2)")];
        let all_say_so = || for (id, text) in failures {
            let (state, error) = said(id);
            assert!(state == KernelState::Failed && error.starts_with(text), "{id}: {state:?}, {error}");
        };
        runtime.snapshot().expect("a snapshot");
        all_say_so();
        assert_eq!(said("well"), (KernelState::Active, String::new()));
        // It is what they are, not something that was counted.
        runtime.reset_telemetry(None).expect("a reset");
        all_say_so();
        // Whoever ends it is told, too, when it has ended.
        let error = runtime.terminate_blocking("query").expect_err("it failed").to_string();
        assert!(error.starts_with(failures[1].1), "{error}");
        assert_eq!(driver.get("resident"), 1);
        // What the last good snapshot does not have yet: who died with the context.
        driver.kill(0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS as i32);
        runtime.snapshot().expect_err("the context is dead");
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
        runtime.snapshot().expect("a snapshot");
        runtime.terminate_blocking("ended").expect("it ends");
        driver.kill(0, CUresult::CUDA_ERROR_LAUNCH_FAILED as i32);
        // By now its blocks have ended; but nobody saw that before the error.
        assert!(soon(|| driver.get("resident") == 0));
        runtime.terminate_blocking("told").expect_err("its context is dead");
        runtime.collector().snapshot().expect_err("its context is dead");
        runtime.snapshot().expect_err("its context is dead");
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

    fn nothing_but_a_launch_and_a_drop_waits_for_a_kernel_of_somebody_else(driver) {
        // Two owners of one GPU: neither knows of the other's kernel, and frees wait for both.
        let [(device, runtime), (_, other)] = [(); 2].map(|()| {
            let device: SharedDevice = Arc::new(CudaDevice::open(0).expect("a device"));
            (Arc::clone(&device), builder(DeviceSpec::Auto).on(device).build().expect("a runtime"))
        });
        let retired = device.allocate(64).expect("memory");
        start(&runtime, "w", &blocks(2));
        start(&other, "resident", &blocks(2));
        traffic(&runtime, "w", 20);
        let before = driver.get("memory");
        drop(retired);
        let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a worker");
        tokio.block_on(async {
            runtime.deactivate("w").await.expect("it is deactivated");
            runtime.activate("w").await.expect("it is activated");
            runtime.terminate("w").await.expect("it ends");
            for _ in 0..200 {
                let error = runtime.try_receive("w").expect_err("all replies were received");
                assert!(matches!(error, RuntimeError::Ended { .. }), "{error}");
            }
            assert!(matches!(runtime.receive("w", WAIT).await, Err(RuntimeError::Ended { .. })));
            assert!(runtime.send("w", b"late").await.is_err());
        });
        runtime.snapshot().expect("a snapshot");
        assert_eq!((driver.get("blocked"), driver.get("memory"), driver.get("resident")), (0, before, 1));
        other.terminate_blocking("resident").expect("it ends");
        drop((other, runtime, device));
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

    // ---- the stand-in itself: what it is there to catch, it catches ---------------------------------------------

    fn the_stand_in_frees_loads_and_unloads_when_no_kernel_is_resident(driver) {
        let device = CudaDevice::open(0).expect("a device");
        let context = device.context().cu_ctx() as usize;
        let runtime = builder(DeviceSpec::Auto).on(Arc::new(device)).build().expect("a runtime");
        // SAFETY: the context lives until the runtime is dropped.
        unsafe { ok(sys::cuCtxSetCurrent(context as sys::CUcontext)) };
        let (mut memory, mut pinned, mut word, mut stream) = (0, std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: places for the answers.
        unsafe {
            ok(sys::cuMemAlloc_v2(&mut memory, 64));
            ok(sys::cuMemHostAlloc(&mut pinned, 64, 0));
            ok(sys::cuMemHostAlloc(&mut word, 64, 0));
            ok(sys::cuStreamCreate(&mut stream, 1));
        }
        let (pinned, word, stream) = (pinned as usize, word as usize, stream as usize);
        let unloaded = probe_module() as usize;
        // Of these the code is not loaded: nobody has asked about them.
        let [asked, fitted, launched] = [(); 3].map(|()| probe(probe_module()) as usize);
        // One that was asked about before is loaded.
        let loaded = probe(probe_module()) as usize;
        ok(registers_of(loaded));
        start(&runtime, "w", &blocks(1));

        let at_once = [
            in_a_thread(context, "a question about a loaded function", Box::new(move || registers_of(loaded))),
            in_a_thread(context, "the launch of a loaded function", Box::new(move || launch(loaded, stream, word))),
        ];
        at_once.into_iter().for_each(|(what, work)| {
            assert!(soon(|| work.is_finished()), "{what} hangs");
            work.join().unwrap_or_else(|_| panic!("{what}"));
        });
        let waiting = [
            // SAFETY: allocated above, and freed once.
            in_a_thread(context, "a free", Box::new(move || unsafe { sys::cuMemFree_v2(memory) })),
            in_a_thread(context, "a pinned free", Box::new(move || {
                // SAFETY: allocated above, and freed once.
                unsafe { sys::cuMemFreeHost(pinned as *mut c_void) }
            })),
            in_a_thread(context, "loading a module", Box::new(|| load_probe(&mut std::ptr::null_mut()))),
            in_a_thread(context, "unloading a module", Box::new(move || {
                // SAFETY: loaded above, and unloaded once.
                unsafe { sys::cuModuleUnload(unloaded as sys::CUmodule) }
            })),
            in_a_thread(context, "the first question about a function", Box::new(move || registers_of(asked))),
            in_a_thread(context, "how many blocks of a function fit", Box::new(move || {
                // SAFETY: a place for the answer; the function's module is loaded.
                unsafe { sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut 0, fitted as sys::CUfunction, 32, 0) }
            })),
            in_a_thread(context, "the first launch of a function", Box::new(move || launch(launched, stream, word))),
        ];
        // Each of them is known to wait for the kernel, and none has come back.
        assert!(soon(|| driver.get("blocked") == waiting.len() as u64), "{} wait", driver.get("blocked"));
        waiting.iter().for_each(|(what, work)| assert!(!work.is_finished(), "{what} does not wait"));
        // Traffic goes on meanwhile.
        traffic(&runtime, "w", 10);
        runtime.terminate_blocking("w").expect("it ends");
        waiting.into_iter().for_each(|(what, work)| work.join().unwrap_or_else(|_| panic!("{what}")));
    }

    fn the_stand_in_hangs_where_a_gpu_would(driver) {
        let device = CudaDevice::open(0).expect("a device");
        let context = device.context().cu_ctx() as usize;
        let runtime = builder(DeviceSpec::Auto).on(Arc::new(device)).build().expect("a runtime");
        let mut stream = std::ptr::null_mut();
        let mut blocking = std::ptr::null_mut();
        let mut pinned: *mut c_void = std::ptr::null_mut();
        let mut memory = 0;
        // SAFETY: places for the answers; the context is current.
        unsafe {
            ok(sys::cuCtxSetCurrent(context as sys::CUcontext));
            ok(sys::cuStreamCreate(&mut stream, 1));
            ok(sys::cuStreamCreate(&mut blocking, 0));
            ok(sys::cuMemAlloc_v2(&mut memory, 4096));
            ok(sys::cuMemHostAlloc(&mut pinned, 4096, 0));
        }
        let (stream, blocking, pinned) = (stream as usize, blocking as usize, pinned as usize);
        start(&runtime, "w", &blocks(1));
        let hangs = |what, call| in_a_thread(context, what, call);
        let at_once = hangs("a pinned copy in another stream", Box::new(move || {
            // SAFETY: in bounds of both; the memory and the stream live until the end of the test.
            unsafe { sys::cuMemcpyDtoHAsync_v2(pinned as *mut c_void, memory, 4096, stream as sys::CUstream) }
        }));
        assert!(soon(|| at_once.1.is_finished()), "{} hangs", at_once.0);
        let mut waiting = vec![
            hangs("an allocation", Box::new(|| {
                let mut more = 0;
                // SAFETY: a place for the answer.
                unsafe { sys::cuMemAlloc_v2(&mut more, 64) }
            })),
            hangs("a pinned allocation", Box::new(|| {
                let mut more = std::ptr::null_mut();
                // SAFETY: a place for the answer.
                unsafe { sys::cuMemHostAlloc(&mut more, 64, 0) }
            })),
            hangs("a copy to pageable memory", Box::new(move || {
                let mut pageable = vec![0u8; 4096];
                // SAFETY: as long as the source, and alive during the call, which is synchronous.
                unsafe { sys::cuMemcpyDtoHAsync_v2(pageable.as_mut_ptr().cast(), memory, 4096, stream as sys::CUstream) }
            })),
            hangs("a synchronization", Box::new(|| {
                // SAFETY: a context is current.
                unsafe { sys::cuCtxSynchronize() }
            })),
        ];
        assert!(soon(|| driver.get("blocked") == 4), "{} wait", driver.get("blocked"));
        assert!(waiting.iter().all(|(_, work)| !work.is_finished()));
        runtime.terminate_blocking("w").expect("it ends");
        waiting.drain(..).for_each(|(what, work)| work.join().unwrap_or_else(|_| panic!("{what}")));

        // The NULL stream waits for blocking streams: a copy that never ends holds it up, and it holds up blocking ones.
        driver.set("hang_copies", 1);
        // SAFETY: in bounds of both; everything lives until the end of the test.
        unsafe {
            ok(sys::cuMemcpyDtoHAsync_v2(pinned as *mut c_void, memory, 64, blocking as sys::CUstream));
            ok(sys::cuMemsetD8Async(memory, 0, 64, std::ptr::null_mut()));
            ok(sys::cuMemsetD8Async(memory, 0, 64, stream as sys::CUstream));
            ok(sys::cuStreamSynchronize(stream as sys::CUstream));
            assert_eq!(sys::cuStreamQuery(std::ptr::null_mut()), CUresult::CUDA_ERROR_NOT_READY);
            driver.set("hang_copies", 0);
            ok(sys::cuStreamSynchronize(std::ptr::null_mut()));
        }
        // An error of the context stays.
        driver.kill(0, CUresult::CUDA_ERROR_LAUNCH_FAILED as i32);
        for _ in 0..2 {
            // SAFETY: the handle is alive.
            assert_eq!(unsafe { sys::cuStreamQuery(stream as sys::CUstream) }, CUresult::CUDA_ERROR_LAUNCH_FAILED);
        }
    }
}

type DriverCall = Box<dyn FnOnce() -> CUresult + Send>;

/// Makes a call on a thread with that context; it may succeed late, and never fail.
fn in_a_thread(context: usize, what: &'static str, call: DriverCall) -> (&'static str, JoinHandle<()>) {
    let work = std::thread::spawn(move || {
        // SAFETY: the context lives until the runtime is dropped.
        unsafe { ok(sys::cuCtxSetCurrent(context as sys::CUcontext)) };
        ok(call());
    });
    (what, work)
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

fn load_probe(module: &mut sys::CUmodule) -> CUresult {
    let image = c".version 8.0\n.entry clock_probe\n";
    // SAFETY: a place for the answer; text that ends with a NUL; no options.
    unsafe { sys::cuModuleLoadDataEx(module, image.as_ptr().cast(), 0, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// A module with the clock probe, which writes one word.
fn probe_module() -> sys::CUmodule {
    let mut module = std::ptr::null_mut();
    ok(load_probe(&mut module));
    module
}

fn probe(module: sys::CUmodule) -> sys::CUfunction {
    let mut function = std::ptr::null_mut();
    // SAFETY: a place for the answer; the module is loaded, the name ends with a NUL.
    unsafe { ok(sys::cuModuleGetFunction(&mut function, module, c"clock_probe".as_ptr())) };
    function
}

fn registers_of(function: usize) -> CUresult {
    let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_NUM_REGS;
    // SAFETY: a place for the answer; the function's module is loaded.
    unsafe { sys::cuFuncGetAttribute(&mut 0, attribute, function as sys::CUfunction) }
}

fn launch(function: usize, stream: usize, mut word: usize) -> CUresult {
    let mut parameters = [(&raw mut word).cast::<c_void>()];
    let (list, none) = (parameters.as_mut_ptr(), std::ptr::null_mut());
    let (function, stream) = (function as sys::CUfunction, stream as sys::CUstream);
    // SAFETY: the probe takes one address, which is copied during the call, of memory that outlives it.
    unsafe { sys::cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, list, none) }
}

fn ok(result: CUresult) {
    assert_eq!(result, CUresult::CUDA_SUCCESS);
}

/// The program, which is to find the stand-in where it looks for the driver.
#[cfg(feature = "cli")]
fn program(args: &[&str]) -> Option<serde_json::Value> {
    let folder = stand_in::build()?;
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_ringscope"));
    let output = program.args(args).env("LD_LIBRARY_PATH", folder).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{args:?}: {}\n{said}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    Some(serde_json::from_slice(&output.stdout).expect("one document"))
}

#[cfg(feature = "cli")]
#[test]
fn the_program_examines_a_device() {
    let Some(found) = program(&["doctor", "--deep", "--snapshots", "5000", "--device", "cuda:1", "--json"]) else {
        return;
    };
    let checks = found["checks"].as_array().expect("checks");
    let result = |name: &str| checks.iter().find(|c| c["check"] == name).map(|c| c["result"].clone()).expect("a check");
    assert_eq!((&found["passed"], checks.len()), (&true.into(), 12), "{found}");
    assert_eq!(result("an illegal address"), "passed", "the child meets it, and says what it saw");
    assert_eq!(result("exact counts, device full"), "passed");
    assert_eq!(result("part of a GPU (MIG)"), "noted");
    assert_eq!(found["device"]["ordinal"], 1);
}

#[cfg(feature = "cli")]
#[test]
fn the_program_measures_a_device() {
    let Some(found) = program(&["bench", "--once", "--device", "cuda:0", "--json"]) else { return };
    assert_eq!(found["failures"], serde_json::json!([]), "{found}");
    for section in ["overhead", "record", "snapshot"] {
        assert!(!found[section].as_array().expect("rows").is_empty(), "{section}");
    }
    assert!(!found["messages"]["peak"].as_array().expect("rows").is_empty());
    assert!(found["snapshot"][0]["bytes"].as_f64() > Some(0.0));
}
