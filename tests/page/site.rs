//! What is looked at: kernels that work, one of which can be made to hang, actors with numbers that stand still, events, alerts.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringscope::alert::{Rule, Rules, Severity};
use ringscope::device::host::HostDevice;
use ringscope::device::{HostEntry, Launch};
use ringscope::publish::TelemetryServer;
use ringscope::{Snapshot, TelemetryCollector, TelemetryConfig};

use crate::library;

/// Far more than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(120);
const NAMES: [&str; 5] = ["idle", "load", "compute", "store", "wait_barrier"];
/// A busy machine may keep a living block from its core for a while.
const LIMIT: Duration = Duration::from_secs(4);
/// The blocks of `attention`, and which of them hang.
pub const BLOCKS: u32 = 64;
pub static ISLAND: std::ops::Range<u32> = 41..47;

/// The mirror of the one in island.cu.
#[repr(C)]
pub struct Orders {
    first: u32,
    blocks: u32,
    hang: AtomicU32,
    ended: AtomicU32,
    pace: u32,
    ticket: AtomicU32,
}

/// All of it, served until it is dropped.
pub struct Site {
    pub collector: TelemetryCollector,
    pub server: TelemetryServer,
    pub orders: &'static Orders,
    all: Vec<&'static Orders>,
    _launches: Vec<Box<dyn Launch>>,
}

impl Site {
    /// Starts everything. `pace`: how many milliseconds a tile takes, about.
    pub fn start(pace: u32) -> Site {
        let device = Arc::new(HostDevice::new());
        let config = TelemetryConfig { stall_limit: LIMIT, ..TelemetryConfig::default() };
        let collector = TelemetryCollector::on_device(device.clone(), config).unwrap();
        let (mut all, mut launches): (Vec<&'static Orders>, Vec<Box<dyn Launch>>) = Default::default();
        for (id, blocks, pace) in [("attention", BLOCKS, pace), ("ffn", 24, pace / 3 + 1)] {
            let telemetry = collector.kernel(id).shards(blocks).waypoints(&NAMES).register().unwrap();
            // Leaked: a test that fails leaves blocks behind that look at it.
            let orders: &'static Orders = Box::leak(Box::new(Orders {
                first: ISLAND.start,
                blocks: ISLAND.end - ISLAND.start,
                hang: AtomicU32::new(0),
                ended: AtomicU32::new(0),
                pace,
                ticket: AtomicU32::new(0),
            }));
            let address = std::ptr::from_ref(orders).expose_provenance() as u64;
            // SAFETY: RINGSCOPE_ENTRY made it for the host device.
            let entry = unsafe { std::mem::transmute::<*mut c_void, HostEntry>(library::symbol(c"island_host")) };
            let memory = collector.memory();
            // SAFETY: the kernel takes these two arguments, of which the second lives for ever.
            let launch = unsafe { device.launch(entry, blocks, &[&telemetry, &address], memory) }.unwrap();
            all.push(orders);
            launches.push(Box::new(launch));
        }
        collector.monitor_operations().unwrap();
        for n in 0..400_u64 {
            collector.record_processed("tokenize", Some(Duration::from_micros(80 + 3 * (n % 50)))).unwrap();
        }
        collector.record_error("tokenize", "no such token").unwrap();
        collector.record_event("queue_drained", 100.0, &[("queue", "images")], &[("batch", "7")]).unwrap();
        collector.network_operation("http", "backup.example", 443).unwrap().fail("connection refused");
        collector.start_collection(Duration::from_millis(250)).unwrap();
        let hangs = Rule::stalled("*").named("kernel_hangs").severity(Severity::Critical).summary("a kernel hangs");
        let rules = Rules::new().rule(hangs).rule(Rule::failure_rate_above("*", 0.9));
        let server = TelemetryServer::builder("127.0.0.1:0").rules(rules).serve(&collector).unwrap();
        Site { collector, server, orders: all[0], all, _launches: launches }
    }

    /// Lets the island hang, and waits until that is seen.
    pub fn hang(&self) {
        self.orders.hang.store(1, Ordering::SeqCst);
        let is_silent = |s: &Snapshot, block: u32| s.blocks("attention").unwrap()[block as usize].silent;
        self.wait_for("the island hangs", |snapshot| ISLAND.clone().all(|block| is_silent(snapshot, block)));
    }

    /// Lets the island go on.
    pub fn release(&self) {
        self.orders.hang.store(0, Ordering::SeqCst);
        self.wait_for("nothing hangs", |snapshot| snapshot.stuck().is_empty());
    }

    /// Waits until the newest snapshot is so.
    pub fn wait_for(&self, what: &str, is: impl Fn(&Snapshot) -> bool) {
        let begun = Instant::now();
        while !self.collector.latest().is_some_and(|snapshot| is(&snapshot)) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain: {what}: {:?}",
                self.collector.latest().map(|s| s.stuck())
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for orders in &self.all {
            orders.ended.store(1, Ordering::SeqCst);
        }
    }
}
