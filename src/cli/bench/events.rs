//! What level 3 costs a saturated kernel, beside level 2: the same kernel under filters, in turn, while its spans are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use ringscope::trace::{Stream, TraceFilter};
use ringscope::{LaunchOptions, Level, RingKernelRuntime, RuntimeError, TelemetryConfig};
use serde::Serialize;

use super::overhead::{WORK, Work};
use super::plan::Bench;
use super::stats::Spread;
use crate::cli::term::grid::explained;
use crate::cli::term::text::Text;
use crate::cli::term::{terminal, units};
use crate::cli::workload::load::Load;

/// Records of each block's ring.
const RECORDS: u32 = 4096;
/// No message of those below takes so long, but one whose block had to leave its core.
const SLOW: Duration = Duration::from_millis(1);

const FILTERS: [(&str, TraceFilter); 4] = [
    ("no spans", TraceFilter::none()),
    ("slow only", TraceFilter::none().slow(SLOW)),
    ("1 of 64", TraceFilter::none().one_of(64)),
    ("all", TraceFilter::all()),
];

/// One kernel with one size of message and so many blocks.
#[derive(Debug, Serialize)]
pub struct Row {
    kernel: &'static str,
    bytes: usize,
    blocks: u32,
    /// Of the kernel at level 2.
    messages_per_second: f64,
    /// Throughput by that of level 2 in the same round.
    no_spans: Spread,
    slow_only: Spread,
    one_of_64: Spread,
    all: Spread,
    /// What a message whose span is kept took longer than at level 2, in its block.
    all_ns: f64,
    /// With a span of each message: records that a stream read, and those that were lost before.
    records_read: u64,
    records_lost: u64,
}

pub fn measure(bench: &Bench) -> Result<Vec<Row>, RuntimeError> {
    let mut rows = Vec::new();
    for blocks in bench.blocks(FILTERS.len() + 1) {
        for work in WORK.iter().filter(|work| work.is_typical()) {
            let what = format!("measuring: level 3 of {work}, blocks: {blocks}");
            terminal::progress(Some(&what));
            rows.push(row(bench, work, blocks)?);
        }
    }
    Ok(rows)
}

fn row(bench: &Bench, work: &Work, blocks: u32) -> Result<Row, RuntimeError> {
    let messages = [work.message()];
    // All are built before the first is launched: nothing can be allocated while a kernel is resident.
    let mut running = vec![build(bench, work, blocks, Level::Histograms)?];
    for _ in FILTERS {
        running.push(build(bench, work, blocks, Level::Events)?);
    }
    let options = LaunchOptions::new().blocks(blocks);
    for (i, runtime) in running.iter().enumerate() {
        let filtered = |(_, filter): (&str, TraceFilter)| options.clone().trace(filter);
        runtime.launch_blocking("w", &i.checked_sub(1).map_or(options.clone(), |i| filtered(FILTERS[i])))?;
        runtime.activate_blocking("w")?;
    }
    let mut rates = vec![Vec::new(); running.len()];
    let (read, lost) = while_read(&running[1..], || {
        let mut loads = Vec::new();
        for runtime in &running {
            loads.push(Load::new(runtime.kernel("w")?, &messages));
        }
        for round in 0..bench.plan.rounds {
            // From another start each time: no variant always follows the same one.
            for i in (0..running.len()).map(|i| (i + round) % running.len()) {
                loads[i].rate(bench.plan.slice / 10)?; // wakes it up
                rates[i].push(loads[i].rate(bench.plan.slice)?);
            }
        }
        running.iter().try_for_each(|runtime| runtime.terminate_blocking("w"))
    })?;
    let against = |of: fn(f64, f64) -> f64, i: usize| {
        Spread::from_values(rates[i].iter().zip(&rates[0]).map(|(rate, base)| of(*rate, *base)).collect())
    };
    let ratio = |i| against(|rate, base| rate / base, i);
    Ok(Row {
        kernel: work.kernel,
        bytes: work.bytes,
        blocks,
        messages_per_second: Spread::from_values(rates[0].clone()).median,
        no_spans: ratio(1),
        slow_only: ratio(2),
        one_of_64: ratio(3),
        all: ratio(4),
        all_ns: against(|rate, base| 1e9 / rate - 1e9 / base, 4).median * f64::from(blocks),
        records_read: read,
        records_lost: lost,
    })
}

fn build(bench: &Bench, work: &Work, blocks: u32, level: Level) -> Result<RingKernelRuntime, RuntimeError> {
    let trace_records = if level == Level::Events { RECORDS } else { 0 };
    let config = TelemetryConfig { max_blocks: blocks, trace_records, ..TelemetryConfig::default() };
    bench.runtime(1, 16384).telemetry(true).telemetry_config(config).level(level).kernel(work.kernel).build()
}

/// Does something while a stream of each runtime is read; returns what the last one's came to: places read and lost.
fn while_read(
    of: &[RingKernelRuntime],
    run: impl FnOnce() -> Result<(), RuntimeError>,
) -> Result<(u64, u64), RuntimeError> {
    let mut streams = Vec::new();
    for runtime in of {
        streams.push(runtime.collector().trace_stream()?);
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = streams.into_iter().map(|stream| scope.spawn(|| read(stream, &done))).collect();
        let ran = run();
        done.store(true, Ordering::Release);
        let sums: Vec<(u64, u64)> =
            readers.into_iter().filter_map(|reader| ScopedJoinHandle::join(reader).ok()).collect();
        ran.map(|()| sums.last().copied().unwrap_or_default())
    })
}

fn read(mut stream: Stream, done: &AtomicBool) -> (u64, u64) {
    const PATIENCE: Duration = Duration::from_millis(50);
    while stream.next_blocking(PATIENCE).is_some() || !done.load(Ordering::Acquire) {}
    (stream.read(), stream.lost())
}

const SAYS: &str = "\
Level 3: throughput with events and spans compiled in, divided by that of level 2 in the same round, under filters, while a thread reads them: median [lower, upper quartile].
slow only: spans of messages over 1 ms. +ns: how much longer a message takes in its block that leaves a span. lost: of all's records, those that were overwritten before they were read.";

/// Returns the section for a person, in lines of at most `width` columns.
pub fn show(rows: &[Row], width: usize) -> Vec<Text> {
    let line = |row: &Row| {
        let written = (row.records_read + row.records_lost).max(1);
        vec![
            format!("{} {} B", row.kernel, row.bytes),
            row.blocks.to_string(),
            units::rate(row.messages_per_second),
            row.no_spans.show(3),
            row.slow_only.show(3),
            row.one_of_64.show(3),
            row.all.show(3),
            format!("{:.0}", row.all_ns),
            units::percent(row.records_lost as f64 / written as f64),
        ]
    };
    let [none, slow, some, all] = FILTERS.map(|(name, _)| name);
    let titles = ["handler", "blocks", "level 2 msg/s", none, slow, some, all, "all, +ns", "lost"];
    explained(SAYS, 2, &titles, &rows.iter().map(line).collect::<Vec<_>>(), width)
}
