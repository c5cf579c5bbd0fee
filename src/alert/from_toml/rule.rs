//! One `[[rule]]`.

use std::sync::Arc;

use super::read::{Pair, Read, number, pairs, text, time, truth};
use crate::alert::anomaly::Measure;
use crate::alert::pattern::Pattern;
use crate::alert::raised::Severity;
use crate::alert::rule::Rule;
use crate::alert::watch::{KINDS, MetricValue, MetricWatch, Scope, Side, Unit, Watch};
use crate::config::{Entry, Problem, nearest, parse_bytes, parse_duration};

/// Keys of a rule.
pub(super) const KEYS: &[&str] = &[
    "name",
    "kind",
    "kernel",
    "gpu",
    "operation",
    "destination",
    "metric",
    "where",
    "of",
    "quantile",
    "measure",
    "together",
    "above",
    "below",
    "clear",
    "over",
    "hold",
    "resolve_after",
    "severity",
    "labels",
    "summary",
    "annotations",
];
/// Keys that say what a rule is of.
const SCOPES: &[&str] = &["kernel", "gpu", "operation", "destination", "metric"];
/// Kinds with a quantile of one's choice, and those of metrics.
const OTHERS: &[&str] = &["latency", "waiting", "operation_time", "metric", "metric_absent"];

/// What a metric's values are called.
const VALUES: &[(&str, MetricValue)] = &[
    ("value", MetricValue::Value),
    ("rate", MetricValue::Rate),
    ("increase", MetricValue::Increase),
    ("mean", MetricValue::Mean),
    ("p50", MetricValue::Quantile(0.50)),
    ("p90", MetricValue::Quantile(0.90)),
    ("p95", MetricValue::Quantile(0.95)),
    ("p99", MetricValue::Quantile(0.99)),
];

/// Reads one; `None`, where something is so wrong that there is no rule.
pub(super) fn rule(table: &Read, problems: &mut Vec<Problem>) -> Option<Rule> {
    table.check_keys(KEYS, problems);
    let watch = watch(table, problems)?;
    let kind = watch.kind();
    let (side, threshold) = limit(table, &watch, problems)?;
    let mut rule = Rule::new(watch, side, threshold);
    if matches!(rule.watch, Watch::Anomaly(_)) {
        rule.resolve_after = Rule::DEFAULT_ANOMALY_LASTS;
    } else if let Some(measure) = table.get("measure") {
        problems.push(Problem::new(measure.key_place, "measure: only kind anomaly has one: leave it out"));
    }
    foreign_scopes(table, kind.scope, kind.name, problems);
    if !kind.scope.key().is_empty()
        && kind.scope != Scope::Metric
        && let Some(of) = table.take(kind.scope.key(), problems, text)
    {
        rule.of = Pattern::new(of);
    }
    rule.clear = table.take("clear", problems, |entry| {
        let clear = value(entry, kind.unit)?;
        match side.is_beyond(clear, threshold) {
            true => {
                Err(format!("must not be {} {}: the alert would never be resolved by it", side.name(), side.name()))
            }
            false => Ok(clear),
        }
    });
    rule.over = table.take("over", problems, time).unwrap_or(rule.over);
    rule.hold = table.take("hold", problems, time).unwrap_or(rule.hold);
    rule.resolve_after = table.take("resolve_after", problems, time).unwrap_or(rule.resolve_after);
    rule.together = table.take("together", problems, truth).unwrap_or(false);
    rule.severity = table.take("severity", problems, severity).unwrap_or(rule.severity);
    rule.labels = table.take("labels", problems, labels).unwrap_or_default();
    rule.annotations = table.take("annotations", problems, pairs).unwrap_or_default();
    rule.summary = table.take("summary", problems, text).map(Arc::from);
    if let Some(name) = table.take("name", problems, name) {
        rule.name = name.into();
    }
    Some(rule)
}

fn watch(table: &Read, problems: &mut Vec<Problem>) -> Option<Watch> {
    if table.get("kind").is_none() {
        let message =
            format!("this rule has no kind: add one such as kind = \"p99\"; there are {}", kinds().join(", "));
        problems.push(Problem::new(table.place, message));
        return None;
    }
    let name = table.take("kind", problems, |entry| {
        let name = text(entry)?;
        if kinds().contains(&name) { Ok(name) } else { Err(unknown_kind(name)) }
    })?;
    if let Some((watch, _)) = KINDS.iter().find(|(_, kind)| kind.name == name) {
        let only_own = ["quantile", "of", "where"].iter().filter_map(|key| table.get(key));
        let foreign =
            |entry: &Entry| Problem::new(entry.key_place, format!("{}: {name} has none: leave it out", entry.key));
        problems.extend(only_own.map(foreign));
        return Some(match watch {
            Watch::Anomaly(_) => Watch::Anomaly(table.take("measure", problems, measure)),
            watch => watch.clone(),
        });
    }
    match name {
        "metric" => metric(table, problems).map(Watch::Metric),
        "metric_absent" => metric(table, problems).map(Watch::MetricAbsent),
        _ => {
            let q = quantile(table, name, problems)?;
            Some(match name {
                "latency" => Watch::Latency(q),
                "waiting" => Watch::Waiting(q),
                _ => Watch::OperationTime(q),
            })
        }
    }
}

fn measure(entry: &Entry) -> Result<Measure, String> {
    let known = || Measure::ALL.iter().map(|measure| measure.name()).collect::<Vec<_>>().join(", ");
    Measure::from_name(text(entry)?).ok_or_else(|| format!("must be one of {}", known()))
}

fn kinds() -> Vec<&'static str> {
    KINDS.iter().map(|(_, kind)| kind.name).chain(OTHERS.iter().copied()).collect()
}

fn unknown_kind(name: &str) -> String {
    match nearest(name, &kinds()) {
        Some(meant) => format!("there is no kind {name}: is {meant} meant?"),
        None => format!("there is no kind {name}: there are {}", kinds().join(", ")),
    }
}

fn quantile(table: &Read, kind: &str, problems: &mut Vec<Problem>) -> Option<f64> {
    if table.get("quantile").is_none() {
        let message = format!("kind {kind} needs a quantile: add one such as quantile = 0.75");
        problems.push(Problem::new(table.place_of("kind"), message));
    }
    table.take("quantile", problems, |entry| {
        let q = number(entry)?;
        if (0.0..=1.0).contains(&q) { Ok(q) } else { Err("must be from 0 to 1, such as 0.99".to_owned()) }
    })
}

fn metric(table: &Read, problems: &mut Vec<Problem>) -> Option<MetricWatch> {
    if table.get("metric").is_none() {
        let message = "this kind needs the name of a metric: add one such as metric = \"ringscope_kernel_queue_depth\"";
        problems.push(Problem::new(table.place_of("kind"), message));
    }
    let name = table.take("metric", problems, name)?;
    let mut of = table.take("of", problems, metric_value).unwrap_or_default();
    if table.get("quantile").is_some() {
        of = MetricValue::Quantile(quantile(table, "metric", problems)?);
    }
    let labels = table.take("where", problems, pairs).unwrap_or_default();
    let mut metric = MetricWatch::new(name, of);
    metric.labels = labels.into_iter().map(|(name, value)| (name, Pattern::new(value))).collect();
    Some(metric)
}

fn metric_value(entry: &Entry) -> Result<MetricValue, String> {
    let name = text(entry)?;
    let found = VALUES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let all = || VALUES.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("must be one of {}, or left out with quantile = 0.75", all()))
}

/// A rule of kernels has no GPU.
fn foreign_scopes(table: &Read, scope: Scope, kind: &str, problems: &mut Vec<Problem>) {
    for entry in SCOPES.iter().filter(|key| **key != scope.key()).filter_map(|key| table.get(key)) {
        let remedy = match scope.key() {
            "" => "leave it out".to_owned(),
            own => format!("it is of a {own}: {own} = \"…\""),
        };
        problems.push(Problem::new(entry.key_place, format!("{}: {kind} has none: {remedy}", entry.key)));
    }
}

/// On which side of which value the trouble is.
fn limit(table: &Read, watch: &Watch, problems: &mut Vec<Problem>) -> Option<(Side, f64)> {
    let kind = watch.kind();
    if let (Some(_), Some(below)) = (table.get("above"), table.get("below")) {
        let message = "below: there is above as well: make two rules of it";
        problems.push(Problem::new(below.key_place, message));
        return None;
    }
    let (key, side) = if table.get("below").is_some() { ("below", Side::Below) } else { ("above", Side::Above) };
    match (table.get(key), kind.limit) {
        (None, Some(limit)) => Some((Side::Above, limit)),
        (None, None) => {
            let (usual, example) = (usual_side(watch).name(), example(kind.unit));
            let message = format!("kind {} needs a limit: add one such as {usual} = {example}", kind.name);
            problems.push(Problem::new(table.place_of("kind"), message));
            None
        }
        (Some(_), _) => Some((side, table.take(key, problems, |entry| value(entry, kind.unit))?)),
    }
}

fn usual_side(watch: &Watch) -> Side {
    if *watch == Watch::Throughput { Side::Below } else { Side::Above }
}

fn example(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "\"100ms\"",
        Unit::Ratio => "0.05",
        Unit::Bytes => "\"16GB\"",
        Unit::Celsius => "85",
        Unit::Watts => "300",
        _ => "100",
    }
}

/// A limit in the unit of the kind.
fn value(entry: &Entry, unit: Unit) -> Result<f64, String> {
    let text = || entry.value.scalar().ok_or_else(|| entry.must_be(&format!("a value such as {}", example(unit))));
    match unit {
        Unit::Seconds => {
            let longest = std::time::Duration::from_secs(365 * 86_400);
            let time = parse_duration(text()?, std::time::Duration::ZERO..=longest, "must be at most 8760h (a year)");
            time.map(|time| time.as_secs_f64())
        }
        Unit::Bytes if number(entry).is_ok_and(|bytes| bytes == 0.0) => Ok(0.0),
        Unit::Bytes => parse_bytes(text()?).map(|bytes| bytes as f64),
        Unit::Ratio => ratio(text()?),
        _ => number(entry),
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    let percent = text.strip_suffix('%').map(|percent| percent.trim().parse().map(|percent: f64| percent / 100.0));
    let ratio = percent.unwrap_or_else(|| text.parse());
    ratio
        .ok()
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| "must be from 0 to 1, or \"0%\" to \"100%\"".to_owned())
}

pub(crate) fn severity(entry: &Entry) -> Result<Severity, String> {
    let name = text(entry)?;
    let found = Severity::ALL.iter().find(|severity| severity.name() == name).copied();
    found.ok_or_else(|| "must be info, warning or critical".to_owned())
}

fn name(entry: &Entry) -> Result<&str, String> {
    let name = text(entry)?;
    if name.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(name) }
}

/// Labels that receivers take, and that do not hide what an alert is of.
pub(super) fn labels(entry: &Entry) -> Result<Vec<Pair>, String> {
    let labels = pairs(entry)?;
    let is_good = |name: &str| {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        first && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    for (name, _) in &labels {
        if !is_good(name) {
            return Err(format!("{name}: a label's name has letters, digits and _, and no digit first"));
        }
        if ["rule", "severity", "alertname"].contains(&&**name) || SCOPES.contains(&&**name) {
            return Err(format!("{name} is set by ringscope itself: choose another name"));
        }
    }
    Ok(labels)
}
