//! The engine: what all rules find in one snapshot after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::anomaly;
use super::life::{Life, Step};
use super::observe::{Look, Of, detail, observe};
use super::past::Past;
use super::raised::{Alert, AlertState, Judge, Labels};
use super::rule::Rule;
use super::rules::Rules;
use super::text;
use super::watch::Watch;
use crate::snapshot::Snapshot;

/// Finds alerts by [`Rules`]. It has no clock of its own: time is that of the snapshots, so that a replay finds what was found.
///
/// ```
/// use std::time::Duration;
/// use ringscope::alert::{Engine, Judge, Rule, Rules};
///
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let mut engine = Engine::new(Rules::new().rule(Rule::failure_rate_above("parser", 0.5).over(Duration::from_secs(10))));
/// engine.judge(&telemetry.snapshot()?);
/// telemetry.record_error("parser", "no such table")?;
/// let alerts = engine.judge(&telemetry.snapshot()?);
/// assert_eq!(alerts[0].label("kernel"), Some("parser"));
/// assert_eq!(alerts[0].summary.as_ref(), "the failure rate of kernel parser is 100 %, above 50 %");
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    past: Past,
    /// Where some rule is of what is not as it was.
    anomalies: Option<anomaly::Watch>,
    /// Of each rule, by labels.
    lives: Vec<BTreeMap<Labels, Life>>,
    looks: u64,
    counts: EngineCounts,
}

/// What an engine has counted. Clones are of the same engine.
#[derive(Clone, Debug, Default)]
pub struct EngineCounts(Arc<Mutex<AlertCounts>>);

/// Counts of alerts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AlertCounts {
    /// Alerts that are pending.
    pub pending: usize,
    /// Alerts that fire, silenced ones among them.
    pub firing: usize,
    /// Alerts that fire and are silenced.
    pub silenced: usize,
    /// Alerts that ever fired.
    pub fired_total: u64,
    /// Alerts that were ever resolved.
    pub resolved_total: u64,
    /// Alerts that were not raised, because their rule [had too many](Rules::alerts_per_rule); each with each snapshot.
    pub dropped_total: u64,
}

impl EngineCounts {
    /// Returns the counts as of the newest snapshot.
    pub fn read(&self) -> AlertCounts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, counts: AlertCounts) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    }
}

impl Engine {
    /// Makes one of these rules.
    pub fn new(rules: Rules) -> Self {
        let windowed = rules.rules.iter().filter(|rule| rule.watch.kind().is_windowed);
        let past = Past::new(windowed.map(|rule| rule.over));
        let lives = rules.rules.iter().map(|_| BTreeMap::new()).collect();
        let is_of_anomalies = |rule: &Rule| matches!(rule.watch, Watch::Anomaly(_));
        let anomalies = rules.rules.iter().any(is_of_anomalies).then(anomaly::Watch::new);
        Engine { rules: Arc::new(rules), past, anomalies, lives, looks: 0, counts: EngineCounts::default() }
    }

    /// Returns the rules.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns where its counts can be read, also when the engine itself is in other hands.
    pub fn counts(&self) -> EngineCounts {
        self.counts.clone()
    }

    fn look(&mut self, now: &Arc<Snapshot>) -> Vec<Alert> {
        self.looks += 1;
        self.past.advance(now);
        let findings = self.anomalies.as_mut().map(|watch| watch.push(now)).unwrap_or_default();
        let mut counts = self.counts.read();
        let (mut alerts, rules) = (Vec::new(), Arc::clone(&self.rules));
        for (rule, lives) in rules.rules.iter().zip(&mut self.lives) {
            let begin = self.past.begin_of(rule.over).map(|begin| &**begin);
            let previous = self.past.previous().map(|previous| &**previous);
            let look = Look { now, begin, previous, findings: &findings };
            let most = rules.most_alerts;
            let mut turn = Turn { rule, lives, number: self.looks, most, counts: &mut counts, alerts: &mut alerts };
            turn.take(&look);
        }
        self.past.push(now);
        for alert in &mut alerts {
            alert.silenced = rules.silences.iter().any(|silence| silence.covers(alert, now.time));
        }
        let of = |state| alerts.iter().filter(move |alert: &&Alert| alert.state == state);
        counts.pending = of(AlertState::Pending).count();
        counts.firing = of(AlertState::Firing).count();
        counts.silenced = of(AlertState::Firing).filter(|alert| alert.silenced).count();
        self.counts.set(counts);
        alerts
    }
}

impl Judge for Engine {
    fn judge(&mut self, snapshot: &Arc<Snapshot>) -> Arc<[Alert]> {
        self.look(snapshot).into()
    }

    fn rules(&self) -> Vec<Arc<str>> {
        self.rules.iter().map(|rule| format!("{} ({}): {rule}", rule.name, rule.severity).into()).collect()
    }
}

/// One rule's look at one snapshot.
struct Turn<'a> {
    rule: &'a Rule,
    lives: &'a mut BTreeMap<Labels, Life>,
    number: u64,
    most: usize,
    counts: &'a mut AlertCounts,
    alerts: &'a mut Vec<Alert>,
}

impl Turn<'_> {
    fn take(&mut self, look: &Look<'_>) {
        let rule = self.rule;
        observe(rule, look, &mut |of, value| self.see(&of, value, look));
        let unseen = |life: &Life| life.seen != self.number;
        let gone: Vec<Labels> =
            self.lives.iter().filter(|(_, life)| unseen(life)).map(|(labels, _)| Arc::clone(labels)).collect();
        gone.iter().for_each(|labels| self.step(labels, None, look));
        // In the order of their labels, those that were resolved among them.
        let mut own = std::mem::take(self.lives);
        self.alerts.extend(own.values().map(|life| life.alert.clone()));
        own.retain(|_, life| life.alert.state != AlertState::Resolved);
        *self.lives = own;
    }

    fn see(&mut self, of: &Of<'_>, value: f64, look: &Look<'_>) {
        let is_wrong = self.rule.is_wrong(value);
        if !is_wrong && self.lives.is_empty() {
            return;
        }
        let labels: Labels = of.labels().into_iter().chain(self.rule.labels.iter().cloned()).collect();
        if !self.lives.contains_key(&labels) {
            if !is_wrong {
                return;
            }
            if self.lives.len() >= self.most {
                self.counts.dropped_total += 1;
                return;
            }
            self.lives.insert(Arc::clone(&labels), Life::new(self.rule, Arc::clone(&labels), value, look.now.time));
        }
        self.step(&labels, Some(value), look);
    }

    fn step(&mut self, labels: &Labels, value: Option<f64>, look: &Look<'_>) {
        let Some(life) = self.lives.get_mut(labels) else { return };
        life.seen = self.number;
        match life.step(self.rule, value, look.now.time) {
            Step::Gone => return drop(self.lives.remove(labels)),
            Step::Fires => self.counts.fired_total += 1,
            Step::Resolved => self.counts.resolved_total += 1,
            Step::Stays => {}
        }
        if value.is_some() && life.alert.state != AlertState::Resolved {
            life.alert.summary = summary(self.rule, &life.alert, look);
        }
    }
}

fn summary(rule: &Rule, alert: &Alert, look: &Look<'_>) -> Arc<str> {
    match &rule.summary {
        Some(template) => text::filled(template, rule, alert).into(),
        None => detail(rule, look, &alert.labels).unwrap_or_else(|| text::sentence(rule, alert)).into(),
    }
}
