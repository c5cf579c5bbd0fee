//! A client that asks, and one that reads a stream.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

pub use crate::serving::Answer;
use crate::serving::request;

/// What is answered to GET with these header lines.
pub fn get_with(address: &str, path: &str, headers: &str) -> Answer {
    request(address, &format!("GET {path} HTTP/1.1\r\n{headers}"))
}

/// What is answered to GET.
pub fn get(address: &str, path: &str) -> Answer {
    get_with(address, path, "")
}

/// The document at `path`, which must be there.
pub fn json(address: &str, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json")),
        "{path}: {}",
        answer.text()
    );
    answer.json()
}

/// A stream that is read chunk by chunk.
pub struct Stream {
    from: BufReader<TcpStream>,
    text: String,
    pub head: String,
}

impl Stream {
    /// Asks for it, and reads no more than the head.
    pub fn open(address: &str, path: &str, headers: &str) -> Stream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(crate::PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n").unwrap();
        let mut from = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(from.read_line(&mut head).unwrap() > 0, "a head without an end: {head}");
        }
        Stream { from, text: String::new(), head: head.to_ascii_lowercase() }
    }

    /// The next bytes; `None` at the end.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut size = String::new();
        if self.from.read_line(&mut size).ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.from.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// The next block of lines.
    pub fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let chunk = self.chunk()?;
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The data of the next event.
    pub fn event(&mut self) -> Option<Value> {
        loop {
            let block = self.block()?;
            let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
            let event: Value = serde_json::from_str(data).unwrap();
            let id = format!("id: {}", event["sequence"]);
            assert!(
                block.lines().any(|line| line == "event: moment") && block.lines().any(|line| line == id),
                "{block}"
            );
            return Some(event);
        }
    }
}
