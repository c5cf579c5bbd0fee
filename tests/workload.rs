//! What is streamed ends when it is told to, whatever the input, the machine and the device do.
#![cfg(all(feature = "cli", feature = "host", target_os = "linux"))]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder of a test's own, removed at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("ringscope-workload-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, (0..bytes).map(|i| (i * i / 7) as u8).collect::<Vec<u8>>()).unwrap();
        path
    }

    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        make_pipe(&path);
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A `ringscope run --json` on the host device. Dropping it kills it.
struct Running {
    child: Child,
    log: std::io::Lines<BufReader<ChildStderr>>,
}

impl Running {
    fn start(args: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringscope"))
            .args(["run", "--json", "--device", "host"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        Running { child, log }
    }

    /// Waits for a line on stderr that has this in it.
    fn says(&mut self, part: &str) -> String {
        let line = self.log.by_ref().map_while(Result::ok).find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("it never says `{part}`"))
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Its exit code and document, once it has ended.
    fn end(mut self) -> (Option<i32>, Value) {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < PATIENCE, "it does not end"),
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        (status.code(), serde_json::from_str(&stdout).unwrap_or(Value::Null))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Its writer never comes, so that it blocks in its opening.
#[test]
fn a_pipe_without_a_writer_does_not_put_off_the_end() {
    let dir = Dir::new("no-writer");
    let pipe = dir.pipe("pipe");
    let (code, document) = Running::start(&[text(&pipe), "--duration", "300ms"]).end();
    assert_eq!((code, &document["messages"], &document["interrupted"]), (Some(1), &0.into(), &false.into()));
    let why = format!("waiting for {}: nothing has opened it for writing", text(&pipe));
    assert_eq!(document["troubles"], serde_json::json!([why]));
    for signal in ["INT", "TERM"] {
        let mut running = Running::start(&[text(&pipe), "--duration", "1h"]);
        running.says("ring kernels");
        running.signal(signal);
        running.says(&why);
        let (code, document) = running.end();
        assert_eq!((code, &document["messages"], &document["interrupted"]), (Some(1), &0.into(), &true.into()));
    }
}

/// The program was streaming the file; what is put in its place would block the thread that opens it.
#[test]
fn a_pipe_put_in_the_place_of_a_file_between_passes_changes_nothing() {
    let dir = Dir::new("swapped");
    let file = dir.file("file", 100_000);
    let crc = format!("{:08x}", crc32c::crc32c(&std::fs::read(&file).unwrap()));
    let mut running = Running::start(&[text(&file), "--duration", "1h", "--interval", "20ms"]);
    running.says("received");
    std::fs::rename(dir.pipe("pipe"), &file).unwrap();
    let messages =
        |line: &str| line.split("  ").map(str::trim).find(|part| part.ends_with(" received")).map(str::to_owned);
    let then = messages(&running.says("received"));
    while messages(&running.says("received")) == then {}
    running.signal("TERM");
    let (code, document) = running.end();
    assert_eq!((code, &document["verified"], &document["files"][0]["crc32c"]), (Some(0), &true.into(), &crc.into()));
}

#[test]
fn a_file_that_is_cut_while_it_is_streamed_is_1_and_says_so() {
    let dir = Dir::new("cut");
    let file = dir.file("file", 100_000);
    let mut running = Running::start(&[text(&file), "--duration", "1h", "--interval", "20ms"]);
    running.says("received");
    std::fs::File::options().write(true).open(&file).unwrap().set_len(10_000).unwrap();
    let (code, document) = running.end();
    assert_eq!((code, &document["verified"]), (Some(1), &false.into()));
    let trouble = document["troubles"][0].as_str().unwrap();
    assert!(trouble.contains("had 100000 bytes when it was opened and has 10000"), "{trouble}");
}

/// Each pause is longer than the limit of silence, and kernels and host stand still in it alike.
#[test]
fn a_pause_is_no_silence() {
    let args = ["--duration", "1h", "--interval", "20ms", "--reply-timeout", "1s", "--message-bytes", "65536"];
    let mut running = Running::start(&args);
    for _ in 0..3 {
        running.says("received");
        running.signal("STOP");
        std::thread::sleep(Duration::from_millis(1500));
        running.signal("CONT");
    }
    running.says("received");
    running.signal("INT");
    let (code, document) = running.end();
    assert_eq!((code, &document["verified"]), (Some(0), &true.into()), "{document}");
}

#[test]
fn more_blocks_than_can_run_are_refused_with_what_to_do() {
    let mut running =
        Running::start(&["--kernels", "256", "--blocks", "1024", "--slots", "2", "--message-bytes", "16"]);
    let said = running.says("error: ");
    assert!(said.contains("262144 threads") && said.contains("lower one of them"), "{said}");
    assert_eq!(running.end().0, Some(1));
}

#[test]
fn ctrl_c_ends_it_while_kernels_are_launched() {
    let args = ["--kernels", "256", "--slots", "2", "--duration", "1h", "--interval", "1h"];
    let mut running = Running::start(&args);
    running.says("in 256 ring kernels");
    running.signal("INT");
    let (code, document) = running.end();
    assert_eq!((code, &document["verified"], &document["interrupted"]), (Some(0), &true.into(), &true.into()));
}
