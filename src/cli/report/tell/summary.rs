//! What is seen first: when, how long, how many, a line for each kernel.

use super::about::About;
use super::columns::{latency, or_none, percent};
use crate::cli::past::{KernelPast, Past, What};
use crate::cli::report::document::{Block, Cell, Mood, Table, Tile};
use crate::cli::report::when;
use crate::cli::term::units::{self, NONE};

/// Points of the small line beside a kernel.
const SPARK: usize = 60;

/// When, how long, what.
pub fn facts(past: &Past, about: &About) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if let Some((from, to)) = past.span() {
        let end = if when::day(from) == when::day(to) { when::clock(to, 0) } else { when::full(to, 0) };
        fact("From", when::full(from, 0));
        fact("Until", end);
        fact("Length", units::elapsed(to.duration_since(from).unwrap_or_default()));
    }
    let step = past.step_between().map(|step| format!(", one every {}", units::latency(step.as_nanos() as f64)));
    fact("Readings", format!("{}{}", units::exact(past.moments), step.unwrap_or_default()));
    let on_host = past.kernels.iter().filter(|kernel| kernel.last.blocks == 0).count();
    let actors = if on_host > 0 { format!(", {on_host} of them on host threads") } else { String::new() };
    fact("Kernels", format!("{}{actors}", past.kernels.len()));
    facts.extend(about.facts.iter().cloned());
    let gpus: Vec<String> = past.gpus.iter().filter_map(|(gpu, _)| gpu.name.as_deref().map(str::to_owned)).collect();
    if !gpus.is_empty() {
        facts.push(("GPUs".to_owned(), gpus.join(", ")));
    }
    facts
}

/// What was most worth knowing, as numbers.
pub fn tiles(past: &Past, about: &About) -> Vec<Tile> {
    let processed: u64 = past.kernels.iter().map(KernelPast::processed).sum();
    let errors: u64 = past.kernels.iter().map(KernelPast::errors).sum();
    let bad_if = |n: usize| if n > 0 { Mood::Bad } else { Mood::Good };
    let tile = |number: String, says: &str, mood| Tile { number, says: says.to_owned(), mood };
    let count = |n: usize, one: &str, more: &str, mood| tile(n.to_string(), if n == 1 { one } else { more }, mood);
    let (hangs, failures) = (past.happened.count(What::Hang), past.happened.count(What::Failure));
    let (alerts, gaps) = (past.happened.count(What::Alert), past.happened.count(What::Gap));
    let mut tiles = vec![
        tile(units::count(processed), "messages handled", Mood::Plain),
        tile(units::count(errors), "messages refused", if errors > 0 { Mood::Warn } else { Mood::Good }),
        count(hangs, "hang", "hangs", bad_if(hangs)),
        count(failures, "kernel failed", "kernels failed", bad_if(failures)),
        count(alerts, "alert fired", "alerts fired", bad_if(alerts)),
    ];
    if gaps > 0 {
        tiles.push(count(gaps, "gap in the recording", "gaps in the recording", Mood::Warn));
    }
    if about.damage.is_some() {
        tiles.push(tile("damaged".to_owned(), "the file, see below", Mood::Bad));
    }
    tiles
}

/// One line for each kernel.
pub fn kernels(past: &Past) -> Vec<Block> {
    let mut titles = vec![
        "kernel",
        "state at the end",
        "messages",
        "rate over time",
        "per second",
        "refused",
        "of all",
        "p50",
        "p99",
        "max",
        "most waiting",
        "busy",
    ];
    let mut rows: Vec<Vec<Cell>> = past.kernels.iter().enumerate().map(|(place, kernel)| row(place, kernel)).collect();
    if let Some((_, last)) = past.ends.as_ref().filter(|(_, last)| last.devices.len() > 1) {
        titles.insert(1, "device");
        let cell = |kernel: &KernelPast| Cell::Text(last.device_label(&kernel.last).unwrap_or_else(|| NONE.to_owned()));
        rows.iter_mut().zip(&past.kernels).for_each(|(row, kernel)| row.insert(1, cell(kernel)));
    }
    let before: u64 = past.kernels.iter().map(|kernel| kernel.handled_before).sum();
    let mut blocks = vec![Block::Table(Table { titles, rows })];
    if before > 0 {
        let says = format!(
            "{} of the messages had been handled before the recording began; rates and times of day are of the recording alone.",
            units::exact(before)
        );
        blocks.push(Block::Prose(says));
    }
    blocks
}

fn row(place: usize, kernel: &KernelPast) -> Vec<Cell> {
    let (all, latencies) = (kernel.recorded(), kernel.latency());
    let state = kernel.last.state;
    let mood = match state {
        state if state.needs_attention() => Mood::Bad,
        ringscope::KernelState::Active => Mood::Good,
        _ => Mood::Plain,
    };
    vec![
        Cell::Link(kernel.id.to_string(), anchor(place)),
        Cell::Word(state.to_string(), mood),
        Cell::Number(units::exact(kernel.processed())),
        Cell::Spark(spark(kernel)),
        or_none(all.rate(), units::rate),
        Cell::Number(units::exact(kernel.errors())),
        or_none(kernel.error_rate(), percent),
        latency(&latencies, 0.5),
        latency(&latencies, 0.99),
        or_none(latencies.max(), |max| units::latency(max as f64)),
        Cell::Number(units::exact(kernel.most_waiting())),
        if kernel.last.blocks == 0 { Cell::Number(NONE.to_owned()) } else { or_none(all.busy_ratio(), percent) },
    ]
}

/// Names of kernels may hold anything: their sections are known by number.
pub fn anchor(place: usize) -> String {
    format!("kernel-{place}")
}

/// Rates, few enough for a small line: each the mean of some neighbours.
fn spark(kernel: &KernelPast) -> Vec<Option<f64>> {
    let rates: Vec<Option<f64>> =
        kernel.columns.iter().map(|sums| sums.as_ref().and_then(|sums| sums.rate())).collect();
    let per = rates.len().div_ceil(SPARK).max(1);
    let mean = |some: &[Option<f64>]| {
        let there: Vec<f64> = some.iter().copied().flatten().collect();
        (!there.is_empty()).then(|| there.iter().sum::<f64>() / there.len() as f64)
    };
    rates.chunks(per).map(mean).collect()
}

/// How the report was made, and how to read it.
pub fn notes(past: &Past) -> Vec<String> {
    let made = format!(
        "Made by ringscope {} from {} readings. Times are UTC.",
        env!("CARGO_PKG_VERSION"),
        units::exact(past.moments)
    );
    let scale = past.kernels.iter().map(|kernel| kernel.latency()).filter(|all| all.count() > 0);
    let error = scale.map(|all| ringscope::histogram::relative_error(all.scale())).fold(0.0, f64::max);
    let mut notes = vec![made];
    if error > 0.0 {
        notes.push(format!(
            "Counts are exact. Percentiles come from exponential buckets and are within {:.1} % of the exact ones.",
            error * 100.0
        ));
    }
    let longest = past.columns.iter().filter(|column| !column.gap).map(|column| column.length()).max();
    if let Some(longest) = longest {
        notes.push(format!(
            "A point of a chart covers up to {}; the lightly coloured band reaches from the least to the most that was read \
             within it.",
            units::elapsed(longest)
        ));
    }
    notes
}
