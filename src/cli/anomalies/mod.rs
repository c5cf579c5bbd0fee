//! `ringscope anomalies`: what is unusual in a file of values, by the detectors that watch the kernels.

pub mod args;
pub mod error;
pub mod help;
mod series;

use ringscope::alert::anomaly::{Detector, Finding};
use serde::Serialize;

use crate::cli::anomalies::args::AnomaliesArgs;
use crate::cli::anomalies::series::Row;
use crate::cli::error::CliError;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, Text, columns, plain, styled};
use crate::cli::term::units;
use crate::cli::workload::input::shown;

/// `--json`.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    rows: usize,
    scores: Vec<ScoredRow<'a>>,
    findings: Vec<FoundRow<'a>>,
}

#[derive(Serialize)]
struct ScoredRow<'a> {
    timestamp: &'a str,
    value: f64,
    score: f64,
}

#[derive(Serialize)]
struct FoundRow<'a> {
    /// Which row, the first being 0.
    row: usize,
    timestamp: &'a str,
    kind: &'static str,
    expected: f64,
    seen: f64,
    score: f64,
    text: String,
}

/// A score for each row, and a finding in those where one was found.
type Judged = Vec<(f64, Option<Finding>)>;

/// Scores each row of the file.
pub fn anomalies(args: &AnomaliesArgs) -> Result<bool, CliError> {
    let rows = series::read(&args.file)?;
    let judged = judged(&rows);
    if args.json {
        terminal::print_json(&document(args, &rows, &judged))?;
    } else {
        terminal::print_lines(&table(&rows, &judged, args.findings))?;
        terminal::say(&[plain(&summary(&rows, &judged))]);
    }
    Ok(true)
}

fn judged(rows: &[Row]) -> Judged {
    let mut detector = Detector::new("value");
    let mut judged = Judged::with_capacity(rows.len());
    for row in rows {
        let scored = detector.push(row.time, row.value);
        judged.push((scored.score, None));
        // What it is may have become known some rows later.
        if let Some(finding) = scored.finding {
            let at = rows[..judged.len()].iter().rposition(|row| row.time == finding.time);
            judged[at.unwrap_or_default()].1 = Some(finding);
        }
    }
    judged
}

fn document<'a>(args: &AnomaliesArgs, rows: &'a [Row], judged: &Judged) -> Document<'a> {
    let found = |(at, (_, finding)): (usize, &(f64, Option<Finding>))| {
        let finding = finding.as_ref()?;
        Some(FoundRow {
            row: at,
            timestamp: &rows[at].timestamp,
            kind: finding.kind.name(),
            expected: finding.expected,
            seen: finding.seen,
            score: finding.score,
            text: finding.to_string(),
        })
    };
    let scores = rows.iter().zip(judged);
    Document {
        file: shown(&args.file),
        rows: rows.len(),
        scores: scores
            .map(|(row, (score, _))| ScoredRow { timestamp: &row.timestamp, value: row.value, score: *score })
            .collect(),
        findings: judged.iter().enumerate().filter_map(found).collect(),
    }
}

/// Names of columns, and rows below them: to the right what is a number.
fn table(rows: &[Row], judged: &Judged, findings: bool) -> Vec<Text> {
    let shown = rows.iter().zip(judged).filter(|(_, (_, finding))| !findings || finding.is_some());
    let cells: Vec<[String; 4]> = shown
        .map(|(row, (score, finding))| {
            let text = finding.as_ref().map(ToString::to_string).unwrap_or_default();
            [row.timestamp.clone(), row.value.to_string(), format!("{score:.4}"), text]
        })
        .collect();
    let widths: [usize; 3] = std::array::from_fn(|column| {
        let all = cells.iter().map(|row| columns(&row[column]));
        all.chain([columns(NAMES[column])]).max().unwrap_or(0)
    });
    let line = |row: &[String; 4], style| {
        let pad = |column: usize| " ".repeat(widths[column].saturating_sub(columns(&row[column])));
        let numbers = format!("{}{}  {}{}  {}{}", row[0], pad(0), pad(1), row[1], pad(2), row[2]);
        let text = format!("  {}", row[3]);
        let says = if row[3].is_empty() { vec![] } else { vec![styled(Style::Warn, &text)] };
        Text::from([vec![styled(style, &numbers)], says].concat())
    };
    let title = line(&NAMES.map(str::to_owned), Style::Bold);
    let rows = cells.iter().map(|row| line(row, Style::Plain));
    if cells.is_empty() { Vec::new() } else { [title].into_iter().chain(rows).collect() }
}

const NAMES: [&str; 4] = ["timestamp", "value", "score", "finding"];

fn summary(rows: &[Row], judged: &Judged) -> String {
    let findings = judged.iter().filter(|(_, finding)| finding.is_some()).count();
    let s = |count: usize| if count == 1 { "" } else { "s" };
    let count = |count: usize| units::exact(count as u64);
    format!("{} row{}, {} finding{}", count(rows.len()), s(rows.len()), count(findings), s(findings))
}
