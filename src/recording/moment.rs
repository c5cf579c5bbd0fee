//! A moment as it differs from the one before.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::level::Level;
use super::packed::Packed;
use super::range::Bits;
use super::whole::snapshot;
use super::windows::Counted;
use crate::alert::{Alert, AlertState, Labels, Severity};
use crate::feed::{Entry, EntryKind, Moment};
use crate::snapshot::coding::{Coder, WholeShape, time_of, time_word};

/// Writes `now`, or reads it. A writer's snapshot has [canonical](crate::snapshot::coding::canonical) blocks.
pub(super) fn moment<B: Bits>(
    c: &mut Packed<B>,
    shape: &WholeShape,
    counted: &mut Counted,
    before: Option<&Moment>,
    (level, now): (Level, Option<&Moment>),
) -> Moment {
    c.section(0);
    let level = Level::from_word(c.word(0, || level as u64));
    let snapshots = (before.map(|m| &*m.snapshot), now.map(|m| &*m.snapshot));
    let snapshot = snapshot(c, shape, counted, snapshots.0, (level, snapshots.1));
    c.section(0);
    let entries = list(c, now.map_or(&[], |now| &*now.entries), entry);
    let alerts = alerts(c, before.map_or(&[], |m| &*m.alerts), now.map(|m| &*m.alerts));
    let missed = c.word(0, || now.map_or(0, |now| now.missed));
    let mut moment = Moment::of_snapshot(Arc::new(snapshot));
    (moment.entries, moment.alerts, moment.missed) = (entries.into(), alerts.into(), missed);
    moment
}

fn list<C: Coder, T, U>(coder: &mut C, now: &[T], mut one: impl FnMut(&mut C, Option<&T>) -> U) -> Vec<U> {
    let count = coder.count(0, || now.len());
    (0..count).map(|i| one(coder, now.get(i))).collect()
}

fn text(coder: &mut impl Coder, now: Option<&Arc<str>>) -> Arc<str> {
    coder.text(|| now.cloned().unwrap_or_default())
}

fn labels(coder: &mut impl Coder, now: Option<&Labels>) -> Labels {
    let now = now.map_or(&[][..], |now| now);
    let pair = |coder: &mut _, now: Option<&(Arc<str>, Arc<str>)>| {
        (text(coder, now.map(|now| &now.0)), text(coder, now.map(|now| &now.1)))
    };
    list(coder, now, pair).into()
}

fn time(coder: &mut impl Coder, now: Option<SystemTime>) -> Option<SystemTime> {
    time_of(coder.word(0, || now.map_or(0, time_word)))
}

/// One of a few, by its place among all of them.
fn one_of<T: Copy + PartialEq>(coder: &mut impl Coder, all: &[T], now: Option<T>) -> T {
    let place = |now: T| all.iter().position(|one| *one == now).unwrap_or(0) as u64;
    let place = coder.word(0, || now.map_or(0, place)) as usize;
    all[place.min(all.len() - 1)]
}

fn entry(coder: &mut impl Coder, now: Option<&Entry>) -> Entry {
    let time = time(coder, now.map(|now| now.time)).unwrap_or(UNIX_EPOCH);
    let severity = one_of(coder, Severity::ALL, now.map(|now| now.severity));
    let kind = one_of(coder, EntryKind::ALL, now.map(|now| now.kind));
    let subject = text(coder, now.map(|now| &now.subject));
    let text = text(coder, now.map(|now| &now.text));
    let mut entry = Entry::new(time, severity, kind, subject, text);
    entry.labels = labels(coder, now.map(|now| &now.labels));
    entry
}

/// As before, or others.
fn alerts(coder: &mut impl Coder, before: &[Alert], now: Option<&[Alert]>) -> Vec<Alert> {
    let is_other = coder.word(0, || now.is_some_and(|now| now != before).into());
    if is_other == 0 {
        return before.to_vec();
    }
    list(coder, now.unwrap_or_default(), alert)
}

fn alert(coder: &mut impl Coder, now: Option<&Alert>) -> Alert {
    let rule = text(coder, now.map(|now| &now.rule));
    let severity = one_of(coder, Severity::ALL, now.map(|now| now.severity));
    let state = one_of(coder, AlertState::ALL, now.map(|now| now.state));
    let labels = labels(coder, now.map(|now| &now.labels));
    let value = f64::from_bits(coder.word(0, || now.map_or(0, |now| now.value.to_bits())));
    let has_threshold = coder.word(0, || now.is_some_and(|now| now.threshold.is_some()).into()) != 0;
    let threshold = || now.and_then(|now| now.threshold).map_or(0, f64::to_bits);
    let threshold = has_threshold.then(|| f64::from_bits(coder.word(0, threshold)));
    let summary = text(coder, now.map(|now| &now.summary));
    let since = time(coder, now.map(|now| now.active_since)).unwrap_or(UNIX_EPOCH);
    let mut alert = Alert::pending(rule, severity, value, since);
    (alert.state, alert.labels, alert.threshold, alert.summary) = (state, labels, threshold, summary);
    alert.fired_at = time(coder, now.and_then(|now| now.fired_at));
    alert.resolved_at = time(coder, now.and_then(|now| now.resolved_at));
    alert.silenced = coder.word(0, || now.is_some_and(|now| now.silenced).into()) != 0;
    alert
}
