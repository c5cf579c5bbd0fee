//! An alert: what a rule found, since when, and what has become of it.

use std::sync::Arc;
use std::time::SystemTime;

use crate::snapshot::Snapshot;

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "json", derive(serde::Deserialize))]
#[non_exhaustive]
pub enum Severity {
    /// When there is time.
    Info,
    /// Today.
    Warning,
    /// Now.
    Critical,
}

impl Severity {
    /// All severities, the lowest first.
    pub const ALL: &'static [Severity] = &[Severity::Info, Severity::Warning, Severity::Critical];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Where an alert is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[cfg_attr(feature = "json", derive(serde::Deserialize))]
#[non_exhaustive]
pub enum AlertState {
    /// Its condition holds, and has to hold for longer before anybody is told.
    Pending,
    /// Its condition has held for long enough.
    Firing,
    /// It fired, and its condition does not hold any more.
    Resolved,
}

impl AlertState {
    /// All states, in the order of an alert's life.
    pub const ALL: &'static [AlertState] = &[AlertState::Pending, AlertState::Firing, AlertState::Resolved];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
        }
    }
}

impl std::fmt::Display for AlertState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Names and values of an alert's labels.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// What a rule found of one thing: of one kernel, one GPU, the machine.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Alert {
    /// The name of the rule.
    pub rule: Arc<str>,
    /// How soon somebody should look.
    pub severity: Severity,
    /// Where it is in its life.
    pub state: AlertState,
    /// What it is of, such as `kernel`, and what the rule's author added. With the rule's name they are its identity.
    pub labels: Labels,
    /// The value that was seen last.
    pub value: f64,
    /// The limit that the rule compares it with; `None` where it compares with none.
    pub threshold: Option<f64>,
    /// What is wrong, as a sentence with the value in it.
    pub summary: Arc<str>,
    /// Since when the condition holds, or held the last time.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::unix_seconds"))]
    pub active_since: SystemTime,
    /// When it began to fire.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::optional_unix_seconds"))]
    pub fired_at: Option<SystemTime>,
    /// When it was resolved.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::optional_unix_seconds"))]
    pub resolved_at: Option<SystemTime>,
    /// Whether a silence keeps it from being told.
    pub silenced: bool,
}

impl Alert {
    /// Makes one whose condition has just begun to hold.
    pub fn pending(rule: impl Into<Arc<str>>, severity: Severity, value: f64, since: SystemTime) -> Self {
        Alert {
            rule: rule.into(),
            severity,
            state: AlertState::Pending,
            labels: Arc::new([]),
            value,
            threshold: None,
            summary: "".into(),
            active_since: since,
            fired_at: None,
            resolved_at: None,
            silenced: false,
        }
    }

    /// Returns the label of that name.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| &**known == name).map(|(_, value)| &**value)
    }
}

/// Who finds alerts: gets each snapshot once, in order.
pub trait Judge: Send {
    /// Returns all alerts that are pending or firing with this snapshot, and those that it resolved.
    fn judge(&mut self, snapshot: &Arc<Snapshot>) -> Arc<[Alert]>;

    /// Returns what it looks for, a sentence for each rule.
    fn rules(&self) -> Vec<Arc<str>> {
        Vec::new()
    }
}
