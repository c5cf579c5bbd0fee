//! What the reader of events and spans stands on, over many records: each that a kernel wrote was read once, whole, in its
//! place, or counted as lost in it; whatever the reader was late for.
//!
//! Its short form always runs. `scripts/soak.sh` runs the long one: RINGSCOPE_SOAK_EVENTS says how many records.
#![cfg(feature = "host")]
#![allow(unsafe_code)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::abi::KernelRef;
use ringscope::device::probe::Entry;
use ringscope::device::{Launch, Memory, SharedDevice, open};
use ringscope::snapshot::TraceRecords;
use ringscope::trace::{DeviceRecord, RecordKind, Stream, StreamConfig, TraceFilter};
use ringscope::{DeviceSpec, LaunchOptions, Level, RingKernelRuntime, TelemetryCollector, TelemetryConfig};

const SHORT: u64 = 2_000_000;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Events that one launch of the kernel below writes at most: what has begun cannot be stopped.
const ROUNDS: u64 = 50_000_000;

/// Rings of that many records, in so many blocks.
const CONFIGURATIONS: [(u32, u32); 3] = [(16384, 1), (64, 1), (1024, 3)];

/// Where a ring is, and what came of it.
#[derive(Clone, Copy, Default)]
struct Ring {
    next: u64,
    read: u64,
    lost: u64,
}

impl Ring {
    /// A record stands where the one before it ended: so none is missing untold, and none comes twice.
    fn take(&mut self, record: &DeviceRecord, places: u64) {
        assert_eq!(record.number, self.next, "{record:?}");
        match record.kind {
            RecordKind::Lost { records } => self.lost += records,
            _ => self.read += places,
        }
        self.next = self.read + self.lost;
    }
}

/// Starts the probe's kernel that writes nothing but events, each with its round as its value.
fn write_events(device: &SharedDevice, to: KernelRef, keep: Vec<Memory>, blocks: u32, rounds: u64) -> Box<dyn Launch> {
    const EVENT: u64 = 21;
    let kernel = device.load_probe(Entry::Questions, Level::Events).expect("the probe");
    let out = device.allocate_mapped(blocks as usize * 16).expect("memory");
    let at = out.device_address();
    let words: [u64; 8] = [at, at, at, at, EVENT, 0, rounds, 0];
    let args = [bytemuck::bytes_of(&to), bytemuck::bytes_of(&words)].concat();
    let keep = keep.into_iter().chain([out]).collect();
    // SAFETY: the arguments are as kernels/probe/probe.cu has them: rings and shards of a collector whose memory is kept, and
    // two words for each block, which are kept as well.
    unsafe { kernel.launch(blocks, &[&args], keep) }.expect("a launch")
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Kernels that record as fast as they can. Returns how many events were accounted for, and how many of them were read.
fn soak_events(spec: DeviceSpec, records: u32, blocks: u32, events: u64) -> (u64, u64) {
    let device = open(spec).expect("a device").device;
    device.reserve_launches(1).expect("room");
    let config = TelemetryConfig { trace_records: records, max_blocks: blocks, ..TelemetryConfig::default() };
    let telemetry = TelemetryCollector::on_device(Arc::clone(&device), config).expect("a collector");
    let kernel = telemetry.register("w", blocks).expect("a kernel");
    let mut stream = telemetry.trace_stream_with(StreamConfig::new().queue_records(1 << 16)).expect("a stream");
    let mut rings = vec![Ring::default(); blocks as usize];
    let (each, mut written) = (events.div_ceil(blocks.into()), 0);
    while written < each {
        let rounds = (each - written).min(ROUNDS);
        let launch = write_events(&device, kernel, telemetry.memory(), blocks, rounds);
        // A block writes the round of each launch: its number less what was written before.
        let mut take = |record: &DeviceRecord| {
            rings[record.shard as usize].take(record, 1);
            match record.kind {
                RecordKind::Event { value, .. } => assert_eq!(value, record.number - written, "{record:?}"),
                RecordKind::Lost { .. } => {}
                _ => panic!("{record:?}"),
            }
        };
        let all = (written + rounds) * u64::from(blocks);
        read_until(&mut stream, all, &mut take);
        wait_for("its end", || launch.ended().expect("it ends well"));
        written += rounds;
    }
    assert!(rings.iter().all(|ring| ring.next == each));
    settled(&stream, each * u64::from(blocks), || telemetry.snapshot().expect("a snapshot").kernel("w").unwrap().trace);
    (stream.read() + stream.lost(), stream.read())
}

/// Takes what comes until so many places are accounted for.
fn read_until(stream: &mut Stream, places: u64, take: &mut impl FnMut(&DeviceRecord)) {
    while stream.read() + stream.lost() < places {
        let record = stream.next_blocking(PATIENCE).expect("more was written");
        take(&record);
    }
    assert_eq!(stream.read() + stream.lost(), places, "more than was written");
}

/// What the snapshot says is what was written; what a slow stream missed it did read.
fn settled(stream: &Stream, written: u64, counts: impl Fn() -> Option<TraceRecords>) {
    wait_for("the rings' last look", || {
        let now = counts().expect("it is traced");
        assert!(now.read + now.lost <= now.written && now.written <= written, "{now:?} of {written}");
        now.written == written && now.read + now.lost == written
    });
    let now = counts().expect("it is traced");
    assert!(stream.read() <= now.read && now.lost <= stream.lost(), "{now:?}, {} and {}", stream.read(), stream.lost());
}

/// A ring kernel of which every message leaves a span. As above.
fn soak_messages(device: DeviceSpec, messages: u64) -> (u64, u64) {
    const PLACES: u64 = 2;
    let config = TelemetryConfig { trace_records: 1024, ..TelemetryConfig::default() };
    let runtime = RingKernelRuntime::builder().device(device).telemetry(true).telemetry_config(config).kernel("echo");
    let runtime = runtime.slots(1024).slot_bytes(16).build().expect("a runtime");
    let mut stream = runtime.collector().trace_stream().expect("a stream");
    runtime.launch_blocking("w", &LaunchOptions::new().trace(TraceFilter::all())).expect("a launch");
    runtime.activate_blocking("w").expect("its activation");
    let kernel = runtime.kernel("w").expect("it is there");
    let load = std::thread::spawn(move || {
        let (mut sent, mut replies) = (0, 0);
        while replies < messages {
            while sent < messages && kernel.try_send(b"hello").is_ok() {
                sent += 1;
            }
            match kernel.try_receive().expect("it runs") {
                Some(_) => replies += 1,
                None => std::thread::yield_now(),
            }
        }
    });
    let (mut ring, mut last) = (Ring::default(), None);
    read_until(&mut stream, messages * PLACES, &mut |record| {
        ring.take(record, PLACES);
        if let RecordKind::Message { number, status, .. } = record.kind {
            assert!(status == 0 && number.is_some_and(|n| n < messages) && number > last, "{record:?} after {last:?}");
            last = number;
        }
    });
    load.join().expect("all were answered");
    settled(&stream, messages * PLACES, || runtime.snapshot_blocking().expect("a snapshot").kernel("w").unwrap().trace);
    (stream.read() + stream.lost(), stream.read())
}

#[test]
fn every_event_of_very_many_is_read_once_or_counted_as_lost_in_its_place() {
    let events = match std::env::var("RINGSCOPE_SOAK_EVENTS") {
        Ok(text) => text.parse().expect("RINGSCOPE_SOAK_EVENTS is a number"),
        Err(_) => SHORT,
    };
    for device in common::devices() {
        let mut all = (0, 0);
        let mut note = |what: String, (accounted, read): (u64, u64)| {
            println!("{accounted:>11} records accounted for, {read:>11} of them read: {what}");
            all = (all.0 + accounted, all.1 + read);
        };
        for (records, blocks) in CONFIGURATIONS {
            let what = format!("events in rings of {records}, {blocks} blocks");
            note(what, soak_events(device, records, blocks, events / CONFIGURATIONS.len() as u64));
        }
        note("spans of messages".to_owned(), soak_messages(device, (events / 100).max(1000)));
        println!("{} records on {device}: {} read, {} lost, and none besides", all.0, all.1, all.0 - all.1);
    }
}
