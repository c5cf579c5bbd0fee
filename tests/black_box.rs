//! The black box on the host device: what a kernel that died says of its death. Needs a C++ compiler (c++).
#![cfg(all(feature = "host", target_os = "linux"))]
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ringscope::abi::{Word, block_state};
use ringscope::collector::{EventKind, HookKind, Notification};
use ringscope::device::host::HostDevice;
use ringscope::device::{DeviceSpec, HostEntry, HostKernel, KernelSource, Launch};
use ringscope::snapshot::{BlackBox, BlockState, BoxRecordKind, Place, RingPlace, WaitsFor};
use ringscope::{
    DeviceError, KernelState, LaunchOptions, Level, RingKernelRuntime, RuntimeError, TelemetryCollector,
    TelemetryConfig, TelemetryError,
};

const WAIT: Duration = Duration::from_secs(20);

/// tests/host-shim/boxed.cu at a level, as a library that this program has loaded. It has a shim of its own, in which every
/// block is block 0: blocks share a shard.
fn library(level: usize) -> usize {
    static LOADED: [OnceLock<usize>; 4] = [const { OnceLock::new() }; 4];
    *LOADED[level].get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libboxed_l{level}-{}.so", std::process::id()));
        let mut cxx = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
        cxx.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-DRINGSCOPE_CPU"])
            .arg(format!("-DRINGSCOPE_LEVEL={level}"))
            .args(["-fPIC", "-shared", "-pthread", "-x", "c++", "-I"])
            .arg(root.join("kernels/include"))
            .args(["tests/host-shim/boxed.cu", "kernels/host/shim.cpp"].map(|file| root.join(file)));
        let status = cxx.arg("-o").arg(&file).status().expect("a C++ compiler, which built the host device");
        assert!(status.success(), "{cxx:?}");
        let path = CString::new(file.to_str().expect("a path in UTF-8")).expect("a path");
        // SAFETY: a library without initializers.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        let _ = std::fs::remove_file(&file);
        // SAFETY: the reason of the last failure, a string.
        assert!(!handle.is_null(), "{}", unsafe { CStr::from_ptr(libc::dlerror()) }.to_string_lossy());
        handle.expose_provenance()
    })
}

fn symbol(level: usize, name: &str) -> *mut std::ffi::c_void {
    let name = CString::new(name).expect("a name");
    // SAFETY: a handle of dlopen, and a NUL-terminated name.
    let found = unsafe { libc::dlsym(std::ptr::with_exposed_provenance_mut(library(level)), name.as_ptr()) };
    assert!(!found.is_null(), "{name:?}");
    found
}

fn boxed() -> KernelSource {
    // SAFETY: RINGSCOPE_RING_KERNEL made a constant of that type.
    let build = |level: usize| unsafe { *symbol(level, &format!("boxed_l{level}_kernel")).cast::<HostKernel>() };
    // SAFETY: it was compiled with RINGSCOPE_RING_KERNEL, and writes to its rings and its telemetry alone.
    unsafe { KernelSource::host("boxed", [0, 1, 2, 3].map(build)) }
}

/// A runtime with `w`, which has so many blocks, and `other`, which has one.
fn runtime(level: Level, black_box_records: u32, blocks: u32) -> RingKernelRuntime {
    let config = TelemetryConfig { black_box_records, max_blocks: 8, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).source("boxed", boxed()).kernel("boxed");
    let builder = builder.max_kernels(2).slots(16).slot_bytes(64).telemetry(level > Level::Off).level(level);
    let runtime = builder.telemetry_config(config).build().expect("a runtime");
    for (id, blocks) in [("w", blocks), ("other", 1)] {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks)).expect("it is launched");
        runtime.activate_blocking(id).expect("it is activated");
    }
    runtime
}

fn talk(runtime: &RingKernelRuntime, id: &str, value: u32) {
    runtime.send_blocking(id, &value.to_le_bytes()).expect("it is sent");
    assert_eq!(runtime.receive_blocking(id, WAIT).expect("a reply").payload, value.to_le_bytes());
}

/// Sends what the kernel's check refuses, and returns what a receiver is told.
fn kill(runtime: &RingKernelRuntime, id: &str) -> RuntimeError {
    runtime.send_blocking(id, &3u32.to_le_bytes()).expect("it is sent");
    runtime.receive_blocking(id, WAIT).expect_err("it died")
}

fn soon(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + WAIT;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_check_that_fails_is_quoted_with_code_value_place_and_message() {
    for level in [Level::Counters, Level::Histograms, Level::Events] {
        let runtime = runtime(level, 64, 1);
        let (tell, told) = channel();
        let hook = move |notification: &Notification| {
            let failed = notification.event().filter(|event| event.kind == EventKind::Failed);
            failed.into_iter().for_each(|event| drop(tell.send(event.clone())));
        };
        runtime.collector().add_hook(HookKind::StateChange, hook).expect("a hook");
        [1, 2].into_iter().for_each(|value| talk(&runtime, "w", value));
        let error = kill(&runtime, "w");
        let RuntimeError::Device(DeviceError::Trapped { block, last_words }) = &error.clone() else {
            panic!("{error:?}")
        };
        assert!(last_words.starts_with(&format!(" (block {block} on SM ")), "{last_words}");
        assert!(last_words.ends_with(": check 7 failed with value 3 at \"mma\", message 2)"), "{last_words}");
        // The same everywhere.
        let text = error.to_string();
        assert!(
            text.contains(&format!("block {block} of the kernel trapped")) && text.ends_with(last_words.as_str()),
            "{text}"
        );
        let t = runtime.telemetry_blocking("w").expect("numbers");
        assert_eq!((t.state, t.last_error.as_deref()), (KernelState::Failed, Some(text.as_str())));
        assert_eq!((t.messages_processed, runtime.kernel("w").map(|k| k.state())), (2, Ok(KernelState::Failed)));
        let event = told.recv_timeout(WAIT).expect("an event");
        assert_eq!((&*event.kernel_id, event.died_of.as_deref()), ("w", Some(text.as_str())));
        assert!(matches!(
            runtime.send_blocking("w", b"abcd"),
            Err(RuntimeError::NotActive { state: KernelState::Failed, .. })
        ));
        assert_eq!(runtime.terminate_blocking("w"), Err(error));
        let boxes = runtime.collector().black_box("w").expect("black boxes");
        let words = boxes.iter().find_map(|b| Some((b, b.last_words.as_ref()?))).expect("last words");
        assert_eq!((u64::from(words.0.shard), words.1.code, words.1.value), (*block, 7, 3));
        let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos()
            as i128
            - i128::from(words.1.time.unix_ns);
        assert!(age.abs() < 600_000_000_000, "{age}");
        // The kernel beside it lives, and its box is its own.
        talk(&runtime, "other", 5);
        runtime.terminate_blocking("other").expect("it ends");
        assert!(runtime.collector().black_box("other").expect("black boxes").iter().all(|b| b.last_words.is_none()));
    }
}

#[test]
fn the_blocks_beside_one_that_trapped_are_told_to_stop() {
    let runtime = runtime(Level::Counters, 64, 2);
    let text = kill(&runtime, "w").to_string();
    assert!(text.contains("check 7 failed with value 3"), "{text}");
    // One that trapped does not say that it has ended.
    let state = || runtime.snapshot_blocking().expect("a snapshot").blocks("w").expect("its blocks")[0].state;
    soon("the other block ends", || state() == BlockState::Ended);
    talk(&runtime, "other", 5);
}

#[test]
fn a_box_holds_what_a_block_did_also_after_its_end() {
    let runtime = runtime(Level::Counters, 64, 1);
    (10..30).for_each(|value| talk(&runtime, "other", value));
    let read = || runtime.collector().black_box("other").expect("black boxes");
    let waits = |boxes: &[BlackBox]| boxes[0].place == Place::Ring(RingPlace::Message);
    soon("it waits for a message", || waits(&read()));
    runtime.terminate_blocking("other").expect("it ends");
    let [b]: [BlackBox; 1] = read().try_into().expect("one box");
    assert_eq!((&*b.kernel, b.shard, b.message, b.waits_for), ("other", 0, None, Some(WaitsFor::Work)));
    assert!(b.sm.is_some() && b.written > 64 && b.records.len() > 32 && b.records.len() < 65, "{b:?}");
    assert!(b.records.is_sorted_by(
        |a, b| a.number < b.number && a.time <= b.time || matches!(b.kind, BoxRecordKind::Message { .. })
    ));
    let messages: Vec<_> = b
        .records
        .iter()
        .filter_map(|r| match r.kind {
            BoxRecordKind::Message { number, status, .. } => Some((number, status)),
            _ => None,
        })
        .collect();
    let expected: Vec<_> = (20 - messages.len() as u64..20).map(|n| (Some(n), 0)).collect();
    assert_eq!(messages, expected);
    let waypoint = |name: &str, index| Place::Waypoint { name: name.into(), index };
    // The host device publishes within nanoseconds, and does not say so.
    for place in [waypoint("load", 0), waypoint("mma", 1), Place::Ring(RingPlace::Handler)] {
        assert!(b.records.iter().any(|r| r.kind == BoxRecordKind::At(place.clone())), "{place}");
    }
}

#[test]
fn without_a_black_box_the_kernel_has_failed_and_the_error_says_what_to_set() {
    let config = |telemetry: &RingKernelRuntime| telemetry.collector().black_box("w");
    for level in [Level::Off, Level::Counters] {
        let runtime = runtime(level, 0, 2);
        talk(&runtime, "w", 1);
        let error = kill(&runtime, "w");
        assert!(
            matches!(&error, RuntimeError::Device(DeviceError::Trapped { last_words, .. }) if last_words.is_empty())
        );
        let text = error.to_string();
        assert!(text.ends_with("set black_box_records in the TelemetryConfig to be told where"), "{text}");
        assert_eq!(runtime.kernel("w").map(|k| k.state()), Ok(KernelState::Failed));
        talk(&runtime, "other", 5);
        match config(&runtime).expect_err("none is kept") {
            TelemetryError::Disabled => assert_eq!(level, Level::Off),
            error => {
                assert_eq!(error, TelemetryError::NoBlackBox { id: "w".into() });
                assert!(error.to_string().contains("set black_box_records"), "{error}");
                let t = runtime.telemetry_blocking("w").expect("numbers");
                assert_eq!((t.state, t.last_error.as_deref()), (KernelState::Failed, Some(text.as_str())));
            }
        }
    }
}

/// The default costs nothing: a kernel is told of no box, and none is allocated.
#[test]
fn it_is_off_by_default_and_who_has_none_is_told_so() {
    let device = ringscope::device::open(DeviceSpec::Host).expect("the host device").device;
    let with = |black_box_records| {
        let config = TelemetryConfig { black_box_records, max_blocks: 4, ..TelemetryConfig::default() };
        TelemetryCollector::on_device(device.clone(), config).expect("a collector")
    };
    let off = TelemetryCollector::on_device(device.clone(), TelemetryConfig::default()).expect("a collector");
    let told = off.register("w", 2).expect("a ref");
    assert_eq!((told.black_box, told.box_count), (0, 0));
    let on = with(128);
    assert_eq!(on.memory().len(), off.memory().len() + 1);
    let told = [on.register("w", 3).expect("a ref"), on.register("x", 1).expect("a ref")];
    assert_eq!(told[1].black_box - told[0].black_box, 3 * (16 + 2 * 128) * 8);
    assert_eq!(told.map(|told| told.box_count), [128; 2]);
    assert_eq!(on.black_box("w"), Ok(Vec::new()), "no block has begun");
    assert!(matches!(on.black_box("v"), Err(TelemetryError::UnknownKernel { .. })));
    on.record_receive("actor").expect("an actor");
    assert!(matches!(on.black_box("actor"), Err(TelemetryError::NoBlackBox { .. })));
    assert!(matches!(TelemetryCollector::new(true).black_box("w"), Err(TelemetryError::UnknownKernel { .. })));
}

/// A kernel of which a block trapped, and its id, its rings, its shards and its black boxes in the next life.
#[test]
fn a_kernel_that_died_gives_its_place_back() {
    let runtime = runtime(Level::Histograms, 64, 3);
    for life in 1..=5 {
        talk(&runtime, "w", 2);
        assert!(matches!(kill(&runtime, "w"), RuntimeError::Device(DeviceError::Trapped { .. })));
        let last = runtime.telemetry_blocking("w").expect("numbers");
        assert_eq!((last.generation, last.state, last.messages_processed), (life, KernelState::Failed, 1));
        let words = runtime.collector().black_box("w").expect("last words");
        assert!(words.iter().any(|b| b.last_words.as_ref().is_some_and(|last| last.code == 7)), "{words:?}");
        // Its other blocks were told to stop. Until they have, the id is taken.
        let launched = || runtime.launch_blocking("w", &LaunchOptions::new().blocks(3));
        soon("its blocks end", || match launched() {
            Ok(()) => true,
            Err(RuntimeError::Telemetry(TelemetryError::AlreadyRegistered { .. })) => false,
            Err(other) => panic!("{other}"),
        });
        runtime.activate_blocking("w").expect("it is activated");
        talk(&runtime, "w", 7);
        let now = runtime.telemetry_blocking("w").expect("numbers");
        assert_eq!((now.generation, now.state, now.messages_processed), (life + 1, KernelState::Active, 1));
        assert_eq!((now.last_error, now.errors), (None, 0));
        runtime.collector().reset(Some("w")).expect("a reset");
        let words = runtime.collector().black_box("w").expect("black boxes");
        assert!(words.iter().all(|b| b.last_words.is_none()), "those were another life's: {words:?}");
    }
    talk(&runtime, "other", 9);
}

/// Of a launch of one's own the collector knows nothing: the launch says what became of it.
#[test]
fn a_kernel_of_ones_own_is_retired_though_a_block_trapped() {
    let at = symbol(0, "traps_host");
    // SAFETY: RINGSCOPE_ENTRY made a function of that type.
    let traps: HostEntry = unsafe { std::mem::transmute(at) };
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), TelemetryConfig::default()).expect("a slab");
    let own = collector.register("own", 2).expect("it is registered");
    // The first block begins, its words behind the line of its counters, and does not say that it ended.
    // SAFETY: on the host device the addresses are pointers into the slab, which the collector keeps.
    let state = unsafe {
        AtomicU64::from_ptr(
            std::ptr::with_exposed_provenance_mut::<u64>(own.shards as usize).add(16 + Word::State as usize),
        )
    };
    state.store(block_state::ACTIVE, Ordering::Relaxed);
    let running = TelemetryError::StillRunning { id: "own".to_owned(), blocks: 1 };
    assert_eq!(collector.retire("own").expect_err("it may run"), running);
    // SAFETY: it takes an unsigned, and touches no memory.
    let launched = unsafe { device.launch(traps, 2, &[&0_u32], Vec::new()) }.expect("it is launched");
    soon("it has left", || launched.has_left());
    collector.retire_after("own", &launched).expect("no block of it runs");
    let last = collector.telemetry("own").expect("its last numbers");
    assert_eq!(last.state, KernelState::Failed);
    assert!(last.last_error.is_some_and(|error| error.contains("trapped")));
    assert_eq!(collector.register("own", 2).expect("its place").shards, own.shards);
    assert_eq!(state.load(Ordering::Relaxed), 0, "it was made zero");
    assert_eq!(collector.telemetry("own").map(|own| (own.generation, own.state)), Ok((2, KernelState::Launched)));
}

#[test]
fn a_launch_of_ones_own_says_that_a_block_trapped() {
    let at = symbol(0, "traps_host");
    // SAFETY: RINGSCOPE_ENTRY made a function of that type.
    let traps: HostEntry = unsafe { std::mem::transmute(at) };
    let device = HostDevice::new();
    // SAFETY: it takes an unsigned, and touches no memory.
    let launch = |which: u32| unsafe { device.launch(traps, 3, &[&which], Vec::new()) }.expect("it is launched");
    let launched = launch(9);
    soon("it ends", || launched.ended() == Ok(true));
    let launched = launch(0);
    soon("a block traps", || launched.ended().is_err());
    assert!(matches!(launched.ended(), Err(DeviceError::Trapped { block: 0..3, .. })));
}
