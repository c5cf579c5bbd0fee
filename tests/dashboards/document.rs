//! docs/dashboards.md has each panel and each alert in its tables. RINGSCOPE_WRITE_DOCS=1 writes them anew.

use std::fmt::Write;

use serde_json::Value;

use crate::made::{contents, of_repository};
use crate::panels::{dashboards, panels};

/// Between these two lines stands what is made.
const BEGIN: &str = "<!-- made by tests/dashboards: begin -->\n";
const END: &str = "<!-- made by tests/dashboards: end -->\n";

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("{{ $labels.", "‹").replace(" }}", "›")
}

/// A table for each dashboard, one for Kibana's, one for the alerts.
fn tables() -> String {
    let mut out = String::new();
    for dashboard in dashboards() {
        let text = |key: &str| dashboard[key].as_str().unwrap();
        let _ = write!(out, "### {}\n\n{} (`grafana/{}.json`)\n\n", text("title"), text("description"), text("uid"));
        let mut before = String::new();
        out.push_str("| row | panel | what it shows |\n|---|---|---|\n");
        for (row, panel) in panels(&dashboard) {
            let shown = if row == before { "" } else { &row };
            let _ = writeln!(out, "| {} | {} | {} |", cell(shown), cell(&panel.title), cell(&panel.description));
            before.clone_from(&row);
        }
        out.push('\n');
    }
    out.push_str("### Kibana\n\n| chart or search | what it shows |\n|---|---|\n");
    for line in contents("kibana/ringscope.ndjson").lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        if object["type"] == "lens" || object["type"] == "search" {
            let text = |key: &str| cell(object["attributes"][key].as_str().unwrap());
            let _ = writeln!(out, "| {} | {} |", text("title"), text("description"));
        }
    }
    out.push_str("\n### Alerts\n\n| alert | severity | holds for | condition |\n|---|---|---|---|\n");
    for alert in alerts() {
        let _ = writeln!(out, "{alert}");
    }
    out.push('\n');
    out
}

/// Rows of the table of alerts, of the mixin's JSON: it has the same as the file in YAML.
fn alerts() -> Vec<String> {
    let mixin = contents("mixin/mixin.libsonnet");
    let (_, alerts) = mixin.split_once("prometheusAlerts+:: {\n    groups+: ").unwrap();
    let groups: Value = serde_json::Deserializer::from_str(alerts).into_iter().next().unwrap().unwrap();
    let rules = groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
    let row = |rule: Value| {
        let expr = rule["expr"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        let text = |key: &str| rule[key].as_str().unwrap().to_owned();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        format!("| {} | {severity} | {} | `{}` |", text("alert"), text("for"), expr.replace('|', "\\|"))
    };
    rules.map(row).collect()
}

#[test]
fn the_document_has_every_panel_and_every_alert() {
    let path = of_repository("docs/dashboards.md");
    let mut document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).expect("the begin of the tables");
    let (_, after) = rest.split_once(END).expect("their end");
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", tables());
    if std::env::var("RINGSCOPE_WRITE_DOCS").is_ok_and(|v| v == "1") {
        std::fs::write(&path, &expected).unwrap();
        document.clone_from(&expected);
    }
    assert!(document == expected, "docs/dashboards.md: RINGSCOPE_WRITE_DOCS=1 cargo test --test dashboards");
    assert_eq!(alerts().len(), contents("prometheus/alerts.yml").matches("- alert: ").count());
}
