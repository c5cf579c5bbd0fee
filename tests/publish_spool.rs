//! A process that is killed in the middle, again and again: what its spool keeps is sent by the next one, in order, nothing
//! else is, and nothing is lost but what was not yet written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringscope::TelemetryCollector;
use ringscope::publish::{Delivery, Destination, Outbox, Payload, Publication, PublishError, Published};
use ringscope::trace::Source;

const FOLDER: &str = "RINGSCOPE_TEST_SPOOL";
const LAST: &str = "RINGSCOPE_TEST_SPOOL_LAST";
const LONG: Duration = Duration::from_secs(60);

/// Writes down what it encodes, and what arrives; one line each, by one write.
struct Lines {
    folder: PathBuf,
    next: AtomicU64,
    attempts: AtomicU64,
}

fn append(path: &Path, number: u64) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file");
    file.write_all(format!("{number}\n").as_bytes()).expect("a line");
}

fn lines(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.parse().expect("a number: no rubbish")).collect()
}

/// What a payload of that number is, of a length of its own.
fn bytes(number: u64) -> Vec<u8> {
    let length = 8 + (number * 7919 % 5000) as usize;
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

impl Destination for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        append(&self.folder.join("encoded"), number);
        Ok(vec![Payload::new(1, 1, publication.snapshot.time, bytes(number))])
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let number = u64::from_le_bytes(payload.bytes[..8].try_into().expect("eight bytes"));
        if *payload.bytes != bytes(number) || payload.kind != 1 {
            append(&self.folder.join("rubbish"), number);
        }
        if self.attempts.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            return Err(PublishError::transient("not now"));
        }
        append(&self.folder.join("arrived"), number);
        Ok(Published::all(1))
    }
}

/// The process that is killed: it publishes until then; the last one only sends what is there.
fn child(folder: &Path) {
    let encoded = lines(&folder.join("encoded"));
    let next = AtomicU64::new(encoded.last().map_or(1, |last| last + 1));
    let lines = Lines { folder: folder.to_owned(), next, attempts: AtomicU64::new(0) };
    let mut delivery = Delivery::default().spool(folder.join("spool"), 64 << 20);
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(1), Duration::from_millis(2));
    delivery.flush_limit = LONG;
    let outbox = Outbox::destination(lines, delivery).expect("the spool is free");
    if std::env::var_os(LAST).is_some() {
        assert!(outbox.flush(LONG));
        assert_eq!(outbox.status().queued_items, 0);
        return;
    }
    let snapshot = TelemetryCollector::new(true).snapshot().expect("it is on");
    let source = Arc::new(Source::this_process("child"));
    let publication = Publication::of_snapshot(source, SystemTime::now(), snapshot);
    loop {
        outbox.offer(&publication);
        std::thread::sleep(Duration::from_micros(300));
    }
}

fn start(folder: &Path, last: bool) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["killed_in_the_middle", "--exact", "--nocapture"]).env(FOLDER, folder);
    if last {
        command.env(LAST, "1");
    }
    command.stdout(Stdio::null()).spawn().expect("a process")
}

#[test]
fn killed_in_the_middle() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return child(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (encoded, arrived) = (folder.path().join("encoded"), folder.path().join("arrived"));
    const KILLS: usize = 25;
    let mut lasts = Vec::new();
    for round in 0..KILLS {
        let before = lines(&encoded).len();
        let mut process = start(folder.path(), false);
        // Each at another moment.
        let begun = Instant::now();
        while lines(&encoded).len() < before + 5 + round * 3 % 40 {
            assert!(begun.elapsed() < LONG, "it publishes");
            assert!(process.try_wait().expect("its status").is_none(), "it goes on");
            std::thread::sleep(Duration::from_micros(200));
        }
        process.kill().expect("it is there");
        process.wait().expect("it ends");
        lasts.extend(lines(&encoded).pop());
    }
    let status = start(folder.path(), true).wait().expect("it ends");
    assert!(status.success(), "the last one sends all that is there");

    assert_eq!(lines(&folder.path().join("rubbish")), [0; 0]);
    let (encoded, mut arrived) = (lines(&encoded), lines(&arrived));
    assert!(arrived.is_sorted(), "in order: {arrived:?}");
    let all = arrived.len();
    arrived.dedup();
    assert!(all - arrived.len() <= KILLS, "twice is only what was on its way: {} of {all}", all - arrived.len());
    assert!(arrived.len() > 100, "{}", arrived.len());
    let missing: Vec<_> = encoded.iter().filter(|number| arrived.binary_search(number).is_err()).collect();
    assert!(missing.iter().all(|number| lasts.contains(number)), "only what was not yet written: {missing:?}");
    println!(
        "{} encoded, {} arrived, {} twice, {} lost",
        encoded.len(),
        arrived.len(),
        all - arrived.len(),
        missing.len()
    );
}
