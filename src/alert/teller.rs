//! Who is told what when: groups, waiting, repeating, and nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::notification::{Notification, ToldAlert};
use super::pattern::{Matcher, label};
use super::raised::{Alert, AlertState, Labels, Severity};
use super::rules::{Rules, Telling};
use super::text;

/// The most alerts of one notification.
const MOST_TOLD: usize = 100;

/// Which alerts a receiver is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) severity: Severity,
}

impl Wanted {
    fn takes(&self, alert: &Alert) -> bool {
        alert.severity >= self.severity && self.matchers.iter().all(|matcher| matcher.matches(alert))
    }
}

/// How a receiver is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In groups, once, and again after a long time.
    Grouped,
    /// All alerts together, again and again while they fire: the receiver groups them itself, and takes silence for the end.
    Resent(Duration),
}

/// What one receiver knows. Time is that of the snapshots.
#[derive(Debug)]
pub(crate) struct Teller {
    rules: Arc<Rules>,
    telling: Telling,
    wanted: Wanted,
    manner: Manner,
    groups: BTreeMap<Labels, Group>,
}

#[derive(Debug)]
struct Group {
    /// By the place of the rule, its name and labels.
    known: BTreeMap<(usize, Labels), Known>,
    since: SystemTime,
    told: Option<SystemTime>,
}

#[derive(Debug)]
struct Known {
    alert: Alert,
    /// Of the alert that the receiver was told of, when it began to fire.
    told: Option<Option<SystemTime>>,
    /// Whether the receiver was told that it is over.
    is_told_over: bool,
}

impl Known {
    fn is_news(&self) -> bool {
        match self.alert.state {
            AlertState::Firing => self.told != Some(self.alert.fired_at),
            _ => !self.is_told_over,
        }
    }

    /// Whether it is over for so long.
    fn is_over_for(&self, time: Duration, now: SystemTime) -> bool {
        self.alert.state != AlertState::Firing && since(self.alert.resolved_at.unwrap_or(now), now) >= time
    }
}

impl Teller {
    pub(crate) fn new(rules: Arc<Rules>, wanted: Wanted, manner: Manner) -> Self {
        let telling = match manner {
            Manner::Grouped => rules.telling.clone(),
            Manner::Resent(repeat) => {
                Telling { group_by: Vec::new(), wait: Duration::ZERO, interval: Duration::ZERO, repeat }
            }
        };
        Teller { rules, telling, wanted, manner, groups: BTreeMap::new() }
    }

    /// Takes in all alerts of one snapshot, and returns what the receiver is to be told now.
    pub(crate) fn step(&mut self, alerts: &[Alert], now: SystemTime) -> Vec<Notification> {
        self.learn(alerts, now);
        self.tell(now, false)
    }

    /// Returns what was held back.
    pub(crate) fn end(&mut self, now: SystemTime) -> Vec<Notification> {
        self.tell(now, true)
    }

    fn learn(&mut self, alerts: &[Alert], now: SystemTime) {
        let mut seen = std::collections::BTreeSet::new();
        for alert in alerts.iter().filter(|alert| alert.state != AlertState::Pending && self.wanted.takes(alert)) {
            let group = self.group_of(alert);
            let Some(place) = self.rules.rules.iter().position(|rule| rule.name == alert.rule) else { continue };
            let key = (place, Arc::clone(&alert.labels));
            if alert.silenced {
                // Whoever was told of it is not told of its end.
                if let Some(group) = self.groups.get_mut(&group) {
                    group.known.remove(&key);
                }
                continue;
            }
            seen.insert(key.clone());
            let fires = alert.state == AlertState::Firing;
            let is_known = self.groups.get(&group).is_some_and(|group| group.known.contains_key(&key));
            if !fires && !is_known {
                continue;
            }
            let group = self.groups.entry(group).or_insert(Group { known: BTreeMap::new(), since: now, told: None });
            if group.known.is_empty() {
                group.since = now;
            }
            let told = group.known.get(&key).and_then(|known| known.told);
            group.known.insert(key, Known { alert: alert.clone(), told, is_told_over: false });
        }
        for known in self.groups.values_mut().flat_map(|group| &mut group.known) {
            let (key, known) = known;
            if known.alert.state == AlertState::Firing && !seen.contains(key) {
                (known.alert.state, known.alert.resolved_at) = (AlertState::Resolved, Some(now));
            }
        }
    }

    fn group_of(&self, alert: &Alert) -> Labels {
        self.telling.group_by.iter().map(|name| (Arc::clone(name), label(alert, name).into())).collect()
    }

    fn tell(&mut self, now: SystemTime, at_the_end: bool) -> Vec<Notification> {
        let mut all = Vec::new();
        for (labels, group) in &mut self.groups {
            // What came and went before anybody was told is not told.
            group.known.retain(|_, known| known.alert.state == AlertState::Firing || known.told.is_some());
            let Some(repeated) = group.is_due(&self.telling, now, at_the_end) else { continue };
            all.extend(group.notifications(labels, &self.rules, now, repeated, self.manner));
            group.told = Some(now);
            // Where things are resent, it is also said once more that it is over: the first word may have been lost.
            let keep = match self.manner {
                Manner::Grouped => Duration::ZERO,
                Manner::Resent(repeat) => 2 * repeat,
            };
            group.known.retain(|_, known| !known.is_over_for(keep, now));
            for known in group.known.values_mut() {
                known.told = Some(known.alert.fired_at);
                known.is_told_over = known.alert.state != AlertState::Firing;
            }
        }
        let interval = self.telling.interval;
        let is_over = |group: &Group| group.told.is_none_or(|told| since(told, now) >= interval);
        self.groups.retain(|_, group| !group.known.is_empty() || !is_over(group));
        all
    }
}

fn since(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

impl Group {
    /// Whether something is to be told now, and if so whether it is a mere repetition.
    fn is_due(&self, telling: &Telling, now: SystemTime, at_the_end: bool) -> Option<bool> {
        if self.known.is_empty() {
            return None;
        }
        let is_news = self.known.values().any(Known::is_news);
        let waited = match self.told {
            None => since(self.since, now) >= telling.wait,
            Some(told) => since(told, now) >= telling.interval,
        };
        let again = !at_the_end && self.told.is_some_and(|told| since(told, now) >= telling.repeat);
        match is_news && (waited || at_the_end) {
            true => Some(false),
            false => (again && !is_news).then_some(true),
        }
    }

    /// One with as many alerts as there is room for; where the receiver has to know all of them, several.
    fn notifications(
        &self,
        group: &Labels,
        rules: &Rules,
        now: SystemTime,
        repeated: bool,
        manner: Manner,
    ) -> Vec<Notification> {
        let told = |((place, _), known): (&(usize, Labels), &Known)| {
            let annotations = rules.rules.get(*place).map_or(&[][..], |rule| &rule.annotations);
            let filled = |(name, template): &(Arc<str>, Arc<str>)| {
                let rule = &rules.rules[*place];
                (Arc::clone(name), text::filled(template, rule, &known.alert).into())
            };
            ToldAlert { alert: known.alert.clone(), annotations: annotations.iter().map(filled).collect() }
        };
        let all: Vec<ToldAlert> = self.known.iter().map(told).collect();
        let one = |alerts: &[ToldAlert], left_out| Notification {
            time: now,
            group: Arc::clone(group),
            alerts: alerts.into(),
            left_out,
            repeated,
        };
        match manner {
            Manner::Grouped => vec![one(&all[..all.len().min(MOST_TOLD)], all.len().saturating_sub(MOST_TOLD))],
            Manner::Resent(_) => all.chunks(MOST_TOLD).map(|alerts| one(alerts, 0)).collect(),
        }
    }
}
