//! Notifications as JSON: as Alertmanager sends them to webhooks, and as its API v2 takes alerts.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::alert::{AlertState, Notification, ToldAlert};

/// What Alertmanager writes for "not yet".
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Labels that every alert gets beside its own.
pub(super) type External = Vec<(String, String)>;

/// The body that Alertmanager sends to a webhook, version 4 of it, with `value` and `threshold` beside each alert's texts.
pub(super) fn webhook(notification: &Notification, receiver: &str, external: &External) -> Value {
    let group: Map<String, Value> =
        notification.group.iter().map(|(name, value)| (outside(name).to_owned(), (&**value).into())).collect();
    let key: Vec<String> = group.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let alerts: Vec<Value> = notification.alerts.iter().map(|told| of_webhook(told, external)).collect();
    let shown = |told: &ToldAlert| annotations(told).into_iter().collect::<Vec<_>>();
    let mut common = notification.alerts.first().map(&shown).unwrap_or_default();
    common.retain(|pair| notification.alerts.iter().all(|told| shown(told).contains(pair)));
    let labels = notification.common_labels();
    let labels = labels.into_iter().map(|(name, value)| (outside(name).to_owned(), value.to_owned()));
    json!({
        "version": "4",
        "groupKey": format!("{{}}:{{{}}}", key.join(", ")),
        "truncatedAlerts": notification.left_out,
        "status": notification.state().name(),
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": object(external.iter().cloned().chain(labels)),
        "commonAnnotations": object(common),
        "externalURL": "",
        "alerts": alerts,
    })
}

fn of_webhook(told: &ToldAlert, external: &External) -> Value {
    let labels = labels(told, external);
    let fingerprint = format!("{:016x}", fingerprint(&labels));
    json!({
        "status": told.alert.state.name(),
        "labels": object(labels),
        "annotations": object(annotations(told)),
        "startsAt": rfc3339(begin(told)),
        "endsAt": told.alert.resolved_at.map_or_else(|| NEVER.to_owned(), rfc3339),
        "generatorURL": "",
        "fingerprint": fingerprint,
        // What is not finite has no JSON, and is null.
        "value": told.alert.value,
        "threshold": told.alert.threshold,
    })
}

/// What Alertmanager's `/api/v2/alerts` takes: an alert that fires ends `lasts` after the notification, unless it is sent again.
pub(super) fn alerts(notification: &Notification, lasts: Duration, external: &External) -> Value {
    let alert = |told: &ToldAlert| {
        let ends = match told.alert.state {
            AlertState::Resolved => told.alert.resolved_at.unwrap_or(notification.time),
            _ => notification.time + lasts,
        };
        json!({
            "labels": object(labels(told, external)),
            "annotations": object(annotations(told)),
            "startsAt": rfc3339(begin(told)),
            "endsAt": rfc3339(ends),
        })
    };
    notification.alerts.iter().map(alert).collect()
}

fn begin(told: &ToldAlert) -> SystemTime {
    told.alert.fired_at.unwrap_or(told.alert.active_since)
}

/// What others call a rule.
fn outside(name: &str) -> &str {
    if name == "rule" { "alertname" } else { name }
}

/// The labels of an alert, which win over those from outside.
fn labels(told: &ToldAlert, external: &External) -> BTreeMap<String, String> {
    let alert = &told.alert;
    let own = alert.labels.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let fixed = [("alertname", &*alert.rule), ("severity", alert.severity.name())];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // An empty label is none.
    external.iter().cloned().chain(own).chain(fixed).filter(|(_, value)| !value.is_empty()).collect()
}

fn annotations(told: &ToldAlert) -> BTreeMap<String, String> {
    let own = told.annotations.iter().map(|(name, text)| (name.to_string(), text.to_string()));
    [("summary".to_owned(), told.alert.summary.to_string())].into_iter().chain(own).collect()
}

fn object(pairs: impl IntoIterator<Item = (String, String)>) -> Value {
    Value::Object(pairs.into_iter().map(|(name, value)| (name, value.into())).collect())
}

/// By which Alertmanager knows an alert: FNV-1a over its labels in their order.
fn fingerprint(labels: &BTreeMap<String, String>) -> u64 {
    const SEPARATOR: u8 = 255;
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    texts.fold(0xcbf2_9ce4_8422_2325, |hash, text| add(text.bytes().fold(hash, add), SEPARATOR))
}

/// As RFC 3339 has it, in UTC, to the millisecond.
fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, ms) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = date((seconds / 86_400) as i64);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The Gregorian date of a day since 1970-01-01: years begin in March, so that the leap day is the last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let at = |seconds: u64| rfc3339(UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7));
        assert_eq!(at(0), "1970-01-01T00:00:00.007Z");
        assert_eq!(at(951_827_415), "2000-02-29T12:30:15.007Z");
        assert_eq!(at(1_795_309_199), "2026-11-22T00:59:59.007Z");
        assert_eq!(at(4_107_542_400), "2100-03-01T00:00:00.007Z");
    }
}
