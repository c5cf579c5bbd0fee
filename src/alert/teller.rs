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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{Rule, Side, Watch};
    use std::time::UNIX_EPOCH;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + seconds(1000 + second)
    }

    fn rule(name: &str) -> Rule {
        Rule::new(Watch::Cpu, Side::Above, 0.5).named(name).annotation("runbook", "about {kernel}")
    }

    fn alert(rule: &str, kernel: &str, fired: u64) -> Alert {
        let mut alert = Alert::pending(rule, Severity::Warning, 1.0, at(fired));
        (alert.state, alert.fired_at) = (AlertState::Firing, Some(at(fired)));
        alert.labels = [("kernel".into(), kernel.into())].into();
        alert
    }

    fn over(alert: &Alert, second: u64) -> Alert {
        Alert { state: AlertState::Resolved, resolved_at: Some(at(second)), ..alert.clone() }
    }

    fn all() -> Wanted {
        Wanted { matchers: Vec::new(), severity: Severity::Info }
    }

    fn teller(rules: Rules, wanted: Wanted, manner: Manner) -> Teller {
        Teller::new(Arc::new(rules.rule(rule("A")).rule(rule("B"))), wanted, manner)
    }

    /// State, rule and kernel of each alert; one line a notification.
    fn told(notifications: &[Notification]) -> Vec<String> {
        let one = |told: &ToldAlert| {
            let alert = &told.alert;
            format!("{} {}/{}", alert.state, alert.rule, alert.label("kernel").unwrap_or_default())
        };
        let line = |n: &Notification| {
            let again = if n.repeated { "again: " } else { "" };
            format!("{again}{}", n.alerts.iter().map(one).collect::<Vec<_>>().join(", "))
        };
        notifications.iter().map(line).collect()
    }

    #[test]
    fn a_group_is_told_once_when_it_changes_and_again_after_a_long_time() {
        let rules = Rules::new().group_interval(seconds(10)).repeat(seconds(100));
        let mut teller = teller(rules, all(), Manner::Grouped);
        let (x, y) = (alert("A", "x", 0), alert("A", "y", 3));
        let mut step = |second, alerts: &[&Alert]| {
            let alerts: Vec<Alert> = alerts.iter().map(|alert| (*alert).clone()).collect();
            told(&teller.step(&alerts, at(second)))
        };
        assert_eq!(step(0, &[&x]), ["firing A/x"]);
        assert!(step(1, &[&x]).is_empty(), "that is known");
        assert!(step(3, &[&x, &y]).is_empty(), "not so soon after the first");
        assert_eq!(step(10, &[&x, &y]), ["firing A/x, firing A/y"]);
        assert!(step(109, &[&x, &y]).is_empty());
        assert_eq!(step(110, &[&x, &y]), ["again: firing A/x, firing A/y"]);
        assert_eq!(step(120, &[&x, &over(&y, 120)]), ["firing A/x, resolved A/y"]);
        assert!(step(121, &[&over(&x, 121)]).is_empty());
        assert_eq!(step(130, &[]), ["resolved A/x"]);
        assert!(step(500, &[]).is_empty());
    }

    #[test]
    fn what_comes_and_goes_within_the_interval_is_told_as_it_is_then() {
        let mut teller = teller(Rules::new().group_interval(seconds(10)), all(), Manner::Grouped);
        let x = alert("A", "x", 0);
        let flaps: Vec<Alert> = (0..20).map(|second| alert("A", "x", second)).collect();
        let mut lines = told(&teller.step(std::slice::from_ref(&x), at(0)));
        for second in 1..20u64 {
            let now = &flaps[second as usize];
            let now = if second % 2 == 0 { now.clone() } else { over(&flaps[second as usize - 1], second) };
            lines.extend(told(&teller.step(&[now], at(second))));
        }
        assert_eq!(lines, ["firing A/x", "firing A/x"], "twenty changes, two notifications");
    }

    #[test]
    fn the_first_waits_for_others_and_the_end_waits_for_nothing() {
        let mut teller = teller(Rules::new().group_wait(seconds(5)).group_by(["rule"]), all(), Manner::Grouped);
        let (x, y, b) = (alert("A", "x", 0), alert("A", "y", 2), alert("B", "x", 2));
        assert!(teller.step(std::slice::from_ref(&x), at(0)).is_empty());
        assert!(teller.step(&[x.clone(), y.clone(), b.clone()], at(2)).is_empty());
        assert_eq!(told(&teller.step(&[x.clone(), y.clone(), b.clone()], at(5))), ["firing A/x, firing A/y"]);
        assert_eq!(told(&teller.end(at(6))), ["firing B/x"]);
        assert!(teller.end(at(7)).is_empty());
    }

    #[test]
    fn who_is_told_what_is_chosen_by_labels_severity_and_silences() {
        let wanted = Wanted { matchers: vec![Matcher::new("kernel", "w*")], severity: Severity::Warning };
        let mut teller = teller(Rules::new().group_by(["kernel"]).group_interval(seconds(0)), wanted, Manner::Grouped);
        let (w1, x) = (alert("A", "w1", 0), alert("A", "x", 0));
        let info = Alert { severity: Severity::Info, ..alert("A", "w2", 0) };
        let silenced = Alert { silenced: true, ..alert("B", "w3", 0) };
        let first = teller.step(&[w1.clone(), x, info, silenced.clone()], at(0));
        assert_eq!(told(&first), ["firing A/w1"]);
        assert_eq!(*first[0].group, [(Arc::from("kernel"), Arc::from("w1"))]);
        assert_eq!(*first[0].alerts[0].annotations, [(Arc::from("runbook"), Arc::from("about w1"))]);
        // The silence ends; that of the first begins, and nobody is told of its end.
        let now = [Alert { silenced: true, ..w1.clone() }, Alert { silenced: false, ..silenced }];
        assert_eq!(told(&teller.step(&now, at(1))), ["firing B/w3"]);
        assert_eq!(told(&teller.step(&[], at(2))), ["resolved B/w3"], "a moment that was lost is made up for");
    }

    #[test]
    fn where_things_are_resent_all_of_them_are_and_their_end_twice() {
        let mut teller = teller(Rules::new(), all(), Manner::Resent(seconds(60)));
        let many: Vec<Alert> = (0..150).map(|i| alert("A", &format!("w{i}"), 0)).collect();
        let sizes = |notifications: Vec<Notification>| notifications.iter().map(|n| n.alerts.len()).collect::<Vec<_>>();
        assert_eq!(sizes(teller.step(&many, at(0))), [100, 50]);
        assert!(teller.step(&many, at(59)).is_empty());
        assert_eq!(sizes(teller.step(&many, at(60))), [100, 50]);
        let ended: Vec<Alert> = many.iter().map(|alert| over(alert, 70)).collect();
        assert_eq!(sizes(teller.step(&ended, at(70))), [100, 50]);
        assert!(teller.step(&[], at(71)).is_empty());
        let again = teller.step(&[], at(130));
        assert!(again.iter().all(|n| n.repeated && n.state() == AlertState::Resolved));
        assert_eq!(
            (sizes(again), teller.step(&[], at(190)).len(), teller.step(&[], at(300)).len()),
            (vec![100, 50], 2, 0)
        );
    }

    #[test]
    fn what_is_too_much_for_one_notification_is_counted_in_it() {
        let mut teller = teller(Rules::new(), all(), Manner::Grouped);
        let many: Vec<Alert> = (0..150).map(|i| alert("A", &format!("w{i}"), 0)).collect();
        let told = teller.step(&many, at(0));
        assert_eq!((told.len(), told[0].alerts.len(), told[0].left_out), (1, MOST_TOLD, 50));
        assert_eq!(told[0].common_labels(), [("rule", "A"), ("severity", "warning")]);
    }
}
