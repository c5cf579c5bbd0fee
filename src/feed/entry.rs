//! One line of the log that people read: what happened to what, and how bad that is.

use std::sync::Arc;
use std::time::SystemTime;

use crate::alert::{Alert, AlertState, Severity};
use crate::collector::{ApplicationEvent, Changed, EventKind, KernelEvent, NetworkRecord, OperationRecord};
use crate::snapshot::OperationStatus;

/// What an [`Entry`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum EntryKind {
    /// Something happened to a kernel.
    Kernel,
    /// An event of the application.
    Event,
    /// An operation that failed, was abandoned, or took long.
    Operation,
    /// A network operation that failed, was abandoned, or took long.
    Network,
    /// An alert fired or was resolved.
    Alert,
}

impl EntryKind {
    /// All kinds.
    pub const ALL: &'static [EntryKind] =
        &[EntryKind::Kernel, EntryKind::Event, EntryKind::Operation, EntryKind::Network, EntryKind::Alert];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            EntryKind::Kernel => "kernel",
            EntryKind::Event => "event",
            EntryKind::Operation => "operation",
            EntryKind::Network => "network",
            EntryKind::Alert => "alert",
        }
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Entry {
    /// When it happened, or was noticed.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub time: SystemTime,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub kind: EntryKind,
    /// The kernel, operation, peer, event or rule.
    pub subject: Arc<str>,
    /// What happened, as a sentence without its subject. It may hold any character: escape it where you show it.
    pub text: Arc<str>,
    /// Labels and metadata.
    pub labels: Arc<[(Arc<str>, Arc<str>)]>,
}

impl Entry {
    /// Makes one without labels.
    pub fn new(
        time: SystemTime,
        severity: Severity,
        kind: EntryKind,
        subject: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
    ) -> Self {
        Entry { time, severity, kind, subject: subject.into(), text: text.into(), labels: Arc::new([]) }
    }

    fn with_labels<'a>(self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Entry { labels, ..self }
    }
}

impl From<&KernelEvent> for Entry {
    fn from(event: &KernelEvent) -> Self {
        let severity = match event.kind {
            EventKind::Failed => Severity::Critical,
            EventKind::Stalled => Severity::Warning,
            _ => Severity::Info,
        };
        let text = match (&event.stall, &event.died_of) {
            (Some(stall), _) => format!("{}: {}", event.kind, stall.status),
            (None, Some(died_of)) => format!("{}: {died_of}", event.kind),
            (None, None) => event.kind.to_string(),
        };
        Entry::new(event.time, severity, EntryKind::Kernel, Arc::clone(&event.kernel_id), text)
    }
}

impl From<&ApplicationEvent> for Entry {
    fn from(event: &ApplicationEvent) -> Self {
        let labels = event.labels.iter().chain(event.metadata.iter());
        Entry::new(event.time, Severity::Info, EntryKind::Event, Arc::clone(&event.name), event.value.to_string())
            .with_labels(labels)
    }
}

impl From<&OperationRecord> for Entry {
    fn from(record: &OperationRecord) -> Self {
        let text = ended(record.status, record.duration, record.error.as_deref());
        let severity = severity_of(record.status);
        Entry::new(record.start_time + record.duration, severity, EntryKind::Operation, Arc::clone(&record.name), text)
            .with_labels(record.labels.iter())
    }
}

impl From<&NetworkRecord> for Entry {
    fn from(record: &NetworkRecord) -> Self {
        let text = ended(record.status, record.duration, record.error.as_deref());
        let subject = format!("{} {}:{}", record.kind, record.host, record.port);
        Entry::new(record.start_time + record.duration, severity_of(record.status), EntryKind::Network, subject, text)
    }
}

impl From<&Alert> for Entry {
    fn from(alert: &Alert) -> Self {
        let (time, severity) = match alert.state {
            AlertState::Pending => (alert.active_since, Severity::Info),
            AlertState::Firing => (alert.fired_at.unwrap_or(alert.active_since), alert.severity),
            AlertState::Resolved => (alert.resolved_at.unwrap_or(alert.active_since), Severity::Info),
        };
        let text = format!("{}: {}", alert.state, alert.summary);
        let entry = Entry::new(time, severity, EntryKind::Alert, Arc::clone(&alert.rule), text);
        Entry { labels: Arc::clone(&alert.labels), ..entry }
    }
}

fn severity_of(status: OperationStatus) -> Severity {
    if status == OperationStatus::Succeeded { Severity::Info } else { Severity::Warning }
}

fn ended(status: OperationStatus, duration: std::time::Duration, error: Option<&str>) -> String {
    let error = error.map(|error| format!(": {error}")).unwrap_or_default();
    format!("{} after {duration:.1?}{error}", status.name())
}

/// What changed as entries, in order of time. Operations that succeeded within `slow` are left out.
pub(super) fn entries(changed: &Changed, slow: std::time::Duration) -> Vec<Entry> {
    let worth = |status: OperationStatus, took| status != OperationStatus::Succeeded || took > slow;
    let operations = changed.operations.iter().filter(|record| worth(record.status, record.duration));
    let network = changed.network_operations.iter().filter(|record| worth(record.status, record.latency));
    let mut entries: Vec<Entry> = changed.kernel_events.iter().map(Entry::from).collect();
    entries.extend(changed.events.iter().map(|event| Entry::from(&**event)));
    entries.extend(operations.map(Entry::from));
    entries.extend(network.map(Entry::from));
    entries.sort_by_key(|entry| entry.time);
    entries
}
