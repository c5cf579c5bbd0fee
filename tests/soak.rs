//! The promise that everything else stands on, over many messages: what the host sent and received, and what the device
//! counted, are the same numbers, in the middle and at the end, whatever else goes on meanwhile.
//!
//! Its short form always runs. `scripts/soak.sh` runs the long one: RINGSCOPE_SOAK_MESSAGES says how many messages.
#![cfg(all(feature = "host", unix))]

mod common;

use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::abi::status::REFUSED;
use ringscope::{DeviceSpec, KernelTelemetry, LaunchOptions, RingKernel, RingKernelRuntime, RuntimeError, Snapshot};

const SHORT: u64 = 300_000;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Times that a configuration is compared, the last of them after its end.
const COMPARISONS: u64 = 4;

/// A way to stream, and its share of all messages.
struct Configuration {
    kernel: &'static str,
    kernels: usize,
    blocks: u32,
    slots: u32,
    bytes: usize,
    refuse: f64,
    share: u64,
}

/// Small queues are slow, and get few messages.
#[rustfmt::skip]
const CONFIGURATIONS: &[Configuration] = &[
    Configuration { kernel: "echo",       kernels: 1, blocks: 1, slots: 1024, bytes: 16,   refuse: 0.0,  share: 30 },
    Configuration { kernel: "crc32c",     kernels: 1, blocks: 1, slots: 256,  bytes: 64,   refuse: 0.25, share: 30 },
    Configuration { kernel: "crc32c",     kernels: 2, blocks: 1, slots: 4096, bytes: 32,   refuse: 0.0,  share: 20 },
    Configuration { kernel: "vector_add", kernels: 1, blocks: 1, slots: 512,  bytes: 64,   refuse: 0.0,  share: 15 },
    Configuration { kernel: "echo",       kernels: 3, blocks: 2, slots: 64,   bytes: 256,  refuse: 0.5,  share: 3 },
    Configuration { kernel: "crc32c",     kernels: 1, blocks: 4, slots: 16,   bytes: 4096, refuse: 0.01, share: 1 },
    Configuration { kernel: "echo",       kernels: 2, blocks: 1, slots: 2,    bytes: 1,    refuse: 1.0,  share: 1 },
];

/// Messages with their right replies. Message `n` of a kernel is number `n % len`.
struct Traffic {
    messages: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
}

impl Traffic {
    fn new(kernel: &str, most_bytes: usize) -> Traffic {
        let unit = if kernel == "vector_add" { 8 } else { 1 };
        let message = |i: usize| {
            let bytes = (most_bytes - most_bytes * i / 61).max(unit) / unit * unit;
            (0..bytes).map(|at| (at * 31 + i * 7) as u8 & 0x3f).collect::<Vec<u8>>()
        };
        let messages: Vec<Vec<u8>> = (0..61).map(message).collect();
        let replies = messages.iter().map(|message| right_reply(kernel, message)).collect();
        Traffic { messages, replies }
    }
}

fn right_reply(kernel: &str, message: &[u8]) -> Vec<u8> {
    let floats = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>();
    match kernel {
        "echo" => message.to_vec(),
        "crc32c" => crc32c::crc32c(message).to_le_bytes().to_vec(),
        _ => {
            let (a, b) = message.split_at(message.len() / 2);
            floats(a).iter().zip(floats(b)).flat_map(|(a, b)| (a + b).to_le_bytes()).collect()
        }
    }
}

/// One kernel, and all that the host knows of its messages.
struct Lane {
    kernel: RingKernel,
    sent: u64,
    replies: u64,
    refused: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Sums over the numbers of the replies, by which one that came twice, or never, is noticed.
    numbers: (u64, u64),
}

impl Lane {
    /// Sends up to `most` messages in all, and takes the replies that are there; whether anything moved.
    fn step(&mut self, traffic: &Traffic, most: u64, refuse: f64) -> bool {
        let before = (self.sent, self.replies);
        while self.sent < most {
            let message = &traffic.messages[(self.sent % 61) as usize];
            match self.kernel.try_send(message) {
                Ok(number) => assert_eq!(number, self.sent),
                Err(RuntimeError::QueueFull { .. }) => break,
                Err(error) => panic!("{error}"),
            }
            self.sent += 1;
            self.bytes_in += message.len() as u64;
        }
        while let Some(reply) = self.kernel.try_receive().expect("it runs") {
            if reply.status == 0 {
                assert!(
                    reply.payload == traffic.replies[(reply.seq % 61) as usize],
                    "message {} of {:?}",
                    reply.seq,
                    self.kernel
                );
            } else {
                assert!(reply.status == REFUSED && refuse > 0.0, "status {}", reply.status);
                self.refused += 1;
            }
            self.replies += 1;
            self.bytes_out += reply.payload.len() as u64;
            self.count(reply.seq, u64::wrapping_add);
        }
        before != (self.sent, self.replies)
    }

    fn count(&mut self, number: u64, with: fn(u64, u64) -> u64) {
        let square = number.wrapping_mul(number);
        self.numbers = (with(self.numbers.0, number), with(self.numbers.1, square));
    }

    /// What differs between these counts and the device's.
    fn differences(&self, snapshot: &Snapshot) -> Vec<String> {
        let Some(device) = snapshot.kernel(self.kernel.id()) else { return vec!["not in the snapshot".to_owned()] };
        let pairs = [
            ("messages_received", device.messages_received, self.sent),
            ("messages_processed", device.messages_processed, self.sent - self.refused),
            ("messages_sent", device.messages_sent, self.replies),
            ("errors", device.errors, self.refused),
            ("bytes_in", device.bytes_in, self.bytes_in),
            ("bytes_out", device.bytes_out, self.bytes_out),
            ("dropped", device.dropped, 0),
            ("latencies", device.latency.map_or(0, |l| l.count), self.sent),
        ];
        let differ = pairs.into_iter().filter(|(_, device, host)| device != host);
        differ.map(|(what, device, host)| format!("{what}: {device} on the device, {host} on the host")).collect()
    }
}

/// Everything that only ever grows.
fn totals(kernel: &KernelTelemetry) -> [u64; 8] {
    let latencies = kernel.latency.map_or(0, |l| l.count);
    let (received, processed, sent) = (kernel.messages_received, kernel.messages_processed, kernel.messages_sent);
    [received, processed, sent, kernel.errors, kernel.bytes_in, kernel.bytes_out, kernel.dropped, latencies]
}

/// Takes snapshots and pages for Prometheus under load until `done`: no count may ever go back, and a page says what its
/// snapshot does. Returns how many.
fn watch(runtime: &RingKernelRuntime, done: &AtomicBool) -> u64 {
    const NAME: &str = "ringscope_kernel_messages_received_total";
    let mut before: HashMap<String, [u64; 8]> = HashMap::new();
    let mut snapshots = 0;
    while !done.load(Ordering::Relaxed) {
        let snapshot = runtime.collector().snapshot().expect("a snapshot");
        let page = snapshot.export_prometheus();
        for kernel in &snapshot.kernels {
            let now = totals(kernel);
            let then = before.insert(kernel.kernel_id.to_string(), now).unwrap_or_default();
            assert!(then.iter().zip(now).all(|(then, now)| *then <= now), "{then:?}, then {now:?}");
            let (begin, end) = (format!("{NAME}{{kernel=\"{}\",", kernel.kernel_id), format!("}} {}", now[0]));
            let says = |line: &str| line.starts_with(&begin) && line.ends_with(&end);
            assert!(page.lines().any(says), "{begin} and {end} in {page}");
        }
        snapshots += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    snapshots
}

/// Stops this whole process for a moment, from outside, and lets it go on.
fn pause() {
    let script = "kill -STOP \"$1\"; sleep 0.2; kill -CONT \"$1\"";
    let ended = Command::new("sh").args(["-c", script, "sh", &std::process::id().to_string()]).status();
    assert!(ended.expect("sh").success());
}

/// Streams up to `most` messages through each lane, and every reply of them.
fn stream(lanes: &mut [Lane], traffic: &Traffic, most: u64, refuse: f64) {
    let mut moved = Instant::now();
    let mut idle = 0u32;
    while lanes.iter().any(|lane| lane.replies < most) {
        if lanes.iter_mut().map(|lane| lane.step(traffic, most, refuse)).fold(false, |any, one| any | one) {
            idle = 0;
            continue;
        }
        idle += 1;
        if idle == 1 {
            moved = Instant::now();
        }
        if idle > 64 {
            assert!(moved.elapsed() < PATIENCE, "no reply");
            std::thread::yield_now();
        }
    }
}

/// The device's counts are the host's: at once if nothing is late, and after a pause when its blocks have run again.
fn compare(runtime: &RingKernelRuntime, lanes: &[Lane]) {
    let start = Instant::now();
    loop {
        let snapshot = runtime.snapshot_blocking().expect("a snapshot");
        let differences: Vec<_> = lanes.iter().flat_map(|lane| lane.differences(&snapshot)).collect();
        if differences.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{differences:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One configuration; returns how many messages were compared.
fn soak(device: DeviceSpec, configuration: &Configuration, messages: u64) -> u64 {
    let Configuration { kernel, kernels, blocks, slots, bytes, refuse, .. } = *configuration;
    let each = (messages / kernels as u64).max(COMPARISONS);
    let runtime = RingKernelRuntime::builder().device(device).telemetry(true).kernel(kernel).slots(slots);
    let runtime = runtime.slot_bytes(bytes.max(16) as u32).max_kernels(kernels).build().expect("a runtime");
    runtime.collector().start_collection(Duration::from_millis(20)).expect("a collection");
    let launch = |i| {
        let id = format!("soak_{i}");
        let options = LaunchOptions::new().blocks(blocks).inject_errors(refuse);
        runtime.launch_blocking(&id, &options).expect("a launch");
        runtime.activate_blocking(&id).expect("its activation");
        let kernel = runtime.kernel(&id).expect("it is there");
        Lane { kernel, sent: 0, replies: 0, refused: 0, bytes_in: 0, bytes_out: 0, numbers: (0, 0) }
    };
    let mut lanes: Vec<Lane> = (0..kernels).map(launch).collect();
    let (traffic, done) = (Traffic::new(kernel, bytes), AtomicBool::new(false));
    let snapshots = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let _done = OnDrop(&done);
        scope.spawn(|| snapshots.store(watch(&runtime, &done), Ordering::Relaxed));
        for comparison in 1..=COMPARISONS {
            let pauser = scope.spawn(pause);
            stream(&mut lanes, &traffic, each * comparison / COMPARISONS, refuse);
            pauser.join().expect("a pause");
            compare(&runtime, &lanes);
            let so_far: u64 = lanes.iter().map(|lane| lane.sent).sum();
            eprintln!("  {kernel} of up to {bytes} bytes: {so_far} of {} messages are equal", each * kernels as u64);
            for lane in &lanes {
                let id = lane.kernel.id();
                runtime.deactivate_blocking(id).expect("it is held");
                assert!(matches!(lane.kernel.try_send(&traffic.messages[0]), Err(RuntimeError::NotActive { .. })));
                runtime.activate_blocking(id).expect("it goes on");
            }
        }
    });
    let all = lanes.iter().map(|lane| lane.sent).sum();
    for lane in &mut lanes {
        runtime.terminate_blocking(lane.kernel.id()).expect("its end");
        (0..lane.sent).for_each(|number| lane.count(number, u64::wrapping_sub));
        assert_eq!((lane.sent, lane.replies, lane.numbers), (each, each, (0, 0)), "each was answered, and once");
    }
    let last = runtime.snapshot_blocking().expect("the last snapshot");
    lanes.iter().for_each(|lane| assert_eq!(lane.differences(&last), Vec::<String>::new(), "{:?}", lane.kernel));
    let Configuration { kernel, kernels, blocks, slots, bytes, refuse, .. } = configuration;
    println!(
        "{all:>11} messages, {:>5} snapshots: {kernel} in {kernels} kernels of {blocks} blocks, {slots} slots of up to {bytes} bytes, {:.0} % refused",
        snapshots.into_inner(),
        100.0 * refuse
    );
    all
}

/// Sets it also where a test fails, so that the threads beside it end.
struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn not_one_message_of_very_many_is_counted_otherwise() {
    let messages = match std::env::var("RINGSCOPE_SOAK_MESSAGES") {
        Ok(text) => text.parse().expect("RINGSCOPE_SOAK_MESSAGES is a number"),
        Err(_) => SHORT,
    };
    let shares: u64 = CONFIGURATIONS.iter().map(|c| c.share).sum();
    for device in common::devices() {
        let soak = |c: &Configuration| soak(device, c, messages.div_ceil(shares) * c.share);
        let compared: u64 = CONFIGURATIONS.iter().map(soak).sum();
        println!("{compared} messages on {device} were compared, and none differed");
    }
}
