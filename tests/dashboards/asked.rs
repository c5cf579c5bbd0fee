//! A Prometheus that scrapes a run as the made configuration says.

use std::ops::Deref;

use ringscope::dashboard::{Options, files};
use serde_json::Value;

use crate::made::of_repository;
use crate::receivers::http::percent;
use crate::receivers::{Prometheus, wait_for};
use crate::run::Run;

pub struct Scraped(Prometheus);

impl Deref for Scraped {
    type Target = Prometheus;

    fn deref(&self) -> &Prometheus {
        &self.0
    }
}

impl Scraped {
    /// As it is made, with native histograms and without their classic twins, only more often. It tells this Alertmanager.
    pub fn native(run: &Run, alertmanager: String) -> Option<Scraped> {
        Prometheus::with_config(&config(run, Some(alertmanager))).map(Scraped)
    }

    /// One that knows the text format alone.
    pub fn classic(run: &Run) -> Option<Scraped> {
        let protocols = "[PrometheusProto, OpenMetricsText1.0.0, PrometheusText0.0.4]";
        let config = config(run, None);
        assert!(config.contains(protocols) && config.contains("action: drop"));
        let config = config.replace(protocols, "[PrometheusText0.0.4]").replace("action: drop", "action: keep");
        let config = config.replace("regex: ringscope", "regex: .*|ringscope");
        Prometheus::with_config(&config).map(Scraped)
    }

    /// The results of an expression, as soon as there is one.
    pub fn wait_for_results(&self, promql: &str) -> Vec<Value> {
        wait_for(&format!("results of {promql}"), || Some(results(&self.query(promql))).filter(|all| !all.is_empty()))
    }

    /// What Grafana makes of `label_values(series, label)`.
    pub fn label_values(&self, query: &str) -> Vec<String> {
        let inside = query.strip_prefix("label_values(").and_then(|q| q.strip_suffix(')')).expect("label_values(…)");
        let (series, label) = inside.rsplit_once(", ").expect("a series and a label");
        let values = wait_for(query, || {
            let all = self.ask(&format!("/api/v1/label/{label}/values?match[]={}", percent(series)));
            Some(all).filter(|all| all.as_array().is_some_and(|all| !all.is_empty()))
        });
        values.as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }
}

fn config(run: &Run, alertmanager: Option<String>) -> String {
    let mut options = Options::default();
    options.targets = vec![run.address.clone()];
    options.alertmanager = alertmanager;
    let rules = |name: &str| of_repository("dashboards/prometheus").join(name).display().to_string();
    options.rule_files = vec![rules("rules.yml"), rules("alerts.yml")];
    let file = files(&options).into_iter().find(|file| file.path == "prometheus/prometheus.yml").unwrap();
    let mut config = file.contents;
    for (from, to) in [
        ("interval: 15s", "interval: 500ms"),
        ("timeout: 10s", "timeout: 500ms"),
        ("evaluation_interval: 1m", "evaluation_interval: 1s"),
    ] {
        assert!(config.contains(from), "{config}");
        config = config.replace(from, to);
    }
    config
}

/// Those of a vector that say something: numbers that are none do not.
pub fn results(answer: &Value) -> Vec<Value> {
    let says =
        |result: &&Value| result.get("histogram").is_some() || result["value"][1].as_str().is_some_and(|v| v != "NaN");
    answer.as_array().expect("a vector").iter().filter(says).cloned().collect()
}
