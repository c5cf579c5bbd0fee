//! How fast messages are: one there and back, and as many as go through, against what the link carries.

use std::time::{Duration, Instant};

use ringscope::{InputRing, LaunchOptions, RingKernelRuntime, RuntimeError};
use serde::Serialize;

use super::plan::Bench;
use super::stats::{Spread, Times};
use crate::cli::term::grid::explained;
use crate::cli::term::text::Text;
use crate::cli::term::{terminal, units};
use crate::cli::workload::load::Load;

const SIZES: [usize; 5] = [0, 64, 1024, 4096, 16384];
const SOON: Duration = Duration::from_secs(30);

/// All of this section.
#[derive(Debug, Serialize)]
pub struct Found {
    /// One message in flight, through echo at level 2.
    round_trip: Vec<RoundTrip>,
    /// Full queues, through echo at level 2; replies are as large as messages.
    peak: Vec<Peak>,
    /// Where they were.
    #[serde(skip)]
    input_ring: InputRing,
    /// A bare copy of 32 MiB from the device to pinned memory.
    link_bytes_per_second: f64,
}

#[derive(Debug, Serialize)]
struct RoundTrip {
    bytes: usize,
    #[serde(flatten)]
    times: Times,
}

#[derive(Debug, Serialize)]
struct Peak {
    bytes: usize,
    kernels: usize,
    blocks: u32,
    messages_per_second: Spread,
    /// Of the messages; the replies are as many.
    bytes_per_second: f64,
    /// That by the link's rate.
    of_link: f64,
}

pub fn measure(bench: &Bench) -> Result<Found, RuntimeError> {
    terminal::progress(Some("measuring: the link's copy rate"));
    let link_bytes_per_second = link(bench)?;
    let mut round_trip = Vec::new();
    for bytes in SIZES {
        terminal::progress(Some(&format!("measuring: round trip of {bytes} B")));
        round_trip.push(RoundTrip { bytes, times: trips(bench, bytes)? });
    }
    let mut peak = Vec::new();
    for (kernels, blocks) in shapes(bench) {
        for bytes in SIZES {
            terminal::progress(Some(&format!("measuring: {bytes} B, kernels: {kernels}, blocks: {blocks}")));
            peak.push(of_shape(bench, bytes, kernels, blocks, link_bytes_per_second)?);
        }
    }
    Ok(Found { round_trip, peak, input_ring: bench.input_ring, link_bytes_per_second })
}

/// Kernels, and blocks of each; no more kernels than threads of the host can feed.
fn shapes(bench: &Bench) -> Vec<(usize, u32)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut shapes: Vec<(usize, u32)> = bench.blocks(1).into_iter().map(|blocks| (1, blocks)).collect();
    let more = [2, 4, 8].into_iter().filter(|kernels| *kernels <= cores && bench.room(*kernels) > 0);
    shapes.extend(more.map(|kernels| (kernels, bench.room(kernels).min(bench.info().multiprocessors).min(16))));
    shapes
}

/// Bytes a second of the largest copy, the best of some.
fn link(bench: &Bench) -> Result<f64, RuntimeError> {
    const BYTES: usize = 32 << 20;
    let memory = bench.device.allocate(BYTES)?;
    let mut copier = bench.device.copier(&memory)?;
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        copier.copy(std::slice::from_ref(&(0..BYTES)), SOON)?;
        best = best.min(start.elapsed());
    }
    Ok(BYTES as f64 / best.as_secs_f64())
}

fn echo(bench: &Bench, bytes: usize, kernels: usize, blocks: u32) -> Result<RingKernelRuntime, RuntimeError> {
    let runtime = bench.runtime(kernels, bytes.max(16) as u32).telemetry(true).kernel("echo").build()?;
    for n in 0..kernels {
        let id = format!("w{n}");
        runtime.launch_blocking(&id, &LaunchOptions::new().blocks(blocks))?;
        runtime.activate_blocking(&id)?;
    }
    Ok(runtime)
}

fn trips(bench: &Bench, bytes: usize) -> Result<Times, RuntimeError> {
    let runtime = echo(bench, bytes, 1, 1)?;
    let (kernel, message) = (runtime.kernel("w0")?, vec![0x5a; bytes]);
    let trip = || -> Result<u64, RuntimeError> {
        let start = Instant::now();
        kernel.send_blocking(&message)?;
        kernel.receive_blocking(SOON)?;
        Ok(start.elapsed().as_nanos() as u64)
    };
    for _ in 0..bench.plan.samples / 10 {
        trip()?;
    }
    let times: Result<Vec<u64>, RuntimeError> = (0..bench.plan.samples).map(|_| trip()).collect();
    runtime.terminate_blocking("w0")?;
    Ok(Times::from_ns(times?))
}

fn of_shape(bench: &Bench, bytes: usize, kernels: usize, blocks: u32, link: f64) -> Result<Peak, RuntimeError> {
    let runtime = echo(bench, bytes, kernels, blocks)?;
    let messages = [vec![0x5a; bytes]];
    let mut rates = Vec::new();
    for _ in 0..bench.plan.rounds.min(9) {
        rates.push(rate_of_all(&runtime, kernels, &messages, bench.plan.slice)?);
    }
    runtime.shutdown_blocking(SOON);
    let messages_per_second = Spread::from_values(rates);
    let bytes_per_second = messages_per_second.median * bytes as f64;
    Ok(Peak { bytes, kernels, blocks, messages_per_second, bytes_per_second, of_link: bytes_per_second / link })
}

/// All kernels at once, each fed by a thread.
fn rate_of_all(
    runtime: &RingKernelRuntime,
    kernels: usize,
    messages: &[Vec<u8>],
    slice: Duration,
) -> Result<f64, RuntimeError> {
    let mut loads = Vec::new();
    for n in 0..kernels {
        loads.push(Load::new(runtime.kernel(&format!("w{n}"))?, messages));
    }
    std::thread::scope(|scope| {
        let feeders: Vec<_> = loads.iter_mut().map(|load| scope.spawn(|| load.rate(slice))).collect();
        feeders.into_iter().map(|f| f.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    })
}

/// What is said above the round trips.
fn trips_of(ring: InputRing) -> String {
    let place = match ring {
        InputRing::DeviceMemory => " Messages are in device memory.",
        _ => "",
    };
    format!("Round trip: one message at a time, to a kernel (echo, level 2) and back.{place}")
}

/// Returns the section for a person, in lines of at most `width` columns.
pub fn show(found: &Found, width: usize) -> Vec<Text> {
    let us = |us: f64| units::latency(us * 1e3);
    let trip = |row: &RoundTrip| {
        let Times { p50_us, p99_us, max_us, .. } = row.times;
        vec![format!("{} B", row.bytes), us(p50_us), us(p99_us), us(max_us)]
    };
    let peak = |row: &Peak| {
        vec![
            format!("{} B", row.bytes),
            row.kernels.to_string(),
            row.blocks.to_string(),
            units::rate(row.messages_per_second.median),
            format!("[{}, {}]", units::rate(row.messages_per_second.low), units::rate(row.messages_per_second.high)),
            format!("{:.2}", row.bytes_per_second / 1e9),
            format!("{:.2}", row.of_link),
        ]
    };
    let trips: Vec<Vec<String>> = found.round_trip.iter().map(trip).collect();
    let peaks: Vec<Vec<String>> = found.peak.iter().map(peak).collect();
    let says = format!(
        "Throughput: queues kept full (echo, level 2). GB/s: of the messages alone; the replies are as large. of link: that, \
         divided by the {:.2} GB/s of a bare copy from the device.",
        found.link_bytes_per_second / 1e9
    );
    let titles = ["message", "kernels", "blocks", "msg/s", "quartiles", "GB/s", "of link"];
    let mut lines = explained(&trips_of(found.input_ring), 1, &["message", "p50", "p99", "max"], &trips, width);
    lines.push(Text::default());
    lines.extend(explained(&says, 3, &titles, &peaks, width));
    lines
}
