//! An HTTP client for tests: one request a connection.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Far more than any answer takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer of an HTTP server.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case, with its lines' ends.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

/// What the server at `address` answers to these bytes.
pub fn exchange(address: &str, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let wrong = |what| Error::new(ErrorKind::InvalidData, what);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or_else(|| wrong("an answer without a head"))? + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer).map_err(|_| wrong("a head that is no text"))?.to_ascii_lowercase();
    let status =
        head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| wrong("an answer without a status"))?;
    let chunked = head.contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(&body).ok_or_else(|| wrong("chunks that are none"))? } else { body };
    Ok(Answer { status, head, body })
}

/// What the server at `address` answers to this request.
pub fn request(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
    if !body.is_empty() || method == "POST" || method == "PUT" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    exchange(address, &[head.as_bytes(), b"\r\n", body].concat())
}

/// Every byte as a URL has it that is not plain.
pub fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|w| w == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 4 + size..)?;
    }
}
