//! What happened, in order: hangs with their beginning and end, failures, resets, gaps, alerts, events.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use ringscope::alert::{Alert, AlertState, Severity};
use ringscope::collector::EventKind;
use ringscope::feed::{Entry, EntryKind, Moment};
use ringscope::{KernelState, Snapshot};

use super::hangs::Hangs;
use super::happening::{Happening, What, at_once, spanning};

/// All of it, as far as there is room.
#[derive(Debug, Default)]
pub struct Happened {
    /// In order of time.
    pub all: Vec<Happening>,
    /// What there was no room for: neither the first nor the last of its kind.
    pub left_out: u64,
    hangs: Hangs,
    alerts: HashMap<Identity, Happening>,
}

/// An alert's name, labels, and since when.
type Identity = (Arc<str>, Arc<[(Arc<str>, Arc<str>)]>, SystemTime);

/// Most happenings that are kept.
const MOST: usize = 1000;

impl Happened {
    /// Adds what happened until this moment since the one before.
    pub fn take(&mut self, moment: &Moment, before: Option<&Snapshot>) {
        let over = self.hangs.take(&moment.snapshot);
        over.into_iter().for_each(|happening| self.put(happening));
        self.failures(&moment.snapshot, before);
        moment.alerts.iter().for_each(|alert| self.alert(alert, moment.snapshot.time));
        moment.entries.iter().filter_map(of_entry).for_each(|happening| self.put(happening));
    }

    /// Nothing was recorded for a while.
    pub fn gap(&mut self, from: SystemTime, to: SystemTime) {
        let text = "nothing was recorded: the program stood still, or recording did".to_owned();
        self.put(spanning(from, to, Severity::Warning, What::Gap, text));
    }

    /// Another run begins.
    pub fn restarted(&mut self, from: SystemTime, to: SystemTime) {
        let text = "counts and snapshot numbers begin anew: the program was started again".to_owned();
        self.put(spanning(from.min(to), to, Severity::Warning, What::Restart, text));
    }

    /// The counts of a kernel begin anew.
    pub fn reset(&mut self, kernel: &Arc<str>, at: SystemTime) {
        let text = "counts begin anew from zero".to_owned();
        self.put(at_once(at, Severity::Info, What::Reset, Arc::clone(kernel), text));
    }

    /// Ends it: what is not over lasts.
    pub fn end(&mut self, at: Option<SystemTime>) {
        let hangs = self.hangs.end();
        hangs.into_iter().for_each(|happening| self.put(happening));
        let alerts = std::mem::take(&mut self.alerts);
        for (_, alert) in alerts {
            let until = if alert.lasts { at } else { alert.until };
            self.put(Happening { until, ..alert });
        }
        self.all.sort_by(|a, b| a.time.cmp(&b.time).then(a.what.cmp(&b.what)).then(a.subject.cmp(&b.subject)));
    }

    /// How many are of that kind.
    pub fn count(&self, what: What) -> usize {
        self.all.iter().filter(|happening| happening.what == what).count()
    }

    fn failures(&mut self, now: &Snapshot, before: Option<&Snapshot>) {
        for kernel in now.kernels.iter().filter(|kernel| kernel.state == KernelState::Failed) {
            let then = before.and_then(|before| before.kernel(&kernel.kernel_id));
            if then.is_some_and(|then| then.state == KernelState::Failed) {
                continue;
            }
            let why = kernel.last_error.as_deref().unwrap_or("it died, or its device did");
            let (id, text) = (Arc::clone(&kernel.kernel_id), why.to_owned());
            self.put(at_once(now.time, Severity::Critical, What::Failure, id, text));
        }
    }

    fn alert(&mut self, alert: &Alert, now: SystemTime) {
        if alert.state == AlertState::Pending {
            return;
        }
        let begin = alert.fired_at.unwrap_or(alert.active_since);
        let identity = (Arc::clone(&alert.rule), Arc::clone(&alert.labels), begin);
        if self.alerts.len() >= MOST && !self.alerts.contains_key(&identity) {
            self.left_out += 1;
            return;
        }
        let lasts = alert.state == AlertState::Firing;
        let known = self.alerts.get(&identity).is_some_and(|known| !known.lasts);
        if known {
            return;
        }
        let silenced = if alert.silenced { " (silenced)" } else { "" };
        let happening = Happening {
            time: begin,
            until: (!lasts).then(|| alert.resolved_at.unwrap_or(now)),
            lasts,
            severity: alert.severity,
            what: What::Alert,
            subject: Arc::clone(&alert.rule),
            text: format!("{}{silenced}", alert.summary),
        };
        self.alerts.insert(identity, happening);
    }

    /// Keeps it; of too many the newer ones of the least severity are left out.
    fn put(&mut self, happening: Happening) {
        if self.all.len() < MOST {
            return self.all.push(happening);
        }
        self.left_out += 1;
        let least = self.all.iter().enumerate().rev().min_by_key(|(_, kept)| kept.severity);
        if let Some((at, _)) = least.filter(|(_, kept)| kept.severity < happening.severity) {
            self.all.remove(at);
            self.all.push(happening);
        }
    }
}

/// What the snapshots and the alerts themselves say better is left to them.
fn of_entry(entry: &Entry) -> Option<Happening> {
    let says = |kind: &EventKind| entry.text.split(": ").next() == Some(kind.name());
    let told = [EventKind::Stalled, EventKind::Recovered, EventKind::Failed, EventKind::Reset];
    let what = match entry.kind {
        EntryKind::Kernel if told.iter().any(says) => return None,
        EntryKind::Alert => return None,
        EntryKind::Kernel => What::Lifecycle,
        EntryKind::Operation => What::Operation,
        EntryKind::Network => What::Network,
        _ => What::Event,
    };
    let labels: Vec<String> = entry.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let labels = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    Some(at_once(entry.time, entry.severity, what, Arc::clone(&entry.subject), format!("{}{labels}", entry.text)))
}
