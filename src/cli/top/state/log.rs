//! The log: what happened, as far back as there is room for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use ringscope::alert::Severity;
use ringscope::feed::{Entry, Moment};

use crate::cli::top::state::table::matches;

/// Most entries that are kept.
const MOST: usize = 10_000;

/// What happened.
#[derive(Clone, Debug)]
pub struct Log {
    entries: VecDeque<Entry>,
    /// Entries that are shown are at least as severe.
    pub least: Severity,
    /// Entries that were gone before they could be read, here or where they come from.
    pub lost: u64,
}

impl Default for Log {
    fn default() -> Self {
        Log { entries: VecDeque::new(), least: Severity::Info, lost: 0 }
    }
}

impl Log {
    /// Adds what happened since the moment before.
    pub fn push(&mut self, moment: &Moment) {
        self.lost = self.lost.saturating_add(moment.missed);
        self.entries.extend(moment.entries.iter().cloned());
        let over = self.entries.len().saturating_sub(MOST);
        self.entries.drain(..over);
        self.lost = self.lost.saturating_add(over as u64);
    }

    /// Forgets all of it, as when a replay jumps back.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.lost = 0;
    }

    /// Shows the next least severity: all, warnings, what is critical.
    pub fn next_severity(&mut self) {
        let at = Severity::ALL.iter().position(|severity| *severity == self.least).unwrap_or(0);
        self.least = Severity::ALL[(at + 1) % Severity::ALL.len()];
    }

    /// Returns the entries until `time` that have `filter` in their subjects, kinds or texts, the newest first.
    pub fn shown<'a>(&'a self, time: SystemTime, filter: &'a str) -> impl Iterator<Item = &'a Entry> + 'a {
        let is_shown =
            move |entry: &&Entry| entry.severity >= self.least && entry.time <= time && matches_entry(entry, filter);
        self.entries.iter().rev().filter(is_shown)
    }
}

fn matches_entry(entry: &Entry, filter: &str) -> bool {
    let labels = |of: &(Arc<str>, Arc<str>)| matches(&of.0, filter) || matches(&of.1, filter);
    matches(&entry.subject, filter)
        || matches(&entry.text, filter)
        || matches(entry.kind.name(), filter)
        || entry.labels.iter().any(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringscope::feed::EntryKind;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn entries_are_filtered_and_bounded() {
        let mut log = Log::default();
        let entry = |n: u64, severity| {
            let time = UNIX_EPOCH + Duration::from_secs(n);
            Entry::new(time, severity, EntryKind::Kernel, format!("worker_{n}"), "launched")
        };
        let mut sample = crate::cli::top::state::sample::Sample::new(0);
        sample.entries = (0..MOST as u64 + 5).map(|n| entry(n, Severity::ALL[n as usize % 3])).collect();
        log.push(&sample.moment());
        assert_eq!(log.lost, 5);
        let all = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(log.shown(all, "").count(), MOST);
        assert_eq!(log.shown(UNIX_EPOCH + Duration::from_secs(9), "").count(), 5);
        assert_eq!(&*log.shown(all, "WORKER_77").next().unwrap().subject, "worker_7799");
        assert_eq!((log.shown(all, "kernel").count(), log.shown(all, "network").count()), (MOST, 0));
        log.next_severity();
        assert!(log.shown(all, "").all(|entry| entry.severity != Severity::Info));
        log.next_severity();
        assert!(log.shown(all, "").all(|entry| entry.severity == Severity::Critical));
        log.next_severity();
        assert_eq!(log.least, Severity::Info);
    }
}
