//! What is said of publishing: what arrived where, what was dropped and why.

use std::collections::BTreeMap;

use ringscope::snapshot::{DropReason, PublisherTelemetry};
use serde::Serialize;

use crate::cli::term::text::{Style, Text, plain, styled};
use crate::cli::term::units;

/// What became of what one destination was to get.
#[derive(Clone, Debug, Serialize)]
pub struct Arrived {
    url: String,
    name: String,
    publications: u64,
    published_items: u64,
    /// By reason; those of which there were any.
    dropped_items: BTreeMap<&'static str, u64>,
    /// In a spool, for the next run.
    queued_items: u64,
    sent_bytes: u64,
    attempts: u64,
    failures: u64,
    retries: u64,
    last_error: Option<String>,
}

impl Arrived {
    /// Of a destination's counts.
    pub fn new(url: &str, counts: &PublisherTelemetry) -> Arrived {
        let dropped = DropReason::ALL.into_iter().map(|reason| (reason.name(), counts.dropped(reason)));
        Arrived {
            url: url.to_owned(),
            name: counts.destination.to_string(),
            publications: counts.publications,
            published_items: counts.published_items,
            dropped_items: dropped.filter(|(_, items)| *items > 0).collect(),
            queued_items: counts.queued_items,
            sent_bytes: counts.sent_bytes,
            attempts: counts.attempts,
            failures: counts.failures,
            retries: counts.retries,
            last_error: counts.last_error.as_ref().map(ToString::to_string),
        }
    }

    /// What did not get there, in a sentence; `None`, if everything did.
    pub fn trouble(&self) -> Option<String> {
        let dropped =
            self.dropped_items.iter().map(|(reason, items)| format!("{} {}", units::exact(*items), why(reason)));
        let queued = format!("{} wait in the spool for the next run", units::exact(self.queued_items));
        let mut parts: Vec<String> = dropped.chain((self.queued_items > 0).then_some(queued)).collect();
        if parts.is_empty() && self.published_items == 0 {
            parts.push("nothing was published".to_owned());
        }
        let parts = Some(parts.join(", ")).filter(|parts| !parts.is_empty())?;
        let missing: u64 = self.dropped_items.values().sum::<u64>() + self.queued_items;
        let of = units::exact(missing.saturating_add(self.published_items));
        let last = self.last_error.as_ref().map_or(String::new(), |error| format!("; the last error: {error}"));
        Some(format!("{}: of {of} items {} did not get there: {parts}{last}", self.url, units::exact(missing)))
    }

    /// A line of the summary.
    pub fn line(&self) -> Text {
        let missing: u64 = self.dropped_items.values().sum();
        let style = if missing > 0 { Style::Bad } else { Style::Plain };
        let items = format!("{} items, {}", units::exact(self.published_items), units::bytes(self.sent_bytes));
        let mut line =
            Text::from(vec![plain("published to "), styled(Style::Bold, &self.url), plain(&format!(": {items}"))]);
        if missing > 0 {
            line = line.with(Text::from(vec![styled(style, &format!(", {} dropped", units::exact(missing)))]));
        }
        line
    }
}

/// What a word for a reason means, and which setting it hangs on.
fn why(reason: &str) -> &'static str {
    match reason {
        "full" => "found no room in the queue (queue_bytes)",
        "expired" => "became too old (queue_age)",
        "rejected" => "were rejected",
        "unwritable" => "cannot be written in its format",
        "shutdown" => "still waited when the time for the end was over (flush_limit)",
        "spool" => "were lost by the spool's disk",
        _ => "were dropped",
    }
}
