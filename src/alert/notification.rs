//! What somebody is told: alerts of one group that began to fire, or were resolved.

use std::sync::Arc;
use std::time::SystemTime;

use super::pattern::label;
use super::raised::{Alert, AlertState, Labels, Severity};

/// Alerts that are told together. Cloning it clones pointers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notification {
    /// The time of the snapshot with which it was decided.
    pub time: SystemTime,
    /// The labels that its alerts have in common by [`group_by`](super::Rules::group_by), `rule` and `severity` among them.
    pub group: Labels,
    /// The alerts that fire, and those that were resolved since the notification before, in the order of their rules.
    pub alerts: Arc<[ToldAlert]>,
    /// Alerts that were too many for one notification.
    pub left_out: usize,
    /// Whether nothing is new, and it is told [again](super::Rules::repeat).
    pub repeated: bool,
}

/// An alert, and the texts of its rule.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ToldAlert {
    /// The alert.
    pub alert: Alert,
    /// The [annotations](super::Rule::annotation) of its rule, with what the braces stand for.
    pub annotations: Labels,
}

impl Notification {
    /// Returns whether any of its alerts fires: `Firing`, or `Resolved`.
    pub fn state(&self) -> AlertState {
        let fires = self.alerts.iter().any(|told| told.alert.state == AlertState::Firing);
        if fires { AlertState::Firing } else { AlertState::Resolved }
    }

    /// Returns the highest severity of those that fire; of all, where none does.
    pub fn severity(&self) -> Severity {
        let state = self.state();
        let of = self.alerts.iter().filter(|told| told.alert.state == state).map(|told| told.alert.severity);
        of.max().unwrap_or(Severity::Info)
    }

    /// Returns the labels that all its alerts have with the same value, `rule` and `severity` among them.
    pub fn common_labels(&self) -> Vec<(&str, &str)> {
        let Some(first) = self.alerts.first().map(|told| &told.alert) else { return Vec::new() };
        let own = first.labels.iter().map(|(name, _)| &**name);
        let names = ["rule", "severity"].into_iter().chain(own);
        let is_common = |name: &&str| self.alerts.iter().all(|told| label(&told.alert, name) == label(first, name));
        names.filter(is_common).map(|name| (name, label(first, name))).collect()
    }
}
