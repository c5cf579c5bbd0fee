//! What a kernel says of itself when things do not go straight: held queues, back-pressure, stops under observation,
//! resets under traffic.
#![cfg(feature = "host")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::host::MAX_BLOCKS;
use ringscope::snapshot::{Place, RingPlace};
use ringscope::{
    DeviceError, DeviceSpec, KernelState, LaunchOptions, RingKernelRuntime, RuntimeBuilder, RuntimeError,
    TelemetryConfig,
};

mod common;

const SOON: Duration = Duration::from_secs(60);

fn builders() -> impl Iterator<Item = RuntimeBuilder> {
    let builder = |(device, ring)| RingKernelRuntime::builder().device(device).input_ring(ring).telemetry(true);
    common::devices_and_rings().map(builder)
}

fn active(builder: RuntimeBuilder, blocks: u32) -> RingKernelRuntime {
    let runtime = builder.build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new().blocks(blocks)).unwrap();
    runtime.activate_blocking("w").unwrap();
    runtime
}

fn wait_until(what: &str, mut happens: impl FnMut() -> bool) {
    let patience = Instant::now() + SOON;
    while !happens() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_queue_of_a_deactivated_kernel_is_seen() {
    for builder in builders() {
        // Nobody receives: two replies fill the ring, the block waits with a third, the queue stays.
        let runtime = active(builder.slots(2), 1);
        let kernel = runtime.kernel("w").unwrap();
        let mut sent = 0;
        let one_more = || kernel.try_send(b"x").is_ok();
        wait_until("the queue fills", || {
            sent += u64::from(one_more());
            sent == 4
        });
        let more = Instant::now() + Duration::from_millis(200);
        while Instant::now() < more {
            assert!(!one_more(), "2 replies, one message in hand, one behind it");
        }
        let full = runtime.telemetry_blocking("w").unwrap().queue_full;
        assert!(full > 0 && kernel.try_send(b"x").is_err());
        assert_eq!(runtime.telemetry_blocking("w").unwrap().queue_full, full + 1);
        wait_until("the block sees what is queued", || runtime.telemetry_blocking("w").unwrap().queue_depth == 1);
        runtime.deactivate_blocking("w").unwrap();
        for _ in 0..3 {
            kernel.receive_blocking(SOON).unwrap();
        }
        // Held, with one message in the queue that it does not take.
        wait_until("a held kernel tells its queue", || runtime.telemetry_blocking("w").unwrap().queue_depth == 1);
        assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_received, 3);
        runtime.activate_blocking("w").unwrap();
        kernel.receive_blocking(SOON).unwrap();
        wait_until("an empty queue is told", || runtime.telemetry_blocking("w").unwrap().queue_depth == 0);
    }
}

#[test]
fn waiting_for_room_is_not_work() {
    for builder in builders() {
        let runtime = active(builder.slots(2), 1);
        let kernel = runtime.kernel("w").unwrap();
        for _ in 0..3 {
            kernel.send_blocking(b"x").unwrap();
        }
        let waits_for_room = || {
            let snapshot = runtime.snapshot_blocking().unwrap();
            snapshot.blocks("w").is_some_and(|blocks| blocks[0].place == Place::Ring(RingPlace::Room))
        };
        wait_until("the third reply finds no room", waits_for_room);
        std::thread::sleep(Duration::from_secs(2));
        for _ in 0..3 {
            kernel.receive_blocking(SOON).unwrap();
        }
        let t = runtime.telemetry_blocking("w").unwrap();
        assert_eq!((t.messages_processed, t.retries), (3, 1));
        assert!(t.busy_time < Duration::from_secs(1), "{:?}", t.busy_time);
        assert!(t.latency.unwrap().max_ns < 1_000_000_000, "{:?}", t.latency);
        assert!(t.wait_time > Duration::from_millis(1500), "{:?}", t.wait_time);
    }
}

#[test]
fn a_kernel_that_was_told_to_stop_has_not_failed() {
    for builder in builders() {
        let runtime = builder.max_kernels(200).slots(2).slot_bytes(16).build().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let snapshot = runtime.snapshot_blocking().unwrap();
                    assert!(snapshot.kernels.iter().all(|k| k.state != KernelState::Failed));
                }
            });
            for n in 0..common::fewer(200) {
                let id = format!("k{n}");
                runtime.launch_blocking(&id, &LaunchOptions::default()).unwrap();
                runtime.activate_blocking(&id).unwrap();
                runtime.terminate_blocking(&id).unwrap();
                assert_eq!(runtime.kernel(&id).unwrap().state(), KernelState::Terminated);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_reset_under_traffic_leaves_counters_and_buckets_together() {
    for builder in builders() {
        let runtime = active(builder, 2);
        let kernel = runtime.kernel("w").unwrap();
        let (rounds, mut apart) = (common::fewer(100), 0);
        for _ in 0..rounds {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..200 {
                        kernel.send_blocking(b"x").unwrap();
                        kernel.receive_blocking(SOON).unwrap();
                    }
                });
                runtime.reset_telemetry_blocking(None).unwrap();
            });
            let t = runtime.telemetry_blocking("w").unwrap();
            assert!(t.messages_processed <= 200);
            apart += u32::from(t.latency.map_or(0, |l| l.count) != t.messages_processed);
        }
        // A block may lose its core in the middle of a record, and for longer than a reset tries.
        assert!(apart <= rounds / 20, "{apart} of {rounds}");
    }
}

#[test]
fn times_without_end_are_no_trouble() {
    for builder in builders() {
        let runtime = active(builder, 1);
        runtime.collector().start_collection(Duration::MAX).unwrap();
        runtime.collector().start_collection(Duration::from_millis(1)).unwrap();
        let seen = runtime.snapshot_blocking().unwrap().sequence;
        wait_until("the thread still reads", || runtime.latest().is_some_and(|s| s.sequence > seen + 1));
        kernel_answers(&runtime);
        assert_eq!(runtime.shutdown_blocking(Duration::MAX).abandoned, Vec::<String>::new());
    }
}

fn kernel_answers(runtime: &RingKernelRuntime) {
    runtime.send_blocking("w", b"x").unwrap();
    assert_eq!(runtime.receive_blocking("w", Duration::MAX).unwrap().payload, b"x");
}

#[test]
fn how_long_messages_waited_is_told() {
    for builder in builders() {
        let runtime = active(builder, 2);
        let kernel = runtime.kernel("w").unwrap();
        for _ in 0..100 {
            kernel.send_blocking(b"x").unwrap();
        }
        (0..100).for_each(|_| drop(kernel.receive_blocking(SOON).unwrap()));
        let t = runtime.telemetry_blocking("w").unwrap();
        let waiting = t.waiting.expect("every message says when it was sent");
        assert_eq!((waiting.latency.count, waiting.histogram.count()), (100, 100));
        assert!(waiting.latency.max_ns < SOON.as_nanos() as u64, "{waiting:?}");

        runtime.reset_telemetry_blocking(None).unwrap();
        assert_eq!(runtime.telemetry_blocking("w").unwrap().waiting, None);
        kernel.send_blocking(b"x").unwrap();
        kernel.receive_blocking(SOON).unwrap();
        assert_eq!(runtime.telemetry_blocking("w").unwrap().waiting.map(|w| w.latency.count), Some(1));
    }
}

#[test]
fn messages_of_a_held_kernel_wait() {
    const HELD: Duration = Duration::from_millis(100);
    for builder in builders() {
        // Nobody receives: the replies of two messages fill the ring, a third is in hand, a fourth waits.
        let runtime = active(builder.slots(2), 1);
        let kernel = runtime.kernel("w").unwrap();
        for _ in 0..4 {
            kernel.send_blocking(b"x").unwrap();
        }
        std::thread::sleep(HELD);
        (0..4).for_each(|_| drop(kernel.receive_blocking(SOON).unwrap()));
        let waiting = runtime.telemetry_blocking("w").unwrap().waiting.expect("they were sent with the time");
        assert_eq!(waiting.latency.count, 4);
        let longest = Duration::from_nanos(waiting.latency.max_ns);
        assert!(longest >= HELD * 9 / 10 && longest < SOON, "{longest:?}");
    }
}

#[test]
fn far_more_blocks_than_cores_work_and_stop() {
    const BLOCKS: u32 = 600;
    let config = TelemetryConfig { max_blocks: 20_000, ..Default::default() };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).telemetry_config(config);
    let runtime = builder.stop_limit(SOON).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new().blocks(BLOCKS)).unwrap();
    runtime.activate_blocking("w").unwrap();
    for _ in 0..20 {
        assert_eq!(runtime.call_blocking("w", b"x", SOON).unwrap().payload, b"x");
    }
    // A process has no room for all of these; it says so, and nothing was launched.
    let error = runtime.launch_blocking("many", &LaunchOptions::new().blocks(10_000)).unwrap_err();
    let RuntimeError::Device(DeviceError::TooManyBlocks { asked: 10_000, free }) = error else { panic!("{error}") };
    assert!(free <= MAX_BLOCKS - BLOCKS, "{free}");
    runtime.launch_blocking("many", &LaunchOptions::new().blocks(2)).unwrap();
    runtime.activate_blocking("many").unwrap();
    assert_eq!(runtime.call_blocking("many", b"x", SOON).unwrap().payload, b"x");
    assert_eq!(runtime.telemetry_blocking("w").unwrap().messages_processed, 20);
    runtime.terminate_blocking("w").unwrap();
    // Their places are free again.
    runtime.launch_blocking("again", &LaunchOptions::new().blocks(BLOCKS)).unwrap();
    assert_eq!(runtime.shutdown_blocking(SOON).abandoned, Vec::<String>::new());
}

#[test]
fn who_was_told_to_stop_has_not_failed_whoever_looks_meanwhile() {
    const KERNELS: usize = 200;
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).max_kernels(KERNELS);
    let runtime = builder.slots(2).slot_bytes(8).build().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    runtime.collector().snapshot().unwrap();
                }
            });
        }
        for id in (0..KERNELS).map(|k| format!("k{k}")) {
            runtime.launch_blocking(&id, &LaunchOptions::new()).unwrap();
            runtime.activate_blocking(&id).unwrap();
            runtime.terminate_blocking(&id).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    for kernel in &runtime.snapshot_blocking().unwrap().kernels {
        assert_eq!((kernel.state, &kernel.last_error), (KernelState::Terminated, &None), "{}", kernel.kernel_id);
    }
}
