//! The life of one alert: pending, firing, resolved.

use std::sync::Arc;
use std::time::SystemTime;

use super::raised::{Alert, AlertState, Labels};
use super::rule::Rule;

/// An alert, and since when its condition does not hold any more.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) alert: Alert,
    well_since: Option<SystemTime>,
    /// The snapshot that it was seen in last.
    pub(super) seen: u64,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stays,
    Fires,
    Resolved,
    /// It was pending, and is forgotten.
    Gone,
}

impl Life {
    /// Begins with a value that is wrong.
    pub(super) fn new(rule: &Rule, labels: Labels, value: f64, now: SystemTime) -> Self {
        let alert = Alert {
            labels,
            threshold: Some(rule.threshold),
            ..Alert::pending(Arc::clone(&rule.name), rule.severity, value, now)
        };
        Life { alert, well_since: None, seen: 0 }
    }

    /// Goes on with a value; with `None` there is nothing to be wrong. Called at once for a new one.
    pub(super) fn step(&mut self, rule: &Rule, value: Option<f64>, now: SystemTime) -> Step {
        self.alert.value = value.unwrap_or(self.alert.value);
        match self.alert.state {
            AlertState::Pending => self.wait(rule, value, now),
            _ => self.fire(rule, value, now),
        }
    }

    fn wait(&mut self, rule: &Rule, value: Option<f64>, now: SystemTime) -> Step {
        if !value.is_some_and(|value| rule.is_wrong(value)) {
            return Step::Gone;
        }
        // A clock that was set back begins anew.
        self.alert.active_since = self.alert.active_since.min(now);
        if now.duration_since(self.alert.active_since).unwrap_or_default() < rule.hold {
            return Step::Stays;
        }
        (self.alert.state, self.alert.fired_at) = (AlertState::Firing, Some(now));
        Step::Fires
    }

    fn fire(&mut self, rule: &Rule, value: Option<f64>, now: SystemTime) -> Step {
        if value.is_some_and(|value| rule.stays_wrong(value)) {
            self.well_since = None;
            return Step::Stays;
        }
        let since = self.well_since.map_or(now, |since| since.min(now));
        self.well_since = Some(since);
        if now.duration_since(since).unwrap_or_default() < rule.resolve_after {
            return Step::Stays;
        }
        (self.alert.state, self.alert.resolved_at) = (AlertState::Resolved, Some(now));
        Step::Resolved
    }
}
