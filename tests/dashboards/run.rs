//! A real run on the host device with everything that there is to see, in a process of its own, which finds a stand-in of
//! NVIDIA's management library: kernels that work, one that refuses messages, one that hangs, operations, network operations,
//! metrics of one's own, a destination that takes everything and one that is down.
#![allow(unsafe_code)]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringscope::abi::{KernelRef, Word, block_state};
use ringscope::device::Level;
use ringscope::metrics::{Counter, Histogram};
use ringscope::publish::{AnyDestination, Delivery, Environment, Periodic, PrometheusPublisher};
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, TelemetryCollector, TelemetryConfig};

/// The kernel that hangs.
pub const HUNG: &str = "hung";
const CHILD: &str = "RINGSCOPE_TEST_DASHBOARDS_RUN";
const SERVED: &str = "served at ";
const SOON: Duration = Duration::from_secs(60);

/// The process of a run; dropping it ends it.
pub struct Run {
    /// Host and port of its page.
    pub address: String,
    child: Child,
}

impl Run {
    /// Starts it; `None`, aloud, without a compiler for the stand-in.
    pub fn start() -> Option<Run> {
        let library = stand_in()?;
        let mut child = Command::new(std::env::current_exe().expect("this program"));
        child.args(["--exact", "run::what_is_scraped", "--ignored", "--nocapture"]);
        child.env(CHILD, "1").env("LD_LIBRARY_PATH", library).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = child.spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = lines.find_map(|line| Some(line.expect("text").split_once(SERVED)?.1.to_owned()));
        // What else it says must go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Run { address: address.expect("it serves"), child })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the stand-in is, under the name by which the library is looked for.
fn stand_in() -> Option<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let folder = format!("nvml-of-dashboards-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nvml/nvml.c");
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-shared", "-fPIC", "-O1"]).arg(source).arg("-o").arg(folder.join("libnvidia-ml.so.1"));
    match cc.status() {
        Ok(status) => assert!(status.success(), "{cc:?}"),
        Err(error) => {
            eprintln!("skipped: there is no C compiler to make a stand-in of NVML with: {error}");
            return None;
        }
    }
    Some(folder)
}

/// Works until its stdin is closed.
#[test]
#[ignore = "it is what the other tests scrape, and started by them"]
fn what_is_scraped() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let config = TelemetryConfig {
        stall_limit: Duration::from_secs(5),
        sample_interval: Duration::from_millis(200),
        trace_records: 256,
        ..TelemetryConfig::default()
    };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).level(Level::Events);
    let runtime = builder.telemetry_config(config).build().expect("a runtime");
    for (kernel, refused) in [("worker", 0.0), ("picky", 0.25)] {
        let options = LaunchOptions::new().blocks(2).inject_errors(refused);
        runtime.launch_blocking(kernel, &options).expect("it starts");
        runtime.activate_blocking(kernel).expect("it takes messages");
    }
    let collector = runtime.collector();
    hang(collector);
    collector.monitor_operations().expect("it is on");
    let folder = tempfile::tempdir().expect("a folder");
    let _periodic = publish(collector, folder.path());
    let work = Work::new(runtime.clone());
    let _trace = collector.trace_stream().expect("a stream");
    let server = PrometheusPublisher::new(0).serve(collector).expect("a port");
    println!("{SERVED}{}", server.address());
    std::thread::spawn(move || {
        loop {
            work.do_some();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0);
}

/// One destination takes everything, the other is not there.
fn publish(collector: &TelemetryCollector, folder: &Path) -> Periodic {
    let environment = Environment::of([]);
    let to = |url: &str| AnyDestination::from_url(url, &environment).expect("an address");
    let mut delivery = Delivery::default();
    (delivery.circuit_failures, delivery.retry_min) = (1, Duration::from_millis(10));
    // One that waits for the next attempt keeps little.
    delivery.queue_bytes = 1 << 16;
    let file = format!("json-file:{}", folder.join("run.json").display());
    let periodic = Periodic::builder(collector).interval(Duration::from_millis(200)).destination(to(&file));
    periodic.destination_with(to("pushgateway+http://127.0.0.1:1"), delivery).start().expect("it publishes")
}

/// A kernel of one's own of which the one block began, and was never heard of again.
fn hang(collector: &TelemetryCollector) {
    let telemetry = collector.register(HUNG, 1).expect("a kernel");
    let now = ringscope::device::host::HostDevice::new();
    let now = ringscope::device::Device::clock(&now).expect("a clock").device_ns;
    let abi = u64::from(ringscope::abi::ABI_VERSION);
    let words = [(Word::Abi, abi), (Word::StartNs, now), (Word::HeartbeatNs, now), (Word::State, block_state::ACTIVE)];
    words.iter().for_each(|(word, value)| put(&telemetry, *word, *value));
}

fn put(telemetry: &KernelRef, word: Word, value: u64) {
    let line = telemetry.shards as usize + 128;
    let word = std::ptr::with_exposed_provenance_mut::<u64>(line).wrapping_add(word as usize);
    // SAFETY: a word of this kernel's shards, all accesses to which are atomic; the collector keeps the slab.
    unsafe { AtomicU64::from_ptr(word) }.store(value, Ordering::Relaxed);
}

/// What the application does.
struct Work {
    runtime: RingKernelRuntime,
    requests: Counter,
    sizes: Histogram,
}

impl Work {
    fn new(runtime: RingKernelRuntime) -> Work {
        let of = runtime.collector();
        let requests = of.counter("requests", "Requests").expect("a name").on_host().expect("a counter");
        let sizes =
            of.histogram("drift", "Drift").expect("a name").buckets(&[0.0, 1.0]).on_host().expect("a histogram");
        Work { runtime, requests, sizes }
    }

    fn do_some(&self) {
        let of = self.runtime.collector();
        for (kernel, n) in [("worker", 8), ("picky", 4)] {
            for _ in 0..n {
                let _ = self.runtime.call_blocking(kernel, &[7; 64], SOON);
            }
        }
        self.requests.inc();
        [0.5, f64::NAN].into_iter().for_each(|value| self.sizes.observe(value));
        of.operation("resize").start().expect("a name").succeed();
        of.operation("resize").start().expect("a name").fail("no memory");
        let mut sent = of.network_operation("http", "peer", 80).expect("a name");
        sent.sent(100);
        sent.received(1000);
        sent.succeed();
        of.network_operation("http", "peer", 80).expect("a name").fail("refused");
        let _ = of.record_event("deploy", 1.0, &[], &[]);
    }
}
