//! A live run on the host device whose numbers are published: messages, operations, events, and metrics of one's own.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::collector::EventFilter;
use ringscope::publish::{Delivery, Outbox, Publication, PublishError, Published, Publisher};
use ringscope::trace::Source;
use ringscope::{Counter, DeviceSpec, Gauge, Histogram, LaunchOptions, RingKernelRuntime, Snapshot};

const SOON: Duration = Duration::from_secs(60);

pub struct Live {
    pub runtime: RingKernelRuntime,
    started: SystemTime,
    uploads: Counter,
    temperature: Gauge,
    sizes: Histogram,
    waits: Histogram,
    published: u64,
    previous: Option<Arc<Snapshot>>,
    events: u64,
}

impl Live {
    pub fn start() -> Live {
        let started = SystemTime::now();
        let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true).build();
        let runtime = runtime.expect("the host device");
        let collector = runtime.collector();
        collector.monitor_operations().expect("it is on");
        let uploads = collector.counter("uploads", "Uploads").expect("a name").label("zone", "a,b|c").on_host();
        let temperature = collector.gauge("temperature_celsius", "Temperature").expect("a name").on_host();
        let sizes = collector.histogram("sizes", "Sizes").expect("a name").on_host();
        let waits = collector.histogram("waits", "Waits").expect("a name").buckets(&[0.5, 1.0, 4.0]).on_host();
        let (uploads, temperature) = (uploads.expect("a counter"), temperature.expect("a gauge"));
        let (sizes, waits) = (sizes.expect("a histogram"), waits.expect("a histogram"));
        runtime.launch_blocking("w", &LaunchOptions::default()).expect("it starts");
        runtime.activate_blocking("w").expect("it is there");
        Live { runtime, started, uploads, temperature, sizes, waits, published: 0, previous: None, events: 0 }
    }

    /// Lets something happen: so many messages, and the like.
    pub fn work(&self, messages: u64) {
        for n in 0..messages {
            self.runtime.send_blocking("w", &vec![b'x'; (n % 500) as usize + 1]).expect("it takes messages");
            self.runtime.receive_blocking("w", SOON).expect("a reply");
            self.sizes.observe(n * n);
            self.waits.observe(n as f64 / 50.0);
        }
        self.uploads.inc_by(messages / 3);
        self.temperature.set(messages as f64 + 0.25);
        let collector = self.runtime.collector();
        let operation = collector.operation("resize").start().expect("a name");
        if messages.is_multiple_of(2) {
            operation.succeed()
        } else {
            operation.fail("odd")
        }
        collector.network_operation("http", "example.org", 80).expect("a name").succeed();
        collector.record_event("deploy", messages as f64, &[("stage", "live")], &[("by", "a|b\nc")]).expect("it is on");
    }

    /// What is there now, with what came since the publication that was [taken](Self::taken) last.
    pub fn publication(&self) -> Publication {
        let snapshot = self.runtime.snapshot_blocking().expect("a snapshot");
        let source = Arc::new(Source::this_process("live"));
        let mut publication = Publication::of_snapshot(source, self.started, snapshot);
        publication.number = self.published + 1;
        publication.previous = self.previous.clone();
        let all = self.runtime.collector().events(&EventFilter::new());
        publication.events = all.into_iter().filter(|event| event.number > self.events).collect();
        publication
    }

    /// Takes note of a publication that arrived.
    pub fn taken(&mut self, publication: &Publication) {
        self.published = publication.number;
        self.previous = Some(publication.snapshot.clone());
        self.events = publication.events.last().map_or(self.events, |event| event.number);
    }

    pub async fn publish(&mut self, publisher: &impl Publisher) -> Result<Published, PublishError> {
        let publication = self.publication();
        let published = publisher.publish(&publication).await?;
        self.taken(&publication);
        Ok(published)
    }

    /// Offers what is there now.
    pub fn offer(&mut self, outbox: &Outbox) {
        let publication = self.publication();
        outbox.offer(&publication);
        self.taken(&publication);
    }

    /// What was published last.
    pub fn last(&self) -> &Snapshot {
        self.previous.as_ref().expect("something was published")
    }
}

/// Tries again at once, and never gives up.
pub fn impatient() -> Delivery {
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(10), Duration::from_millis(50));
    delivery.circuit_failures = u32::MAX;
    delivery
}

/// A sample of a page for Prometheus.
#[derive(Clone, Debug)]
pub struct Sampled {
    /// Type of its family.
    pub kind: String,
    /// Of a counter without `_total`.
    pub name: String,
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// All samples of the snapshot's page, which is tested for itself; not the buckets of histograms.
pub fn samples(snapshot: &Snapshot) -> Vec<Sampled> {
    let page = snapshot.export_prometheus();
    let mut kinds = BTreeMap::new();
    let mut all = Vec::new();
    for line in page.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kinds.insert(name.to_owned(), kind.to_owned());
        }
        let Some((series, value)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) else { continue };
        let (name, labels) =
            series.split_once('{').map_or((series, ""), |(name, rest)| (name, &rest[..rest.len() - 1]));
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let kind = kinds.get(name).or_else(|| kinds.get(stem)).unwrap_or_else(|| panic!("{name} has no type"));
        if name.ends_with("_bucket") {
            continue;
        }
        let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
            let (name, value) = label.split_once("=\"").expect("a label");
            (name.to_owned(), value.trim_end_matches('"').to_owned())
        });
        let name = if kind == "counter" { name.strip_suffix("_total").unwrap_or(name) } else { name };
        all.push(Sampled {
            kind: kind.clone(),
            name: name.to_owned(),
            labels: labels.collect(),
            value: value.parse().expect("a number"),
        });
    }
    all
}

/// Whether they are the same but for what adding doubles costs.
pub fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}
