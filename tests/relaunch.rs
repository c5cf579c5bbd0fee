//! An id lives again: on the rings and in the shards of the life before, with counts from zero, and nothing of one life in
//! another.
#![cfg(feature = "host")]

mod common;

use std::time::{Duration, Instant};

use ringscope::collector::EventKind;
use ringscope::device::DeviceError;
use ringscope::{
    KernelState, KernelTelemetry, LaunchOptions, RingKernel, RingKernelRuntime, RuntimeBuilder, RuntimeError,
    TelemetryCollector, TelemetryConfig, TelemetryError,
};

#[cfg(all(feature = "remote-write", feature = "prometheus-protobuf", feature = "otlp"))]
#[path = "relaunch/created.rs"]
mod created;

const SOON: Duration = Duration::from_secs(120);

fn builders() -> impl Iterator<Item = RuntimeBuilder> {
    let builder = |(device, ring)| RingKernelRuntime::builder().device(device).input_ring(ring).telemetry(true);
    common::devices_and_rings().map(builder)
}

fn launched(runtime: &RingKernelRuntime, id: &str, blocks: u32) -> RingKernel {
    runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks)).unwrap();
    runtime.activate_blocking(id).unwrap();
    runtime.kernel(id).unwrap()
}

/// Sends messages and takes their replies, which are the messages.
fn echoes(kernel: &RingKernel, count: u64) {
    for n in 0..count {
        let message = (kernel.messages_sent() * 1000 + n).to_le_bytes();
        kernel.send_blocking(&message).unwrap();
        assert_eq!(kernel.receive_blocking(SOON).unwrap().payload, message);
    }
}

/// Waits until every block of a kernel was seen at work.
fn all_have_begun(runtime: &RingKernelRuntime, id: &str, blocks: usize) {
    let since = Instant::now();
    loop {
        let seen = runtime.snapshot_blocking().unwrap().blocks(id).unwrap();
        if seen.len() == blocks && seen.iter().all(|block| block.last_sign_of_life.is_some()) {
            return;
        }
        assert!(since.elapsed() < SOON, "{seen:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn counts(kernel: &KernelTelemetry) -> [u64; 6] {
    let (received, sent, processed) = (kernel.messages_received, kernel.messages_sent, kernel.messages_processed);
    [received, sent, processed, kernel.bytes_in, kernel.latency.map_or(0, |l| l.count), kernel.dropped]
}

#[test]
fn an_id_lives_again_and_counts_from_zero() {
    for builder in builders() {
        // One kernel's rings: whoever is launched gets the same.
        let runtime = builder.max_kernels(1).slots(4).build().unwrap();
        for life in 1..=5 {
            let kernel = launched(&runtime, "w", life as u32);
            echoes(&kernel, 3 * life);
            let now = runtime.telemetry_blocking("w").unwrap();
            assert_eq!((now.generation, now.blocks), (life, life as u32));
            assert_eq!(counts(&now), [3 * life, 3 * life, 3 * life, 24 * life, 3 * life, 0]);
            let taken = runtime.launch_blocking("w", &LaunchOptions::default()).unwrap_err();
            assert_eq!(taken, RuntimeError::Telemetry(TelemetryError::AlreadyRegistered { id: "w".to_owned() }));
            runtime.terminate_blocking("w").unwrap();
            let last = runtime.telemetry_blocking("w").unwrap();
            assert_eq!((counts(&last), last.state), (counts(&now), KernelState::Terminated));
        }
        assert_eq!(runtime.snapshot_blocking().unwrap().kernels.len(), 1);
    }
}

/// Many ids, one after the other, where there is room for three: those that ended first are forgotten, and counted.
#[test]
fn ids_come_and_go_without_end() {
    for builder in builders() {
        let config = TelemetryConfig { max_kernels: 3, max_blocks: 4, ..Default::default() };
        let runtime = builder.max_kernels(2).slots(2).slot_bytes(16).telemetry_config(config).build().unwrap();
        let launches = u64::from(common::fewer(300));
        for n in 0..launches {
            let (id, blocks) = (format!("k{n}"), 1 + (n % 3) as u32);
            let kernel = launched(&runtime, &id, blocks);
            echoes(&kernel, 1);
            runtime.terminate_blocking(&id).unwrap();
            let snapshot = runtime.snapshot_blocking().unwrap();
            assert!(snapshot.kernels.len() <= 3);
            let last = snapshot.kernel(&id).unwrap();
            assert_eq!((last.messages_processed, last.blocks, last.state), (1, blocks, KernelState::Terminated));
            // What has left its place to another is as it was.
            assert!(snapshot.kernels.iter().all(|k| (k.messages_processed, k.state) == (1, KernelState::Terminated)));
            assert_eq!(snapshot.self_metrics.dropped.kernels, (n + 1).saturating_sub(3));
            let page = snapshot.export_prometheus();
            assert!(page.contains(&format!("\nringscope_tasks_executed_total {}\n", n + 1)), "sums never fall: {page}");
        }
        assert!(matches!(runtime.kernel("k0"), Err(RuntimeError::UnknownKernel { .. })));
        // An actor finds room as well.
        runtime.collector().record_receive("actor").unwrap();
        assert_eq!(runtime.snapshot_blocking().unwrap().self_metrics.dropped.kernels, launches - 2);
    }
}

#[test]
fn a_handle_belongs_to_its_life() {
    for builder in builders() {
        let runtime = builder.max_kernels(1).slots(4).build().unwrap();
        let old = launched(&runtime, "w", 1);
        for n in 0..3u64 {
            old.send_blocking(&n.to_le_bytes()).unwrap();
        }
        let first = old.receive_blocking(SOON).unwrap();
        assert_eq!((first.seq, first.payload), (0, 0u64.to_le_bytes().to_vec()));
        while runtime.telemetry_blocking("w").unwrap().messages_sent < 3 {
            std::thread::yield_now();
        }
        runtime.terminate_blocking("w").unwrap();
        let new = launched(&runtime, "w", 1);
        for n in 10..13u64 {
            new.send_blocking(&n.to_le_bytes()).unwrap();
        }
        // Its own replies, and then its end; never those of the life that has its rings now.
        for n in 1..3u64 {
            assert_eq!(old.receive_blocking(SOON).unwrap().payload, n.to_le_bytes());
        }
        let ended = RuntimeError::Ended { id: "w".to_owned() };
        assert_eq!(old.receive_blocking(SOON).unwrap_err(), ended);
        assert!(matches!(old.try_send(b"x"), Err(RuntimeError::NotActive { state: KernelState::Terminated, .. })));
        for n in 10..13u64 {
            assert_eq!(new.receive_blocking(SOON).unwrap().payload, n.to_le_bytes());
        }
        assert_eq!((old.state(), new.state()), (KernelState::Terminated, KernelState::Active));
        assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_processed, 3);
    }
}

/// A relaunch that the device refuses has taken the rings of the life before; it is remembered no longer than others are.
#[test]
fn refused_relaunches_are_forgotten() {
    let runtime = RingKernelRuntime::builder().device(ringscope::DeviceSpec::Host).max_kernels(2).slots(2);
    let runtime = runtime.telemetry(true).build().unwrap();
    let too_much = LaunchOptions::new().shared_bytes(1 << 30);
    for n in 0..10 {
        let id = format!("k{n}");
        echoes(&launched(&runtime, &id, 1), 1);
        runtime.terminate_blocking(&id).unwrap();
        let refused = runtime.launch_blocking(&id, &too_much).unwrap_err();
        assert!(matches!(refused, RuntimeError::Device(DeviceError::TooMuchSharedMemory { .. })), "{refused}");
    }
    let RuntimeError::UnknownKernel { launched, .. } = runtime.kernel("nobody").unwrap_err() else { unreachable!() };
    assert_eq!(launched, "k8, k9");
}

/// A launch for which the system gives no threads has begun nothing: its id and its rings are there for the next.
#[cfg(all(feature = "publish", target_os = "linux"))]
#[test]
fn a_launch_without_threads_leaves_its_place() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    const HAS_LIMIT: &str = "RINGSCOPE_TEST_HAS_LIMIT";
    const MIB: u64 = 1 << 20;
    if std::env::var_os(HAS_LIMIT).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let child = child.args(["a_launch_without_threads_leaves_its_place", "--exact", "--nocapture"]);
        assert!(child.env(HAS_LIMIT, "1").status().unwrap().success());
        return;
    }
    let config = TelemetryConfig { max_kernels: 1, max_blocks: 2000, ..Default::default() };
    let runtime = RingKernelRuntime::builder().device(ringscope::DeviceSpec::Host).max_kernels(1).slots(2);
    let runtime = runtime.telemetry(true).telemetry_config(config).build().unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().and_then(|n| n.parse().ok()).unwrap();
    // Room for the stacks of a hundred threads.
    let most = Some(pages * 4096 + 256 * MIB);
    setrlimit(Resource::As, Rlimit { current: most, maximum: most }).unwrap();
    for life in 1..=5 {
        let error = runtime.launch_blocking("w", &LaunchOptions::new().blocks(2000)).unwrap_err();
        assert!(matches!(error, RuntimeError::Device(DeviceError::NoThread { .. })), "{error}");
        // Threads of that launch may have their stacks still.
        let since = Instant::now();
        while let Err(error) = runtime.launch_blocking("w", &LaunchOptions::new().blocks(2)) {
            assert!(since.elapsed() < SOON, "{error}");
            std::thread::sleep(Duration::from_millis(1));
        }
        runtime.activate_blocking("w").unwrap();
        echoes(&runtime.kernel("w").unwrap(), life);
        assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_processed, life);
        runtime.terminate_blocking("w").unwrap();
    }
}

/// A kernel of the program's own, registered and retired.
#[test]
fn a_kernel_of_ones_own_is_retired() {
    let device = ringscope::device::open(ringscope::DeviceSpec::Host).unwrap().device;
    let config = TelemetryConfig { max_kernels: 2, max_blocks: 4, ..Default::default() };
    let collector = TelemetryCollector::on_device(device, config).unwrap();
    let first = collector.register("own", 4).unwrap();
    let taken = TelemetryError::AlreadyRegistered { id: "own".to_owned() };
    assert_eq!(collector.register("own", 1).unwrap_err(), taken);
    assert!(matches!(collector.register("other", 1), Err(TelemetryError::TooManyBlocks { free: 0, .. })));
    let unknown = TelemetryError::UnknownKernel { id: "nobody".to_owned(), registered: 1 };
    assert_eq!(collector.retire("nobody").unwrap_err(), unknown);
    collector.retire("own").unwrap();
    collector.retire("own").unwrap();
    assert_eq!(collector.telemetry("own").unwrap().generation, 1, "its last numbers stay");
    let again = collector.register("own", 4).unwrap();
    assert_eq!((again.shards, again.shard_count), (first.shards, 4), "the same place");
    assert_eq!(collector.telemetry("own").unwrap().generation, 2);
    collector.record_receive("actor").unwrap();
    assert!(matches!(collector.retire("actor"), Err(TelemetryError::UnknownKernel { .. })), "it is no kernel");
}

/// A block that runs keeps its place.
#[test]
fn a_kernel_that_runs_is_not_retired() {
    for builder in builders() {
        let runtime = builder.build().unwrap();
        let kernel = launched(&runtime, "w", 2);
        echoes(&kernel, 1);
        let error = runtime.collector().retire("w").unwrap_err();
        assert!(matches!(error, TelemetryError::StillRunning { .. }), "{error}");
        echoes(&kernel, 1);
        assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_processed, 2, "nothing is lost");
    }
}

#[test]
fn what_is_told_of_a_new_life_begins_at_its_begin() {
    for builder in builders() {
        let runtime = builder.max_kernels(1).build().unwrap();
        let mut changes = runtime.collector().changes();
        let mut last = None;
        for life in 1..=2 {
            echoes(&launched(&runtime, "w", 1), 5);
            let snapshot = runtime.snapshot_blocking().unwrap();
            let now = snapshot.kernel("w").unwrap();
            assert_eq!(now.counted_since, now.start_time);
            assert!(now.start_time > last, "another begin");
            last = now.start_time;
            assert!(now.rates.iter().all(|rate| rate.messages_per_second >= 0.0));
            let created = now.counted_since.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let page = snapshot.export_openmetrics();
            for name in ["ringscope_kernel_messages_received", "ringscope_kernel_message_duration_seconds"] {
                let begins = format!("{name}_created{{kernel=\"w\",");
                let line = page.lines().find(|line| line.starts_with(&begins));
                assert!(line.is_some_and(|line| line.contains(&format!("}} {created}."))), "{name}: {line:?}");
            }
            let generation = page.lines().find(|line| line.starts_with("ringscope_kernel_generation{kernel=\"w\","));
            assert!(generation.is_some_and(|line| line.ends_with(&format!("}} {life}"))), "{generation:?}");
            runtime.terminate_blocking("w").unwrap();
        }
        let kinds: Vec<EventKind> = changes.read().kernel_events.iter().map(|event| event.kind).collect();
        let life = [EventKind::Launched, EventKind::Activated, EventKind::Terminating, EventKind::Terminated];
        assert_eq!(kinds, [life, life].concat());
        // A reset is a begin, too.
        echoes(&launched(&runtime, "w", 1), 1);
        runtime.collector().reset(None).unwrap();
        let now = runtime.telemetry_blocking("w").unwrap();
        assert!(now.counted_since > now.start_time);
    }
}

/// Two lives under one id on two devices, and a place that only one of them has.
#[test]
fn an_id_lives_again_on_another_device() {
    let device = || ringscope::device::open(ringscope::DeviceSpec::Host).unwrap().device;
    let config = TelemetryConfig { max_kernels: 2, max_blocks: 4, ..Default::default() };
    let builder = RingKernelRuntime::builder().on(device()).on(device()).telemetry(true).telemetry_config(config);
    let runtime = builder.max_kernels(1).slots(4).build().unwrap();
    for life in 1..=6 {
        let on = (life % 2) as usize;
        // All shards of that device.
        runtime.launch_blocking("w", &LaunchOptions::new().blocks(4).device(on)).unwrap();
        runtime.activate_blocking("w").unwrap();
        echoes(&runtime.kernel("w").unwrap(), life);
        let now = runtime.telemetry_blocking("w").unwrap();
        assert_eq!((now.generation, now.device, now.messages_processed), (life, Some(on as u32), life));
        assert_eq!(runtime.device_of("w"), Ok(on));
        all_have_begun(&runtime, "w", 4);
        runtime.terminate_blocking("w").unwrap();
    }
    let snapshot = runtime.snapshot_blocking().unwrap();
    assert_eq!((snapshot.kernels.len(), snapshot.self_metrics.dropped.kernels), (1, 0));
}

/// However many threads meet an actor first, the kernel whose place it takes is forgotten once.
#[test]
fn a_place_is_taken_once() {
    for builder in (0..common::fewer(20)).flat_map(|_| builders()) {
        let config = TelemetryConfig { max_kernels: 1, max_blocks: 4, ..Default::default() };
        let runtime = builder.max_kernels(1).telemetry_config(config).build().unwrap();
        echoes(&launched(&runtime, "w", 1), 3);
        runtime.terminate_blocking("w").unwrap();
        runtime.snapshot_blocking().unwrap();
        let start = std::sync::Barrier::new(8);
        let meet = || {
            start.wait();
            runtime.collector().record_receive("actor").unwrap();
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(meet))));
        let snapshot = runtime.snapshot_blocking().unwrap();
        assert_eq!((snapshot.self_metrics.dropped.kernels, snapshot.kernels[0].messages_received), (1, 8));
        let page = snapshot.export_prometheus();
        assert!(page.contains("\nringscope_tasks_executed_total 3\n"), "what was forgotten counts once: {page}");
    }
}

/// What is recorded over two lives comes out as it went in, and nothing of one life is in the other.
#[cfg(feature = "recording")]
#[test]
fn a_recording_has_both_lives() {
    use ringscope::feed::Moment;
    use ringscope::recording::{Decoder, Encoder};

    for builder in builders() {
        let runtime = builder.max_kernels(1).build().unwrap();
        let (mut encoder, mut originals) = (Encoder::new(), Vec::new());
        let mut bytes = encoder.header();
        for life in 1..=3 {
            let kernel = launched(&runtime, "w", life as u32);
            for _ in 0..3 {
                echoes(&kernel, 10 / life);
                let moment = Moment::of_snapshot(runtime.snapshot_blocking().unwrap());
                bytes.extend(encoder.encode(&moment));
                originals.push(moment);
            }
            runtime.terminate_blocking("w").unwrap();
        }
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        let replayed: Vec<Moment> = std::iter::from_fn(|| decoder.next().unwrap()).collect();
        assert_eq!(replayed.len(), originals.len());
        for (now, then) in replayed.iter().zip(&originals) {
            assert_eq!(now.snapshot.export_json_full().unwrap(), then.snapshot.export_json_full().unwrap());
        }
        let lives: Vec<u64> = replayed.iter().map(|moment| moment.snapshot.kernels[0].generation).collect();
        assert_eq!(lives, [1, 1, 1, 2, 2, 2, 3, 3, 3]);
    }
}
