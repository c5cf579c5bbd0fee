//! A `ringscope serve` of a test's own, and what it answers.

#[path = "../receivers/http.rs"]
#[allow(clippy::duplicate_mod, reason = "a test may have `mod receivers` too")]
mod http;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub use http::Answer;

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A program that serves. Dropping it kills it.
pub struct Serving {
    child: Child,
    /// Host and port.
    pub address: String,
    /// What it said on stderr before it served.
    #[allow(dead_code, reason = "not every test asks")]
    pub said: Vec<String>,
}

impl Serving {
    /// `ringscope serve` on the host device and on a free port.
    pub fn start(args: &[&str]) -> Serving {
        Serving::spawn(
            Command::new(env!("CARGO_BIN_EXE_ringscope"))
                .args(["serve", "--listen", "127.0.0.1:0", "--device", "host"])
                .args(args),
        )
    }

    /// The `ringscope serve` that is this command, or becomes it.
    pub fn spawn(command: &mut Command) -> Serving {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = lines.by_ref().find_map(|line| {
            let served =
                line.split_once("serving http").and_then(|(_, rest)| Some(rest.split_once("://")?.1.to_owned()));
            said.push(line);
            Some(served?.split('/').next()?.to_owned())
        });
        // A test that does not read what it says stops it.
        std::thread::spawn(move || lines.for_each(|line| eprintln!("ringscope serve: {line}")));
        Serving { child, address: address.unwrap_or_else(|| panic!("it says where it serves: {said:?}")), said }
    }

    /// Its process.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The body at `path`, which must be there.
    pub fn get(&self, path: &str) -> String {
        let answer = request(&self.address, &format!("GET {path} HTTP/1.1\r\n"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// Everything there is.
    pub fn snapshot(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/snapshot.json")).expect("JSON")
    }

    /// The snapshot in which `messages` were received and handled.
    #[allow(dead_code, reason = "not every test asks")]
    pub fn snapshot_after(&self, messages: u64) -> serde_json::Value {
        let start = Instant::now();
        loop {
            let snapshot = self.snapshot();
            let kernels = snapshot["kernels"].as_array().expect("kernels");
            let sum = |field: &str| kernels.iter().map(|k| k[field].as_u64().expect("a count")).sum::<u64>();
            let counted = kernels.iter().map(|k| k["histogram"]["count"].as_u64().expect("a count")).sum::<u64>();
            if sum("messages_processed") + sum("errors") == messages
                && sum("messages_sent") == messages
                && counted == messages
            {
                return snapshot;
            }
            assert!(start.elapsed() < PATIENCE, "{messages} messages do not arrive: {snapshot}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ctrl-C; how it ended, and its stdout.
    #[allow(dead_code, reason = "not every test ends it")]
    pub fn interrupt(self) -> (ExitStatus, String) {
        self.signal("INT")
    }

    /// The same for any signal that ends it.
    #[allow(dead_code, reason = "not every test ends it")]
    pub fn signal(mut self, name: &str) -> (ExitStatus, String) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        self.wait()
    }

    /// Its end by itself.
    #[allow(dead_code, reason = "not every test ends it")]
    pub fn end(mut self) -> (ExitStatus, String) {
        self.wait()
    }

    #[allow(dead_code, reason = "not every test ends it")]
    fn wait(&mut self) -> (ExitStatus, String) {
        let mut stdout = String::new();
        self.child.stdout.take().expect("its stdout").read_to_string(&mut stdout).expect("text");
        (self.child.wait().expect("its end"), stdout)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the server at `address` answers to this request line and these headers.
pub fn request(address: &str, head: &str) -> Answer {
    exchange(address, &format!("{head}Host: {address}\r\nConnection: close\r\n\r\n"))
}

/// What the server at `address` answers to this request.
pub fn exchange(address: &str, request: &str) -> Answer {
    http::exchange(address, request.as_bytes()).expect("an answer")
}
