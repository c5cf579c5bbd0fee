//! `ringscope record` and `ringscope replay`.

use std::process::{Command, Output};

use ringscope::recording::Reader;

fn ringscope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringscope")).args(args).env("TERM", "dumb").output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_run_is_recorded_replayed_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rscope");
    let file = path.to_str().unwrap();
    let record = ["record", "-o", file, "--device", "host", "--messages", "2000", "--interval", "100ms"];
    let recorded = ringscope(&record);
    assert!(recorded.status.success(), "{}", text(&recorded.stderr));
    assert!(text(&recorded.stderr).contains("recorded "), "{}", text(&recorded.stderr));
    let moments = Reader::open(&path).unwrap().count();
    let last = Reader::open(&path).unwrap().last().unwrap();
    assert_eq!(last.snapshot.totals().messages_processed, 2000);

    let again = ringscope(&record);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("--append") && text(&again.stderr).contains("--overwrite"));

    let replayed = ringscope(&["replay", file, "--speed", "max"]);
    assert!(replayed.status.success(), "{}", text(&replayed.stderr));
    let table = text(&replayed.stdout);
    assert!(table.contains("worker_0") && table.lines().any(|line| line.starts_with("all ")), "{table}");
    let json = ringscope(&["replay", file, "--json"]);
    let lines: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), moments);
    assert!(lines[0]["snapshot"]["kernels"].is_array() && lines[0]["entries"].is_array(), "{}", lines[0]);
    let none = ringscope(&["replay", file, "--json", "--from", "1h"]);
    assert!(none.status.success() && none.stdout.is_empty());

    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let cut = ringscope(&["replay", file, "--json"]);
    assert_eq!((cut.status.code(), text(&cut.stdout).lines().count()), (Some(1), moments - 1));
    assert!(text(&cut.stderr).contains("is damaged at byte "), "{}", text(&cut.stderr));
}

#[test]
fn what_cannot_be_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    std::fs::write(&path, "no recording").unwrap();
    let file = path.to_str().unwrap();
    for (args, code, says) in [
        (&["replay", file][..], 1, "this is not a recording"),
        (&["replay", "/nowhere/run.rscope"], 1, "/nowhere/run.rscope: cannot be read"),
        (&["replay", file, "--speed", "0"], 2, "must be a number"),
        (&["record", "-o", file, "--append", "--device", "host"], 1, "cannot append to"),
        (
            &["record", "-o", "/nowhere/run.rscope", "--device", "host"],
            1,
            "cannot write the recording /nowhere/run.rscope",
        ),
        (&["record", "--append", "--overwrite"], 2, "cannot be used with"),
        (&["record", "-o", "/nowhere/x", "--connect", "http://127.0.0.1:1"], 1, "cannot reach http://127.0.0.1:1"),
        (&["record", "--connect", "ftp://x"], 2, "must be the address of a server"),
    ] {
        let output = ringscope(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        let stderr = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stderr.contains(says), "{args:?}: {stderr}");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "no recording");
}
