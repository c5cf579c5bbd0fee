//! A receiver over HTTP that answers what it is told, and tells what it got.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// A request that it got.
#[derive(Debug)]
pub struct Got {
    pub method: String,
    pub path: String,
    /// In lower case, but for the values.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Answers each request with the next of `answers`, status line and headers, and the last one for ever.
pub fn receiver(answers: &[&str]) -> (String, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let (sender, got) = channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) <= 2 {
                    break;
                }
                lines.push(line.trim_end().to_owned());
            }
            let Some(first) = lines.first() else { continue };
            let mut words = first.split(' ');
            let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
            let headers: Vec<(String, String)> = lines[1..]
                .iter()
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length =
                headers.iter().find(|(name, _)| name == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let (head, said) = answers[n.min(answers.len() - 1)]
                .split_once("\n\n")
                .unwrap_or((&answers[n.min(answers.len() - 1)], ""));
            let head = head.replace('\n', "\r\n");
            let answer =
                format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{said}", said.len());
            // Told before it is answered: who has its answer finds the request told.
            let _ = sender.send(Got { method, path, headers, body });
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, got)
}
