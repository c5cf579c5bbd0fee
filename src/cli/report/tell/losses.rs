//! What telemetry itself lost and cost, and what became of what was published.

use ringscope::Snapshot;
use ringscope::snapshot::{DropReason, PublisherTelemetry};

use super::about::About;
use crate::cli::past::Past;
use crate::cli::report::document::{Block, Cell, Mood, Section, Table};
use crate::cli::term::units;

/// What was lost, what collecting cost, and what is not in the recording.
pub fn section(past: &Past, about: &About) -> Section {
    let Some((_, last)) = &past.ends else { return Section::new("losses", "Losses", Vec::new()) };
    let lost = lost(past, last);
    let rows = |all: &[(String, u64)]| {
        let row = |(what, count): &(String, u64)| vec![Cell::Text(what.clone()), Cell::Number(units::exact(*count))];
        all.iter().map(row).collect()
    };
    let mut blocks = Vec::new();
    match lost.is_empty() && about.damage.is_none() {
        true => blocks.push(Block::Prose("Telemetry lost nothing.".to_owned())),
        false => blocks.push(Block::Table(Table { titles: vec!["lost", "how many"], rows: rows(&lost) })),
    }
    let of = &last.self_metrics;
    let cost = [
        ("snapshots taken", units::exact(of.collection_runs_total)),
        ("a snapshot took, p50", units::latency(of.collection_duration.quantile(0.5))),
        ("a snapshot took, p99", units::latency(of.collection_duration.quantile(0.99))),
        ("copied from the device for each", units::bytes(last.copied_bytes as u64)),
        ("memory of the history", units::bytes(of.history_bytes as u64)),
        ("snapshots in the history", units::exact(of.history_snapshots as u64)),
    ];
    let cost = cost.map(|(what, value)| vec![Cell::Text(what.to_owned()), Cell::Number(value)]);
    blocks.push(Block::Table(Table { titles: vec!["cost of telemetry", ""], rows: cost.into() }));
    Section::new("losses", "Losses, and what telemetry cost", blocks)
}

fn lost(past: &Past, last: &Snapshot) -> Vec<(String, u64)> {
    let of = &last.self_metrics;
    let dropped = &of.dropped;
    let all = |of: fn(&ringscope::KernelTelemetry) -> u64| last.kernels.iter().map(of).sum::<u64>();
    let counts = [
        ("entries of the log that were gone before they could be recorded", past.missed),
        ("happenings that this report has no room for", past.happened.left_out),
        ("snapshots that failed", of.collection_failures_total),
        (
            "records of events and spans that kernels overwrote before they were read",
            all(|k| k.trace.map_or(0, |t| t.lost)),
        ),
        ("records of events and spans that streams had no room for", dropped.trace_streams),
        ("ended kernels that were forgotten for new ones", dropped.kernels),
        ("messages and replies dropped when kernels were stopped", all(|k| k.dropped)),
        ("notifications that hooks did not get", dropped.hooks),
        ("calls of hooks that panicked", of.hook_panics_total),
        ("snapshots that subscribers skipped", dropped.subscribers),
        ("series that metrics had no room for", dropped.series),
        ("ended operations that left their list", dropped.operations),
        ("ended network operations that left their list", dropped.network_operations),
        ("messages of device kernels that left their list", dropped.device_messages),
        ("events of the application that left their list", dropped.application_events),
        ("events of the application that subscribers came too late for", dropped.event_subscribers),
        ("look-ups of metrics by kernels that found none", of.lookup_misses_total),
        ("pens of roles that kernels were not registered with", of.role_misses_total),
    ];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    counts.map(|(what, count)| (what.to_owned(), count)).collect()
}

/// What became of what was published; `None` where nothing was.
pub fn destinations(past: &Past) -> Option<Section> {
    let (_, last) = past.ends.as_ref().filter(|(_, last)| !last.publishers.is_empty())?;
    let titles =
        vec!["destination", "published", "dropped", "why", "waiting", "attempts", "failed", "sent", "the last error"];
    let rows = last.publishers.iter().map(destination).collect();
    Some(Section::new("destinations", "Destinations", vec![Block::Table(Table { titles, rows })]))
}

fn destination(of: &PublisherTelemetry) -> Vec<Cell> {
    let dropped: u64 = of.dropped_items.iter().sum();
    let reasons = DropReason::ALL.iter().filter(|reason| of.dropped(**reason) > 0);
    let why: Vec<String> =
        reasons.map(|reason| format!("{} {}", reason.name(), units::exact(of.dropped(*reason)))).collect();
    vec![
        Cell::Name(of.destination.to_string()),
        Cell::Number(units::exact(of.published_items)),
        Cell::Number(units::exact(dropped)),
        Cell::Word(why.join(", "), if dropped > 0 { Mood::Bad } else { Mood::Plain }),
        Cell::Number(units::exact(of.queued_items)),
        Cell::Number(units::exact(of.attempts)),
        Cell::Number(units::exact(of.failures)),
        Cell::Number(units::bytes(of.sent_bytes)),
        of.last_error.as_ref().map_or(Cell::Nothing, |error| Cell::Sentence(error.to_string())),
    ]
}
