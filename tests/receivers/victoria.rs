//! VictoriaMetrics: takes remote write, OTLP metrics and lines of text, and is asked in PromQL.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::http::percent;
use super::{Process, found};

pub struct Victoria {
    pub process: Process,
}

impl Victoria {
    pub fn start() -> Option<Victoria> {
        let program = found("RINGSCOPE_VICTORIA")?;
        let command = move |_: &Path, ports: &[u16]| {
            let mut command = Command::new(&program);
            // It saves what it took every second; the last samples are seen at once.
            command.args(["-storageDataPath=data", "-inmemoryDataFlushInterval=1s", "-search.latencyOffset=0s"]);
            command.args(["-retentionPeriod=100y", "-memory.allowedBytes=256MiB", "-loggerLevel=WARN"]);
            command.arg(format!("-httpListenAddr=127.0.0.1:{}", ports[0]));
            command
        };
        Some(Victoria { process: Process::start("victoria-metrics", 1, command, |p| p.answers(0, "/health")) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// Where it takes remote write.
    pub fn remote_write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address())
    }

    /// Where it takes OTLP metrics in protobuf.
    pub fn otlp_metrics_url(&self) -> String {
        format!("http://{}/opentelemetry/v1/metrics", self.address())
    }

    /// What it took can be asked for from now on.
    pub fn force_flush(&self) {
        self.process.get(0, "/internal/force_flush");
    }

    /// The results of an expression now: a list of `{metric, value}`.
    pub fn query(&self, promql: &str) -> Value {
        self.force_flush();
        let answer = self.process.get(0, &format!("/api/v1/query?nocache=1&query={}", percent(promql)));
        serde_json::from_str::<Value>(&answer).unwrap()["data"]["result"].take()
    }

    /// The one value of an expression, if it has one.
    pub fn value(&self, promql: &str) -> Option<f64> {
        let results = self.query(promql);
        let results = results.as_array().expect("a vector");
        assert!(results.len() < 2, "{promql} has more than one value: {results:?}");
        results.first().map(|r| r["value"][1].as_str().expect("a value").parse().expect("a number"))
    }

    /// Every sample of the series that match: a list of `{metric, values, timestamps}`.
    pub fn export(&self, matching: &str) -> Vec<Value> {
        self.force_flush();
        let lines = self.process.get(0, &format!("/api/v1/export?match%5B%5D={}", percent(matching)));
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
