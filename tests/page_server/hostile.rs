//! Requests that nobody should send: random methods, paths, queries and headers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringscope::TelemetryCollector;

use crate::client::get;
use crate::serve;

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most + 1)).map(|_| self.below(256) as u8).collect()
    }
}

const PATHS: &[&str] = &[
    "/",
    "/api",
    "/metrics",
    "/snapshot.json",
    "/summary.json",
    "/stuck",
    "/healthz",
    "/moment.json",
    "/history.json",
    "/entries.json",
    "/alerts.json",
    "/blocks.json",
    "/live",
    "/live.rscope",
    "/trace.pftrace",
    "/page/index.html",
    "/page/",
    "//",
    "*",
    "",
    "http://localhost/metrics",
    "http://evil.example/metrics",
    "/../../etc/passwd",
    "/page/..%2f..%2fCargo.toml",
    "/%00",
    "/history.json/",
];
const QUERIES: &[&str] = &[
    "",
    "?",
    "?points=300",
    "?points=0",
    "?points=-1",
    "?points=99999999999999999999999999",
    "?points=2&points=3",
    "?kernel=a",
    "?kernel=",
    "?kernel=%ff%fe%00",
    "?kernel=a&points=2",
    "?kernel=%E2%98%83",
    "?limit=1",
    "?limit=%31%30",
    "?seconds=1",
    "?seconds=3600",
    "?format=json",
    "?%=%&%%%&=&===",
    "?kernel=<script>alert(1)</script>",
];
const HEADERS: &[&str] = &[
    "Accept: text/html",
    "Accept: ;;;,,,q=",
    "Accept: application/json;q=nan",
    "Accept-Encoding: gzip;q=1e400",
    "Accept-Encoding: gzip",
    "Authorization: Bearer ",
    "Authorization: Bearer \u{ff}",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: -1",
    "Transfer-Encoding: chunked",
    "Expect: 100-continue",
    "Host: evil.example",
    "Host: localhost",
    "If-None-Match: *",
    "Last-Event-ID: 18446744073709551616",
    "Range: bytes=0-10",
    "Upgrade: websocket",
    "X: \0",
];
const METHODS: &[&str] = &["GET", "GET", "GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", "\u{1}", "PRI"];

fn random_request(random: &mut Random) -> Vec<u8> {
    let mut request = format!("{} {}{}", random.of(METHODS), random.of(PATHS), random.of(QUERIES)).into_bytes();
    if random.below(8) == 0 {
        request.extend(random.bytes(40));
    }
    request.extend(
        format!(" {}\r\n", random.of(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""])).bytes(),
    );
    if random.below(8) > 0 {
        request.extend(b"Host: 127.0.0.1\r\n");
    }
    for _ in 0..random.below(4) {
        request.extend(random.of(HEADERS).bytes());
        request.extend(b"\r\n");
    }
    if random.below(16) == 0 {
        request.extend(random.bytes(200));
    }
    request.extend(b"\r\n");
    if random.below(20) == 0 {
        request.extend(random.bytes(300));
    }
    request
}

/// The status of what is answered, if anything is.
fn status(address: &str, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::PATIENCE)).unwrap();
    // The server may have had enough already.
    let _ = stream.write_all(request);
    // What is not whole would be waited for.
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&chunk[..n]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    head.split(' ').nth(1)?.parse().ok()
}

#[test]
fn random_requests_are_refused_or_answered_and_never_an_error_of_the_server() {
    let collector = TelemetryCollector::new(true);
    collector.record_processed("a", Some(Duration::from_millis(1))).unwrap();
    let (_server, address) = serve(&collector, |builder| builder);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut answered, mut good) = (0, 0);
    for n in 0..3000 {
        let request = random_request(&mut random);
        if let Some(status) = status(&address, &request) {
            answered += 1;
            good += u32::from(status == 200);
            assert!(status < 500 || status == 503, "{n}: {status} to {:?}", String::from_utf8_lossy(&request));
        }
    }
    assert!(answered > 1500 && good > 200, "{answered} answered, {good} with 200");
    for path in ["/metrics", "/history.json", "/trace.pftrace", "/moment.json"] {
        assert_eq!(get(&address, path).status, 200, "{path}: its thread lives");
    }
}

/// What a kernel, an operation or an error is called is theirs to choose: it comes out as it went in, and breaks nothing.
#[test]
fn names_may_hold_any_character() {
    let collector = TelemetryCollector::new(true);
    collector.monitor_operations().unwrap();
    let name = "<img src=x onerror=alert(1)>\"'&\u{202e}\u{2028}";
    collector.record_error(name, "data: x\n\nevent: moment\ndata: {}\n\n").unwrap();
    let (_server, address) = serve(&collector, |builder| builder);
    collector.operation(name).start().unwrap().fail("a\r\n\r\nb\n\nid: 7");
    let mut live = crate::client::Stream::open(&address, "/live", "");
    let entry = crate::until("the entry", || live.event().unwrap()["entries"].as_array().unwrap().first().cloned());
    assert!(entry["subject"] == name && entry["text"].as_str().unwrap().ends_with("a\r\n\r\nb\n\nid: 7"), "{entry}");
    let encoded = url::form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
    crate::until("its history", || {
        let history = crate::client::json(&address, &format!("/history.json?kernel={encoded}"));
        history["kernels"][name]["state"].as_array().map(|_| ())
    });
}
