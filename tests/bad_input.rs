//! What bad input gets: a typed error that names the thing and the remedy, and counts that did not move.
#![cfg(feature = "host")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::{DeviceKind, DeviceSpec, SharedDevice};
use ringscope::{
    DeviceError, KernelSource, KernelState, LaunchOptions, Level, RingKernelRuntime, RuntimeBuilder, RuntimeError,
    TelemetryCollector, TelemetryConfig, TelemetryError,
};

const SOON: Duration = Duration::from_secs(20);

fn builder() -> RuntimeBuilder {
    RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).max_kernels(3).slot_bytes(64)
}

fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + SOON;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A runtime whose kernel `w` has echoed five messages of three bytes.
fn after_five() -> RingKernelRuntime {
    let runtime = builder().build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    for _ in 0..5 {
        runtime.send_blocking("w", b"abc").unwrap();
        runtime.receive_blocking("w", SOON).unwrap();
    }
    runtime
}

/// The error says all of this, and what was counted before it is still there, and nothing more.
fn expect<T: std::fmt::Debug>(runtime: &RingKernelRuntime, result: Result<T, RuntimeError>, says: &[&str]) {
    let message = result.expect_err("an error").to_string();
    for part in says {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
    let t = runtime.telemetry_blocking("w").unwrap();
    assert_eq!((t.messages_received, t.messages_processed, t.bytes_in, t.errors), (5, 5, 15, 0), "after: {message}");
    assert_eq!(runtime.summary_blocking().unwrap().kernel_count, 1, "after: {message}");
}

#[test]
fn an_unknown_kernel() {
    let runtime = after_five();
    expect(&runtime, runtime.send_blocking("v", b"x"), &["no kernel `v`", "launched: w", "launch it first"]);
    expect(&runtime, runtime.receive_blocking("v", SOON), &["`v`"]);
    expect(&runtime, runtime.activate_blocking("v"), &["`v`"]);
    expect(&runtime, runtime.terminate_blocking("v"), &["`v`"]);
    expect(&runtime, runtime.telemetry_blocking("v"), &["`v`", "launched: w"]);
    expect(&runtime, runtime.reset_telemetry_blocking(Some("v")), &["`v`", "launched: w"]);
    // One mistake, one shape.
    let errors = [
        runtime.send_blocking("v", b"x").unwrap_err(),
        runtime.call_blocking("v", b"x", SOON).unwrap_err(),
        runtime.telemetry_blocking("v").unwrap_err(),
        runtime.reset_telemetry_blocking(Some("v")).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    assert!(matches!(errors[0], RuntimeError::UnknownKernel { .. }));
    // Of the collector below, too, which does not say what is launched.
    let of_collector = || -> Result<(), RuntimeError> {
        runtime.collector().telemetry("v")?;
        Ok(())
    };
    let error = of_collector().unwrap_err();
    assert!(matches!(error, RuntimeError::UnknownKernel { .. }), "{error:?}");
    assert_eq!(error.to_string(), "no kernel `v` was launched: launch it first, or check the spelling");
}

#[test]
fn bad_ids() {
    let runtime = after_five();
    let launch = |id: &str| runtime.launch_blocking(id, &LaunchOptions::default());
    expect(&runtime, launch("w"), &["`w` is registered already", "another id"]);
    expect(&runtime, launch(""), &["cannot be empty"]);
    expect(&runtime, launch(&"é".repeat(65)), &["130 bytes", "at most 128", "éééé"]);
}

#[test]
fn a_message_larger_than_the_slot() {
    let runtime = after_five();
    let too_large = runtime.send_blocking("w", &[0; 65]);
    expect(&runtime, too_large, &["65 bytes", "64-byte slots", "`w`", ".slot_bytes("]);
    runtime.send_blocking("w", &[7; 64]).unwrap();
    assert_eq!(runtime.receive_blocking("w", SOON).unwrap().payload, [7; 64]);
}

#[test]
fn a_send_to_a_kernel_that_is_not_active() {
    let runtime = after_five();
    runtime.deactivate_blocking("w").unwrap();
    expect(&runtime, runtime.send_blocking("w", b"x"), &["`w` is deactivated", "activate it first"]);
    runtime.terminate_blocking("w").unwrap();
    expect(&runtime, runtime.send_blocking("w", b"x"), &["`w` is terminated", "new id"]);
    expect(&runtime, runtime.activate_blocking("w"), &["`w` is terminated", "cannot be activated"]);
    expect(&runtime, runtime.receive_blocking("w", SOON), &["has ended"]);
    runtime.terminate_blocking("w").unwrap();
}

#[test]
fn a_reply_that_does_not_come() {
    let runtime = after_five();
    let limit = Duration::from_millis(30);
    expect(&runtime, runtime.receive_blocking("w", limit), &["no reply of kernel `w`", "30ms"]);
}

#[test]
fn sources_that_cannot_run() {
    let runtime = after_five();
    let options = LaunchOptions::new().kernel("fft");
    let says = ["`fft`", "compute, crc32c, echo, matmul_f32, vector_add", ".source(\"fft\""];
    expect(&runtime, runtime.launch_blocking("v", &options), &says);
    let unknown_default = builder().kernel("fft").build().unwrap_err().to_string();
    assert!(says.iter().all(|part| unknown_default.contains(part)), "{unknown_default}");
    let cuda = cuda_text("…", "mine");
    let error = builder().source("mine", cuda).build().unwrap_err();
    assert!(matches!(error, RuntimeError::Device(DeviceError::Unsupported { .. })));
    let message = error.to_string();
    assert!(message.contains("the CUDA source of `mine`") && message.contains("KernelSource::host"), "{message}");
}

#[test]
fn sizes_and_fractions_out_of_range() {
    let bad = |b: RuntimeBuilder| b.build().expect_err("a size out of range").to_string();
    assert!(bad(builder().slots(100)).contains("slots is 100, and must be a power of two"));
    assert!(bad(builder().slot_bytes(0)).contains("slot size is 0"));
    assert!(bad(builder().max_kernels(0)).contains("max_kernels is 0"));
    for count in [usize::MAX, 1 << 40] {
        assert!(bad(builder().max_kernels(count)).contains(&format!("max_kernels is {count}, and must be 1 to 2^20")));
    }
    assert!(bad(builder().interval(Duration::ZERO)).contains("the interval is 0"));
    let no_blocks = TelemetryConfig { max_blocks: 0, ..Default::default() };
    assert!(bad(builder().telemetry_config(no_blocks)).contains("max_blocks is 0"));
    let runtime = after_five();
    for (p, told) in [(-0.1, "-0.1"), (1.5, "1.5"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let options = LaunchOptions::new().inject_errors(p);
        let says = [&format!("inject_errors is {told},"), "0.0 to 1.0"];
        expect(&runtime, runtime.launch_blocking("v", &options), &says);
    }
    let none = LaunchOptions::new().blocks(0);
    expect(&runtime, runtime.launch_blocking("v", &none), &["the number of blocks is 0", "at least 1"]);
}

#[test]
fn settings_that_contradict_each_other() {
    let off = || RingKernelRuntime::builder().device(DeviceSpec::Host);
    let host: SharedDevice = ringscope::device::open(DeviceSpec::Host).unwrap().device;
    for (builder, says) in [
        (builder().level(Level::Off), [".level(Level::Off)", ".telemetry(true)", "a higher level"]),
        (off().level(Level::Counters), [".level(…)", "telemetry that is off", "add .telemetry(true)"]),
        (off().interval(SOON), [".interval(…)", "telemetry that is off", "add .telemetry(true)"]),
        (builder().require_cuda(), [".require_cuda()", "the host device", "leave out"]),
        (RingKernelRuntime::builder().on(host).require_cuda(), [".require_cuda()", "the host device", "leave out"]),
    ] {
        let error = builder.build().expect_err("a contradiction");
        assert!(matches!(error, RuntimeError::Contradiction { .. }), "{error}");
        let message = error.to_string();
        assert!(says.iter().all(|part| message.contains(part)), "{message}");
    }
    off().level(Level::Off).build().expect("it says twice that it is off");
}

#[test]
fn cuda_that_is_required_is_not_the_host() {
    match RingKernelRuntime::builder().require_cuda().build() {
        Ok(runtime) => assert_eq!(runtime.device().kind, DeviceKind::Cuda),
        Err(error) => {
            let RuntimeError::Device(DeviceError::CudaUnavailable(why)) = &error else { panic!("{error}") };
            // The same as for a device that was asked for by name.
            let named = RingKernelRuntime::builder().device(DeviceSpec::Cuda(0)).build().unwrap_err();
            assert_eq!((error.to_string(), &named), (why.to_string(), &error));
        }
    }
}

#[test]
fn bounds_say_how_to_raise_them() {
    let runtime = after_five();
    let many = LaunchOptions::new().blocks(2000);
    expect(&runtime, runtime.launch_blocking("v", &many), &["2000 blocks", "1023 of 1024", "max_blocks"]);
    for id in ["x", "y"] {
        runtime.launch_blocking(id, &LaunchOptions::default()).unwrap();
    }
    let full = runtime.launch_blocking("z", &LaunchOptions::default()).unwrap_err();
    assert_eq!(full, RuntimeError::TooManyKernels { limit: 3 });
    assert!(full.to_string().contains(".max_kernels("), "{full}");

    let config = TelemetryConfig { max_kernels: 1, ..Default::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    collector.record_receive("a").unwrap();
    let error = collector.record_receive("b").unwrap_err();
    assert_eq!(error, TelemetryError::TooManyKernels { limit: 1 });
    assert!(error.to_string().contains("max_kernels"), "{error}");
    assert_eq!(collector.telemetry("a").unwrap().messages_received, 1);
}

#[test]
fn more_memory_than_there_is() {
    let error = builder().slots(1 << 20).slot_bytes(1 << 30).build().unwrap_err();
    let RuntimeError::NotEnoughMemory { needed_bytes, free_bytes, .. } = error else { panic!("{error}") };
    assert_eq!(needed_bytes, 3 * (2 * (1 << 20) * ((1 << 30) + 128) + 384), "the formula of the documentation");
    assert!(free_bytes < needed_bytes);
    let message = error.to_string();
    for part in ["3 kernels", "6.0 PiB", "1048576 slots for 1073741824 bytes", ".slots(…)", ".slot_bytes(…)"] {
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
    // More than a number of 64 bits has bytes for.
    let most = builder().slots(1 << 20).slot_bytes(1 << 30).max_kernels(1 << 20).build().unwrap_err();
    assert!(matches!(most, RuntimeError::NotEnoughMemory { needed_bytes: u64::MAX, .. }), "{most}");
}

#[test]
fn telemetry_that_is_off() {
    let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    for message in [
        runtime.telemetry_blocking("w").unwrap_err().to_string(),
        runtime.summary_blocking().unwrap_err().to_string(),
        runtime.reset_telemetry_blocking(None).unwrap_err().to_string(),
        runtime.collector().start_collection(SOON).unwrap_err().to_string(),
    ] {
        assert!(message.contains(".telemetry(true)"), "{message}");
    }
    let off = TelemetryCollector::new(false);
    off.record_receive("a").unwrap();
    assert_eq!(off.telemetry("a").unwrap_err(), TelemetryError::Disabled);
    off.actor("a").unwrap().record_receive();
    assert_eq!(off.snapshot().map(drop), Err(TelemetryError::Disabled));
}

#[test]
fn a_device_kernel_counts_for_itself() {
    let runtime = after_five();
    let error = runtime.collector().record_receive("w").map_err(RuntimeError::from);
    expect(&runtime, error, &["`w` counts for itself", "id of their own"]);
    assert_eq!(TelemetryCollector::new(true).register("k", 1).unwrap_err(), TelemetryError::NoDevice);
}

#[test]
fn devices_that_are_not_there() {
    assert!("gpu".parse::<DeviceSpec>().unwrap_err().to_string().contains("`gpu` names no device: use auto, cuda"));
    assert!("cuda:x".parse::<DeviceSpec>().is_err());
    assert_eq!("cuda:3".parse(), Ok(DeviceSpec::Cuda(3)));
    let error = RingKernelRuntime::builder().device(DeviceSpec::Cuda(99)).build().unwrap_err();
    assert!(matches!(error, RuntimeError::Device(DeviceError::CudaUnavailable(_))), "{error}");
}

#[allow(unsafe_code)]
fn cuda_text(text: &str, entry: &str) -> KernelSource {
    // SAFETY: it is never loaded.
    unsafe { KernelSource::cuda_text(text, entry) }
}

#[allow(unsafe_code)]
fn host(name: &str, entry: extern "C" fn(*mut *mut c_void)) -> KernelSource {
    // SAFETY: the functions below touch none of their arguments.
    unsafe { KernelSource::host_at(name, Level::Histograms, entry) }
}

static RELEASE: AtomicBool = AtomicBool::new(false);
static RUNNING: AtomicU32 = AtomicU32::new(0);

/// A kernel whose handler never returns, until the test lets it.
extern "C" fn stuck(_: *mut *mut c_void) {
    RUNNING.fetch_add(1, Ordering::SeqCst);
    while !RELEASE.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    RUNNING.fetch_sub(1, Ordering::SeqCst);
}

#[test]
fn a_kernel_that_never_answers_does_not_hold_anybody_up() {
    let limit = Duration::from_millis(100);
    let source = host("stuck", stuck);
    let runtime = builder().source("stuck", source).stop_limit(limit).build().unwrap();
    let options = LaunchOptions::new().kernel("stuck").blocks(2);
    runtime.launch_blocking("s", &options).unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("s").unwrap();
    runtime.send_blocking("s", b"hello?").unwrap();
    assert!(matches!(runtime.receive_blocking("s", limit), Err(RuntimeError::ReceiveTimedOut { .. })));

    let start = Instant::now();
    let error = runtime.terminate_blocking("s").unwrap_err();
    assert_eq!(error, RuntimeError::StopTimedOut { id: "s".into(), waited: limit });
    assert!(error.to_string().contains("`s` did not end within 100ms"), "{error}");
    assert!(start.elapsed() < SOON);
    assert_eq!(runtime.telemetry_blocking("s").unwrap().state, KernelState::Terminating);

    // A shutdown is bounded, ends the others, and says what it abandoned. Its limit is for all together.
    assert_eq!(runtime.shutdown_blocking(Duration::from_secs(5)).abandoned, ["s"]);
    assert_eq!(runtime.telemetry_blocking("w").unwrap().state, KernelState::Terminated);
    // So is a drop; the abandoned blocks keep the memory that they use.
    let start = Instant::now();
    drop(runtime);
    assert!(start.elapsed() < SOON);
    while RUNNING.load(Ordering::SeqCst) < 2 {
        std::thread::yield_now();
    }
    RELEASE.store(true, Ordering::SeqCst);
    while RUNNING.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}

/// A kernel that returns though nobody told it to.
extern "C" fn quitter(_: *mut *mut c_void) {}

#[test]
fn a_kernel_that_ends_by_itself_has_failed() {
    let source = host("quitter", quitter);
    let build = || builder().source("quitter", source.clone()).build().unwrap();
    let died = RuntimeError::Returned { id: "q".into() };
    assert!(died.to_string().contains("`q` returned without being told to stop"), "{died}");
    // Whichever call notices it first, and without anybody having looked at its telemetry.
    for first in [
        |runtime: &RingKernelRuntime| runtime.receive_blocking("q", SOON).unwrap_err(),
        |runtime: &RingKernelRuntime| {
            let kernel = runtime.kernel("q").unwrap();
            wait_until("it is noticed", || kernel.try_receive().is_err());
            runtime.terminate_blocking("q").unwrap_err()
        },
    ] {
        let runtime = build();
        runtime.launch_blocking("q", &LaunchOptions::new().kernel("quitter")).unwrap();
        runtime.activate_blocking("q").unwrap();
        assert_eq!(first(&runtime), died);
        assert_eq!(runtime.receive_blocking("q", SOON).unwrap_err(), died);
        assert_eq!(runtime.terminate_blocking("q").unwrap_err(), died);
        assert!(runtime.call_blocking("q", b"x", SOON).unwrap_err().to_string().contains("`q` is failed"));
        assert_eq!(runtime.kernel("q").unwrap().state(), KernelState::Failed);
        let t = runtime.telemetry_blocking("q").unwrap();
        assert_eq!((t.state, t.last_error.as_deref()), (KernelState::Failed, Some(&*died.to_string())));
    }
    let runtime = build();
    let options = LaunchOptions::new().kernel("quitter");
    runtime.launch_blocking("q", &options).unwrap();
    let patience = Instant::now() + SOON;
    while runtime.telemetry_blocking("q").unwrap().state != KernelState::Failed {
        assert!(Instant::now() < patience, "{:?}", runtime.telemetry_blocking("q").unwrap().state);
    }
    let said = runtime.telemetry_blocking("q").unwrap().last_error;
    assert_eq!(said.as_deref(), Some(&*died.to_string()));
    assert!(matches!(runtime.send_blocking("q", b"x"), Err(RuntimeError::NotActive { .. })));
}
