//! A thousand processes with telemetry, simulated in one: each has a collector of its own and shows real pages. What was counted
//! in them is known, value by value.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use ringscope::collector::ActorHandle;
use ringscope::export::PageFormat;
use ringscope::machine::GpuMetrics;
use ringscope::metrics::Counter;
use ringscope::publish::Publication;
use ringscope::trace::{Attribute, Source};
use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

/// Processes whose pages are known before and after they worked once more.
pub struct Fleet {
    /// Of each instance.
    pub pages: Vec<[Arc<Snapshot>; 2]>,
    /// What was counted in all of them, before and after.
    pub counted: [Counted; 2],
}

/// One process of the fleet.
struct Instance {
    collector: TelemetryCollector,
    worker: ActorHandle,
    requests: Counter,
    random: Random,
    is_slow: bool,
}

/// What was counted in all of them.
#[derive(Clone, Default)]
pub struct Counted {
    /// Every duration in nanoseconds.
    pub durations: Vec<u64>,
    pub errors: u64,
    pub bytes: u64,
}

impl Counted {
    /// The value that so much of all values is at most.
    pub fn quantile(&self, q: f64) -> u64 {
        let rank = (q * self.durations.len() as f64).ceil() as usize;
        self.durations[rank.clamp(1, self.durations.len()) - 1]
    }
}

impl Fleet {
    pub fn new(instances: usize) -> Fleet {
        let mut counted = [Counted::default(), Counted::default()];
        let pages = (0..instances).map(|n| Instance::new(n).pages(&mut counted)).collect();
        let [before, mut after] = counted;
        after.durations.extend(&before.durations);
        after.errors += before.errors;
        after.bytes += before.bytes;
        let mut counted = [before, after];
        counted.iter_mut().for_each(|counted| counted.durations.sort_unstable());
        Fleet { pages, counted }
    }

    /// What one instance would push.
    pub fn publication(&self, instance: usize, page: usize) -> Publication {
        let mut source = Source::this_process("fleet");
        source.attributes.push(Attribute::new("service.instance.id", format!("instance-{instance}")));
        Publication::of_snapshot(Arc::new(source), SystemTime::now(), self.pages[instance][page].clone())
    }
}

impl Instance {
    /// One of 50 is slow and has much to do.
    fn new(number: usize) -> Instance {
        let config = TelemetryConfig { sample_interval: Duration::ZERO, ..TelemetryConfig::default() };
        let collector = TelemetryCollector::with_config(true, config).unwrap();
        let worker = collector.actor("worker").unwrap();
        let requests = collector.counter("requests", "Requests").unwrap();
        let requests = requests.label("model", ["small", "middle", "large"][number % 3]).on_host().unwrap();
        Instance { collector, worker, requests, random: Random(number as u64), is_slow: number % 50 == 7 }
    }

    /// Its page after each of two times of work. The collector ends with it: a thousand would keep the machine busy.
    fn pages(mut self, counted: &mut [Counted; 2]) -> [Arc<Snapshot>; 2] {
        counted.each_mut().map(|counted| {
            self.work(counted);
            let mut snapshot = (*self.collector.snapshot().unwrap()).clone();
            snapshot.gpus = Some([gpu()].into());
            Arc::new(snapshot)
        })
    }

    /// Handles some messages.
    fn work(&mut self, counted: &mut Counted) {
        let (messages, median) = if self.is_slow { (300, 8e6) } else { (20 + self.random.next() % 20, 200e3) };
        for _ in 0..messages {
            let took = (median * (0.4 * self.random.normal()).exp()) as u64;
            self.worker.record_receive();
            self.worker.record_bytes(took % 1000, 4);
            self.requests.inc();
            self.worker.record_processed_in(Duration::from_nanos(took));
            self.worker.record_send();
            counted.durations.push(took);
            counted.bytes += took % 1000;
        }
        if self.random.next().is_multiple_of(2) {
            self.worker.record_error("simulated");
            counted.errors += 1;
        }
    }
}

/// A GPU of which everything is known.
pub fn gpu() -> GpuMetrics {
    let mut gpu = GpuMetrics::default();
    gpu.uuid = Some("GPU-4a1".into());
    (gpu.utilization_percent, gpu.memory_utilization_percent) = (Some(50), Some(7));
    (gpu.memory_used_bytes, gpu.memory_total_bytes) = (Some(1_500_000_000), Some(25_000_000_000));
    (gpu.process_memory_bytes, gpu.temperature_celsius) = (Some(1_000_000_000), Some(61));
    (gpu.power_watts, gpu.sm_clock_mhz, gpu.memory_clock_mhz) = (Some(250.5), Some(1410), Some(1215));
    (gpu.ecc_errors_corrected, gpu.ecc_errors_uncorrected) = (Some(3), Some(0));
    gpu.throttle_reasons = Some(vec!["power"]);
    gpu
}

/// The same numbers in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Nearly a normal distribution: mean 0, deviation 1.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next() as f64 / u64::MAX as f64).sum::<f64>() - 6.0
    }
}

/// Serves `/instance/N/metrics` for each, in the format that the scraper prefers.
pub struct Server {
    pub address: String,
    /// Which of an instance's pages is shown.
    pub page: Arc<AtomicUsize>,
    /// How many scrapes had native histograms.
    pub native: Arc<AtomicUsize>,
}

pub fn serve<const N: usize>(pages: Vec<[Arc<Snapshot>; N]>) -> Server {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
    let address = listener.local_addr().unwrap().to_string();
    let (pages, page, native) = (Arc::new(pages), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = Server { address, page: page.clone(), native: native.clone() };
    for _ in 0..4 {
        let (listener, pages, page, native) = (listener.clone(), pages.clone(), page.clone(), native.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let number = head.first().and_then(|line| line.split('/').nth(2)?.parse::<usize>().ok());
                let Some(snapshot) = number.and_then(|number| pages.get(number)) else { continue };
                let accept = head.iter().find_map(|line| line.strip_prefix("Accept: ")).unwrap_or_default();
                let format = PageFormat::negotiate(accept);
                let page = snapshot[page.load(Ordering::Relaxed)].export_page(format);
                native.fetch_add((format == PageFormat::Protobuf).into(), Ordering::Relaxed);
                let (kind, bytes) = (format.content_type(), page.len());
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n");
                let _ = stream.write_all(&[head.as_bytes(), b"Connection: close\r\n\r\n", &page].concat());
            }
        });
    }
    server
}

/// A target of Prometheus for each of the first `instances` of a server, for a list in YAML.
pub fn targets(server: &Server, instances: usize) -> String {
    let target = |n| {
        let labels = format!("__metrics_path__: /instance/{n}/metrics, instance: instance-{n}");
        format!("    - {{targets: ['{}'], labels: {{{labels}}}}}\n", server.address)
    };
    (0..instances).map(target).collect()
}
