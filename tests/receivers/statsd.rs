//! Etsy's statsd. Its counters take the sample rate into account; it counts types that it does not know (`d`, `h`) as counters,
//! and does not know several values in a line.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Process, found};

pub struct Statsd {
    pub process: Process,
}

impl Statsd {
    pub fn start() -> Option<Statsd> {
        let package = found("RINGSCOPE_STATSD")?;
        let command = move |folder: &Path, ports: &[u16]| {
            let backend = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/receivers/statsd-backend.js");
            let config = json!({
                "address": "127.0.0.1", "port": ports[0], "mgmt_address": "127.0.0.1", "mgmt_port": ports[1],
                "backends": [backend], "flushInterval": 100, "deleteIdleStats": true,
            });
            std::fs::write(folder.join("config.js"), config.to_string()).unwrap();
            let mut command = Command::new("node");
            command.arg(package.join("stats.js")).arg("config.js");
            command
        };
        Some(Statsd { process: Process::start("statsd", 2, command, |p| p.has_udp(0) && p.accepts(1)) })
    }

    /// Host and port for UDP.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// The sum of a counter; tags are part of its name (`name;key=value`).
    pub fn counter(&self, name: &str) -> f64 {
        self.flushes().iter().filter_map(|f| f["counters"][name].as_f64()).sum()
    }

    /// The last value of a gauge.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.flushes().iter().rev().find_map(|f| f["gauges"][name].as_f64())
    }

    /// All values of a timer, and how many they stand for by their sample rates.
    pub fn timer(&self, name: &str) -> (Vec<f64>, f64) {
        let flushes = self.flushes();
        let values = flushes.iter().filter_map(|f| f["timers"][name].as_array()).flatten();
        (
            values.map(|v| v.as_f64().expect("a value")).collect(),
            flushes.iter().filter_map(|f| f["timer_counters"][name].as_f64()).sum(),
        )
    }

    /// How many metrics it took.
    pub fn received(&self) -> f64 {
        self.counter("statsd.metrics_received")
    }

    /// How many values were none.
    pub fn bad_lines(&self) -> f64 {
        self.counter("statsd.bad_lines_seen")
    }

    fn flushes(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.process.folder().join("flushes")).unwrap_or_default();
        // The last line may not be whole yet.
        let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
