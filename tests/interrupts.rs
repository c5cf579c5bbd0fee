//! Signals: the first one ends a run cleanly, the second at once, and the parent sees which it was.
#![cfg(all(feature = "cli", feature = "host", target_os = "linux"))]

mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use program::{Dir, path, ringscope, text};

/// Longer than any of this takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
const FOR_LONG: [&str; 8] = ["run", "--device", "host", "--json", "--duration", "10m", "--interval", "50ms"];

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Starts the program, and waits until a line on its stderr has `part`.
fn start(args: &[&str], part: &str) -> (Child, BufReader<ChildStderr>) {
    start_command(ringscope(args), part)
}

fn start_command(mut command: Command, part: &str) -> (Child, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    wait_for(&mut stderr, part);
    (child, stderr)
}

fn wait_for(stderr: &mut BufReader<ChildStderr>, part: &str) {
    let (start, mut line) = (Instant::now(), String::new());
    while !line.contains(part) {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended without a line that has {part:?}");
        assert!(start.elapsed() < LIMIT, "no {part:?}; the last line: {line}");
    }
}

/// Its stdout and how it ended. Stderr is read meanwhile, so that it never waits for that.
fn end(child: Child, mut stderr: BufReader<ChildStderr>) -> (String, ExitStatus) {
    let rest = std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    let output = child.wait_with_output().unwrap();
    rest.join().unwrap().unwrap();
    (text(&output.stdout).to_owned(), output.status)
}

fn document(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn the_first_one_ends_it_cleanly_with_the_summary_so_far() {
    // Under nohup it is ignored, here and in the program.
    let hang_up = (!ignores_hang_up()).then_some("HUP");
    for name in ["INT", "TERM"].into_iter().chain(hang_up) {
        let (child, stderr) = start(&FOR_LONG, "received");
        signal(&child, name);
        let (stdout, status) = end(child, stderr);
        assert_eq!(status.code(), Some(0), "{name}: {status}");
        let document = document(&stdout);
        assert_eq!((&document["interrupted"], &document["mismatches"]), (&true.into(), &0.into()), "{name}");
        assert_eq!(document["summary"]["total_messages"], document["messages"], "{name}");
        assert!(document["messages"].as_u64().unwrap() > 0, "{name}");
    }
}

/// A pipe that gave two messages and a half, and then says nothing more.
#[test]
fn ctrl_c_ends_a_run_whose_input_is_silent() {
    let dir = Dir::new("silent");
    let pipe = dir.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Opened for both, it waits for nobody and has no end.
    let mut writer = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    writer.write_all(&[7; 10_000]).unwrap();
    let args = ["run", "--device", "host", "--json", "--interval", "50ms", path(&pipe)];
    let (child, stderr) = start(&args, " 2 processed");
    signal(&child, "INT");
    let (stdout, status) = end(child, stderr);
    assert_eq!(status.code(), Some(0), "{status}");
    let document = document(&stdout);
    assert_eq!((&document["messages"], &document["input_bytes"]), (&2.into(), &8192.into()));
    assert_eq!((&document["interrupted"], &document["summary"]["total_messages"]), (&true.into(), &2.into()));
}

/// A program that cannot end: nobody reads its stderr, and the pipe is full.
#[test]
fn the_second_one_ends_it_at_once_by_that_signal() {
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let (_reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[b'.'; 65_536]).unwrap();
        let mut command = ringscope(&["run", "--device", "host"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::from(writer)).spawn().unwrap();
        let start = Instant::now();
        while !handles_signals(&child) {
            assert!(start.elapsed() < LIMIT && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut sent = 0;
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < LIMIT);
            signal(&child, name);
            sent += 1;
            // Two that come together are one.
            std::thread::sleep(Duration::from_millis(300));
        }
        assert_eq!((child.wait().unwrap().signal(), sent >= 2), (Some(number), true), "{name}: {sent}");
    }
}

/// Whether the last of its handlers is there: that of SIGTSTP.
fn handles_signals(child: &Child) -> bool {
    const SIGTSTP: u32 = 20;
    is_in_set(child.id(), "SigCgt:", SIGTSTP)
}

fn ignores_hang_up() -> bool {
    const SIGHUP: u32 = 1;
    is_in_set(std::process::id(), "SigIgn:", SIGHUP)
}

fn is_in_set(process: u32, set: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let set = status.lines().find_map(|line| line.strip_prefix(set)).unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

#[test]
fn nohup_keeps_it_running_when_its_terminal_closes() {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_ringscope")]).args(FOR_LONG);
    let (child, mut stderr) = start_command(command, "received");
    signal(&child, "HUP");
    // It would end instead of going on to tell how far it is.
    for _ in 0..10 {
        wait_for(&mut stderr, "received");
    }
    signal(&child, "INT");
    let (stdout, status) = end(child, stderr);
    assert_eq!((status.code(), &document(&stdout)["interrupted"]), (Some(0), &true.into()));
}
