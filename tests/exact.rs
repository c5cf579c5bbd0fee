//! What the device counts is what happened: over kernels, blocks, sizes and error rates, at the end byte for
//! byte, and monotone at every moment before.
#![cfg(feature = "host")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ringscope::snapshot::{Place, RingPlace};
use ringscope::{
    DeviceSpec, InputRing, KernelState, KernelTelemetry, LaunchOptions, RingKernel, RingKernelRuntime, Snapshot,
    TelemetryConfig,
};

mod common;

const SOON: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Case {
    kernels: usize,
    blocks: u32,
    slots: u32,
    slot_bytes: u32,
    inject_errors: f64,
    sizes: Vec<u32>,
    kernel: &'static str,
    input_ring: InputRing,
}

fn case() -> impl Strategy<Value = Case> {
    let (most, largest) = (common::fewer(400).max(2) as usize, common::fewer(5000));
    let sizes = prop::collection::vec(any::<u32>(), 1..most);
    let rate = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0];
    let kernel = prop_oneof![Just("echo"), Just("crc32c"), Just("vector_add")];
    // Sometimes more than a kernel has rows of buckets.
    let blocks = prop_oneof![9 => 1..5u32, 1 => 9..13u32];
    let input_ring = prop::sample::select(&common::INPUT_RINGS[..]);
    (1..4usize, blocks, 1..6u32, 1..largest, rate, sizes, kernel, input_ring).prop_map(
        |(kernels, blocks, slots, slot_bytes, inject_errors, sizes, kernel, input_ring)| Case {
            kernels,
            blocks,
            slots: 1 << slots,
            slot_bytes,
            inject_errors,
            sizes: sizes.into_iter().map(|s| s % (slot_bytes + 1)).collect(),
            kernel,
            input_ring,
        },
    )
}

/// What the host knows of one kernel.
#[derive(Clone, Debug, Default, PartialEq)]
struct Ledger {
    sent: u64,
    bytes_sent: u64,
    replies: u64,
    refused: u64,
    reply_bytes: u64,
}

fn payload(n: u64, bytes: u32) -> Vec<u8> {
    (0..bytes).map(|i| (n.wrapping_mul(31).wrapping_add(u64::from(i) * 17)) as u8).collect()
}

fn expected_reply(kernel: &str, message: &[u8]) -> Option<Vec<u8>> {
    match kernel {
        "echo" => Some(message.to_vec()),
        "crc32c" => Some(crc32c::crc32c(message).to_le_bytes().to_vec()),
        _ => {
            let floats: Vec<f32> = message.chunks_exact(4).map(|c| f32::from_le_bytes(c.try_into().unwrap())).collect();
            let (a, b) = floats.split_at(floats.len() / 2);
            let sums = a.iter().zip(b).flat_map(|(a, b)| (a + b).to_le_bytes()).collect();
            message.len().is_multiple_of(8).then_some(sums)
        }
    }
}

/// Sends everything to one kernel and receives everything back, checking each reply.
fn stream(kernel: &RingKernel, case: &Case, ledger: &Mutex<Ledger>) {
    let mut seen = vec![false; case.sizes.len()];
    let mut next = 0;
    while seen.iter().any(|s| !s) {
        if let Some(size) = case.sizes.get(next) {
            let mut ledger = ledger.lock().unwrap();
            if kernel.try_send(&payload(next as u64, *size)).is_ok() {
                ledger.sent += 1;
                ledger.bytes_sent += u64::from(*size);
                next += 1;
                continue;
            }
        }
        // A reply may be visible before the word that says that its message's slot is free.
        if seen.iter().filter(|s| **s).count() == next {
            std::thread::yield_now();
            continue;
        }
        let reply = kernel.receive_blocking(SOON).unwrap();
        let message = payload(reply.seq, case.sizes[reply.seq as usize]);
        let was_seen = std::mem::replace(&mut seen[reply.seq as usize], true);
        assert!(!was_seen, "message {} was answered twice", reply.seq);
        let mut ledger = ledger.lock().unwrap();
        ledger.replies += 1;
        ledger.reply_bytes += reply.payload.len() as u64;
        match reply.status {
            0 => {
                let expected = expected_reply(case.kernel, &message).unwrap();
                // Sums may be NaN of different bits: compare as numbers where both are.
                assert_eq!(reply.payload.len(), expected.len());
                if case.kernel != "vector_add" {
                    assert_eq!(reply.payload, expected);
                }
            }
            status => {
                let malformed = expected_reply(case.kernel, &message).is_none();
                assert!(status == 1 || (status == 2 && malformed), "status {status}");
                assert_eq!(reply.payload.len(), 0);
                ledger.refused += 1;
            }
        }
    }
}

fn counters(t: &KernelTelemetry) -> [u64; 8] {
    let count = t.latency.map_or(0, |l| l.count);
    let (received, sent) = (t.messages_received, t.messages_sent);
    [received, sent, t.messages_processed, t.errors, t.bytes_in, t.bytes_out, t.polls, count]
}

/// Reads as fast as it can while kernels run: no counter goes back, none is ahead of what was sent.
fn watch(runtime: &RingKernelRuntime, ledgers: &[Arc<Mutex<Ledger>>], done: &AtomicBool) -> u64 {
    let mut before: HashMap<Arc<str>, [u64; 8]> = HashMap::new();
    let mut snapshots = 0;
    loop {
        let snapshot: Arc<Snapshot> = runtime.collector().snapshot().unwrap();
        for (t, ledger) in snapshot.kernels.iter().zip(ledgers) {
            let now = counters(t);
            let earlier = before.insert(Arc::clone(&t.kernel_id), now).unwrap_or_default();
            assert!(now.iter().zip(earlier).all(|(now, earlier)| *now >= earlier), "{earlier:?} then {now:?}");
            assert!(t.handled() <= ledger.lock().unwrap().sent, "handled more than was sent");
            assert!(t.error_rate.is_finite() && t.throughput.is_finite() && t.windowed_throughput.is_finite());
            assert!((0.0..=1.0).contains(&t.error_rate) && t.busy_ratio >= 0.0);
        }
        snapshots += 1;
        if done.load(Ordering::Acquire) {
            return snapshots;
        }
    }
}

fn run(device: DeviceSpec, case: &Case) {
    let runtime = RingKernelRuntime::builder()
        .device(device)
        .telemetry(true)
        .input_ring(case.input_ring)
        .max_kernels(case.kernels)
        .slots(case.slots)
        .slot_bytes(case.slot_bytes)
        .telemetry_config(TelemetryConfig { max_blocks: 40, ..Default::default() })
        .build()
        .unwrap();
    let options = LaunchOptions::new().kernel(case.kernel).blocks(case.blocks).inject_errors(case.inject_errors);
    let ids: Vec<String> = (0..case.kernels).map(|k| format!("worker_{k}")).collect();
    for id in &ids {
        runtime.launch_blocking(id, &options).unwrap();
        runtime.activate_blocking(id).unwrap();
    }
    let ledgers: Vec<_> = ids.iter().map(|_| Arc::new(Mutex::new(Ledger::default()))).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&runtime, &ledgers, &done));
        let streams: Vec<_> = ids
            .iter()
            .zip(&ledgers)
            .map(|(id, ledger)| {
                let kernel = runtime.kernel(id).unwrap();
                scope.spawn(move || stream(&kernel, case, ledger))
            })
            .collect();
        let failed = streams.into_iter().map(|s| s.join()).filter(Result::is_err).count();
        done.store(true, Ordering::Release);
        assert!(watcher.join().unwrap() > 0);
        assert_eq!(failed, 0);
    });
    for (id, ledger) in ids.iter().zip(&ledgers) {
        // Before the end: what was replied to is counted, as the runtime promises.
        let ledger = ledger.lock().unwrap().clone();
        assert_eq!(runtime.telemetry_blocking(id).unwrap().messages_sent, ledger.replies);
        runtime.terminate_blocking(id).unwrap();
        let t = runtime.telemetry_blocking(id).unwrap();
        let counted = Ledger {
            sent: t.messages_received,
            bytes_sent: t.bytes_in,
            replies: t.messages_sent,
            refused: t.errors,
            reply_bytes: t.bytes_out,
        };
        assert_eq!(counted, ledger, "{id}");
        assert_eq!(t.handled(), ledger.sent);
        assert_eq!((t.dropped, t.queue_depth, t.state), (0, 0, KernelState::Terminated));
        let latency = t.latency.unwrap();
        assert_eq!((latency.count, t.histogram.count()), (ledger.sent, ledger.sent));
        let waiting = t.waiting.as_ref().unwrap();
        assert_eq!((waiting.latency.count, waiting.histogram.count()), (ledger.sent, ledger.sent));
        assert_eq!(t.histogram.sum(), t.busy_time.as_nanos() as u64, "all handling was timed");
        assert_eq!(t.last_error_code.is_some(), ledger.refused > 0);
        assert!(t.queue_high_water < u64::from(case.slots));
        let rate = ledger.refused as f64 / ledger.sent as f64;
        assert_eq!(t.error_rate, rate);
    }
}

#[test]
fn the_device_counts_what_happened() {
    for device in common::devices() {
        println!("on {device:?}");
        let cases = common::fewer(40);
        let config =
            ProptestConfig { cases, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() };
        let mut runner = TestRunner::new(config);
        let result = runner.run(&case(), |case| {
            run(device, &case);
            Ok(())
        });
        result.unwrap_or_else(|failure| panic!("on {device:?}: {failure}"));
    }
}

/// Injected errors are a fraction of the numbers, the same ones each time.
#[test]
fn injected_errors_are_the_fraction_asked_for() {
    let sizes = vec![8; 4000];
    let rates = [0.0, 0.1, 0.5, 1.0];
    for (device, inject_errors) in common::devices().into_iter().flat_map(|d| rates.map(|r| (d, r))) {
        let runtime = RingKernelRuntime::builder().device(device).telemetry(true).build().unwrap();
        let options = LaunchOptions::new().blocks(2).inject_errors(inject_errors);
        runtime.launch_blocking("w", &options).unwrap();
        runtime.activate_blocking("w").unwrap();
        let case = Case {
            kernels: 1,
            blocks: 2,
            slots: 256,
            slot_bytes: 8,
            inject_errors,
            sizes: sizes.clone(),
            kernel: "echo",
            input_ring: InputRing::Mapped,
        };
        stream(&runtime.kernel("w").unwrap(), &case, &Mutex::default());
        let t = runtime.telemetry_blocking("w").unwrap();
        assert!((t.error_rate - inject_errors).abs() < 0.03, "{} for {inject_errors}", t.error_rate);
        assert_eq!(t.last_error_code, (inject_errors > 0.0).then_some(1));
    }
}

/// What is measured to choose is measured before there is a kernel, and is no kernel of anybody's.
#[test]
fn the_fastest_input_ring_is_what_was_measured() {
    for device in common::devices() {
        let builder = RingKernelRuntime::builder().device(device).telemetry(true).input_ring(InputRing::Fastest);
        // Messages as large as they may be, in rings of two, and short ones.
        for (slots, slot_bytes) in [(2, 1 << 20), (256, 64)] {
            let runtime = builder.clone().slots(slots).slot_bytes(slot_bytes).max_kernels(1).build().unwrap();
            let found = runtime.input_ring(0).unwrap();
            let (mapped, device_memory) = (found.mapped.unwrap(), found.device_memory.unwrap());
            assert!(mapped > 0.0 && device_memory > 0.0, "{found:?}");
            let faster = if device_memory > mapped { InputRing::DeviceMemory } else { InputRing::Mapped };
            assert_eq!(found.ring, faster);
            assert!(runtime.snapshot_blocking().unwrap().kernels.is_empty());
            assert!(runtime.kernel("w").is_err());
            runtime.launch_blocking("w", &LaunchOptions::new().blocks(2)).unwrap();
            runtime.activate_blocking("w").unwrap();
            let message = payload(7, slot_bytes);
            assert_eq!(runtime.kernel("w").unwrap().call_blocking(&message, SOON).unwrap().payload, message);
            let counted = runtime.telemetry_blocking("w").unwrap();
            assert_eq!((counted.messages_processed, counted.generation), (1, 1));
        }
        let plain = RingKernelRuntime::builder().device(device).build().unwrap().input_ring(0).unwrap();
        assert_eq!((plain.ring, plain.mapped, plain.device_memory), (InputRing::Mapped, None, None));
    }
}

/// A ring that is full pushes back, nothing is overwritten, and what is queued at the end is counted as dropped.
#[test]
fn a_full_ring_pushes_back_and_a_stop_counts_what_it_drops() {
    common::devices_and_rings().for_each(fill_and_stop);
}

fn fill_and_stop((device, ring): (DeviceSpec, InputRing)) {
    let runtime =
        RingKernelRuntime::builder().device(device).input_ring(ring).telemetry(true).slots(8).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new().blocks(2)).unwrap();
    runtime.activate_blocking("w").unwrap();
    let kernel = runtime.kernel("w").unwrap();
    // Nobody receives: the replies fill, then a message in a block's hand, then the queue. How many that are depends on
    // which messages are in hand: slots are used again in their order, so the oldest of them ends the queue.
    let (start, mut quiet, mut sent) = (Instant::now(), Instant::now(), 0u64);
    let waits_for_room = || {
        let snapshot = runtime.snapshot_blocking().unwrap();
        snapshot.blocks("w").unwrap().iter().any(|block| block.place == Place::Ring(RingPlace::Room))
    };
    while start.elapsed() < SOON && (sent <= 8 || quiet.elapsed() < Duration::from_millis(300) || !waits_for_room()) {
        if kernel.try_send(&sent.to_le_bytes()).is_ok() {
            (quiet, sent) = (Instant::now(), sent + 1);
        }
    }
    assert!((9..=16).contains(&sent), "8 replies wait, 1 or 2 messages wait for room, and 7 or 8 in the queue: {sent}");
    assert!(kernel.try_send(b"x").unwrap_err().to_string().contains("full (8 messages)"));
    runtime.terminate_blocking("w").unwrap();
    let t = runtime.telemetry_blocking("w").unwrap();
    assert_eq!(t.messages_sent, 8);
    assert!((1..=2).contains(&t.retries), "a block, or both, had to wait with a reply: {}", t.retries);
    assert_eq!(t.messages_received + (t.dropped - t.retries), sent, "handled, or dropped from the queue");
    // The replies that were published are all there, each with its own bytes.
    let mut seqs = Vec::new();
    while let Ok(reply) = kernel.receive_blocking(SOON) {
        assert_eq!(reply.payload, reply.seq.to_le_bytes());
        seqs.push(reply.seq);
    }
    seqs.sort_unstable();
    seqs.dedup();
    assert_eq!(seqs.len(), 8);
    assert!(kernel.try_receive().unwrap_err().to_string().contains("has ended"));
}
