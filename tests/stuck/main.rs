//! A hang made on purpose is explained by name while the kernel goes on: by where its blocks are, and what they wait for.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

mod library;

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringscope::collector::{EventKind, HookKind, Notification};
use ringscope::device::host::HostDevice;
use ringscope::device::{HostEntry, HostKernel, Launch};
use ringscope::snapshot::{BlockState, BlockStatus, Place, RingPlace, WaitsFor};
use ringscope::{
    DeviceSpec, KernelSource, KernelState, LaunchOptions, RingKernelRuntime, Snapshot, TelemetryCollector,
    TelemetryConfig,
};

const SOON: Duration = Duration::from_secs(60);
/// A busy machine may keep a living block from its core for a while.
const LIMIT: Duration = Duration::from_secs(2);
const NAMES: [&str; 4] = ["load", "wait_barrier", "hurry", "starve"];
const LOAD: u32 = 0;
const WAIT_BARRIER: u32 = 1;
const HURRY: u32 = 2;
const STARVE: u32 = 3;

fn config() -> TelemetryConfig {
    TelemetryConfig { stall_limit: LIMIT, ..TelemetryConfig::default() }
}

fn wait_for(what: &str, mut look: impl FnMut() -> Arc<Snapshot>, is: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let patience = Instant::now() + SOON;
    loop {
        let snapshot = look();
        if is(&snapshot) {
            return snapshot;
        }
        assert!(Instant::now() < patience, "{what}: {:?}", snapshot.kernels);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn waypoint(index: u32) -> Place {
    Place::Waypoint { name: NAMES[index as usize].into(), index }
}

fn places(blocks: &[BlockStatus]) -> Vec<Place> {
    blocks.iter().map(|block| block.place.clone()).collect()
}

/// The mirror of the one in crowd.cu.
#[derive(Default)]
#[repr(C)]
struct Orders {
    ticket: AtomicU32,
    places: [u32; 8],
    arrived: AtomicU32,
    released: AtomicU32,
}

/// A kernel of somebody's own whose blocks hang at those places, with one shard more than it has blocks.
struct Crowd {
    collector: TelemetryCollector,
    launch: Box<dyn Launch>,
    orders: &'static Orders,
}

impl Crowd {
    fn start(id: &str, at: &[u32]) -> Crowd {
        let device = Arc::new(HostDevice::new());
        let collector = TelemetryCollector::on_device(device.clone(), config()).unwrap();
        let registration = collector.kernel(id).shards(at.len() as u32 + 1).waypoints(&NAMES);
        let telemetry = registration.register().unwrap();
        let mut places = [0; 8];
        places[..at.len()].copy_from_slice(at);
        // Leaked: a test that fails leaves blocks behind that look at it.
        let orders: &'static Orders = Box::leak(Box::new(Orders { places, ..Orders::default() }));
        orders.arrived.store(3, Ordering::SeqCst);
        let address = std::ptr::from_ref(orders).expose_provenance() as u64;
        // SAFETY: RINGSCOPE_ENTRY made it for the host device.
        let entry = unsafe { std::mem::transmute::<*mut c_void, HostEntry>(library::symbol(c"crowd_host")) };
        let memory = collector.memory();
        // SAFETY: the kernel takes these two arguments, of which the second lives for ever.
        let launch = unsafe { device.launch(entry, at.len() as u32, &[&telemetry, &address], memory) }.unwrap();
        Crowd { collector, launch: Box::new(launch), orders }
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.collector.snapshot().unwrap()
    }
}

#[test]
fn a_barrier_that_nobody_reaches_is_explained_by_name() {
    let crowd = Crowd::start("crowd", &[LOAD, LOAD, WAIT_BARRIER, LOAD, STARVE]);
    let told = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&told);
    let hook = move |notification: &Notification| keep.lock().unwrap().extend(notification.event().cloned());
    crowd.collector.add_hook(HookKind::Stall, hook).unwrap();

    // Before the watchdog says anything, the blocks are where they are.
    let at = [waypoint(LOAD), waypoint(LOAD), waypoint(WAIT_BARRIER), waypoint(LOAD), waypoint(STARVE), Place::Nowhere];
    let is_there = |s: &Snapshot| places(&s.blocks("crowd").unwrap()) == at;
    let snapshot = wait_for("they come to their places", || crowd.snapshot(), is_there);
    let blocks = snapshot.blocks("crowd").unwrap();
    let due = Some(WaitsFor::Due { resource: 0, expected: 4, seen: 3 });
    assert_eq!(
        blocks.iter().map(|b| b.waits_for).collect::<Vec<_>>(),
        [None, None, due, None, Some(WaitsFor::Work), None]
    );
    assert_eq!((blocks[5].state, blocks[5].multiprocessor, blocks[5].since), (BlockState::NotStarted, None, None));
    let begun = snapshot.kernel("crowd").unwrap().start_time.unwrap();
    assert!(
        blocks[..5]
            .iter()
            .all(|b| b.state == BlockState::Active && b.since >= Some(begun) && b.multiprocessor.is_some())
    );
    assert!(snapshot.blocks("nobody").is_none());

    let all_silent =
        |s: &Snapshot| s.stuck_kernel("crowd").is_some_and(|k| k.groups.iter().map(|g| g.blocks).sum::<u32>() == 4);
    let snapshot = wait_for("it stalls", || crowd.snapshot(), all_silent);
    let [stuck] = &snapshot.stuck()[..] else { panic!("{:?}", snapshot.stuck()) };
    assert_eq!(
        stuck.groups.iter().map(|g| (g.place.clone(), g.blocks)).collect::<Vec<_>>(),
        [(waypoint(WAIT_BARRIER), 1), (waypoint(LOAD), 3)]
    );
    assert_eq!((stuck.look_at().unwrap().block, stuck.look_at().unwrap().waits_for, stuck.others), (2, due, 1));
    assert!(stuck.lasts > LIMIT, "{stuck:?}");
    let sentence = stuck.to_string();
    let sm = stuck.look_at().unwrap().multiprocessor.unwrap();
    let lasts = stuck.lasts.as_secs_f64();
    let expected = format!(
        "crowd hangs since {lasts:.1} s: 3 blocks at \"load\"; block 2 (SM {sm}) at \"wait_barrier\": expected 4, seen 3; \
         1 other block lives"
    );
    assert_eq!(sentence, expected);

    // The stall, its event, and the page that is served say the same.
    let stall = snapshot.kernel("crowd").unwrap().stall.clone().unwrap();
    assert!(stall.block != 4 && stall.status.place == at[stall.block as usize], "{stall:?}");
    let page: serde_json::Value = serde_json::from_str(&snapshot.export_json_full().unwrap()).unwrap();
    assert_eq!(page["stuck"][0]["kernel_id"], "crowd");
    assert_eq!(page["blocks"]["crowd"][2]["place"]["waypoint"]["name"], "wait_barrier");
    assert_eq!(page["blocks"]["crowd"][2]["waits_for"]["due"]["expected"], 4);

    // What it waits for changes: that is no sign of life, and is seen.
    crowd.orders.arrived.store(1, Ordering::SeqCst);
    let seen = |s: &Snapshot| {
        let waits = s.blocks("crowd").unwrap()[2].waits_for;
        waits == Some(WaitsFor::Due { resource: 0, expected: 4, seen: 1 })
    };
    let later = wait_for("it sees another value", || crowd.snapshot(), seen);
    assert_eq!(later.kernel("crowd").unwrap().state, KernelState::Stalled);
    assert_eq!(later.kernel("crowd").unwrap().stall.as_ref().unwrap().since, stall.since);

    // It was never ended: it goes on, and ends by itself, one of its shards having had no owner.
    assert!(!crowd.launch.ended().unwrap());
    crowd.orders.arrived.store(4, Ordering::SeqCst);
    crowd.orders.released.store(1, Ordering::SeqCst);
    let ended = |s: &Snapshot| s.kernel("crowd").unwrap().state == KernelState::Terminated;
    let snapshot = wait_for("it ends", || crowd.snapshot(), ended);
    assert!(snapshot.stuck().is_empty());
    let patience = Instant::now() + SOON;
    while told.lock().unwrap().is_empty() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    let told = told.lock().unwrap();
    let first = &told[0];
    assert_eq!((first.kind, first.stall.as_ref().map(|s| s.block)), (EventKind::Stalled, Some(stall.block)));
}

#[test]
fn a_wait_whose_limit_has_passed_hangs_and_a_wait_for_work_does_not() {
    let crowd = Crowd::start("crowd", &[HURRY, STARVE]);
    let snapshot = wait_for("it stalls", || crowd.snapshot(), |s| !s.stuck().is_empty());
    let stuck = snapshot.stuck_kernel("crowd").unwrap();
    let look_at = stuck.look_at().unwrap();
    assert_eq!((look_at.block, &look_at.place, stuck.others), (0, &waypoint(HURRY), 1));
    assert_eq!(look_at.waits_for, Some(WaitsFor::Due { resource: 9, expected: 1, seen: 0 }));
    assert!(stuck.to_string().contains("at \"hurry\": resource 9, expected 1, seen 0; 1 other block lives"), "{stuck}");
    assert!(!snapshot.blocks("crowd").unwrap()[1].silent);
    crowd.orders.released.store(1, Ordering::SeqCst);
    wait_for("it ends", || crowd.snapshot(), |s| s.kernel("crowd").unwrap().state == KernelState::Terminated);
}

/// The ring kernel of hang.cu, which names its waypoints itself.
fn hang() -> KernelSource {
    // SAFETY: RINGSCOPE_RING_KERNEL made it, at level 2.
    let built = unsafe { *library::symbol(c"hang_l2_kernel").cast::<HostKernel>() };
    // SAFETY: as above; it writes to its rings alone, and reads the word that it is given.
    unsafe { KernelSource::host("hang", [built; 4]) }
}

#[test]
fn a_ring_kernel_says_where_it_is_and_names_its_waypoints_itself() {
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config());
    let runtime = builder.source("hang", hang()).kernel("hang").slots(4).build().unwrap();
    let word: &'static std::sync::atomic::AtomicU64 = Box::leak(Box::default());
    word.store(3, Ordering::SeqCst);
    let args = std::ptr::from_ref(word).expose_provenance() as u64;
    runtime.launch_blocking("w", &LaunchOptions::new().args(&args)).unwrap();
    runtime.activate_blocking("w").unwrap();
    let look = || runtime.snapshot_blocking().unwrap();
    let block = |s: &Snapshot| s.blocks("w").unwrap().remove(0);
    let snapshot = wait_for("it waits for a message", look, |s| block(s).place == Place::Ring(RingPlace::Message));
    assert_eq!((block(&snapshot).waits_for, block(&snapshot).message), (Some(WaitsFor::Work), None));

    // Replies that nobody takes.
    for _ in 0..5 {
        runtime.send_blocking("w", b"").unwrap();
    }
    let snapshot = wait_for("it waits for room", look, |s| block(s).place == Place::Ring(RingPlace::Room));
    assert_eq!((block(&snapshot).message, snapshot.stuck().len()), (Some(4), 0));
    for _ in 0..5 {
        runtime.receive_blocking("w", SOON).unwrap();
    }

    for (name, number) in [(WAIT_BARRIER, 5), (HURRY, 6)] {
        runtime.send_blocking("w", &vec![0; name as usize]).unwrap();
        let snapshot = wait_for("it stalls", look, |s| s.stuck_kernel("w").is_some());
        let stuck = snapshot.stuck_kernel("w").unwrap();
        let look_at = stuck.look_at().unwrap();
        assert_eq!((&look_at.place, look_at.message), (&waypoint(name), Some(number)));
        let what = if name == HURRY { "expected 1, seen 0" } else { "resource 7, expected 4, seen 3" };
        let sentence = format!(" at \"{}\": {what}, message {number}", NAMES[name as usize]);
        assert!(stuck.to_string().ends_with(&sentence), "{stuck}");
        word.store(4, Ordering::SeqCst);
        runtime.receive_blocking("w", SOON).unwrap();
        wait_for("it recovers", look, |s| s.kernel("w").unwrap().state == KernelState::Active);
        word.store(3, Ordering::SeqCst);
    }
    runtime.terminate_blocking("w").unwrap();
    assert_eq!(block(&look()).state, BlockState::Ended);
}
