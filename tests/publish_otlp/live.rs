//! A run on the host device, of which everything is known.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ringscope::collector::{EventFilter, KernelEvent};
use ringscope::publish::Publication;
use ringscope::trace::{Attribute, Source, Tracer};
use ringscope::{Counter, DeviceSpec, Histogram, HookKind, RingKernelRuntime, Snapshot};

pub const MESSAGES: u64 = 300;

pub struct Live {
    pub runtime: RingKernelRuntime,
    pub started: SystemTime,
    pub tracer: Tracer,
    sizes: Histogram,
    waits: Histogram,
    hits: Counter,
    happened: Arc<Mutex<Vec<KernelEvent>>>,
}

impl Live {
    /// Sends `MESSAGES` messages through a kernel, and makes metrics of one's own, operations and events.
    pub async fn start() -> Live {
        let started = SystemTime::now();
        let tracer = Tracer::new("shop");
        let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true);
        let runtime = builder.tracer(tracer.clone()).build().expect("the host device");
        let telemetry = runtime.collector();
        telemetry.monitor_operations().expect("it is on");
        let happened = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&happened);
        let hear = move |n: &ringscope::collector::Notification| heard.lock().unwrap().extend(n.event().cloned());
        telemetry.add_hook(HookKind::Event, hear).expect("a hook");
        runtime.launch("worker").await.expect("launched");
        runtime.activate("worker").await.expect("activated");
        let sizes = telemetry.histogram("sizes_bytes", "Sizes").unwrap().unit("bytes").on_host().unwrap();
        let waits = telemetry.histogram("waits_seconds", "Waits").unwrap().unit("seconds");
        let waits = waits.buckets(&[0.001, 0.1, 1.0]).on_host().unwrap();
        let hits = telemetry.counter("cache_hits", "Hits").unwrap().label("table", "users").on_host().unwrap();
        telemetry.gauge("level", "Level").unwrap().on_host().unwrap().set(-0.25);
        let live = Live { tracer, started, sizes, waits, hits, happened, runtime };
        live.more(MESSAGES).await;
        live
    }

    pub async fn more(&self, messages: u64) {
        for number in 0..messages {
            let work = self.tracer.span("handle").attribute("number", number).start();
            self.runtime.send("worker", format!("message {number}").as_bytes()).await.expect("sent");
            self.runtime.receive("worker", Duration::from_secs(60)).await.expect("a reply");
            work.end();
            self.sizes.observe(number * number);
            self.waits.observe(number as f64 / 100.0);
            self.hits.inc();
        }
    }

    /// Two operations, of which one fails, a network operation that fails, and an event.
    pub fn operate(&self) {
        let telemetry = self.runtime.collector();
        telemetry.operation("resize").id("cat.png").label("width", 640).start().unwrap().succeed();
        let mut broken = telemetry.operation("resize").id("dog.png").start().unwrap();
        broken.retry("no memory");
        broken.fail("no such file");
        let mut request = telemetry.network_operation("http", "example.org", 80).unwrap();
        request.sent(18);
        request.fail("reset");
        telemetry.record_event("deploy", 2.5, &[("stage", "live")], &[("commit", "4f1c")]).unwrap();
    }

    /// All that was counted, when nothing goes on.
    pub async fn snapshot(&self) -> Arc<Snapshot> {
        self.runtime.snapshot().await.expect("a snapshot")
    }

    pub fn publication(&self, snapshot: Arc<Snapshot>) -> Publication {
        let mut source = Source::this_process("shop");
        source.attributes.push(Attribute::new("host.name", "here"));
        Publication::of_snapshot(Arc::new(source), self.started, snapshot)
    }

    /// With everything that happened.
    pub async fn whole(&self) -> Publication {
        let mut publication = self.publication(self.snapshot().await);
        let telemetry = self.runtime.collector();
        publication.operations = telemetry.operations().into();
        publication.network_operations = telemetry.network_operations().into();
        publication.events = telemetry.events(&EventFilter::new()).into();
        publication.trace = Some(Arc::new(self.tracer.trace()));
        publication.kernel_events = self.happened.lock().unwrap().clone().into();
        publication
    }

    /// Waits until the hook has heard of so many events.
    pub async fn heard(&self, events: usize) {
        let heard = async {
            while self.happened.lock().unwrap().len() < events {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(crate::receivers::PATIENCE, heard).await.expect("the hook hears of it");
    }
}
