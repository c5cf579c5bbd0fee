//! noida-db, which has the API of Elasticsearch 8.15.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::http::Answer;
use super::{Process, found};

/// What it took is saved every few seconds and when it is stopped, not when it is killed.
pub struct Elastic {
    pub process: Process,
}

impl Elastic {
    pub fn start() -> Option<Elastic> {
        let program = found("RINGSCOPE_ELASTIC")?;
        let command = move |_: &Path, ports: &[u16]| {
            let mut command = Command::new(&program);
            command.args(["start", "--data-dir", "data", "--only", "elasticsearch", "--host", "127.0.0.1"]);
            command.args(["--elasticsearch-port", &ports[0].to_string()]);
            command
        };
        Some(Elastic { process: Process::start("elasticsearch", 1, command, |p| p.answers(0, "/")) })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// What it answers; an empty body is none.
    pub fn request(&self, method: &str, path: &str, body: &str) -> Answer {
        let kind = if path.contains("_bulk") { "application/x-ndjson" } else { "application/json" };
        let headers: &[_] = if body.is_empty() { &[] } else { &[("Content-Type", kind)] };
        self.process.ask(0, method, path, headers, body.as_bytes())
    }

    /// What a search over an index, data stream or pattern finds.
    pub fn search(&self, index: &str, body: &Value) -> Value {
        self.answer("POST", &format!("/{index}/_search"), &body.to_string())
    }

    /// How many documents there are.
    pub fn count(&self, index: &str) -> u64 {
        self.answer("GET", &format!("/{index}/_count"), "")["count"].as_u64().expect("a count")
    }

    fn answer(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.request(method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json()
    }
}
