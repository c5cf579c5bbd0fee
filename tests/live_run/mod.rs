//! A live run on the host device, of which everything is known: what destinations are sent, and are then asked for.
#![allow(dead_code, reason = "each test program uses some of it")]

pub mod asked;
pub mod fake;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ringscope::publish::Publication;
use ringscope::trace::Source;
use ringscope::{DeviceSpec, LaunchOptions, RingKernelRuntime, Snapshot, TelemetryCollector};

pub const MESSAGES: u32 = 300;
const SOON: Duration = Duration::from_secs(20);

/// Two kernels that have handled their messages, metrics of one's own, operations and events.
pub struct Live {
    pub runtime: RingKernelRuntime,
    pub started: SystemTime,
}

impl Live {
    pub async fn start() -> Live {
        let started = SystemTime::now();
        let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).build().unwrap();
        for (kernel, blocks) in [("worker", 1), ("a \"b\"\\c", 2)] {
            runtime.launch_with(kernel, LaunchOptions::default().blocks(blocks)).await.unwrap();
            runtime.activate(kernel).await.unwrap();
        }
        let live = Live { runtime, started };
        live.messages("worker", MESSAGES).await;
        live.messages("a \"b\"\\c", MESSAGES / 3).await;
        live.own_metrics();
        live.operations();
        live
    }

    pub fn collector(&self) -> &TelemetryCollector {
        self.runtime.collector()
    }

    pub async fn messages(&self, kernel: &str, n: u32) {
        for n in 0..n {
            self.runtime.send(kernel, &vec![7; 1 + n as usize % 64]).await.unwrap();
            self.runtime.receive(kernel, SOON).await.unwrap();
        }
        // A kernel records a message after its reply: the runtime's own snapshot waits for that.
        self.runtime.snapshot().await.unwrap();
    }

    fn own_metrics(&self) {
        let of = self.collector();
        of.counter("cache_hits", "Hits").unwrap().label("Table", "a\\b\"c\nd").on_host().unwrap().inc_by(7);
        of.gauge("third", "A gauge").unwrap().on_host().unwrap().set(1.0 / 3.0);
        let tokens = of.histogram("batch_tokens", "Tokens").unwrap().scale(5).on_host().unwrap();
        [0u64, 0, 1, 2, 3, 1000, 1000, 1000, 1001, 1 << 40].into_iter().for_each(|n| tokens.observe(n));
        of.histogram("empty_tokens", "Tokens").unwrap().on_host().unwrap();
        let drift = of.histogram("drift", "Drift").unwrap().buckets(&[-0.5, 0.0, 2.0]).on_host().unwrap();
        [-1.0, 1.0, 3.0].into_iter().for_each(|x| drift.observe(x));
    }

    fn operations(&self) {
        let of = self.collector();
        of.monitor_operations().unwrap();
        (0..5).for_each(|_| of.operation("resize").start().unwrap().succeed());
        of.operation("resize").start().unwrap().fail("no memory");
        let mut sent = of.network_operation("http", "example", 80).unwrap();
        sent.sent(1234);
        sent.succeed();
    }

    /// What a publisher gets of this moment.
    pub fn publication(&self) -> Publication {
        self.publication_of(self.collector().snapshot().unwrap())
    }

    pub fn publication_of(&self, snapshot: Arc<Snapshot>) -> Publication {
        let mut source = Source::this_process("live run");
        source.attributes.push(ringscope::trace::Attribute::new("service.instance.id", "one"));
        Publication::of_snapshot(Arc::new(source), self.started, snapshot)
    }
}
