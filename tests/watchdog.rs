//! The watchdog: a kernel that hangs is `Stalled`, with since when and which block, and recovers; others are not.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ringscope::abi::{KernelRef, Where, Word, at, block_state};
use ringscope::collector::{EventKind, HealthLimits, HookKind, Notification, StandardMetrics};
use ringscope::device::host::HostDevice;
use ringscope::device::{Device, Launch};
use ringscope::snapshot::{Place, WaitsFor};
use ringscope::{
    DeviceSpec, KernelState, KernelTelemetry, LaunchOptions, RingKernelRuntime, RuntimeError, Snapshot,
    TelemetryCollector, TelemetryConfig,
};

const SOON: Duration = Duration::from_secs(60);
/// A busy machine may keep a living block from its core for a while.
const LIMIT: Duration = Duration::from_secs(2);

fn config(stall_limit: Duration) -> TelemetryConfig {
    TelemetryConfig { stall_limit, ..TelemetryConfig::default() }
}

fn wait_for(
    what: &str,
    mut look: impl FnMut() -> KernelTelemetry,
    is: impl Fn(&KernelTelemetry) -> bool,
) -> KernelTelemetry {
    let patience = Instant::now() + SOON;
    loop {
        let t = look();
        if is(&t) {
            return t;
        }
        assert!(Instant::now() < patience, "{what}: {t:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn stalled(t: &KernelTelemetry) -> bool {
    assert_eq!(t.state == KernelState::Stalled, t.stall.is_some());
    t.stall.is_some()
}

#[test]
fn a_ring_kernel_in_one_long_message_stalls_and_recovers_while_an_idle_one_does_not() {
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true);
    let runtime = builder.kernel("compute").telemetry_config(config(Duration::from_millis(700))).build().unwrap();
    for (id, blocks) in [("busy", 3), ("idle", 1)] {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks)).unwrap();
        runtime.activate_blocking(id).unwrap();
    }
    let look = |id: &'static str| {
        let runtime = runtime.clone();
        move || runtime.telemetry_blocking(id).unwrap()
    };
    // How many rounds a second this machine does, for a message that takes some seconds.
    let message = |rounds: u32| [rounds.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat();
    let probe = 20_000_000;
    for _ in 0..5 {
        runtime.send_blocking("busy", &message(probe)).unwrap();
        runtime.receive_blocking("busy", SOON).unwrap();
    }
    let took = runtime.telemetry_blocking("busy").unwrap().latency.unwrap().min_ns;
    let rounds = f64::from(probe) * 4e9 / took as f64;
    let sent = SystemTime::now();
    runtime.send_blocking("busy", &message(rounds as u32)).unwrap();

    // Two of its three blocks are as lively as ever.
    let t = wait_for("it stalls", look("busy"), stalled);
    assert_eq!(runtime.kernel("busy").unwrap().state(), KernelState::Active, "what it was commanded to be");
    let since = t.stalled_since().unwrap();
    assert!(since + Duration::from_secs(5) > sent && since < SystemTime::now(), "{since:?}, sent at {sent:?}");
    assert!(t.last_sign_of_life.unwrap() >= since, "another block's");
    assert!(t.stall.unwrap().block < 3);
    runtime.receive_blocking("busy", SOON).unwrap();
    let t = wait_for("it recovers", look("busy"), |t| !stalled(t));
    assert_eq!((t.state, t.messages_processed), (KernelState::Active, 6));
    // It was read all the time, and gave its signs while it had nothing to do.
    wait_for("the idle one lives", look("idle"), |t| !stalled(t));
    runtime.terminate_blocking("busy").unwrap();
    assert_eq!(runtime.telemetry_blocking("busy").unwrap().state, KernelState::Terminated);
}

/// What each block of the kernel below is to do, and how many have started.
struct Orders {
    stuck: [AtomicBool; 4],
    end: AtomicBool,
    started: AtomicU32,
}

static ORDERS: Orders =
    Orders { stuck: [const { AtomicBool::new(false) }; 4], end: AtomicBool::new(false), started: AtomicU32::new(0) };

/// A kernel of one's own: it waits, and tells that it lives, unless its block is stuck.
extern "C" fn waiting(args: *mut *mut c_void) {
    // SAFETY: it is launched with one argument, a KernelRef.
    let telemetry = unsafe { *(*args).cast::<KernelRef>() };
    let block = ORDERS.started.fetch_add(1, Ordering::SeqCst);
    let put = |word: Word, value: u64| put(&telemetry, block, &[(word, value)]);
    let device = HostDevice::new();
    let now = || device.clock().unwrap().device_ns;
    put(Word::Abi, u64::from(ringscope::abi::ABI_VERSION));
    put(Word::StartNs, now());
    put(Word::HeartbeatNs, now());
    put(Word::State, block_state::ACTIVE);
    while !ORDERS.end.load(Ordering::SeqCst) {
        if !ORDERS.stuck[block as usize].load(Ordering::SeqCst) {
            put(Word::HeartbeatNs, now());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    put(Word::EndNs, now());
    put(Word::State, block_state::ENDED);
}

#[test]
fn one_stuck_block_among_several_is_a_stalled_kernel_until_it_moves() {
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), config(LIMIT)).unwrap();
    let telemetry = collector.register("own", 4).unwrap();
    let look = || collector.telemetry("own").unwrap();
    // Registered, and not started: it waits, however long.
    assert_eq!((look().state, stalled(&look())), (KernelState::Launched, false));
    let keep = collector.memory();
    // SAFETY: the kernel takes this one argument; `keep` is what it points to.
    let launch = unsafe { device.launch(waiting, 4, &[&telemetry], keep) }.unwrap();
    wait_for("it starts", look, |t| t.state == KernelState::Active);

    for round in 0..2 {
        ORDERS.stuck[2].store(true, Ordering::SeqCst);
        let t = wait_for("it stalls", look, stalled);
        assert_eq!(t.stall.as_ref().unwrap().block, 2, "round {round}");
        // A reset is not a sign of life.
        collector.reset(None).unwrap();
        assert!(stalled(&look()));
        // One more: the first is still the one that has been silent for the longest time, and since when it is.
        ORDERS.stuck[0].store(true, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        let later = look();
        assert_eq!(later.stall, t.stall);
        ORDERS.stuck[2].store(false, Ordering::SeqCst);
        ORDERS.stuck[0].store(false, Ordering::SeqCst);
        wait_for("it recovers", look, |t| !stalled(t) && t.state == KernelState::Active);
    }
    ORDERS.stuck[1].store(true, Ordering::SeqCst);
    wait_for("it stalls", look, stalled);
    ORDERS.end.store(true, Ordering::SeqCst);
    wait_for("it has ended, and does not stall", look, |t| t.state == KernelState::Terminated && !stalled(t));
    assert!(launch.ended().is_ok());
}

/// Writes words of a block.
fn put(telemetry: &KernelRef, block: u32, words: &[(Word, u64)]) {
    for (word, value) in words {
        let line = telemetry.shards as usize + block as usize * size_of::<ringscope::abi::Shard>() + 128;
        let word = std::ptr::with_exposed_provenance_mut::<u64>(line).wrapping_add(*word as usize);
        // SAFETY: a word of this kernel's shards, all accesses to which are atomic; the collector or the launch keeps the slab.
        unsafe { AtomicU64::from_ptr(word) }.store(*value, Ordering::Relaxed);
    }
}

#[test]
fn the_first_look_at_a_kernel_that_hangs_already_says_so() {
    let limit = Duration::from_millis(50);
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), config(limit)).unwrap();
    let now = || device.clock().unwrap().device_ns;
    let (abi, begun) = (u64::from(ringscope::abi::ABI_VERSION), now());
    let refs: Vec<KernelRef> = ["hung", "lively"].map(|id| collector.register(id, 1).unwrap()).into();
    for telemetry in &refs {
        let started = [(Word::Abi, abi), (Word::StartNs, begun), (Word::HeartbeatNs, begun)];
        put(telemetry, 0, &started);
        put(telemetry, 0, &[(Word::State, block_state::ACTIVE)]);
    }
    while now() < begun + 4 * limit.as_nanos() as u64 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // However late the reading is, this one's word is younger than it.
    put(&refs[1], 0, &[(Word::HeartbeatNs, now() + 3_600_000_000_000)]);
    let first = collector.snapshot().unwrap();
    assert_eq!(first.sequence, 1);
    let (hung, lively) = (first.kernel("hung").unwrap(), first.kernel("lively").unwrap());
    assert_eq!((hung.state, lively.state), (KernelState::Stalled, KernelState::Active));
    assert!(hung.needs_attention() && !lively.needs_attention());
    assert_eq!(first.totals().need_attention, 1);
    put(&refs[0], 0, &[(Word::HeartbeatNs, now())]);
    assert_eq!(collector.telemetry("hung").unwrap().state, KernelState::Active, "it moved");
}

#[test]
fn a_kernel_has_ended_when_all_that_began_have_though_some_never_did() {
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), config(Duration::from_millis(50))).unwrap();
    let telemetry = collector.register("roles", 4).unwrap();
    let (abi, now) = (u64::from(ringscope::abi::ABI_VERSION), device.clock().unwrap().device_ns);
    // A second is the limit; far more and far less than that, for a machine as slow as may be.
    let (long_ago, later) = (now - 3_600_000_000_000, now + 3_600_000_000_000);
    let begins = |block, at| {
        let words = [(Word::Abi, abi), (Word::StartNs, at), (Word::HeartbeatNs, at), (Word::EndNs, 0)];
        put(&telemetry, block, &words);
        put(&telemetry, block, &[(Word::State, block_state::ACTIVE)]);
    };
    let ends = |block, at| put(&telemetry, block, &[(Word::EndNs, at), (Word::State, block_state::ENDED)]);
    let is = |state| assert_eq!(collector.telemetry("roles").unwrap().state, state);
    is(KernelState::Launched);
    begins(0, long_ago);
    begins(1, long_ago);
    ends(0, long_ago + 7);
    put(&telemetry, 1, &[(Word::HeartbeatNs, later)]);
    is(KernelState::Active);
    ends(1, later);
    // Blocks that wait for room begin when others end.
    is(KernelState::Active);
    ends(1, long_ago + 9);
    is(KernelState::Terminated);
    let t = collector.telemetry("roles").unwrap();
    assert_eq!((t.uptime, t.blocks_started, t.stall), (Duration::from_nanos(9), 2, None));
    // One that came late all the same.
    begins(2, later);
    is(KernelState::Active);
    ends(2, later);
    is(KernelState::Active);
    begins(3, long_ago);
    ends(3, long_ago);
    is(KernelState::Terminated);
}

/// Writes words of a block's line of places.
fn put_places(telemetry: &KernelRef, block: u32, words: &[(Where, u64)]) {
    for (word, value) in words {
        let line = telemetry.shards as usize + block as usize * size_of::<ringscope::abi::Shard>() + 256;
        let word = std::ptr::with_exposed_provenance_mut::<u64>(line).wrapping_add(*word as usize);
        // SAFETY: a word of this kernel's shards, all accesses to which are atomic; the collector keeps the slab.
        unsafe { AtomicU64::from_ptr(word) }.store(*value, Ordering::Relaxed);
    }
}

#[test]
fn who_comes_to_another_place_lives_and_what_is_written_half_is_not_made_up() {
    let limit = Duration::from_millis(50);
    let device = Arc::new(HostDevice::new());
    let collector = TelemetryCollector::on_device(device.clone(), config(limit)).unwrap();
    let telemetry = collector.kernel("w").waypoints(&["load"]).register().unwrap();
    let now = || device.clock().unwrap().device_ns;
    let at = |kind: u64, waypoint: u64, time: u64| (kind << 12 | waypoint) << 48 | (time & at::TIME_MASK);
    let begun = now();
    let abi = u64::from(ringscope::abi::ABI_VERSION);
    put(&telemetry, 0, &[(Word::Abi, abi), (Word::StartNs, begun), (Word::HeartbeatNs, begun)]);
    put(&telemetry, 0, &[(Word::State, block_state::ACTIVE)]);
    let look = || collector.telemetry("w").unwrap();
    // It moves and beats no heart: a time to come is one that no reading is late for.
    let ahead = |place| put_places(&telemetry, 0, &[(Where::At, place)]);
    wait_for("it stalls", look, stalled);
    ahead(at(at::WAYPOINT, 0, begun + 600_000_000_000));
    assert!(!stalled(&look()), "it came to another place");
    let place = || collector.snapshot().unwrap().blocks("w").unwrap().remove(0).place;
    assert_eq!(place(), Place::Waypoint { name: "load".into(), index: 0 });
    // It stays there: that is no sign of life.
    wait_for("it stalls", look, stalled);
    assert_eq!(look().stall.unwrap().status.place, place());
    // A waypoint without a name; and a wait whose words are of two waits.
    let since = begun + 700_000_000_000;
    let word = |stamp: u64, value: u64| 3 << 48 | (stamp & 0xffff) << 32 | value;
    put_places(
        &telemetry,
        0,
        &[(Where::At, at(at::WAIT, 9, since)), (Where::Expected, word(since, 4)), (Where::Seen, word(since + 1, 3))],
    );
    let status = || collector.snapshot().unwrap().blocks("w").unwrap().remove(0);
    assert_eq!((status().place.to_string().as_str(), status().waits_for), ("at \"#9\"", Some(WaitsFor::Something)));
    put_places(&telemetry, 0, &[(Where::Seen, word(since, 3)), (Where::Message, 8)]);
    assert_eq!(status().waits_for, Some(WaitsFor::Due { resource: 3, expected: 4, seen: 3 }));
    assert_eq!((status().message, status().multiprocessor), (Some(7), None));
    // Whatever lies there, it is read.
    for noise in [u64::MAX, 5 << 60, at(at::RING, 99, 0)] {
        put_places(&telemetry, 0, &[(Where::At, noise), (Where::Message, noise), (Where::Sm, noise)]);
        assert_eq!(place(), Place::Nowhere);
        assert!(collector.snapshot().unwrap().export_prometheus().contains("ringscope_kernel"));
    }
}

#[test]
fn a_kernel_that_hangs_and_is_told_to_stop_stays_stalled_and_unhealthy_until_it_has_ended() {
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true);
    let builder = builder.kernel("compute").stop_limit(Duration::from_millis(50));
    let runtime = builder.telemetry_config(config(Duration::from_millis(400))).build().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&events);
    let hook = move |notification: &Notification| keep.lock().unwrap().extend(notification.event().map(|e| e.kind));
    runtime.collector().add_hook(HookKind::Event, hook).unwrap();
    runtime.collector().install(StandardMetrics::Health(HealthLimits::default())).unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    let message = |rounds: u32| [rounds.to_le_bytes(), [0; 4], 7u32.to_le_bytes(), [0; 4]].concat();
    for _ in 0..5 {
        runtime.send_blocking("w", &message(20_000_000)).unwrap();
        runtime.receive_blocking("w", SOON).unwrap();
    }
    let took = runtime.telemetry_blocking("w").unwrap().latency.unwrap().min_ns as f64;
    runtime.send_blocking("w", &message((20e6 * 4e9 / took) as u32)).unwrap();
    wait_for("it stalls", || runtime.telemetry_blocking("w").unwrap(), stalled);

    assert!(matches!(runtime.terminate_blocking("w"), Err(RuntimeError::StopTimedOut { .. })));
    assert_eq!(runtime.kernel("w").unwrap().state(), KernelState::Terminating);
    let snapshot = runtime.snapshot_blocking().unwrap();
    assert!(stalled(snapshot.kernel("w").unwrap()), "{:?}", snapshot.kernel("w"));
    let health = |s: &Snapshot| s.metric("health_status").and_then(|m| m.value(&[])?.gauge());
    assert_eq!(health(&snapshot), Some(3.0));
    // Once its block sees the word to stop, it has ended.
    wait_for(
        "it ends",
        || runtime.telemetry_blocking("w").unwrap(),
        |t| t.state == KernelState::Terminated && !stalled(t),
    );
    assert_eq!(health(&runtime.snapshot_blocking().unwrap()), Some(0.0));
    use EventKind::{Activated, Launched, Stalled, Terminated, Terminating};
    let told = [Launched, Activated, Stalled, Terminating, Terminated];
    let patience = Instant::now() + SOON;
    while events.lock().unwrap().len() < told.len() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(*events.lock().unwrap(), told);
}

#[test]
fn a_limit_without_end_is_no_watchdog() {
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true);
    let runtime = builder.telemetry_config(config(Duration::MAX)).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::default()).unwrap();
    runtime.activate_blocking("w").unwrap();
    for _ in 0..10 {
        assert!(!stalled(&runtime.telemetry_blocking("w").unwrap()));
        std::thread::sleep(Duration::from_millis(5));
    }
}
