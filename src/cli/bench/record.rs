//! What one record costs, and what the same would cost by other designs: blocks that do nothing but record.

use std::time::Duration;

use ringscope::device::DeviceKind;
use ringscope::device::probe::{Cost, Probe, RecordStrategy};
use ringscope::{Level, RuntimeError};
use serde::Serialize;

use super::plan::Bench;
use super::stats::Spread;
use crate::cli::term::grid::explained;
use crate::cli::term::text::Text;
use crate::cli::term::{terminal, units};

/// A design at a level; the first is what the others are measured from.
const VARIANTS: [(&str, RecordStrategy, Level); 14] = [
    ("nothing", RecordStrategy::Nothing, Level::Histograms),
    ("ringscope, level 1", RecordStrategy::Warp, Level::Counters),
    ("ringscope, level 2", RecordStrategy::Warp, Level::Histograms),
    ("one atomic a field", RecordStrategy::Thread, Level::Histograms),
    ("one line for all blocks", RecordStrategy::WarpOneLine, Level::Histograms),
    ("a fence each record", RecordStrategy::Fenced, Level::Histograms),
    ("mapped-host atomics", RecordStrategy::MappedHost, Level::Histograms),
    ("level 3, no spans", RecordStrategy::Warp, Level::Events),
    ("level 3, slow ones only", RecordStrategy::Slow, Level::Events),
    ("level 3, 1 of 64", RecordStrategy::Sampled, Level::Events),
    ("level 3, a span each", RecordStrategy::Everything, Level::Events),
    ("an event alone", RecordStrategy::Event, Level::Events),
    ("a span alone", RecordStrategy::Span, Level::Events),
    ("a waypoint alone", RecordStrategy::Waypoint, Level::Events),
];

/// A design in so many blocks at once.
#[derive(Debug, Serialize)]
pub struct Row {
    design: &'static str,
    blocks: u32,
    /// Of one record in one block, less that of the empty loop.
    ns: Spread,
    cycles: Option<Spread>,
}

pub fn measure(bench: &Bench) -> Result<Vec<Row>, RuntimeError> {
    let fill = Probe::new(&bench.device, 1)?.max_resident_blocks();
    let widths = match bench.info().kind {
        DeviceKind::Cuda => vec![1, bench.info().multiprocessors, fill],
        _ => vec![1, fill.max(2)],
    };
    let mut probe = Probe::new(&bench.device, fill.max(2))?;
    let mut rows = Vec::new();
    for blocks in widths {
        rows.extend(of_blocks(bench, &mut probe, blocks)?);
    }
    Ok(rows)
}

fn of_blocks(bench: &Bench, probe: &mut Probe, blocks: u32) -> Result<Vec<Row>, RuntimeError> {
    terminal::progress(Some(&format!("measuring: cost of a record, blocks: {blocks}")));
    let mut rounds = Vec::new();
    for (_, design, level) in VARIANTS {
        rounds.push(enough_rounds(probe, design, level, blocks, bench.plan.slice / 5)?);
    }
    let mut costs = vec![Vec::new(); VARIANTS.len()];
    for round in 0..bench.plan.rounds {
        for i in (0..VARIANTS.len()).map(|i| (i + round) % VARIANTS.len()) {
            let (_, design, level) = VARIANTS[i];
            costs[i].push(typical(&probe.cost(design, level, blocks, rounds[i])?));
        }
    }
    let rows = VARIANTS.iter().zip(&costs).skip(1).map(|((design, ..), of)| {
        let pairs = || of.iter().zip(&costs[0]);
        let cycles: Option<Vec<f64>> = pairs().map(|(with, without)| Some(with.cycles? - without.cycles?)).collect();
        let ns = Spread::from_values(pairs().map(|(with, without)| with.ns - without.ns).collect());
        Row { design, blocks, ns, cycles: cycles.map(Spread::from_values) }
    });
    Ok(rows.collect())
}

/// As many as take about so long.
fn enough_rounds(
    probe: &mut Probe,
    design: RecordStrategy,
    level: Level,
    blocks: u32,
    time: Duration,
) -> Result<u64, RuntimeError> {
    const TRIAL: u64 = 200;
    let each = typical(&probe.cost(design, level, blocks, TRIAL)?).ns.max(1.0);
    Ok(((time.as_nanos() as f64 / each) as u64).clamp(TRIAL, 1_000_000))
}

/// The median block.
fn typical(costs: &[Cost]) -> Cost {
    let mut costs = costs.to_vec();
    costs.sort_unstable_by(|a, b| a.ns.total_cmp(&b.ns));
    costs[costs.len() / 2]
}

const SAYS: &str = "\
Record: what recording one message costs a block that does nothing else, with its two readings of the clock: median [lower, upper quartile]. The empty loop of the same round is subtracted. Level 3 leaves spans in the ring of its block; alone: without a message.";

/// Returns the section for a person, in lines of at most `width` columns.
pub fn show(rows: &[Row], width: usize) -> Vec<Text> {
    let line = |row: &Row| {
        let cycles = row.cycles.map_or(units::NONE.to_owned(), |c| format!("{:.0}", c.median));
        vec![row.design.to_owned(), row.blocks.to_string(), row.ns.show(1), cycles]
    };
    let cells: Vec<Vec<String>> = rows.iter().map(line).collect();
    explained(SAYS, 2, &["design", "blocks", "ns", "cycles"], &cells, width)
}
