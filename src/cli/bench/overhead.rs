//! What telemetry costs a saturated kernel: the same kernel at each level, in turn.

use std::fmt;
use std::time::Duration;

use ringscope::{LaunchOptions, Level, RingKernelRuntime, RuntimeError};
use serde::Serialize;

use super::plan::Bench;
use super::stats::Spread;
use crate::cli::term::grid::explained;
use crate::cli::term::text::Text;
use crate::cli::term::{terminal, units};
use crate::cli::workload::load::Load;

/// One way of building and launching the same kernel.
struct Variant {
    name: &'static str,
    telemetry: bool,
    level: Level,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "level 0", telemetry: false, level: Level::Off },
    Variant { name: "null ref", telemetry: false, level: Level::Histograms },
    Variant { name: "level 1", telemetry: true, level: Level::Counters },
    Variant { name: "level 2", telemetry: true, level: Level::Histograms },
];

/// What a kernel is to do.
pub struct Work {
    pub kernel: &'static str,
    pub bytes: usize,
}

pub const WORK: [Work; 6] = [
    Work { kernel: "echo", bytes: 0 },
    Work { kernel: "crc32c", bytes: 64 },
    Work { kernel: "crc32c", bytes: 1024 },
    Work { kernel: "crc32c", bytes: 4096 },
    Work { kernel: "crc32c", bytes: 16384 },
    Work { kernel: "compute", bytes: 16 },
];

/// Rounds of the compute-bound handler: some microseconds.
const COMPUTE_ROUNDS: u32 = 2000;

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} B {}", self.bytes, self.kernel)
    }
}

impl Work {
    /// Whether it stands for the others: nothing to do, something, much.
    pub fn is_typical(&self) -> bool {
        self.bytes <= 16 || self.bytes == 1024
    }

    pub fn message(&self) -> Vec<u8> {
        match self.kernel {
            "compute" => [COMPUTE_ROUNDS.to_le_bytes(), [0; 4], [1; 4], [2; 4]].concat(),
            _ => vec![0xa5; self.bytes],
        }
    }
}

/// One kernel with one size of message and so many blocks.
#[derive(Debug, Serialize)]
pub struct Row {
    kernel: &'static str,
    bytes: usize,
    blocks: u32,
    /// Of the kernel at level 0.
    messages_per_second: f64,
    /// Time in the handler over time, at level 2: below 1 the host, not the kernel, was the limit.
    busy_ratio: f64,
    /// Throughput by that of level 0 in the same round.
    null_ref: Spread,
    level_1: Spread,
    level_2: Spread,
    /// What a message took longer than at level 0.
    level_1_ns: f64,
    level_2_ns: f64,
}

pub fn measure(bench: &Bench) -> Result<Vec<Row>, RuntimeError> {
    let mut rows = Vec::new();
    for blocks in bench.blocks(VARIANTS.len()) {
        for work in &WORK {
            terminal::progress(Some(&format!("measuring: overhead of {work}, blocks: {blocks}")));
            rows.push(row(bench, work, blocks)?);
        }
    }
    Ok(rows)
}

fn row(bench: &Bench, work: &Work, blocks: u32) -> Result<Row, RuntimeError> {
    let messages = [work.message()];
    // All are built before the first is launched: nothing can be allocated while a kernel is resident.
    let running: Result<Vec<RingKernelRuntime>, RuntimeError> =
        VARIANTS.iter().map(|variant| build(bench, variant, work)).collect();
    let running = running?;
    running.iter().try_for_each(|runtime| launch(runtime, blocks))?;
    let mut loads = Vec::new();
    for runtime in &running {
        loads.push(Load::new(runtime.kernel("w")?, &messages));
    }
    let mut rates = vec![Vec::new(); VARIANTS.len()];
    for round in 0..bench.plan.rounds {
        // From another start each time: no variant always follows the same one.
        for i in (0..VARIANTS.len()).map(|i| (i + round) % VARIANTS.len()) {
            loads[i].rate(bench.plan.slice / 10)?; // wakes it up
            rates[i].push(loads[i].rate(bench.plan.slice)?);
        }
    }
    let busy_ratio = busy_ratio(&running[3], &mut loads[3], bench.plan.slice)?;
    running.iter().try_for_each(|runtime| runtime.terminate_blocking("w"))?;
    let against_off = |of: fn(f64, f64) -> f64, i: usize| {
        Spread::from_values(rates[i].iter().zip(&rates[0]).map(|(rate, off)| of(*rate, *off)).collect())
    };
    let ratio = |i| against_off(|rate, off| rate / off, i);
    // A message's time in one block.
    let longer = |i| against_off(|rate, off| 1e9 / rate - 1e9 / off, i).median * f64::from(blocks);
    Ok(Row {
        kernel: work.kernel,
        bytes: work.bytes,
        blocks,
        messages_per_second: Spread::from_values(rates[0].clone()).median,
        busy_ratio,
        null_ref: ratio(1),
        level_1: ratio(2),
        level_2: ratio(3),
        level_1_ns: longer(2),
        level_2_ns: longer(3),
    })
}

fn build(bench: &Bench, variant: &Variant, work: &Work) -> Result<RingKernelRuntime, RuntimeError> {
    let builder = bench.runtime(1, 16384).telemetry(variant.telemetry).level(variant.level).null_telemetry();
    builder.kernel(work.kernel).build()
}

fn launch(runtime: &RingKernelRuntime, blocks: u32) -> Result<(), RuntimeError> {
    runtime.launch_blocking("w", &LaunchOptions::new().blocks(blocks))?;
    runtime.activate_blocking("w")
}

/// While it is loaded, and no longer.
fn busy_ratio(runtime: &RingKernelRuntime, load: &mut Load, slice: Duration) -> Result<f64, RuntimeError> {
    load.rate(slice / 10)?;
    runtime.reset_telemetry_blocking(None)?;
    load.rate(slice)?;
    Ok(runtime.snapshot_blocking()?.kernels.first().map_or(0.0, |k| k.busy_ratio))
}

const SAYS: &str = "\
Overhead: throughput with telemetry, divided by that of level 0 in the same round: median [lower, upper quartile].
null ref: a kernel compiled with telemetry and launched without. +ns: how much longer one message takes in its block. busy: the busy ratio at level 2; far below 100 % the host limits the throughput.";

/// Returns the section for a person, in lines of at most `width` columns.
pub fn show(rows: &[Row], width: usize) -> Vec<Text> {
    let line = |row: &Row| {
        vec![
            format!("{} {} B", row.kernel, row.bytes),
            row.blocks.to_string(),
            units::rate(row.messages_per_second),
            units::percent(row.busy_ratio),
            row.null_ref.show(3),
            row.level_1.show(3),
            row.level_2.show(3),
            format!("{:.0}", row.level_1_ns),
            format!("{:.0}", row.level_2_ns),
        ]
    };
    let [_, null, one, two] = VARIANTS.map(|v| v.name);
    let titles = ["handler", "blocks", "level 0 msg/s", "busy", null, one, two, "1, +ns", "2, +ns"];
    explained(SAYS, 2, &titles, &rows.iter().map(line).collect::<Vec<_>>(), width)
}
