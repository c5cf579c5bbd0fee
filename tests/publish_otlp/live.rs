//! A run on the host device, of which everything is known.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::publish::Publication;
use ringscope::trace::Source;
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, Snapshot};

pub const MESSAGES: u64 = 300;

pub struct Live {
    pub runtime: RingKernelRuntime,
    pub started: SystemTime,
}

impl Live {
    /// Sends `MESSAGES` messages through a kernel, and makes metrics of one's own, operations and events.
    pub async fn start() -> Live {
        let started = SystemTime::now();
        let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("crc32c").telemetry(true);
        let runtime = builder.build().expect("the host device");
        runtime.launch_with("worker", LaunchOptions::default()).await.expect("launched");
        runtime.activate("worker").await.expect("activated");
        let live = Live { runtime, started };
        live.more(MESSAGES).await;
        live
    }

    pub async fn more(&self, messages: u64) {
        let telemetry = self.runtime.collector();
        let sizes = telemetry.histogram("sizes_bytes", "Sizes").unwrap().unit("bytes").on_host().unwrap();
        let waits = telemetry.histogram("waits_seconds", "Waits").unwrap().unit("seconds");
        let waits = waits.buckets(&[0.001, 0.1, 1.0]).on_host().unwrap();
        let hits = telemetry.counter("cache_hits", "Hits").unwrap().label("table", "users").on_host().unwrap();
        telemetry.gauge("level", "Level").unwrap().on_host().unwrap().set(-0.25);
        for number in 0..messages {
            self.runtime.send("worker", format!("message {number}").as_bytes()).await.expect("sent");
            self.runtime.receive("worker", Duration::from_secs(60)).await.expect("a reply");
            sizes.observe(number * number);
            waits.observe(number as f64 / 100.0);
            hits.inc();
        }
    }

    /// All that was counted, when nothing goes on.
    pub async fn snapshot(&self) -> Arc<Snapshot> {
        self.runtime.snapshot().await.expect("a snapshot")
    }

    pub fn publication(&self, snapshot: Arc<Snapshot>) -> Publication {
        Publication::of_snapshot(Arc::new(Source::this_process("shop")), self.started, snapshot)
    }
}
