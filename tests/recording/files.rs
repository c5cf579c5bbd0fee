//! Recordings in files: rotated, continued, refused, damaged, killed.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringscope::TelemetryCollector;
use ringscope::feed::{Feed, Moment};
use ringscope::publish::{RecordError, RecordingBuilder};
use ringscope::recording::{Reader, RecordingError};

const SOON: Duration = Duration::from_secs(60);

pub fn sequences(path: &Path) -> Vec<u64> {
    Reader::open(path).expect("a recording").map(|moment| moment.snapshot.sequence).collect()
}

/// Pushes so many moments, each when the one before is written or has failed.
fn push(collector: &TelemetryCollector, feed: &Feed, recording: &ringscope::publish::Recording, moments: u64) {
    for _ in 0..moments {
        let done = || {
            let status = recording.status();
            status.moments + status.failed
        };
        let before = done();
        collector.record_processed("a", Some(Duration::from_micros(7))).unwrap();
        feed.push(Moment::of_snapshot(collector.snapshot().unwrap()));
        let patience = Instant::now() + SOON;
        while done() == before {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

fn range(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[test]
fn a_collectors_recording_has_everything_up_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rscope");
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    // Slow enough for the recording's thread on a busy machine.
    collector.start_collection(Duration::from_millis(100)).unwrap();
    let recording = collector.record(&path).start().unwrap();
    collector.operation("resize").start().unwrap().fail("no room");
    let patience = Instant::now() + SOON;
    while recording.status().moments < 5 {
        assert!(Instant::now() < patience, "{recording:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    collector.stop_collection();
    collector.record_processed("a", None).unwrap();
    let status = recording.end();
    let moments: Vec<Moment> = Reader::open(&path).unwrap().collect();
    assert_eq!((moments.len() as u64, status.failed, status.missed), (status.moments, 0, 0));
    let last = &moments.last().unwrap().snapshot;
    assert_eq!(last.kernel("a").unwrap().messages_processed, 1, "what came last is there");
    assert!(last.publishers.iter().any(|one| &*one.destination == "recording" && one.published_items > 0));
    let entries: Vec<_> = moments.iter().flat_map(|moment| moment.entries.iter()).collect();
    assert!(entries.len() == 1 && entries[0].text.ends_with("no room"), "{entries:?}");
    let source = Reader::open(&path).unwrap().source().cloned().unwrap();
    assert_eq!(source.pid, std::process::id());
    assert!(source.program.starts_with("ringscope "));
}

#[test]
fn a_file_that_is_there_is_kept_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rscope");
    let (collector, feed) = (TelemetryCollector::new(true), Feed::new());
    let start = |builder: RecordingBuilder| builder.start();
    let new = || RecordingBuilder::of_feed(&feed, &path);
    let recording = start(new()).unwrap();
    push(&collector, &feed, &recording, 3);
    assert!(matches!(start(new()), Err(RecordError::Exists { .. })));
    assert!(matches!(start(new().append()), Err(RecordError::InUse { .. })), "one at a time");
    drop(recording);
    let recording = start(new().append()).unwrap();
    push(&collector, &feed, &recording, 2);
    drop(recording);
    assert_eq!(sequences(&path), range(1, 5));
    // What was cut in the middle of a frame goes on after the last whole one.
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let recording = start(new().append()).unwrap();
    push(&collector, &feed, &recording, 1);
    drop(recording);
    assert_eq!(sequences(&path), [1, 2, 3, 4, 6]);
    drop(start(new().overwrite()).unwrap());
    assert!(sequences(&path).is_empty());
    std::fs::write(&path, "something else\n").unwrap();
    let error = start(new().append()).unwrap_err();
    assert!(matches!(error, RecordError::NotAppendable { .. }) && error.to_string().contains("not a recording"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "something else\n");
    assert_eq!(Reader::open(&path).unwrap_err(), RecordingError::NotARecording);
}

#[test]
fn a_file_that_is_long_enough_is_rotated_and_all_parts_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rscope");
    let (collector, feed) = (TelemetryCollector::new(true), Feed::new());
    // Gauges whose values nothing can foretell.
    let gauges: Vec<_> =
        (0..64).map(|i| collector.gauge(&format!("g{i}"), "A gauge").unwrap().on_host().unwrap()).collect();
    let recording = RecordingBuilder::of_feed(&feed, &path).max_bytes(1 << 16).keep(3).start().unwrap();
    let mut random = crate::traffic::Random(3);
    for _ in 0..900 {
        gauges.iter().for_each(|gauge| gauge.set(random.unit()));
        push(&collector, &feed, &recording, 1);
    }
    assert_eq!(recording.end().failed, 0);
    let mut files: Vec<_> = folder.path().read_dir().unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(|file| file.file_name());
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["run.rscope", "run.rscope.1", "run.rscope.2", "run.rscope.3"]);
    assert!(files.iter().all(|file| file.metadata().unwrap().len() <= 1 << 16));
    let read = sequences(&path);
    assert!(read[0] > 1, "the oldest went");
    assert_eq!(read, range(read[0], 900));
    assert!(sequences(&folder.path().join("run.rscope.3")).starts_with(&read[..1]));
}

#[test]
fn a_folder_that_is_gone_is_counted_and_what_comes_later_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    let path = inner.join("run.rscope");
    std::fs::create_dir(&inner).unwrap();
    let (collector, feed) = (TelemetryCollector::new(true), Feed::new());
    let recording = RecordingBuilder::of_feed(&feed, &path).start().unwrap();
    push(&collector, &feed, &recording, 2);
    std::fs::remove_dir_all(&inner).unwrap();
    push(&collector, &feed, &recording, 3);
    let status = recording.status();
    assert_eq!((status.moments, status.failed), (2, 3));
    assert!(status.last_error.as_deref().is_some_and(|error| error.contains("run.rscope")), "{status:?}");
    std::fs::create_dir(&inner).unwrap();
    push(&collector, &feed, &recording, 2);
    assert_eq!(recording.end().failed, 3);
    assert_eq!(sequences(&path), [6, 7]);
}

const WRITER: &str = "RINGSCOPE_TEST_RECORDING_WRITER";

/// What is killed, in a process of its own: says of each moment that it is written.
#[test]
fn writes_until_it_is_killed() {
    let Ok(path) = std::env::var(WRITER) else { return };
    let (collector, feed) = (TelemetryCollector::new(true), Feed::new());
    let recording = RecordingBuilder::of_feed(&feed, path).start().unwrap();
    for moment in 1.. {
        push(&collector, &feed, &recording, 1);
        println!("written {moment}");
    }
}

#[test]
fn kill_9_loses_at_most_the_last_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = crate::traffic::Random(u64::from(std::process::id()));
    for round in 0..20 {
        let path = folder.path().join(format!("{round}.rscope"));
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "files::writes_until_it_is_killed", "--nocapture"]).env(WRITER, &path);
        let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut said = BufReader::new(writer.stdout.take().unwrap());
        let number = |line: &str| line.trim().rsplit_once("written ").and_then(|(_, n)| n.parse::<u64>().ok());
        let enough = 1 + (random.unit() * 60.0) as u64;
        let (mut line, mut written) = (String::new(), 0);
        while written < enough {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "it writes");
            written = number(&line).unwrap_or(written);
        }
        std::thread::sleep(Duration::from_micros((random.unit() * 3000.0) as u64));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        let written = rest.lines().filter_map(number).next_back().unwrap_or(written);
        let mut reader = Reader::open(&path).unwrap();
        let read: Vec<u64> = reader.by_ref().map(|moment| moment.snapshot.sequence).collect();
        assert_eq!(read, range(1, read.len() as u64), "no gap");
        assert!(read.len() as u64 >= written, "{} read, {written} written", read.len());
        assert!(reader.damage().iter().all(|damage| damage.reason == "its last frame is not whole"));
    }
}
