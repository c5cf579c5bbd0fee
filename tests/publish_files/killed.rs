//! Killed at any moment of a thousand writes, a writer leaves whole files, and whoever reads all the time sees whole documents.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::RngExt;
use proptest::test_runner::{Config, TestRunner};
use ringscope::publish::{JsonFile, JsonLines, PrometheusFile};
use serde_json::Value;

use super::{SOON, child, counted, file_of_child, folder, names, publication, publish};
use ringscope::TelemetryCollector;

const WRITES: u64 = 1000;
/// So that a document takes several pages of memory, and its writing some time.
const SERIES: usize = 400;

/// In a child: writes into three files until it is killed. Each document has one number in all of its series, the next one.
#[test]
fn writes_until_it_is_killed() {
    let Some(path) = file_of_child() else { return };
    let collector = TelemetryCollector::new(true);
    let name = |n: usize| format!("series_{n:03}");
    let series = |n: usize| collector.counter(&name(n), "The same number in all").unwrap().on_host().unwrap();
    let counters: Vec<_> = (0..SERIES).map(series).collect();
    let page = PrometheusFile::new(path.with_extension("prom")).unwrap();
    let document = JsonFile::new(path.with_extension("json")).unwrap();
    let lines = JsonLines::new(path.with_extension("jsonl")).unwrap().rotate_bytes(u64::MAX).unwrap();
    let text = std::fs::read_to_string(path.with_extension("jsonl")).unwrap_or_default();
    let written = text[..text.rfind('\n').unwrap_or(0)].lines().next_back().map_or(0, number_of_document);
    counters.iter().for_each(|counter| counter.inc_by(written));
    loop {
        counters.iter().for_each(|counter| counter.inc());
        let publication = publication(collector.snapshot().unwrap());
        publish(&page, &publication).unwrap();
        publish(&document, &publication).unwrap();
        publish(&lines, &publication).unwrap();
    }
}

/// The number in all series of a page, which is whole.
fn number_of_page(page: &str) -> u64 {
    let values = page.lines().filter(|line| line.starts_with("series_")).map(|line| line.split(' ').nth(1));
    let values: Vec<u64> = values.map(|value| value.unwrap().parse().unwrap()).collect();
    assert!(page.ends_with('\n') && values.len() == SERIES && values.iter().all(|v| *v == values[0]), "{page}");
    values[0]
}

/// The same of a JSON document.
fn number_of_document(document: &str) -> u64 {
    let document: Value = serde_json::from_str(document).unwrap_or_else(|e| panic!("{e}: {document}"));
    let metrics = document["metrics"].as_object().unwrap();
    let series = metrics.iter().filter(|(name, _)| name.starts_with("series_"));
    let values: Vec<u64> = series.map(|(_, samples)| samples[0]["value"].as_u64().unwrap()).collect();
    assert!(values.len() == SERIES && values.iter().all(|v| *v == values[0]));
    values[0]
}

#[test]
fn a_writer_that_is_killed_leaves_whole_files_and_readers_see_no_half() {
    let folder = folder();
    let path = folder.path().join("run");
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = |extension: &str, number: fn(&str) -> u64| {
        let (path, is_over) = (path.with_extension(extension), is_over.clone());
        thread::spawn(move || {
            let (mut reads, mut last) = (0u64, 0);
            while !is_over.load(Ordering::Relaxed) {
                if let Ok(text) = std::fs::read_to_string(&path) {
                    let number = number(&text);
                    assert!(number >= last, "an older document came back: {number} after {last}");
                    (reads, last) = (reads + 1, number);
                }
                thread::sleep(Duration::from_micros(500));
            }
            reads
        })
    };
    let readers = [reader("prom", number_of_page), reader("json", number_of_document)];

    let mut random = TestRunner::new(Config::default());
    let (mut kills, mut left_over, mut written, mut read) = (0, 0, 0, 0);
    let stream = path.with_extension("jsonl");
    // Three writes a round.
    while 3 * written < WRITES {
        let mut writer = child("killed::writes_until_it_is_killed", "", &path);
        let mut writer = writer.stdout(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while stream.metadata().map_or(0, |file| file.len()) <= read {
            assert!(begun.elapsed() < SOON && writer.try_wait().unwrap().is_none(), "it writes");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_micros(random.rng().random_range(0..100_000)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        kills += 1;
        let page = number_of_page(&std::fs::read_to_string(path.with_extension("prom")).unwrap());
        let document = number_of_document(&std::fs::read_to_string(path.with_extension("json")).unwrap());
        let lines = std::fs::read_to_string(&stream).unwrap();
        let whole = lines.rfind('\n').map_or(0, |end| end + 1);
        let numbers: Vec<u64> = lines[read as usize..whole].lines().map(number_of_document).collect();
        assert!(numbers.iter().copied().eq(written + 1..=written + numbers.len() as u64), "one after the other, once");
        (written, read) = (written + numbers.len() as u64, whole as u64);
        // Each file has the last round's number, or the one's before.
        assert!(page >= document && document >= written && page <= written + 1, "{page}, {document}, {written}");
        left_over += names(folder.path()).iter().filter(|name| name.starts_with('.')).count();
    }
    is_over.store(true, Ordering::Relaxed);
    let reads: Vec<u64> = readers.map(|reader| reader.join().expect("whole documents")).into();
    println!("{written} rounds of writing, {kills} kills, {left_over} temporary files left over, {reads:?} reads");
    assert!(reads.iter().all(|reads| *reads > 0));

    // The next that writes clears away.
    publish(&PrometheusFile::new(path.with_extension("prom")).unwrap(), &counted(1)).unwrap();
    publish(&JsonFile::new(path.with_extension("json")).unwrap(), &counted(1)).unwrap();
    assert_eq!(names(folder.path()), ["run.json", "run.jsonl", "run.prom"]);
}

/// What is left over by certain: a file that nobody has locked.
#[test]
fn what_a_killed_writer_left_is_cleared_away_and_what_another_writes_is_not() {
    let folder = folder();
    let path = folder.path().join("run.json");
    let temporary = folder.path().join(".run.json.tmp");
    std::fs::write(&temporary, "{\"half").unwrap();
    let file = JsonFile::new(&path).unwrap();
    publish(&file, &counted(1)).unwrap();
    assert_eq!(names(folder.path()), ["run.json"]);

    // A link in its place is not followed.
    std::fs::write(folder.path().join("other"), "other").unwrap();
    std::os::unix::fs::symlink(folder.path().join("other"), &temporary).unwrap();
    publish(&file, &counted(2)).unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("other")).unwrap(), "other");
    assert_eq!(names(folder.path()), ["other", "run.json"]);

    let theirs = std::fs::File::create(&temporary).unwrap();
    theirs.lock().unwrap();
    let error = publish(&file, &counted(3)).unwrap_err();
    assert!(error.to_string().contains("another process, or another destination, writes it"), "{error}");
    assert!(!error.is_permanent());
    assert_eq!(names(folder.path()), [".run.json.tmp", "other", "run.json"]);
    drop(theirs);
    publish(&file, &counted(3)).unwrap();
    assert_eq!(names(folder.path()), ["other", "run.json"]);
}
