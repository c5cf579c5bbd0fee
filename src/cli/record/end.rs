//! The end of a recording: what there is, and what is missing.

use ringscope::publish::Recording;

use crate::cli::term::units;
use crate::cli::workload::input::shown;

/// Ends it: what there is now, and what is missing.
pub fn end(recording: Recording) -> (String, Option<String>) {
    let path = shown(recording.path());
    let status = recording.end();
    let s = if status.moments == 1 { "" } else { "s" };
    let told = format!("recorded {} moment{s}, {}: {path}", units::exact(status.moments), units::bytes(status.bytes));
    let why = status.last_error.as_deref().unwrap_or("they came faster than they could be written");
    let lost = status.failed + status.missed;
    (told, (lost > 0 || status.last_error.is_some()).then(|| format!("{lost} moments were not recorded: {why}")))
}
