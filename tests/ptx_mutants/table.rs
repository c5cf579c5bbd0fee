//! docs/ptx-mutants.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::reasons::reason_of;
use crate::{Mutant, is_caught};

pub(crate) const REFRESH: &str = "RINGSCOPE_WRITE_DOCS=1 RINGSCOPE_PTX_SEEDS=64 cargo test --test ptx_mutants";
const KINDS: [&str; 6] = ["race", "wrong reply", "wrong count", "hang", "wrong sync", "fault"];

pub(crate) fn document(mutants: &[Mutant], seeds: u64) -> String {
    let caught = mutants.iter().filter(|m| is_caught(m)).count();
    let mut text = format!(
        "# Mutants of the PTX\n\n\
         The kernels that the crate embeds (`kernels/ptx`), each time with one thing made wrong, on the PTX machine of\n\
         `tests/cuda-driver/ptx`: 32 lanes a warp, a memory that is as weak as PTX permits, a simulated host that fills both \
         rings, holds,\nstops, asks for the clock and uses slots again, and a reader of the telemetry. Each ran with up to {seeds} \
         seeds,\nevery copy of a line with four times as many; the kernels as they are pass with all of these. Of crc32c and echo at level 2 each instruction is changed\nby \
         itself, and besides all copies of a line of the sources\nat once (\"every copy\"); of the other entries each line once.\n\n\
         Refresh: `{REFRESH}`.\n\
         `tests/ptx_mutants` fails when one of those that were caught is not caught any more, and in the whole campaign when a\n\
         survivor has no reason.\n\n\
         **{caught} of {} caught.**\n",
        mutants.len()
    );
    text += "\n## By entry and mutation\n\nBy what they were caught.\n\n";
    text += "| entry | mutation | mutants | race | wrong reply | wrong count | hang | wrong sync | fault | survived | not run |\n";
    text += "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    let mut rows: BTreeMap<(usize, &str), Vec<&Mutant>> = BTreeMap::new();
    for m in mutants {
        let entry = crate::ENTRIES.iter().position(|e| *e == m.entry).unwrap_or(usize::MAX);
        rows.entry((entry, &m.what)).or_default().push(m);
    }
    for ((_, what), row) in &rows {
        let _ = write!(text, "| {} | {what} | {} |", row[0].entry, row.len());
        for kind in KINDS {
            let _ = write!(text, " {} |", row.iter().filter(|m| is_caught(m) && m.kind == kind).count());
        }
        for outcome in ["survived", "not run"] {
            let _ = write!(text, " {} |", row.iter().filter(|m| m.outcome == outcome).count());
        }
        text += "\n";
    }
    text + &survivors(mutants)
}

/// The same line with the same mutation once, whatever the entries and copies.
fn survivors(mutants: &[Mutant]) -> String {
    let mut text = "\n## Survivors\n\n".to_owned();
    let mut rows: BTreeMap<(&str, &str, &str), Vec<&Mutant>> = BTreeMap::new();
    for m in mutants.iter().filter(|m| !is_caught(m)) {
        let reason = reason_of(m).map_or("?", |rule| rule.reason);
        rows.entry((reason, &m.place, &m.what)).or_default().push(m);
    }
    let mut last = "";
    for ((reason, place, what), row) in &rows {
        if *reason != last {
            let _ = write!(text, "{}{reason}\n\n", if last.is_empty() { "" } else { "\n" });
            last = reason;
        }
        let mut entries: BTreeMap<&str, usize> = BTreeMap::new();
        for m in row {
            *entries.entry(&m.entry).or_default() += 1;
        }
        let entries: Vec<_> =
            entries.iter().map(|(e, n)| if *n == 1 { (*e).to_owned() } else { format!("{e} {n} times") }).collect();
        let not_run = if row.iter().all(|m| m.outcome == "not run") { ", not run" } else { "" };
        let _ = writeln!(text, "- {what}: {place}, `{}` ({}{not_run})", row[0].opcode, entries.join(", "));
    }
    text
}
