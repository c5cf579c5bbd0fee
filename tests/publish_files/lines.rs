//! The stream of JSON lines: what is in a line, rotation, and who else is at the file.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use ringscope::publish::{JsonLines, Publication};
use serde_json::Value;

use super::{child, counted, file_of_child, folder, live_run, names, publish, target};
use ringscope::collector::EventFilter;

/// The numbers that [`counted`] has put into the lines of a file.
fn numbers(path: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let documents = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a document"));
    documents.map(|document| document["metrics"]["written_total"][0]["value"].as_u64().unwrap()).collect()
}

#[test]
fn a_line_is_the_document_and_what_happened() {
    let (runtime, mut publication) = live_run(20);
    publication.events = runtime.collector().events(&EventFilter::new()).into();
    publication.missed = 3;
    publication.running = false;
    let folder = folder();
    let path = folder.path().join("run.jsonl");
    let published = publish(&JsonLines::new(&path).unwrap(), &publication).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1);
    let line: Value = serde_json::from_str(&text).unwrap();
    let document: Value = serde_json::from_str(&publication.snapshot.export_json_metrics(false).unwrap()).unwrap();
    for (key, value) in document.as_object().unwrap() {
        assert_eq!(line[key], *value, "{key}");
    }
    assert_eq!((&line["events"][0]["name"], &line["events"][0]["value"]), (&"deploy".into(), &2.0.into()));
    assert_eq!((&line["missed"], &line["running"]), (&3.into(), &false.into()));
    let samples: usize = document["metrics"].as_object().unwrap().values().map(|v| v.as_array().unwrap().len()).sum();
    assert_eq!(published.items, samples as u64 + 1);
    for list in ["kernel_events", "operations", "network_operations"] {
        assert_eq!(line[list], serde_json::json!([]));
    }
}

fn length(publication: &Publication) -> u64 {
    let folder = folder();
    let path = folder.path().join("a");
    publish(&JsonLines::new(&path).unwrap(), publication).unwrap();
    path.metadata().unwrap().len()
}

#[test]
fn files_are_rotated_by_size_and_so_many_are_kept() {
    let folder = folder();
    let path = folder.path().join("run.jsonl");
    let two_lines = length(&counted(10)) * 5 / 2;
    let (target, environment) = target(&format!("json-lines:{}?rotate_bytes={two_lines}&keep=2", path.display()));
    let lines = JsonLines::from_target(target, &environment).unwrap();
    for n in 10..20 {
        publish(&lines, &counted(n)).unwrap();
    }
    assert_eq!(names(folder.path()), ["run.jsonl", "run.jsonl.1", "run.jsonl.2"]);
    let of = |name: &str| numbers(&folder.path().join(name));
    assert_eq!((of("run.jsonl.2"), of("run.jsonl.1"), of("run.jsonl")), (vec![14, 15], vec![16, 17], vec![18, 19]));

    // Another process goes on where this one ended; a line may be longer than a file should be.
    drop(lines);
    let short = JsonLines::new(&path).unwrap().rotate_bytes(1).unwrap().keep(0);
    publish(&short, &counted(20)).unwrap();
    publish(&short, &counted(21)).unwrap();
    assert_eq!((of("run.jsonl"), of("run.jsonl.1")), (vec![21], vec![16, 17]));
}

/// What is after the last line feed is of a process that was killed.
#[test]
fn half_a_line_is_cut_off() {
    let folder = folder();
    let path = folder.path().join("run.jsonl");
    let lines = || JsonLines::new(&path).unwrap();
    for half in ["{\"half".to_owned(), format!("{{\"long\":\"{}", "x".repeat(10_000)), String::new()] {
        std::fs::write(&path, &half).unwrap();
        publish(&lines(), &counted(1)).unwrap();
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(half.as_bytes()).unwrap();
        publish(&lines(), &counted(2)).unwrap();
        assert_eq!(numbers(&path), [1, 2]);
    }
}

#[test]
fn what_others_rotated_is_left_alone_and_two_writers_are_told() {
    let folder = folder();
    let path = folder.path().join("run.jsonl");
    let lines = JsonLines::new(&path).unwrap();
    publish(&lines, &counted(1)).unwrap();
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    publish(&lines, &counted(2)).unwrap();
    assert_eq!((numbers(&folder.path().join("old")), numbers(&path)), (vec![1], vec![2]));
    std::fs::remove_file(&path).unwrap();
    publish(&lines, &counted(3)).unwrap();
    assert_eq!(numbers(&path), [3]);

    let second = JsonLines::new(&path).unwrap();
    let error = publish(&second, &counted(4)).unwrap_err();
    assert!(error.to_string().contains("another process, or another destination, writes it"), "{error}");
    drop(lines);
    publish(&second, &counted(4)).unwrap();
    assert_eq!(numbers(&path), [3, 4]);
}

#[test]
fn a_link_is_followed_and_what_it_leads_to_is_rotated() {
    let folder = folder();
    let (link, real) = (folder.path().join("link"), folder.path().join("real"));
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let lines = JsonLines::new(&link).unwrap().rotate_bytes(1).unwrap();
    publish(&lines, &counted(1)).unwrap();
    publish(&lines, &counted(2)).unwrap();
    assert_eq!(names(folder.path()), ["link", "real", "real.1"]);
    assert_eq!((numbers(&link), numbers(&folder.path().join("real.1"))), (vec![2], vec![1]));
}

/// In a child: two lines to its standard output.
#[test]
fn writes_to_its_output() {
    let Some(path) = file_of_child() else { return };
    let lines = JsonLines::new(path).unwrap().rotate_bytes(1).unwrap();
    (1..3).for_each(|n| drop(publish(&lines, &counted(n)).unwrap()));
}

#[test]
fn the_standard_output_is_a_stream_of_lines() {
    let said = child("lines::writes_to_its_output", "", Path::new("/dev/stdout")).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let documents: Vec<&str> = said.lines().filter(|line| line.contains("{\"timestamp\":")).collect();
    assert_eq!(documents.len(), 2, "{said}");
    assert!(documents[1].contains("\"written_total\":[{\"value\":2,"), "{said}");
}

/// Opening a pipe waits for somebody who reads it: another task of the same thread goes on meanwhile.
#[test]
fn a_file_that_makes_wait_holds_up_no_worker() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let lines = Arc::new(JsonLines::new(&pipe).unwrap());
    let line = super::wait(async {
        let writer = tokio::spawn({
            let lines = lines.clone();
            async move { ringscope::publish::Publisher::publish(&*lines, &counted(7)).await }
        });
        for _ in 0..20 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(!writer.is_finished());
        let reader = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            let mut pipe = std::fs::File::open(pipe).unwrap();
            let mut byte = [0];
            while pipe.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
                text.push(byte[0].into());
            }
            text
        });
        writer.await.unwrap().unwrap();
        reader.await.unwrap()
    });
    assert!(line.contains("\"written_total\":[{\"value\":7,"), "{line}");
}

/// Without a runtime the caller's own thread writes.
#[test]
fn no_runtime_is_needed() {
    let folder = folder();
    let lines = JsonLines::new(folder.path().join("a")).unwrap();
    let publication = counted(1);
    let mut future = std::pin::pin!(ringscope::publish::Publisher::publish(&lines, &publication));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_ready());
    assert_eq!(numbers(&folder.path().join("a")), [1]);
}
