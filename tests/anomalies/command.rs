//! `ringscope anomalies`.

use std::path::PathBuf;

use super::program::{Dir, json, output, path, text};

/// A file of values, one a minute.
fn file(dir: &Dir, values: impl Iterator<Item = f64>) -> PathBuf {
    let rows = values.enumerate().map(|(i, value)| format!("2026-01-01 {:02}:{:02}:00,{value}\n", i / 60, i % 60));
    let file = dir.0.join("series.csv");
    std::fs::write(&file, format!("timestamp,value\n{}", rows.collect::<String>())).unwrap();
    file
}

fn shift(i: u32) -> f64 {
    f64::from(i % 7) + if i < 500 { 10.0 } else { 90.0 }
}

#[test]
fn a_score_for_each_row() {
    let dir = Dir::new("anomalies");
    let file = file(&dir, (0..600).map(shift));
    let (document, code) = json(&["anomalies", path(&file), "--json"]);
    assert_eq!((code, document["rows"].as_u64()), (Some(0), Some(600)));
    let scores = document["scores"].as_array().unwrap();
    assert_eq!(scores.len(), 600);
    assert_eq!(scores[0]["timestamp"], "2026-01-01 00:00:00");
    assert!(scores.iter().all(|row| (0.0..=1.0).contains(&row["score"].as_f64().unwrap())));
    assert!(scores[500]["score"].as_f64().unwrap() > 0.9, "{}", scores[500]);
    let findings = document["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((&findings[0]["row"], &findings[0]["kind"]), (&500.into(), &"level_shift".into()));
    assert_eq!(findings[0]["timestamp"], "2026-01-01 08:20:00");

    let output = output(&["anomalies", path(&file)]);
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!((output.status.code(), lines.len()), (Some(0), 601));
    assert!(lines[0].starts_with("timestamp            value   score"), "{}", lines[0]);
    assert!(
        lines[501].starts_with("2026-01-01 08:20:00") && lines[501].contains("a shift to a higher level"),
        "{}",
        lines[501]
    );
    assert_eq!(text(&output.stderr), "600 rows, 1 finding\n");
}

#[test]
fn only_the_findings() {
    let dir = Dir::new("anomalies-findings");
    let shifted = file(&dir, (0..600).map(shift));
    let output_of = |file: &PathBuf| output(&["anomalies", path(file), "--findings"]);
    assert_eq!(text(&output_of(&shifted).stdout).lines().count(), 2);
    let calm = file(&dir, (0..600).map(|i| f64::from(i % 7)));
    let output = output_of(&calm);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", "600 rows, 0 findings\n"));
}

#[test]
fn a_file_that_cannot_be_used() {
    let dir = Dir::new("anomalies-bad");
    let file = dir.0.join("series.csv");
    for (content, says) in [
        ("", "is empty: its first line must name the columns"),
        ("timestamp,value\n", "has no row below its line of names"),
        ("time,value\n1,2\n", "line 1: has no column 'timestamp', only time, value"),
        ("timestamp,value\n1,2\n2,much\n", "line 3, column 'value': 'much' is not a finite number"),
        ("timestamp,value\n2,2\n1,3\n", "line 3, column 'timestamp': '1' is before the row above it"),
    ] {
        std::fs::write(&file, content).unwrap();
        let output = output(&["anomalies", path(&file), "--json"]);
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("error: ") && stderr.contains(path(&file)) && stderr.contains(says), "{stderr}");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    }
    let missing = dir.0.join("none.csv");
    for (file, says) in [(&missing, "no such file: check the spelling"), (&dir.0, "is a directory: name a file in it")]
    {
        let output = output(&["anomalies", path(file)]);
        assert!(text(&output.stderr).contains(says) && output.status.code() == Some(1), "{}", text(&output.stderr));
    }
    assert_eq!(output(&["anomalies"]).status.code(), Some(2));
}
