//! A receiver over HTTP that answers as a test wants it to, and keeps what it was sent.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was sent.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// Names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// Without compression.
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Status, headers with their line ends, body.
pub type Answer = (u16, String, Vec<u8>);

pub struct Receiver {
    pub port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    /// Answers each request with what `answer` says of it. Its thread ends with the process.
    pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                // A client that goes away in the middle is its own business.
                std::thread::spawn(move || drop(serve(&stream, &kept, &*answer)));
            }
        });
        Receiver { port, requests }
    }

    /// Takes everything, and says nothing.
    pub fn content() -> Receiver {
        Receiver::start(|_| (200, String::new(), Vec::new()))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: &TcpStream, kept: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Answer) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        headers.sort();
        let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let length = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if header("content-encoding") == Some("gzip") {
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut whole)?;
            body = whole;
        }
        let request = Request { path, headers, body };
        let (status, head, said) = answer(&request);
        kept.lock().unwrap().push(request);
        write!(writer, "HTTP/1.1 {status} Said\r\n{head}Content-Length: {}\r\n\r\n", said.len())?;
        writer.write_all(&said)?;
    }
}
