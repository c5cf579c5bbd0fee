//! The library in the shape that mixins have: `grafanaDashboards`, `prometheusRules`, `prometheusAlerts`, of plain objects.

use serde_json::{Value, json};

use super::{alerts, recording};

const NOTE: &str = "// Dashboards, recording rules and alerts as a mixin, made of ringscope's catalog of metrics.\n";

/// jsonnet that imports the dashboards from the folder beside it.
pub(super) fn library(dashboards: &[&str]) -> String {
    let files = dashboards.iter().map(|uid| format!("    '{uid}.json': (import '../grafana/{uid}.json'),\n"));
    format!(
        "{NOTE}{{\n  grafanaDashboards+:: {{\n{}  }},\n  prometheusRules+:: {},\n  prometheusAlerts+:: {},\n}}\n",
        files.collect::<String>(),
        indented(&rules()),
        indented(&alerts()),
    )
}

/// JSON is jsonnet; groups are added to those of other mixins.
fn indented(groups: &Value) -> String {
    format!("{{\n    groups+: {}\n  }}", format!("{groups:#}").replace('\n', "\n    "))
}

fn rules() -> Value {
    let rule = |rule: &recording::Recorded| json!({ "record": rule.record, "expr": rule.expr });
    let groups = recording::groups();
    groups
        .iter()
        .map(|group| json!({ "name": group.name, "rules": group.rules.iter().map(rule).collect::<Vec<_>>() }))
        .collect()
}

fn alerts() -> Value {
    let alert = |alert: &alerts::Alert| {
        json!({
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.hold,
            "labels": { "severity": alert.severity },
            "annotations": { "summary": alert.summary, "description": alert.description },
        })
    };
    let groups = alerts::groups();
    groups
        .iter()
        .map(|group| json!({ "name": group.name, "rules": group.alerts.iter().map(alert).collect::<Vec<_>>() }))
        .collect()
}
