//! Rules in a Prometheus that scrapes a run: each recorded series is there, each alert asks for something that is there, and
//! those fire of which the condition holds.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::asked::{Scraped, results};
use crate::made::contents;
use crate::receivers::{Alertmanager, wait_for};
use crate::run::Run;

/// Rules of a kind, as Prometheus has them, after each has been evaluated.
fn rules(prometheus: &Scraped, kind: &str) -> Vec<Value> {
    wait_for("the evaluation of all rules", || {
        let groups = prometheus.ask("/api/v1/rules");
        let all = groups["groups"].as_array()?.iter().flat_map(|group| group["rules"].as_array().unwrap().clone());
        let all: Vec<Value> = all.collect();
        all.iter().all(|rule| rule["health"] == "ok").then(|| all.into_iter().filter(|r| r["type"] == kind).collect())
    })
}

/// Each recorded series has values, and no alert has an empty part.
pub fn no_rule_is_empty(prometheus: &Scraped) {
    let recording = rules(prometheus, "recording");
    assert_eq!(recording.len(), 19);
    for rule in recording {
        prometheus.wait_for_results(rule["name"].as_str().unwrap());
        prometheus.wait_for_results(rule["query"].as_str().unwrap());
    }
    no_alert_has_an_empty_part(prometheus);
}

/// What an alert compares is there, whether the comparison holds or not.
pub fn no_alert_has_an_empty_part(prometheus: &Scraped) {
    let alerts = rules(prometheus, "alerting");
    assert!(alerts.len() > 20, "{}", alerts.len());
    for alert in alerts {
        for part in parts(alert["query"].as_str().unwrap()) {
            let found = prometheus.wait_for_results(part);
            println!("{}: {part}: {} series", alert["name"], found.len());
        }
    }
}

/// The run has a kernel that hangs, one that refuses messages, operations that fail and a destination that is down.
pub fn what_is_wrong_in_the_run_is_told(prometheus: &Scraped) {
    for (name, states) in [
        ("RingscopeKernelStalled", &["firing"][..]),
        ("RingscopeKernelErrors", &["pending", "firing"]),
        ("RingscopeOperationsFail", &["pending", "firing"]),
        ("RingscopeNetworkFails", &["pending", "firing"]),
        ("RingscopeDestinationDown", &["pending", "firing"]),
        ("RingscopeGpuThrottled", &["pending", "firing"]),
        ("RingscopeValuesDropped", &["firing"]),
    ] {
        let alert = format!("ALERTS{{alertname=\"{name}\"}}");
        let found = prometheus.wait_for_results(&alert);
        let state = found[0]["metric"]["alertstate"].as_str().unwrap();
        assert!(states.contains(&state), "{name} is {state}");
    }
    let alerts = rules(prometheus, "alerting");
    let stalled = alerts.iter().find(|alert| alert["name"] == "RingscopeKernelStalled").unwrap();
    let said = stalled["alerts"][0]["annotations"]["summary"].as_str().unwrap();
    assert_eq!(said, format!("A block of kernel {} has stopped moving", crate::run::HUNG));
    // Nothing is wrong with these.
    for name in ["RingscopeKernelFailed", "RingscopeCollectionFails", "RingscopeProcessGone", "RingscopeAbsent"] {
        assert!(results(&prometheus.query(&format!("ALERTS{{alertname=\"{name}\"}}"))).is_empty(), "{name}");
    }
}

/// The made example of an Alertmanager, whose receivers are here.
pub struct Told {
    pub alertmanager: Alertmanager,
    listener: TcpListener,
}

impl Told {
    pub fn start() -> Option<Told> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let config = contents("alertmanager/alertmanager.yml");
        assert_eq!(config.matches("localhost:8080").count(), 2);
        let config = config.replace("localhost:8080", &listener.local_addr().unwrap().to_string());
        Some(Told { alertmanager: Alertmanager::with_config(&config)?, listener })
    }

    /// Who is to be told at once of what is critical is told that a kernel hangs.
    pub fn at_once_of_a_stall(&self) {
        let is_stall = |alert: &Value| alert["labels"]["alertname"] == "RingscopeKernelStalled";
        let alert = wait_for("the stall", || self.alertmanager.alerts().into_iter().find(is_stall));
        assert_eq!(alert["receivers"], json!([{ "name": "at once" }]));
        // Of others those are told who are told later; the first that comes at once is the one that is waited for.
        loop {
            let mut stream = wait_for("a notification", || self.listener.accept().ok()).0;
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
            if first.starts_with("POST /at-once ") {
                return;
            }
            assert!(first.starts_with("POST /later "), "{first}");
        }
    }
}

/// A process that ends is missed.
pub fn who_is_gone_is_missed(prometheus: Scraped, run: Run) {
    drop(run);
    prometheus.wait_for_results("ALERTS{alertname=\"RingscopeProcessGone\"}");
    prometheus.wait_for_results("ALERTS{alertname=\"RingscopeAbsent\"}");
}

/// What an expression is made of, without what it is compared with: each part must have results where nothing is wrong, too.
fn parts(promql: &str) -> Vec<&str> {
    let ands = split(promql, &[" and "]);
    let mut parts: Vec<&str> = ands.iter().map(|part| split(part, &[" > ", " == ", " < "])[0].trim()).collect();
    for part in &mut parts {
        let matching = ["on (job, instance) ", "ignoring (state) "];
        matching.iter().for_each(|m| *part = part.strip_prefix(m).unwrap_or(part));
        *part = part.strip_prefix("absent(").and_then(|inside| inside.strip_suffix(')')).unwrap_or(part);
    }
    parts
}

/// Between these, outside parentheses.
fn split<'a>(text: &'a str, marks: &[&str]) -> Vec<&'a str> {
    let (mut depth, mut start, mut all) = (0, 0, Vec::new());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        match rest.as_bytes()[0] {
            b'(' | b'{' | b'[' => depth += 1,
            b')' | b'}' | b']' => depth -= 1,
            _ => {}
        }
        let mark = marks.iter().find(|mark| depth == 0 && rest.starts_with(**mark));
        if let Some(mark) = mark {
            all.push(&text[start..at]);
            start = at + mark.len();
        }
        at += mark.map_or(1, |mark| mark.len());
    }
    all.push(&text[start..]);
    all
}

#[test]
fn parts_of_expressions() {
    assert_eq!(parts("a / (b > 0) > 0.05"), ["a / (b > 0)"]);
    assert_eq!(parts("absent(a)"), ["a"]);
    assert_eq!(parts("time() - a > 60 and ignoring (state) b{state=\"x\"} == 1"), ["time() - a", "b{state=\"x\"}"]);
}
