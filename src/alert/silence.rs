//! Silences: alerts that nobody wants to be told of for a while.

use std::sync::Arc;
use std::time::SystemTime;

use super::pattern::Matcher;
use super::raised::Alert;

/// Keeps alerts from being told while it lasts. They are found and shown all the same.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Silence {
    /// Which alerts: those that match all of these. Without any, all alerts.
    pub matchers: Vec<Matcher>,
    /// From when on; `None` from the beginning.
    pub from: Option<SystemTime>,
    /// Until when; `None` without an end.
    pub until: Option<SystemTime>,
    /// Why.
    pub comment: Arc<str>,
}

impl Silence {
    /// Makes one of all alerts, without an end.
    pub fn new(comment: impl Into<Arc<str>>) -> Self {
        Silence { comment: comment.into(), ..Silence::default() }
    }

    /// Restricts it to alerts that match.
    pub fn matching(mut self, matcher: Matcher) -> Self {
        self.matchers.push(matcher);
        self
    }

    /// Sets when it begins.
    pub fn from(mut self, time: SystemTime) -> Self {
        self.from = Some(time);
        self
    }

    /// Sets when it ends.
    pub fn until(mut self, time: SystemTime) -> Self {
        self.until = Some(time);
        self
    }

    /// Returns whether it keeps this alert from being told at that time.
    pub fn covers(&self, alert: &Alert, at: SystemTime) -> bool {
        let lasts = self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until);
        lasts && self.matchers.iter().all(|matcher| matcher.matches(alert))
    }
}
