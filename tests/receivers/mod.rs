//! Real receivers of telemetry, each started by the test that sends to it, on free ports of the loopback interface and in a
//! folder of its own. scripts/receivers.sh brings the programs; without them the tests say so and pass, unless
//! RINGSCOPE_REQUIRE_RECEIVERS=1.
#![allow(dead_code, unused_imports, reason = "each test program uses some of it")]

mod cloudwatch;
mod datadog;
mod elastic;
mod exporters;
pub mod http;
mod otlp;
mod prometheus;
pub mod schemas;
mod statsd;
mod victoria;

pub use cloudwatch::CloudWatch;
pub use datadog::{Datadog, Series, Sketch};
pub use elastic::Elastic;
pub use exporters::{Alertmanager, NodeExporter, Pushgateway};
pub use otlp::OtlpAgent;
pub use prometheus::Prometheus;
pub use statsd::Statsd;
pub use victoria::Victoria;

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The program or folder that a variable names; `None`, aloud, where it is not set.
pub fn found(variable: &str) -> Option<PathBuf> {
    brought(variable, "scripts/receivers.sh", "RINGSCOPE_REQUIRE_RECEIVERS")
}

/// The same of what another script brings.
pub fn brought(variable: &str, script: &str, require: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).filter(|path| !path.is_empty());
    if path.is_none() {
        let required = std::env::var(require).is_ok_and(|v| v == "1");
        assert!(!required, "{variable} is not set: eval \"$({script})\"");
        let _ = writeln!(std::io::stderr(), "skipped: no {variable}: eval \"$({script})\" brings it");
    }
    path.map(PathBuf::from)
}

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

type MakeCommand = Arc<dyn Fn(&Path, &[u16]) -> Command + Send + Sync>;

/// The process of a receiver, its ports and its folder. Dropping it kills it, and deletes the folder unless the test failed.
pub struct Process {
    what: &'static str,
    folder: PathBuf,
    ports: Vec<u16>,
    command: MakeCommand,
    ready: fn(&Process) -> bool,
    child: Child,
}

impl Process {
    /// Starts it and waits until it is ready. `command` gets the folder and the ports, which are free for TCP and UDP, and may
    /// write files; it is called for each start.
    pub fn start(
        what: &'static str,
        ports: usize,
        command: impl Fn(&Path, &[u16]) -> Command + Send + Sync + 'static,
        ready: fn(&Process) -> bool,
    ) -> Process {
        let command: MakeCommand = Arc::new(command);
        // Somebody else may take a port before it does.
        for last in [false, false, false, true] {
            let (folder, ports) = (own_folder(what), free_ports(ports));
            let child = spawn(&folder, command(&folder, &ports));
            let mut process = Process { what, folder, ports, command: command.clone(), ready, child };
            if process.is_ready(last) {
                return process;
            }
        }
        unreachable!("it starts or panics")
    }

    /// False if it ended by itself.
    fn is_ready(&mut self, must: bool) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(!must, "{} does not start: {status}: {}", self.what, self.log());
                return false;
            }
            if (self.ready)(self) {
                return true;
            }
            assert!(begun.elapsed() < PATIENCE, "{} does not get ready: {}", self.what, self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Ends it with SIGTERM, so that it saves what it has.
    pub fn stop(&mut self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill");
        assert!(sent.success());
        wait_for(&format!("the end of {}", self.what), || self.child.try_wait().unwrap());
    }

    /// Starts it again after [`Process::kill`] or [`Process::stop`], on the same ports and with the same folder.
    pub fn restart(&mut self) {
        self.child = spawn(&self.folder, (self.command)(&self.folder, &self.ports));
        self.is_ready(true);
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn port(&self, n: usize) -> u16 {
        self.ports[n]
    }

    /// Host and port.
    pub fn address(&self, n: usize) -> String {
        format!("127.0.0.1:{}", self.ports[n])
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).unwrap_or_default()).into_owned()
    }

    /// The body of a page, which must be there.
    pub fn get(&self, port: usize, path: &str) -> String {
        let answer = self.ask(port, "GET", path, &[], &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }

    /// What it answers to a request; it must answer.
    pub fn ask(&self, port: usize, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> http::Answer {
        let answer = http::request(&self.address(port), method, path, headers, body);
        answer.unwrap_or_else(|error| panic!("{}: {method} {path}: {error}: {}", self.what, self.log()))
    }

    /// Whether a page is there.
    fn answers(&self, port: usize, path: &str) -> bool {
        http::request(&self.address(port), "GET", path, &[], &[]).is_ok_and(|answer| answer.status == 200)
    }

    fn accepts(&self, port: usize) -> bool {
        TcpStream::connect(self.address(port)).is_ok()
    }

    /// Whether somebody has bound a port for UDP.
    fn has_udp(&self, port: usize) -> bool {
        let bound = std::fs::read_to_string("/proc/net/udp").unwrap_or_default();
        let end = format!(":{:04X}", self.ports[port]);
        bound.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|local| local.ends_with(&end))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}: its files are in {}", self.what, self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn own_folder(what: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("receivers").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn spawn(folder: &Path, mut command: Command) -> Child {
    let log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let said = log.try_clone().unwrap();
    let child = command.current_dir(folder).stdin(std::process::Stdio::null()).stdout(log).stderr(said).spawn();
    child.unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Taken together, so that they differ, and given back: what is started here takes no port 0.
fn free_ports(n: usize) -> Vec<u16> {
    let mut taken = Vec::new();
    while taken.len() < n {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
            taken.push((port, tcp, udp));
        }
    }
    taken.iter().map(|(port, ..)| *port).collect()
}
