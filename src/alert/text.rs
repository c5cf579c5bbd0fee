//! What an alert says.

use super::pattern::label;
use super::raised::Alert;
use super::rule::Rule;
use super::watch::{Scope, Unit, Watch};

/// The sentence of a rule that has none of its own.
pub(super) fn sentence(rule: &Rule, alert: &Alert) -> String {
    let kind = rule.watch.kind();
    let named = |name: &str| alert.label(name).map(|value| format!("{name} {value}"));
    match &rule.watch {
        Watch::Absent => return format!("no kernel {} runs", rule.of),
        Watch::MetricAbsent(metric) => return format!("there is no series of {}", metric.name),
        Watch::Failed => return format!("{} died", named("kernel").unwrap_or_else(|| "a kernel".to_owned())),
        Watch::GpuThrottled => return format!("{} is throttled", named("gpu").unwrap_or_else(|| "a GPU".to_owned())),
        _ => {}
    }
    let of = match (&rule.watch, kind.scope) {
        (Watch::Metric(metric), _) => format!(" of {}{}", metric.name, braced(rule, alert)),
        (_, Scope::Machine) => String::new(),
        (_, scope) => match named(scope.key()) {
            Some(of) => format!(" of {of}"),
            None => " of all together".to_owned(),
        },
    };
    let (value, limit) = (kind.unit.text(alert.value), kind.unit.text(rule.threshold));
    let over =
        if kind.is_windowed && kind.unit == Unit::Count { format!(" over {:?}", rule.over) } else { String::new() };
    format!("{}{of} is {value}{over}, {} {limit}", kind.what, rule.side.name())
}

/// The labels of a series, without those of the rule.
fn braced(rule: &Rule, alert: &Alert) -> String {
    let own = alert.labels.len().saturating_sub(rule.labels.len());
    let pairs: Vec<String> = alert.labels[..own].iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

/// The template with everything in braces for which there is something to put there.
pub(super) fn filled(template: &str, rule: &Rule, alert: &Alert) -> String {
    let unit = rule.watch.kind().unit;
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        let Some((name, behind)) = after.split_once('}') else {
            rest = &rest[before.len()..];
            break;
        };
        match name {
            "value" => text += &unit.text(alert.value),
            "threshold" => text += &unit.text(rule.threshold),
            name if ["rule", "severity"].contains(&name) || alert.label(name).is_some() => text += label(alert, name),
            // A label that is not there, or no name at all: it stays as it was written.
            name => text.extend(["{", name, "}"]),
        }
        rest = behind;
    }
    text + rest
}
