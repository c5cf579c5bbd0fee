//! What a snapshot takes while kernels fill the device, against a bare copy of the counters alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringscope::abi::Shard;
use ringscope::device::Copier;
use ringscope::{LaunchOptions, RingKernelRuntime, RuntimeError};
use serde::Serialize;

use super::plan::Bench;
use super::stats::{Spread, Times};
use crate::cli::term::grid::explained;
use crate::cli::term::text::Text;
use crate::cli::term::{terminal, units};
use crate::cli::workload::load::Load;

/// So many kernels that together fill the device.
#[derive(Debug, Serialize)]
pub struct Row {
    kernels: usize,
    /// Of all of them.
    blocks: u32,
    /// Copied for one snapshot; the median.
    bytes: f64,
    snapshot: Times,
    /// Of all blocks' counters and words, without buckets: the least that can be copied.
    counter_bytes: usize,
    /// Of as many bytes as those, from other memory, in turn with the snapshots.
    bare_copy: Times,
    /// Median by median.
    ratio: f64,
}

const KERNELS: [usize; 4] = [1, 4, 16, 64];

pub fn measure(bench: &Bench) -> Result<Vec<Row>, RuntimeError> {
    let fit = KERNELS.iter().filter(|kernels| bench.room(**kernels) > 0);
    fit.map(|kernels| row(bench, *kernels)).collect()
}

fn row(bench: &Bench, kernels: usize) -> Result<Row, RuntimeError> {
    terminal::progress(Some(&format!("measuring: snapshot of {kernels} kernels")));
    let blocks = (bench.max_resident_blocks / kernels as u32).max(1);
    let counter_bytes = kernels * blocks as usize * size_of::<Shard>();
    let memory = bench.device.allocate(counter_bytes)?;
    let mut copier = bench.device.copier(&memory)?;
    let runtime = bench.runtime(kernels, 256).telemetry(true).kernel("echo").build()?;
    let ids: Vec<String> = (0..kernels).map(|n| format!("w{n}")).collect();
    for id in &ids {
        runtime.launch_blocking(id, &LaunchOptions::new().blocks(blocks))?;
        runtime.activate_blocking(id)?;
    }
    let found =
        beside_traffic(&runtime, &ids, || time_both(&runtime, (&mut *copier, counter_bytes), bench.plan.samples))?;
    runtime.shutdown_blocking(Duration::from_secs(10));
    let (snapshots, copies, bytes) = found?;
    let (snapshot, bare_copy) = (Times::from_ns(snapshots), Times::from_ns(copies));
    let ratio = snapshot.p50_us / bare_copy.p50_us.max(1e-3);
    let bytes = Spread::from_values(bytes).median;
    let blocks = blocks * ids.len() as u32;
    Ok(Row { kernels: ids.len(), blocks, bytes, snapshot, counter_bytes, bare_copy, ratio })
}

/// Keeps messages going through all kernels meanwhile.
fn beside_traffic<T>(
    runtime: &RingKernelRuntime,
    ids: &[String],
    meanwhile: impl FnOnce() -> T,
) -> Result<T, RuntimeError> {
    let messages = [vec![0x5a; 64]];
    let mut loads = Vec::new();
    for id in ids {
        loads.push(Load::new(runtime.kernel(id)?, &messages));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let feeder = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                loads.iter_mut().try_for_each(|load| load.step(8))?;
            }
            loads.iter_mut().try_for_each(Load::drain)
        });
        let result = meanwhile();
        stop.store(true, Ordering::Relaxed);
        let fed: Result<(), RuntimeError> = feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        fed.map(|()| result)
    })
}

type Both = (Vec<u64>, Vec<u64>, Vec<f64>);

fn time_both(
    runtime: &RingKernelRuntime,
    (copier, counter_bytes): (&mut dyn Copier, usize),
    samples: usize,
) -> Result<Both, RuntimeError> {
    const LONGEST: Duration = Duration::from_secs(20);
    let (mut snapshots, mut copies, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    let start = Instant::now();
    while snapshots.len() < samples && (start.elapsed() < LONGEST || snapshots.is_empty()) {
        let before = Instant::now();
        let snapshot = runtime.collector().snapshot()?;
        snapshots.push(before.elapsed().as_nanos() as u64);
        bytes.push(snapshot.copied_bytes as f64);
        let before = Instant::now();
        copier.copy(std::slice::from_ref(&(0..counter_bytes)), Duration::from_secs(5))?;
        copies.push(before.elapsed().as_nanos() as u64);
    }
    Ok((snapshots, copies, bytes))
}

const SAYS: &str = "\
Snapshot: what reading all telemetry takes while kernels fill the device and take messages, beside a bare copy to pinned memory of the blocks' counters and words alone, which is the least that can be copied: what a snapshot copies besides are buckets of histograms. ratio: p50 of the snapshot, divided by that of the bare copy.";

/// Returns the section for a person, in lines of at most `width` columns.
pub fn show(rows: &[Row], width: usize) -> Vec<Text> {
    let us = |us: f64| units::latency(us * 1e3);
    let line = |row: &Row| {
        vec![
            row.kernels.to_string(),
            row.blocks.to_string(),
            units::bytes(row.bytes as u64),
            us(row.snapshot.p50_us),
            us(row.snapshot.p99_us),
            us(row.snapshot.max_us),
            units::bytes(row.counter_bytes as u64),
            us(row.bare_copy.p50_us),
            us(row.bare_copy.p99_us),
            us(row.bare_copy.max_us),
            format!("{:.2}", row.ratio),
        ]
    };
    let titles =
        ["kernels", "blocks", "copied", "p50", "p99", "max", "counters", "bare p50", "bare p99", "bare max", "ratio"];
    explained(SAYS, 2, &titles, &rows.iter().map(line).collect::<Vec<_>>(), width)
}
