//! Grafana's dashboards as Grafana reads them: panels with their queries, variables with theirs. Every query has results of a
//! real run, where histograms are native and where they are classic.

use std::collections::{BTreeMap, BTreeSet};

use ringscope::dashboard::Reader;
use serde_json::Value;

use crate::asked::{Scraped, results};
use crate::made::made;
use crate::run::Run;

/// A panel.
pub struct Panel {
    pub title: String,
    pub description: String,
    pub kind: String,
    /// Its row is opened by hand: for servers without native histograms.
    pub is_fallback: bool,
    pub queries: Vec<String>,
}

/// What is in Grafana's folder.
pub fn dashboards() -> Vec<Value> {
    let all = made().into_iter().filter(|file| file.reader == Reader::Grafana);
    all.map(|file| serde_json::from_str(&file.contents).unwrap()).collect()
}

/// Panels of a dashboard with the title of their row.
pub fn panels(dashboard: &Value) -> Vec<(String, Panel)> {
    let mut all = Vec::new();
    let mut row = String::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        if panel["type"] == "row" {
            row = panel["title"].as_str().unwrap().to_owned();
            let inside = panel["panels"].as_array().unwrap();
            all.extend(inside.iter().map(|panel| (row.clone(), read(panel, true))));
        } else {
            all.push((row.clone(), read(panel, false)));
        }
    }
    all
}

fn read(panel: &Value, is_fallback: bool) -> Panel {
    let text = |key: &str| panel[key].as_str().unwrap().to_owned();
    let queries = panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap().to_owned());
    let (title, description, kind) = (text("title"), text("description"), text("type"));
    Panel { title, description, kind, is_fallback, queries: queries.collect() }
}

/// Values of a dashboard's variables, each as Prometheus knows them of what is chosen before it.
fn variables(dashboard: &Value, prometheus: &Scraped) -> BTreeMap<String, String> {
    let mut chosen = BTreeMap::new();
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        if variable["type"] == "datasource" {
            assert_eq!(variable["query"], "prometheus");
            continue;
        }
        let query = substituted(variable["query"]["query"].as_str().unwrap(), &chosen);
        let values = prometheus.label_values(&query);
        assert!(!values.is_empty(), "{name}: {query} finds nothing");
        // As Grafana writes several values into a regular expression.
        let escaped: Vec<String> = values.iter().map(|v| v.replace('\\', "\\\\").replace('.', "\\\\.")).collect();
        chosen.insert(name.to_owned(), format!("({})", escaped.join("|")));
    }
    chosen
}

fn substituted(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = text.replace("$__rate_interval", "20s");
    for (name, value) in variables {
        text = text.replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "{text}: a variable that there is not");
    text
}

/// Asks all queries; how many there were.
fn ask_all(prometheus: &Scraped, is_native: bool) -> usize {
    let mut asked = 0;
    for dashboard in dashboards() {
        let variables = variables(&dashboard, prometheus);
        for (row, panel) in panels(&dashboard) {
            let is_native_only = panel.kind == "heatmap" && panel.queries.iter().any(|q| q.contains("_nanoseconds"));
            if if is_native { panel.is_fallback } else { is_native_only } {
                continue;
            }
            for query in &panel.queries {
                let query = substituted(query, &variables);
                let found = prometheus.wait_for_results(&query);
                println!("{} / {row} / {}: {} series", dashboard["uid"], panel.title, found.len());
                asked += 1;
            }
        }
    }
    asked
}

#[test]
fn no_query_of_a_panel_or_variable_is_empty_with_native_histograms() {
    let Some(run) = Run::start() else { return };
    let Some(told) = crate::alerts::Told::start() else { return };
    let Some(prometheus) = Scraped::native(&run, told.alertmanager.address()) else { return };
    assert!(results(&prometheus.query("ringscope_no_such_metric")).is_empty(), "the same question finds nothing");
    assert!(ask_all(&prometheus, true) > 80);
    assert!(results(&prometheus.query("ringscope_kernel_message_duration_seconds_bucket")).is_empty());
    crate::alerts::no_rule_is_empty(&prometheus);
    crate::alerts::what_is_wrong_in_the_run_is_told(&prometheus);
    told.at_once_of_a_stall();
    crate::alerts::who_is_gone_is_missed(prometheus, run);
}

#[test]
fn no_query_of_a_panel_or_variable_is_empty_with_classic_histograms() {
    let Some(run) = Run::start() else { return };
    let Some(prometheus) = Scraped::classic(&run) else { return };
    assert!(ask_all(&prometheus, false) > 80);
    assert!(results(&prometheus.query("ringscope_kernel_message_duration_nanoseconds")).is_empty());
    crate::alerts::no_alert_has_an_empty_part(&prometheus);
}

#[test]
fn panels_lie_beside_each_other_and_their_ids_differ() {
    let mut uids = BTreeSet::new();
    for dashboard in dashboards() {
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()));
        let rows = dashboard["panels"].as_array().unwrap();
        let inside = rows.iter().flat_map(|row| row["panels"].as_array().into_iter().flatten());
        let mut ids = BTreeSet::new();
        let mut cells = BTreeSet::new();
        for panel in rows.iter().chain(inside.clone()) {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        }
        for panel in rows {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24 && at("h") > 0, "{panel}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(cells.insert((x, y)), "{} lies on another panel", panel["title"]);
                }
            }
        }
    }
    assert_eq!(uids.len(), 4);
}
