//! Whatever is called, the calling thread's own CUDA context is current afterwards.

use std::sync::Arc;
use std::time::Duration;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::{DeviceError, DeviceSpec, KernelSource, Level, SharedDevice};
use ringscope::runtime::RuntimeError;

use crate::stand_in::{StandIn, assert_clean, on_stand_in};
use crate::{WAIT, blocks, builder, soon};

/// Calls, and looks at the thread's contexts.
struct Caller<'a> {
    driver: &'a StandIn,
    before: (i32, usize),
}

impl Caller<'_> {
    fn calls<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let result = call();
        assert_eq!(self.driver.current(), self.before, "after {what}");
        result
    }
}

on_stand_in! {
    fn the_callers_context_is_as_it_was_after_every_call(driver) {
        // None, and another device's.
        for current in [-1, 1] {
            driver.enter(current);
            let caller = Caller { driver: &driver, before: driver.current() };
            assert_eq!(caller.before, (current, usize::from(current >= 0)));
            caller.calls("listing", || CudaDevice::list().expect("a list"));
            let device: SharedDevice = caller.calls("opening", || Arc::new(CudaDevice::open(0).expect("a device")));
            let memory = caller.calls("allocating", || [device.allocate(64).expect("memory"), device.allocate_mapped(64).expect("memory")]);
            let mut copier = caller.calls("making a copier", || device.copier(&memory[0]).expect("a copier"));
            caller.calls("copying", || copier.copy(std::slice::from_ref(&(0..64)), WAIT).expect("a copy"));
            caller.calls("dropping", || drop((copier, memory)));
            // SAFETY: it does not compile, so none of it runs.
            let source = unsafe { KernelSource::cuda_text("#error this is wrong\n", "mine") };
            caller.calls("a load that fails", || device.load(&source, Level::Off).map(drop).expect_err("it does not compile"));
            let builder = builder(DeviceSpec::Auto).on(Arc::clone(&device)).interval(Duration::from_millis(1));
            let runtime = caller.calls("building", || builder.build().expect("a runtime"));
            caller.calls("launching", || runtime.launch_blocking("w", &blocks(2)).expect("it is launched"));
            let error = caller.calls("a launch that is refused", || runtime.launch_blocking("x", &blocks(9)).expect_err("it does not fit"));
            assert_eq!(error, RuntimeError::Device(DeviceError::TooManyBlocks { asked: 9, free: 6 }));
            caller.calls("activating", || runtime.activate_blocking("w").expect("it is activated"));
            for _ in 0..100 {
                caller.calls("sending", || runtime.send_blocking("w", b"a").expect("it is sent"));
                caller.calls("receiving", || runtime.receive_blocking("w", WAIT).expect("a reply"));
                let none = caller.calls("receiving nothing", || runtime.kernel("w").expect("it is there").try_receive());
                assert_eq!(none, Ok(None));
            }
            caller.calls("a snapshot", || runtime.snapshot_blocking().expect("a snapshot"));
            caller.calls("a reset", || runtime.reset_telemetry_blocking(None).expect("a reset"));
            caller.calls("deactivating", || runtime.deactivate_blocking("w").expect("it is deactivated"));
            caller.calls("terminating", || runtime.terminate_blocking("w").expect("it ends"));
            caller.calls("shutting down", || runtime.shutdown_blocking(WAIT));
            caller.calls("dropping a runtime", || drop(runtime));
            caller.calls("dropping the device", || drop(device));
            // The thread that reads lets go of them a moment later.
            assert!(soon(|| driver.get("contexts") == 0));
            assert_clean(&driver);
        }
    }

    fn watching_leaves_the_callers_context_and_says_what_it_sees(driver) {
        driver.enter(1);
        let caller = Caller { driver: &driver, before: (1, 1) };
        let device = CudaDevice::open(0).expect("a device");
        let stream = device.context().new_stream().expect("a stream");
        // cudarc made it current.
        driver.enter(1);
        let launch = caller.calls("watching", || device.watch(&stream, Vec::new()));
        assert!(matches!(launch.warnings(), [one] if one.contains("disable_event_tracking")), "{:?}", launch.warnings());
        // SAFETY: there are no slices.
        unsafe { device.context().disable_event_tracking() };
        let untracked = caller.calls("watching", || device.watch(&stream, Vec::new()));
        assert_eq!(untracked.warnings(), <[String; 0]>::default());
        assert_eq!(caller.calls("asking", || launch.ended()), Ok(true));
        drop(stream);
        // The last reference to the stream, which cudarc destroys.
        caller.calls("dropping a launch", || drop((launch, untracked)));
        caller.calls("dropping the device", || drop(device));
        assert_clean(&driver);
    }
}
