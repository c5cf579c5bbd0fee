//! `ringscope trace`: what its file has is what its table says, what the kernels counted, and what trace_processor reads;
//! wrong paths are refused before anything runs; Ctrl-C writes what is there, and the file can be read meanwhile.
#![cfg(all(feature = "cli", feature = "host"))]

mod program;
mod trace_tools;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use program::{Dir, json, output, path, ringscope, text};
use trace_tools::{int, perfetto};

const PATIENCE: Duration = Duration::from_secs(60);

fn trace(args: &[&str]) -> (Value, Option<i32>) {
    json(&[&["trace", "--json", "--device", "host"], args].concat())
}

fn sum(document: &Value, field: &str) -> u64 {
    let kernels = document["trace"]["kernels"].as_object().unwrap();
    kernels.values().map(|kernel| kernel[field].as_u64().unwrap()).sum()
}

/// What was read of the kernels' rings, and what was lost, is together what they wrote.
fn is_accounted_for(document: &Value) {
    let places = |field: &str| document["trace"]["places"][field].as_u64().unwrap();
    assert_eq!(places("written"), places("read") + places("lost"), "{document:#}");
    assert_eq!(sum(document, "lost"), places("lost"), "{document:#}");
}

#[test]
fn every_message_is_a_slice_with_two_arrows() {
    let dir = Dir::new("trace-all");
    let (input, file) = (dir.file("input", 1_000_000), dir.0.join("run.pftrace"));
    let args = [path(&input), "--message-bytes", "1000", "--blocks", "2", "--inject-errors", "0.25", "-o", path(&file)];
    let (document, code) = trace(&args);
    assert_eq!((code, &document["messages"]), (Some(0), &1000.into()), "{document:#}");
    is_accounted_for(&document);
    let recorded = sum(&document, "messages");
    let lost = document["trace"]["places"]["lost"].as_u64().unwrap();
    if lost == 0 {
        assert_eq!((recorded, sum(&document, "left_out")), (1000, 0));
        assert_eq!(document["trace"]["written"]["spans"], 1001, "and the span around them all");
    }
    assert_eq!(document["trace"]["filter"], "all");
    let contents = std::fs::read(&file).unwrap();
    assert_eq!(document["trace"]["written"]["bytes"], contents.len());
    let errors = "select count(*) from slice s join args a using (arg_set_id) where s.name = 'message' and a.key = \
                  'debug.status' and a.display_value = 'error'";
    let queries = ["select count(*) from slice where name = 'message'", "select count(*) from flow", errors];
    let Some(answers) = perfetto(&contents, &queries) else { return };
    assert_eq!(int(&answers[0][0][0]) as u64, recorded);
    if lost == 0 {
        assert_eq!((int(&answers[1][0][0]), int(&answers[2][0][0])), (2000, document["refused"].as_i64().unwrap()));
    }
}

#[test]
fn a_trace_of_several_devices_has_the_messages_of_all() {
    let dir = Dir::new("trace-devices");
    let (input, file) = (dir.file("input", 100_000), dir.0.join("run.pftrace"));
    let args = ["trace", "--json", "--device", "host,host", "--kernels", "2", path(&input), "--message-bytes", "1000"];
    let (document, code) = json(&[&args[..], &["-o", path(&file)]].concat());
    assert_eq!((code, &document["messages"]), (Some(0), &100.into()), "{document:#}");
    is_accounted_for(&document);
    assert_eq!((sum(&document, "messages"), sum(&document, "lost")), (100, 0));
    // A block's track is below its multiprocessor's, and that one below the device's.
    let tracks = "select count(distinct sm.parent_id) from slice s join track block on s.track_id = block.id join track sm on \
                  block.parent_id = sm.id where s.name = 'message'";
    let queries = ["select count(*) from slice where name = 'message'", tracks];
    let Some(answers) = perfetto(&std::fs::read(&file).unwrap(), &queries) else { return };
    assert_eq!([0, 1].map(|query| int(&answers[query][0][0])), [100, 2]);
}

#[test]
fn only_what_was_asked_for_is_recorded_and_of_that_only_the_newest() {
    let dir = Dir::new("trace-some");
    let (input, file) = (dir.file("input", 400_000), dir.0.join("run.pftrace"));
    let run = [path(&input), "--message-bytes", "1000", "-o", path(&file)];
    let some = |more: &[&str]| {
        let (document, code) = trace(&[&run[..], more].concat());
        assert_eq!((code, &document["messages"]), (Some(0), &400.into()), "{document:#}");
        is_accounted_for(&document);
        document
    };
    let errors = some(&["--errors", "--inject-errors", "0.5"]);
    assert_eq!(
        (&errors["trace"]["filter"], errors["refused"].as_u64()),
        (&"errors".into(), Some(sum(&errors, "messages")))
    );
    let none = some(&["--slow", "1h"]);
    assert_eq!((sum(&none, "messages"), &none["trace"]["written"]["spans"]), (0, &1.into()));
    assert_eq!(none["trace"]["written"]["instants"], 0, "nor where they were sent and answered");
    let sampled = sum(&some(&["--sample", "1/4"]), "messages");
    assert!((1..400).contains(&sampled), "{sampled}");
    let newest = some(&["--records", "7"]);
    let recorded = sum(&newest, "messages");
    assert_eq!((sum(&newest, "left_out"), &newest["trace"]["written"]["spans"]), (recorded - 7, &8.into()));
    let lost = "select name from slice where category = 'lost'";
    if let Some(answers) = perfetto(&std::fs::read(&file).unwrap(), &[lost]) {
        assert!(!answers[0].is_empty(), "what was left out is shown");
    }
}

#[test]
fn other_formats_are_documents_of_the_same_spans() {
    let dir = Dir::new("trace-formats");
    let (input, file) = (dir.file("input", 50_000), dir.0.join("run.json"));
    let run = [path(&input), "--message-bytes", "1000", "-o", path(&file), "--format"];
    let written = |format: &str| -> Value {
        let (document, code) = trace(&[&run[..], &[format]].concat());
        assert_eq!(code, Some(0), "{document:#}");
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap()
    };
    let jaeger = written("jaeger");
    let spans = jaeger["data"][0]["spans"].as_array().unwrap();
    let of = |name: &str| spans.iter().filter(|span| span["operationName"] == name).collect::<Vec<_>>();
    assert_eq!((jaeger["data"].as_array().unwrap().len(), of("stream").len(), of("message").len()), (1, 1, 50));
    assert!(of("message").iter().all(|span| span["references"][0]["spanID"] == of("stream")[0]["spanID"]));
    let otlp = written("otlp-json");
    let scopes = otlp["resourceSpans"][0]["scopeSpans"].as_array().unwrap();
    let spans: Vec<(&Value, usize)> =
        scopes.iter().map(|s| (&s["scope"]["name"], s["spans"].as_array().unwrap().len())).collect();
    assert_eq!(spans, [(&"ringscope".into(), 1), (&"ringscope.device".into(), 50)]);
}

#[test]
fn the_table_says_what_was_recorded_and_how_to_open_it() {
    let dir = Dir::new("trace-table");
    let (input, file) = (dir.file("input", 20_000), dir.0.join("run.pftrace"));
    let output = output(&["trace", "--device", "host", path(&input), "-o", path(&file)]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["recorded", "lost", "the kernels wrote 10 places", "ui.perfetto.dev", path(&file), "PASS"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_path_that_cannot_be_written_is_refused_before_anything_runs() {
    let dir = Dir::new("trace-paths");
    let (folder, missing, readonly) = (path(&dir.0).to_owned(), dir.0.join("no/run.pftrace"), "/proc/run.pftrace");
    for (to, says) in [(&*folder, "is a directory"), (path(&missing), "mkdir -p"), (readonly, "/proc/run.pftrace")] {
        let output = output(&["trace", "--device", "host", "-o", to]);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""), "{said}");
        assert!(said.starts_with("error: ") && said.contains(says) && said.contains("--output"), "{to}: {said}");
        assert!(!said.contains("ring kernel"), "nothing was launched: {said}");
    }
    for wrong in [&["--no-telemetry"][..], &["--sample", "0.5"], &["--slow", "fast"]] {
        let output = output(&[&["trace", "--device", "host", "-o", path(&dir.0.join("x"))], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(std::fs::read_dir(&dir.0).unwrap().count(), 0, "no empty file stays behind");
}

#[test]
fn the_file_can_be_read_while_it_runs_and_ctrl_c_writes_what_is_there() {
    let dir = Dir::new("trace-signal");
    let file = dir.0.join("run.pftrace");
    let mut command =
        ringscope(&["trace", "--json", "--device", "host", "--duration", "10m", "--sample", "1/64", "-o", path(&file)]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let meanwhile = loop {
        let contents = std::fs::read(&file).unwrap_or_default();
        if !contents.is_empty() {
            break contents;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is written while it runs");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["interrupted"]), (Some(0), &true.into()), "{document:#}");
    is_accounted_for(&document);
    let at_the_end = std::fs::read(&file).unwrap();
    assert_eq!(document["trace"]["written"]["bytes"], at_the_end.len());
    for contents in [meanwhile, at_the_end] {
        let Some(answers) = perfetto(&contents, &["select count(*) from slice where name = 'stream'"]) else { return };
        assert_eq!(int(&answers[0][0][0]), 1);
    }
}
