//! `ringscope serve` beside clients that mean no good: an honest one is answered, and the stream goes on.
//!
//! All of it stays on this machine, is bounded in number, and ends by itself.
#![cfg(all(feature = "cli", feature = "host", target_os = "linux"))]

mod serving;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use serving::{PATIENCE, Serving, request};

/// Connections of the attack, as many as the files that this process may open.
fn crowd() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |n| n as usize);
    5000.min(files.saturating_sub(200))
}

/// A client that wants nothing but a place: of the kind `i`.
fn slow_client(address: &str, i: usize) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let host = "Host: localhost\r\n";
    let said = match i % 5 {
        // Not a word.
        0 => String::new(),
        // A head that has no end yet.
        1 => format!("GET /metrics HTTP/1.1\r\n{host}X-Slow: "),
        // A body that does not come.
        2 => format!("POST /metrics HTTP/1.1\r\n{host}Content-Length: 1000000\r\n\r\nx"),
        // Answers that are not read.
        3 => format!("GET /snapshot.json HTTP/1.1\r\n{host}\r\n").repeat(20),
        // One answer, and then nothing.
        _ => format!("GET / HTTP/1.1\r\n{host}\r\n"),
    };
    // The server may have had enough already.
    let _ = stream.write_all(said.as_bytes());
    Ok(stream)
}

#[test]
fn an_honest_scrape_is_answered_beside_thousands_of_slow_connections() {
    let crowd = crowd();
    let serving = Serving::start(&["--interval", "50ms"]);
    let slow: Vec<TcpStream> = (0..crowd).filter_map(|i| slow_client(&serving.address, i).ok()).collect();
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let start = Instant::now();
        assert!(serving.get("/metrics").starts_with("# HELP "));
        assert!(serving.get("/snapshot.json").starts_with('{'));
        slowest = slowest.max(start.elapsed() / 2);
    }
    println!("the slowest of 20 scrapes beside {} slow connections took {slowest:?}", slow.len());
    drop(slow);
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
}

/// Files that the server has open: its connections, and a few more.
fn open_files(serving: &Serving) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", serving.pid())).unwrap().count()
}

/// Each asks for a hundred pages at once and reads none. More answers than the system keeps for it.
#[test]
fn an_honest_scrape_is_answered_before_clients_that_pipeline_and_do_not_read() {
    const EACH: usize = 100;
    let crowd = crowd().min(1000);
    let serving = Serving::start(&[]);
    let before = open_files(&serving);
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(EACH);
    let begun = Instant::now();
    let deaf = |_| {
        let mut stream = TcpStream::connect(&serving.address).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        stream
    };
    let deaf: Vec<TcpStream> = (0..crowd).map(deaf).collect();
    let start = Instant::now();
    assert!(serving.get("/metrics").starts_with("# HELP "));
    let (took, connected) = (start.elapsed(), open_files(&serving) - before);
    // After four seconds the first are dropped.
    let all = connected >= crowd || begun.elapsed() > Duration::from_secs(4);
    assert!(all, "{connected} of {crowd} are left");
    println!("a scrape beside {crowd} clients that pipeline {EACH} requests took {took:?}");
    // They are in nobody's way for long.
    let start = Instant::now();
    while open_files(&serving) > before + crowd / 10 {
        assert!(start.elapsed() < PATIENCE, "{} files are open", open_files(&serving));
        std::thread::sleep(Duration::from_millis(50));
    }
    let dropped = deaf.into_iter().filter(|client| answers(client) < EACH).count();
    assert_eq!(dropped, crowd, "dropped before all answers were taken");
}

/// Whole answers that wait for this client, whose connection has ended.
fn answers(mut client: &TcpStream) -> usize {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut all = Vec::new();
    // A reset is an end as well.
    let ended = client.read_to_end(&mut all);
    assert!(!matches!(&ended, Err(e) if e.kind() == ErrorKind::WouldBlock), "it keeps its place");
    let (mut rest, mut whole) = (&all[..], 0);
    while let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let Some(after) = rest.get(end + 4 + length.parse::<usize>().unwrap()..) else { break };
        (rest, whole) = (after, whole + 1);
    }
    whole
}

/// Under a low limit the crowd has more connections than the server may have files.
#[test]
fn clients_that_take_all_files_do_not_end_the_stream() {
    let dir = std::env::temp_dir().join(format!("ringscope-attack-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("file");
    std::fs::write(&file, [7; 10_000]).unwrap();
    let script = "ulimit -n 64; exec \"$0\" serve --listen 127.0.0.1:0 --device host --interval 20ms \"$1\"";
    let args = [env!("CARGO_BIN_EXE_ringscope"), file.to_str().unwrap()];
    let serving = Serving::spawn(Command::new("sh").args(["-c", script]).args(args));
    let processed = || -> u64 {
        let snapshot = serving.snapshot();
        snapshot["kernels"].as_array().unwrap().iter().map(|k| k["messages_processed"].as_u64().unwrap()).sum()
    };
    let mut slow = Vec::new();
    let mut before = processed();
    for round in 0..5 {
        slow.extend((0..60).filter_map(|i| slow_client(&serving.address, i).ok()));
        let start = Instant::now();
        while processed() == before {
            assert!(start.elapsed() < PATIENCE, "the stream stands still in round {round}");
        }
        before = processed();
    }
    assert_eq!(request(&serving.address, "GET /healthz HTTP/1.1\r\n").status, 200);
    let (status, _) = serving.interrupt();
    assert_eq!(status.code(), Some(0));
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn clients_that_are_silent_or_do_not_read_are_dropped() {
    let serving = Serving::start(&["--messages", "10"]);
    let mut clients: Vec<TcpStream> = (0..4).map(|i| slow_client(&serving.address, i).unwrap()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let ended = client.read_to_end(&mut Vec::new());
        assert!(!matches!(&ended, Err(e) if e.kind() == ErrorKind::WouldBlock), "client {i} keeps its place");
    }
    // More answers than any buffer holds.
    let mut deaf = TcpStream::connect(&serving.address).unwrap();
    deaf.set_write_timeout(Some(PATIENCE)).unwrap();
    let requests = "GET /snapshot.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let start = Instant::now();
    let ended = loop {
        if let Err(error) = deaf.write_all(requests.as_bytes()) {
            break error;
        }
        assert!(start.elapsed() < PATIENCE);
    };
    assert!(matches!(ended.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{ended}");
}

fn reads_input(serving: &Serving) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{}/task", serving.pid())).unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
    names.into_iter().any(|name| name.is_ok_and(|name| name.trim() == "input"))
}

#[test]
fn health_checks_make_no_threads() {
    let serving = Serving::start(&["--messages", "10"]);
    let threads = || std::fs::read_dir(format!("/proc/{}/task", serving.pid())).unwrap().count();
    assert_eq!(request(&serving.address, "GET /healthz HTTP/1.1\r\n").status, 200);
    // The thread that reads the input comes and goes.
    serving.snapshot_after(10);
    let start = Instant::now();
    while reads_input(&serving) {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    }
    let before = threads();
    let mut askers: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&serving.address).unwrap()).collect();
    for asker in &mut askers {
        asker.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    }
    let most = (0..20).map(|_| threads()).max();
    for mut asker in askers {
        asker.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut answer = String::new();
        asker.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(most <= Some(before) && threads() <= before, "{most:?} of {before}");
}
