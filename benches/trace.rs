//! Reading events and spans: decoding the words of a ring that was copied, and from pens that write on the host device to the
//! records that a stream hands out. Under `taskset -c 0` the pens, the reader and who takes the records share one core.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringscope::abi::KernelRef;
use ringscope::abi::record::{EVENT, MESSAGE, MORE, STAMP_BITS, WORDS};
use ringscope::device::host::HostDevice;
use ringscope::device::probe::Entry;
use ringscope::device::{Launch, SharedDevice};
use ringscope::trace::{Cursor, RingCopy, StreamConfig};
use ringscope::{Level, TelemetryCollector, TelemetryConfig};

const RECORDS: u64 = 16384;

/// A full ring of what a pen writes: events, or messages of two places each.
fn ring(kinds: &[u64]) -> Vec<u64> {
    let mut words = Vec::with_capacity(RECORDS as usize * WORDS);
    for number in 0..RECORDS {
        let (stamp, kind) = ((number + RECORDS) & 0xffff, kinds[number as usize % kinds.len()]);
        words.push((1_000_000 + number * 10) << STAMP_BITS | stamp);
        words.push(number << 32 | 3 << 20 | kind << 16 | stamp);
    }
    words
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("trace decode");
    group.throughput(Throughput::Elements(RECORDS));
    for (what, kinds) in [("events", &[EVENT][..]), ("messages", &[MESSAGE | MORE, 0])] {
        let words = ring(kinds);
        let copy = RingCopy { words: &words, head_before: RECORDS, head_after: RECORDS, now_ns: 2_000_000_000 };
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::new("a ring of", what), |b| {
            b.iter(|| {
                out.clear();
                Cursor::at(0, 0).read(black_box(&copy), &mut out);
                assert!(out.len() as u64 == RECORDS / kinds.len() as u64);
            });
        });
    }
    group.finish();
}

const BLOCKS: u32 = 64;
/// Less than a ring, so that none is lost.
const EACH: u64 = 16000;

struct Pens {
    device: SharedDevice,
    telemetry: TelemetryCollector,
    kernel: KernelRef,
}

impl Pens {
    fn new() -> Pens {
        let device: SharedDevice = Arc::new(HostDevice::new());
        let config = TelemetryConfig { trace_records: RECORDS as u32, max_blocks: BLOCKS, ..Default::default() };
        let telemetry = TelemetryCollector::on_device(Arc::clone(&device), config).expect("a collector");
        let kernel = telemetry.register("w", BLOCKS).expect("a kernel");
        Pens { device, telemetry, kernel }
    }

    /// The probe's kernel, which writes events alone.
    fn write(&self) -> Box<dyn Launch> {
        const WHAT: u64 = 21;
        let kernel = self.device.load_probe(Entry::Questions, Level::Events).expect("the probe");
        let out = self.device.allocate_mapped(BLOCKS as usize * 16).expect("memory");
        let at = out.device_address();
        let words: [u64; 8] = [at, at, at, at, WHAT, 0, EACH, 0];
        let args = [bytemuck::bytes_of(&self.kernel), bytemuck::bytes_of(&words)].concat();
        let keep = self.telemetry.memory().into_iter().chain([out]).collect();
        // SAFETY: the arguments are as kernels/probe/probe.cu has them: rings and shards of a collector whose memory is kept,
        // and two words for each block, which are kept as well.
        unsafe { kernel.launch(BLOCKS, &[&args], keep) }.expect("a launch")
    }
}

fn stream(c: &mut Criterion) {
    const ALL: u64 = BLOCKS as u64 * EACH;
    let pens = Pens::new();
    let mut group = c.benchmark_group("trace stream");
    group.sample_size(20).throughput(Throughput::Elements(ALL));
    // Nobody takes the records: all but one have no room in the queue.
    let idle = pens.telemetry.trace_stream_with(StreamConfig::new().queue_records(1)).expect("a stream");
    let counts = || pens.telemetry.snapshot().expect("a snapshot").kernel("w").and_then(|w| w.trace).expect("counts");
    group.bench_function("from pens to counts", |b| {
        b.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                let before = counts();
                let launch = pens.write();
                while counts().read - before.read < ALL || !launch.ended().expect("it ends well") {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            start.elapsed()
        });
    });
    drop(idle);
    let config = StreamConfig::new().queue_records(BLOCKS as usize * RECORDS as usize);
    let mut stream = pens.telemetry.trace_stream_with(config).expect("a stream");
    group.bench_function("from pens to records", |b| {
        b.iter_custom(|iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                let before = stream.read() + stream.lost();
                let launch = pens.write();
                while stream.read() + stream.lost() - before < ALL {
                    black_box(stream.next_blocking(Duration::from_secs(60)).expect("more was written"));
                }
                while !launch.ended().expect("it ends well") {}
            }
            start.elapsed()
        });
    });
    group.finish();
    assert_eq!((stream.lost(), counts().lost), (0, 0), "no ring is to overflow");
}

criterion_group!(benches, decode, stream);
criterion_main!(benches);
