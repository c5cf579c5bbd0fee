//! The stand-in itself: what it is there to catch, it catches.

use std::ffi::c_void;
use std::sync::Arc;
use std::thread::JoinHandle;

use ringscope::LaunchOptions;
use ringscope::device::cuda::CudaDevice;
use ringscope::device::cuda::cudarc::driver::sys::{self, CUresult};
use ringscope::device::{Carveout, DeviceSpec};

use crate::stand_in::on_stand_in;
use crate::{blocks, builder, soon, start, traffic};

on_stand_in! {
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

    fn what_a_resident_kernel_leaves_shared_decides_who_runs_beside(driver) {
        driver.set("blocks_each", 32);
        driver.set("shared:clock_probe", 100_000);
        let device = CudaDevice::open(0).expect("a device");
        // SAFETY: the context lives until the end of the test.
        unsafe { ok(sys::cuCtxSetCurrent(device.context().cu_ctx())) };
        let device = Arc::new(device);
        // All are loaded before a kernel stays.
        let function = probe(probe_module()) as usize;
        ok(registers_of(function));
        let (mut word, mut stream) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: places for the answers.
        unsafe {
            ok(sys::cuMemHostAlloc(&mut word, 64, 0));
            ok(sys::cuStreamCreate(&mut stream, 1));
        }
        // SAFETY: the handle is alive, and its context current.
        let is_done = || unsafe { sys::cuStreamQuery(stream) } == CUresult::CUDA_SUCCESS;
        let preferences = [
            (LaunchOptions::new(), 100, true),
            (LaunchOptions::new().carveout(Carveout::Percent(60)), 60, true),
            (LaunchOptions::new().carveout(Carveout::MaxL1), 0, false),
            (LaunchOptions::new().carveout(Carveout::Driver), u64::MAX, false),
        ];
        for (options, percent, runs_beside) in preferences {
            let runtime = builder(DeviceSpec::Auto).on(device.clone()).build().expect("a runtime");
            // A block on each multiprocessor.
            start(&runtime, "w", &options.blocks(4));
            assert_eq!(driver.get("carveout:crc32c_l2"), percent);
            ok(launch(function, stream as usize, word as usize));
            traffic(&runtime, "w", 20);
            match runs_beside {
                true => assert!(soon(is_done), "{percent} %"),
                false => assert!(!is_done(), "{percent} %: no multiprocessor has that much shared memory now"),
            }
            runtime.terminate_blocking("w").expect("it ends");
            assert!(soon(is_done), "{percent} %");
        }
        let bad = builder(DeviceSpec::Auto).on(device).build().expect("a runtime");
        let error = bad.launch_blocking("w", &LaunchOptions::new().carveout(Carveout::Percent(101))).expect_err("too much");
        assert_eq!(error.to_string(), "the carve-out is 101 %, and must be 0 to 100 %");
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

fn load_probe(module: &mut sys::CUmodule) -> CUresult {
    let image = c".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry clock_probe(\n.param .u64 place\n)\n{\nret;\n}\n";
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
