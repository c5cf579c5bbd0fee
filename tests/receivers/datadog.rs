//! Datadog's own DogStatsD server for serverless functions. It can send to Datadog only: its log is read for what it parsed,
//! what it refused, and what it would send. Every ten seconds it sends; that fails here, and it forgets. It leaves sample rates
//! out of account, and takes the first of several values of a line.

use std::path::Path;
use std::process::Command;

use super::{Process, found};

pub struct Datadog {
    pub process: Process,
}

/// A sum, or the last value, of ten seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub metric: String,
    /// `Count` or `Gauge`.
    pub kind: String,
    pub tags: Vec<String>,
    pub value: f64,
}

/// A distribution of ten seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Sketch {
    pub metric: String,
    pub tags: Vec<String>,
    pub count: f64,
    pub min: f64,
    pub max: f64,
    pub sum: f64,
}

impl Datadog {
    pub fn start() -> Option<Datadog> {
        let program = found("RINGSCOPE_DATADOG")?;
        let command = move |folder: &Path, ports: &[u16]| {
            let mut command = Command::new(&program);
            command.env_clear().env("HOME", folder).env("DD_LOG_LEVEL", "trace");
            // It wants to be in a cloud; of this one it asks for no proof.
            command.env("ASCSVCRT_SPRING__APPLICATION__NAME", "test");
            command.env("DD_API_KEY", "0".repeat(32)).env("DD_ENHANCED_METRICS_ENABLED", "false");
            // No byte leaves this machine: nobody listens there.
            command.env("DD_SITE", "datadog.invalid").env("DD_PROXY_HTTPS", "http://127.0.0.1:9");
            command.env("DD_DOGSTATSD_PORT", ports[0].to_string()).env("DD_APM_RECEIVER_PORT", ports[1].to_string());
            command
        };
        Some(Datadog { process: Process::start("datadog", 2, command, |p| p.has_udp(0)) })
    }

    /// Host and port for UDP.
    pub fn address(&self) -> String {
        self.process.address(0)
    }

    /// How many metrics it understood so far.
    pub fn parsed(&self) -> u64 {
        let log = self.process.log();
        let counts = log.split("Parsed ").skip(1).filter_map(|rest| rest.split_once(" valid metrics"));
        counts.map(|(n, _)| n.parse::<u64>().expect("a count")).sum()
    }

    /// What it refused so far, as it said.
    pub fn errors(&self) -> Vec<String> {
        let log = self.process.log();
        let refused = |line: &&str| line.contains("Failed to parse metric ") || line.contains("nsupported metric type");
        log.lines().filter(refused).map(str::to_owned).collect()
    }

    /// Counts and gauges that it would have sent so far. The tags `origin` and `dd.origin` are its own and left out.
    pub fn series(&self) -> Vec<Series> {
        let log = self.process.log();
        let mut all = Vec::new();
        for line in log.lines().filter(|line| line.contains("Sending body: Series {")) {
            for text in line.split("Metric { metric: ").skip(1) {
                let kind = after(text, "kind: ").split(',').next().unwrap_or_default().to_owned();
                all.push(Series { metric: quoted(text).0, kind, tags: tags(text), value: number(text, "value: ") });
            }
        }
        all
    }

    /// Distributions that it would have sent so far, likewise.
    pub fn sketches(&self) -> Vec<Sketch> {
        let log = self.process.log();
        let mut all = Vec::new();
        for line in log.lines().filter(|line| line.contains("Sending distributions: ")) {
            for text in line.split("Sketch { metric: ").skip(1) {
                let (metric, tags) = (quoted(text).0, tags(text));
                let [count, min, max, sum] = ["cnt: ", "min: ", "max: ", "sum: "].map(|name| number(text, name));
                all.push(Sketch { metric, tags, count, min, max, sum });
            }
        }
        all
    }
}

fn after<'a>(text: &'a str, name: &str) -> &'a str {
    text.split_once(name).unwrap_or_else(|| panic!("no {name} in {text}")).1
}

fn number(text: &str, name: &str) -> f64 {
    let rest = after(text, name);
    let digits = rest.split([',', ' ', '}']).next().expect("a number");
    digits.parse().unwrap_or_else(|_| panic!("{name}{digits} is no number"))
}

fn tags(text: &str) -> Vec<String> {
    let mut rest = after(text, "tags: [");
    let mut all = Vec::new();
    while rest.starts_with('"') {
        let (tag, after) = quoted(rest);
        rest = after.trim_start_matches(", ");
        all.push(tag);
    }
    all.retain(|tag| !tag.starts_with("origin:") && !tag.starts_with("dd.origin:"));
    all
}

/// The text in quotation marks at the beginning, as Rust's Debug writes it, and what comes after.
fn quoted(text: &str) -> (String, &str) {
    let mut whole = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (whole, &text[at + 1..]),
            '\\' => whole.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
            _ => whole.push(c),
        }
    }
    panic!("no text in quotation marks: {text}")
}
