//! Readers of traces that others wrote, where scripts/trace-tools.sh brought them.
#![allow(dead_code)] // each test uses some of it

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

/// The folder that a variable names; `None`, aloud, where it is not set.
pub fn tool(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).filter(|folder| !folder.is_empty());
    if folder.is_none() {
        let required = std::env::var("RINGSCOPE_REQUIRE_TRACE_TOOLS").is_ok_and(|v| v == "1");
        assert!(!required, "{variable} is not set: eval \"$(scripts/trace-tools.sh)\"");
        let _ = writeln!(std::io::stderr(), "skipped: no {variable}: eval \"$(scripts/trace-tools.sh)\" brings it");
    }
    folder.map(PathBuf::from)
}

/// A file that is deleted when this is dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(contents: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("ringscope-trace-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, contents).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A row of an answer.
pub type Row = Vec<Value>;

/// Asks Perfetto's trace_processor about a file; `None`, aloud, where there is none. What it finds wrong with the file is a
/// failure.
pub fn perfetto(file: &[u8], queries: &[&str]) -> Option<Vec<Vec<Row>>> {
    let engine = tool("RINGSCOPE_PERFETTO")?;
    let trace = Scratch::new(file);
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/trace_tools/perfetto.js");
    let mut node = Command::new("node");
    node.arg(script).arg(engine).arg(&trace.0).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = node.spawn().expect("node starts");
    let wrong = "select name, value from stats where severity in ('error', 'data_loss') and value > 0";
    let all: Vec<&str> = [wrong].iter().chain(queries).copied().collect();
    child.stdin.take().unwrap().write_all(serde_json::to_string(&all).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "trace_processor: see above");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("answers in JSON");
    let rows = |(answer, query): (Value, &&str)| -> Vec<Row> {
        let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("{query}: {}", answer["error"]));
        rows.iter().map(|row| row.as_array().unwrap().clone()).collect()
    };
    let mut answers: Vec<_> = answers.into_iter().zip(&all).map(rows).collect();
    let found = answers.remove(0);
    assert!(found.is_empty(), "trace_processor found wrong: {found:?}");
    Some(answers)
}

pub fn int(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no whole number"))
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}
