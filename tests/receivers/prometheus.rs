//! Prometheus 3: takes remote write, scrapes, and is asked in PromQL.

use std::process::Command;

use serde_json::Value;

use super::http::{Answer, percent};
use super::{Process, found, wait_for};

pub struct Prometheus {
    pub process: Process,
}

impl Prometheus {
    /// One that takes remote write and scrapes nothing; `None`, aloud, where there is none.
    pub fn start() -> Option<Prometheus> {
        Prometheus::with_config("")
    }

    /// One that scrapes these addresses (host and port) at an interval (`200ms`) too.
    pub fn scraping(targets: &[String], interval: &str) -> Option<Prometheus> {
        let targets = serde_json::to_string(targets).unwrap();
        Prometheus::with_config(&format!(
            "global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}\n\
             scrape_configs: [{{job_name: ringscope, static_configs: [{{targets: {targets}}}]}}]\n"
        ))
    }

    /// One with this configuration file.
    pub fn with_config(config: &str) -> Option<Prometheus> {
        let program = found("RINGSCOPE_PROMETHEUS3")?;
        let config = config.to_owned();
        let command = move |folder: &std::path::Path, ports: &[u16]| {
            std::fs::write(folder.join("prometheus.yml"), &config).unwrap();
            let mut command = Command::new(&program);
            command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
            command.args(["--web.enable-remote-write-receiver", "--web.enable-admin-api"]);
            command.arg("--enable-feature=native-histograms");
            // The first alert may come before it knows the Alertmanager.
            command.arg("--rules.alert.resend-delay=1s");
            command.arg(format!("--web.listen-address=127.0.0.1:{}", ports[0]));
            command
        };
        let process = Process::start("prometheus", 1, command, |p| p.answers(0, "/-/ready"));
        Some(Prometheus { process })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// Where it takes remote write.
    pub fn remote_write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address())
    }

    /// What it makes of a request of remote write with this content type.
    pub fn remote_write(&self, content_type: &str, version: &str, snappy: &[u8]) -> Answer {
        let headers = [
            ("Content-Type", content_type),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", version),
        ];
        self.process.ask(0, "POST", "/api/v1/write", &headers, snappy)
    }

    /// The `data` of an answer of the API.
    pub fn ask(&self, path: &str) -> Value {
        let answer = self.process.ask(0, "GET", path, &[], &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()["data"].take()
    }

    /// The results of an expression now: a list of `{metric, value}` or `{metric, histogram}`.
    pub fn query(&self, promql: &str) -> Value {
        self.ask(&format!("/api/v1/query?query={}", percent(promql)))["result"].take()
    }

    /// The same at a time, in Unix seconds.
    pub fn query_at(&self, promql: &str, seconds: f64) -> Value {
        self.ask(&format!("/api/v1/query?query={}&time={seconds}", percent(promql)))["result"].take()
    }

    /// The one value of an expression, if it has one.
    pub fn value(&self, promql: &str) -> Option<f64> {
        one_value(promql, &self.query(promql))
    }

    /// The one value that an expression had at a Unix time, if it had one.
    pub fn value_at(&self, promql: &str, seconds: f64) -> Option<f64> {
        one_value(promql, &self.query_at(promql, seconds))
    }

    /// The one value of an expression, as soon as it has one that will do.
    pub fn wait_for(&self, promql: &str, will_do: impl Fn(f64) -> bool) -> f64 {
        wait_for(promql, || self.value(promql).filter(|value| will_do(*value)))
    }
}

fn one_value(promql: &str, results: &Value) -> Option<f64> {
    let results = results.as_array().expect("a vector");
    assert!(results.len() < 2, "{promql} has more than one value: {results:?}");
    results.first().map(|r| r["value"][1].as_str().expect("a value").parse().expect("a number"))
}
