//! Ring kernels of somebody's own on the host device: all levels by one name, one level by an explicit constructor, and
//! what is refused. Kernels with arguments, state and metrics are in examples/own-ring-kernel, and in cuda_own_kernel.rs.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::time::Duration;

use ringscope::device::{ArgsLayout, HostKernel, KernelArgs, MAX_ARGS_BYTES};
use ringscope::{
    DeviceError, DeviceSpec, KernelSource, LaunchOptions, Level, RingKernelRuntime, RuntimeBuilder, RuntimeError,
};

const WAIT: Duration = Duration::from_secs(20);

/// The built-in echo, as a program names a kernel of its own.
fn echo() -> KernelSource {
    // SAFETY: build.rs compiled it with RINGSCOPE_RING_KERNEL, and it writes to its rings alone.
    unsafe { ringscope::ring_kernel!(echo) }
}

fn builder() -> RuntimeBuilder {
    RingKernelRuntime::builder().device(DeviceSpec::Host).max_kernels(2).slots(16)
}

fn talk(runtime: &RingKernelRuntime) {
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    for i in 0..100u32 {
        runtime.send_blocking("w", &i.to_le_bytes()).unwrap();
        assert_eq!(runtime.receive_blocking("w", WAIT).unwrap().payload, i.to_le_bytes());
    }
}

#[test]
fn a_kernel_of_ones_own_is_named_at_every_level() {
    for &level in Level::ALL {
        let source = echo();
        let runtime = builder()
            .source("mine", source)
            .kernel("mine")
            .telemetry(level > Level::Off)
            .level(level)
            .build()
            .expect("a runtime");
        talk(&runtime);
        match level {
            Level::Off => assert!(runtime.snapshot_blocking().is_err()),
            _ => {
                let t = runtime.telemetry_blocking("w").unwrap();
                assert_eq!((t.messages_processed, t.bytes_in, t.errors), (100, 400, 0));
                assert_eq!(t.latency.is_some(), level >= Level::Histograms);
            }
        }
    }
}

#[test]
fn its_cuda_source_may_stand_beside_it() {
    // SAFETY: as for `echo`.
    let source = unsafe { ringscope::ring_kernel!(echo, include_str!("../kernels/echo.cu")) };
    assert_eq!(source.describe(), "the kernel `echo`");
    talk(&builder().source("mine", source).kernel("mine").telemetry(false).build().unwrap());
}

extern "C" fn never_called(_: *mut *mut c_void) {}

#[test]
fn one_level_is_said_explicitly_and_less_than_is_recorded_is_an_error() {
    // SAFETY: it touches none of its arguments, and is not launched.
    let at = |level| unsafe { KernelSource::host_at("mine", level, never_called) };
    let load = |built, wanted| {
        builder().source("mine", at(built)).telemetry(wanted > Level::Off).level(wanted).build().map(|_| ())
    };
    for (built, wanted) in
        [(Level::Histograms, Level::Off), (Level::Histograms, Level::Counters), (Level::Off, Level::Off)]
    {
        load(built, wanted).unwrap();
    }
    for (built, wanted) in [(Level::Off, Level::Counters), (Level::Counters, Level::Histograms)] {
        let error = load(built, wanted).unwrap_err();
        let expected = |e: &RuntimeError| {
            matches!(e, RuntimeError::Device(DeviceError::BuiltWithLess { built: b, wanted: w, .. })
                if (*b, *w) == (built, wanted))
        };
        assert!(expected(&error), "{error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the host function `mine` was built at RINGSCOPE_LEVEL={}", built as u32)));
        assert!(text.contains("ringscope::ring_kernel!"), "{text}");
    }
}

#[test]
fn a_build_with_other_headers_is_an_error() {
    // As `ringscope_host_kernel` lies in memory: an entry, the ABI, the level, size and alignment of arguments, names, threads.
    #[repr(C)]
    struct Built(usize, [u32; 4], usize, [u32; 2]);
    // SAFETY: the same size and fields; the entry is that of a function, and is not called.
    let build = |abi, level| unsafe {
        std::mem::transmute::<Built, HostKernel>(Built(
            never_called as *const () as usize,
            [abi, level, 0, 0],
            0,
            [1, 0],
        ))
    };
    let ours = ringscope::abi::ABI_VERSION;
    let load = |builds: [HostKernel; 4]| {
        // SAFETY: it is not launched.
        let source = unsafe { KernelSource::host("old", builds) };
        builder().source("old", source).telemetry(true).level(Level::Histograms).build().map(|_| ())
    };
    load([build(ours, 0), build(ours, 1), build(ours, 2), build(ours, 3)]).unwrap();
    let error = load([build(ours, 0), build(ours, 1), build(ours + 7, 2), build(ours, 3)]).unwrap_err();
    let RuntimeError::Device(DeviceError::ForeignBuild { theirs, ours: said, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*theirs, *said), (ours + 7, ours));
    assert!(error.to_string().contains("compile it again with the headers of this version"), "{error}");
    // Level 1 where level 2 belongs.
    let error = load([build(ours, 0), build(ours, 1), build(ours, 1), build(ours, 3)]).unwrap_err();
    assert!(
        matches!(error, RuntimeError::Device(DeviceError::BuiltWithLess { built: Level::Counters, .. })),
        "{error}"
    );
}

#[test]
fn memory_stays_kept_in_either_order_of_args_and_keep() {
    let device = ringscope::device::open(DeviceSpec::Host).unwrap().device;
    let memory = device.allocate(64).unwrap();
    let args = memory.device_address();
    let options = LaunchOptions::new;
    assert_eq!(options().keep(&memory).args(&args), options().args(&args).keep(&memory));
    assert_ne!(options().keep(&memory).args(&args), options().args(&args), "it is kept");
    assert_eq!(options().args(&[args; 2]).keep(&memory).args(&args), options().args(&args).keep(&memory));
}

#[test]
fn arguments_that_a_kernel_does_not_take_are_refused_at_the_launch() {
    let runtime = builder().source("mine", echo()).kernel("mine").telemetry(true).build().unwrap();
    let error = runtime.launch_blocking("w", &LaunchOptions::default().args(&[1u64, 2])).unwrap_err();
    let given = ArgsLayout { bytes: 16, align: 8 };
    match &error {
        RuntimeError::Device(DeviceError::ArgsMismatch { kernel, takes, given: said, type_name }) => {
            assert_eq!((kernel.as_str(), *takes, *said), ("mine", ArgsLayout::default(), given));
            assert_eq!(*type_name, "[u64; 2]");
        }
        other => panic!("{other:?}"),
    }
    let text = error.to_string();
    assert!(text.contains("takes no arguments, and was given 16 bytes aligned to 8 (`[u64; 2]`)"), "{text}");
    // Neither the id nor the rings are lost by it.
    talk(&runtime);
    assert!(KernelArgs::new(&()).layout() == ArgsLayout::default() && MAX_ARGS_BYTES >= 1024);
}
