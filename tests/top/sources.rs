//! Servers and recordings.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::TelemetryCollector;
use ringscope::feed::{Entry, EntryKind, Feed, Moment};
use ringscope::publish::TelemetryServer;
use ringscope::recording::Encoder;

use crate::program::{Dir, path, ringscope, text};
use crate::terminal::Terminal;
use crate::{SIZE, quit};

/// Moments a second apart, of two actors; at the tenth something happens.
struct Story {
    collector: TelemetryCollector,
    sequence: u64,
}

impl Story {
    fn new() -> Story {
        Story { collector: TelemetryCollector::new(true), sequence: 0 }
    }

    fn next(&mut self) -> Moment {
        self.sequence += 1;
        for (name, times) in [("parser", 10 * self.sequence), ("printer", 3)] {
            (0..times).for_each(|n| {
                self.collector.record_processed(name, Some(Duration::from_micros(1 + n))).unwrap();
            });
        }
        let mut snapshot = (*self.collector.snapshot().unwrap()).clone();
        snapshot.time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400 + self.sequence);
        let time = snapshot.time;
        let mut moment = Moment::of_snapshot(Arc::new(snapshot));
        if self.sequence == 10 {
            let severity = ringscope::alert::Severity::Warning;
            moment.entries = Arc::new([Entry::new(time, severity, EntryKind::Event, "disk", "is almost full")]);
        }
        moment
    }
}

fn recording(dir: &Dir, moments: u64) -> std::path::PathBuf {
    let (mut story, mut encoder) = (Story::new(), Encoder::new());
    let mut bytes = encoder.header();
    (0..moments).for_each(|_| bytes.extend(encoder.encode(&story.next())));
    let file = dir.0.join("run.rscope");
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_recording_is_played_held_stepped_and_wound_back() {
    let dir = Dir::new("top-replay");
    let file = recording(&dir, 200);
    let args = ["top", "--replay", path(&file), "--speed", "64"];
    let Some(mut terminal) = Terminal::ringscope(SIZE, &[], &args) else { return };
    terminal.wait_for("the recording is over");
    // 12:00:00 and 200 s.
    terminal.wait_for("12:03:20");
    terminal.types("4");
    terminal.wait_for("is almost full");
    terminal.types(" [");
    terminal.wait_for("12:02:20");
    terminal.types(",,");
    terminal.wait_for("12:02:18");
    terminal.types("...");
    terminal.wait_for("12:02:21");
    terminal.types("]");
    terminal.wait_for("12:03:20");
    quit(terminal);
}

#[test]
fn without_a_terminal_a_recording_is_lines() {
    let dir = Dir::new("top-lines");
    let file = recording(&dir, 30);
    let output = ringscope(&["top", "--replay", path(&file)]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 31, "{lines:?}");
    assert!(lines[29].starts_with("12:00:29") && lines[29].contains("293 msg/s"), "{lines:?}");
    assert_eq!(lines[10], "12:00:10  event disk: is almost full");
    assert!(text(&output.stderr).contains("the recording is over"));
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_is_drawn() {
    let dir = Dir::new("top-wrong");
    let file = dir.file("no.rscope", 1000);
    for (args, says) in [
        (vec!["top", "--replay", path(&file)], "not a recording"),
        (vec!["top", "--replay", "/no/such/file"], "/no/such/file"),
        (vec!["top", "--connect", "localhost:1", "--token-file", "/no/such/token"], "cannot read a token"),
        (vec!["top", "--rules", "/no/such/rules", "--device", "host"], "/no/such/rules"),
    ] {
        let Some(terminal) = Terminal::ringscope((200, 30), &[], &args) else { return };
        let (code, is_as_before, shown) = terminal.end();
        assert_eq!((code, is_as_before), (1, true), "{shown}");
        assert!(shown.contains(says), "{shown}");
    }
    for (args, says) in [
        (vec!["top", "--connect", "ftp://x"], "http://localhost:9464"),
        (vec!["top", "--connect", "x", "--kernels", "3"], "cannot be used with"),
        (vec!["top", "--replay", "x", "--connect", "y"], "cannot be used with"),
        (vec!["top", "--replay", "x", "--speed", "0"], "must be a number"),
        (vec!["top", "--token-file", "x"], "--connect"),
        (vec!["top", "--no-telemetry"], "nothing to look at"),
    ] {
        let output = ringscope(&args).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(text(&output.stderr).contains(says), "{output:?}");
    }
}

fn serve(address: SocketAddr, feed: &Feed) -> TelemetryServer {
    // Connections of the server before may keep the port for a moment.
    let start = std::time::Instant::now();
    loop {
        match TelemetryServer::builder(&address.to_string()).bind() {
            Ok(bound) => return bound.serve_feed(feed).unwrap(),
            Err(error) => assert!(start.elapsed() < crate::terminal::LIMIT, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_server_that_goes_is_said_to_be_gone_and_found_again() {
    let (feed, mut story) = (Feed::new(), Story::new());
    let server = serve("127.0.0.1:0".parse().unwrap(), &feed);
    let address = server.address();
    feed.push(story.next());
    let url = format!("http://{address}");
    let Some(terminal) = Terminal::ringscope(SIZE, &[], &["top", "--connect", &url]) else { return };
    // Whoever comes later than a moment may not get it.
    let shows = |what: &str, story: &mut Story| {
        let start = std::time::Instant::now();
        while !terminal.shows().contains(what) {
            assert!(start.elapsed() < crate::terminal::LIMIT, "never {what}: {}", terminal.shows());
            feed.push(story.next());
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    shows("parser", &mut story);
    shows("live", &mut story);
    drop(server);
    let gone = terminal.wait_for("last seen");
    assert!(gone.contains("parser"), "{gone}");
    terminal.wait_for("tried again in");
    let _server = serve(address, &feed);
    shows("live", &mut story);
    quit(terminal);
}

/// Answers each request with that.
fn answer(answer: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            if sender.send(request.join("\n")).is_err() {
                return;
            }
            let _ = write!(&stream, "{answer}");
        }
    });
    (url, heard)
}

#[test]
fn what_a_server_answers_instead_is_said_with_what_to_do() {
    let dir = Dir::new("top-token");
    let token = dir.0.join("token");
    std::fs::write(&token, "open-sesame-0123456789\n").unwrap();
    let no = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let none = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let other = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\nconnection: close\r\n\r\n<html>not a recording\r\n";
    let cases: [(&'static str, &[&str], &str); 4] = [
        (no, &[], "--token-file"),
        (no, &["--token-file", path(&token)], "does not take this token"),
        (none, &[], "has no /live.rscope"),
        (other, &[], "not a recording"),
    ];
    for (with, more, says) in cases {
        let (url, heard) = answer(with);
        let args: Vec<&str> = ["top", "--connect", &url].iter().chain(more).copied().collect();
        let Some(terminal) = Terminal::ringscope((160, 30), &[], &args) else { return };
        terminal.wait_for(says);
        let request = heard.recv_timeout(crate::terminal::LIMIT).unwrap();
        assert!(request.starts_with("GET /live.rscope HTTP/1.1"), "{request}");
        let bearer = request.to_lowercase().contains("authorization: bearer open-sesame-0123456789");
        assert_eq!(bearer, !more.is_empty(), "{request}");
        assert!(!terminal.shows().contains("sesame"));
        quit(terminal);
    }
}
