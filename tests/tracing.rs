//! With the feature `tracing`, what telemetry says of itself is an event at a fixed target and level.
#![cfg(all(feature = "tracing", feature = "host"))]
#![allow(unsafe_code)]

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use ringscope::abi::{ABI_VERSION, KernelRef, Word, block_state};
use ringscope::collector::{HookKind, MAX_PANICS, StandardMetrics};
use ringscope::device::Device;
use ringscope::device::host::HostDevice;
use ringscope::{KernelState, TelemetryCollector, TelemetryConfig};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

#[derive(Clone, Debug, Default)]
struct Said {
    target: String,
    level: Option<Level>,
    fields: Vec<(String, String)>,
}

impl Said {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.push((field.name().to_owned(), format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name().to_owned(), value.to_owned()));
    }
}

static SAID: Mutex<Vec<Said>> = Mutex::new(Vec::new());
/// What the subscriber itself reads when it hears of a stall.
static USED_BY_SUBSCRIBER: OnceLock<TelemetryCollector> = OnceLock::new();

struct Keep;

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ringscope::")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut said = Said { target: metadata.target().into(), level: Some(*metadata.level()), fields: Vec::new() };
        event.record(&mut said);
        if let (Some("kernel stalled"), Some(collector)) = (said.field("message"), USED_BY_SUBSCRIBER.get()) {
            collector.snapshot().unwrap();
            collector.hooks();
            collector.actor("of the subscriber").unwrap();
        }
        SAID.lock().unwrap().push(said);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// All messages with this text, and with this value of a field.
fn said(message: &str, (field, value): (&str, &str)) -> Vec<Said> {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| tracing::subscriber::set_global_default(Keep).unwrap());
    let all = SAID.lock().unwrap();
    let is = |s: &&Said| s.field("message") == Some(message) && s.field(field) == Some(value);
    all.iter().filter(is).cloned().collect()
}

fn one(target: &str, level: Level, message: &str, field: (&str, &str)) -> Said {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(said) = said(message, field).first() {
            assert_eq!((said.target.as_str(), said.level), (target, Some(level)), "{said:?}");
            assert!(said.field("suppressed").is_some());
            return said.clone();
        }
        assert!(Instant::now() < patience, "{message}: {:?}", SAID.lock().unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn put(telemetry: &KernelRef, words: &[(Word, u64)]) {
    for (word, value) in words {
        let line = telemetry.shards as usize + 128;
        let word = std::ptr::with_exposed_provenance_mut::<u64>(line).wrapping_add(*word as usize);
        // SAFETY: a word of this kernel's shard, all accesses to which are atomic; the collector keeps the slab.
        unsafe { AtomicU64::from_ptr(word) }.store(*value, Ordering::Relaxed);
    }
}

#[test]
fn stalls_recoveries_and_failures_are_said_where_no_lock_is_held() {
    said("", ("", ""));
    let limit = Duration::from_millis(50);
    let device = Arc::new(HostDevice::new());
    let config = TelemetryConfig { stall_limit: limit, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::on_device(device.clone(), config).unwrap();
    USED_BY_SUBSCRIBER.set(collector.clone()).unwrap();
    let now = || device.clock().unwrap().device_ns;
    let hung = collector.register("hung", 1).unwrap();
    let begun = now();
    put(&hung, &[(Word::Abi, ABI_VERSION.into()), (Word::StartNs, begun), (Word::HeartbeatNs, begun)]);
    put(&hung, &[(Word::State, block_state::ACTIVE)]);
    while now() < begun + 4 * limit.as_nanos() as u64 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(collector.telemetry("hung").unwrap().state, KernelState::Stalled);
    let stalled = one("ringscope::watchdog", Level::WARN, "kernel stalled", ("kernel_id", "hung"));
    assert_eq!((stalled.field("block"), stalled.field("suppressed")), (Some("0"), Some("0")));
    put(&hung, &[(Word::HeartbeatNs, now() + 3_600_000_000_000)]);
    assert_eq!(collector.telemetry("hung").unwrap().state, KernelState::Active);
    one("ringscope::watchdog", Level::INFO, "kernel recovered", ("kernel_id", "hung"));
    put(&hung, &[(Word::Abi, u64::from(ABI_VERSION) + 1)]);
    assert_eq!(collector.telemetry("hung").unwrap().state, KernelState::Failed);
    let failed = one("ringscope::collector", Level::ERROR, "kernel failed", ("kernel_id", "hung"));
    assert!(failed.field("reason").unwrap().contains("rebuild it"), "{failed:?}");
}

#[test]
fn wrong_look_ups_and_what_is_dropped_are_said() {
    said("", ("", ""));
    let config = TelemetryConfig { max_series: 4, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    collector.record_receive("a").unwrap();
    assert!(collector.telemetry("nobody").is_err());
    one("ringscope::collector", Level::WARN, "unknown kernel", ("kernel_id", "nobody"));
    assert!(collector.metric("nothing").is_err());
    one("ringscope::collector", Level::WARN, "unknown metric", ("metric", "nothing"));
    // The overflow's four series are all that fit.
    collector.install(StandardMetrics::Messaging).unwrap();
    collector.snapshot().unwrap();
    one("ringscope::collector", Level::WARN, "series dropped", ("dropped", "1"));
}

#[test]
fn look_ups_of_kernels_in_vain_are_said_when_there_are_more_of_them() {
    said("", ("", ""));
    let collector = TelemetryCollector::on_device(Arc::new(HostDevice::new()), TelemetryConfig::default()).unwrap();
    let kernel = collector.register("looks up", 1).unwrap();
    put(&kernel, &[(Word::Abi, ABI_VERSION.into()), (Word::StartNs, 1), (Word::LookupMisses, 71)]);
    // The second snapshot has nothing new to say of them.
    assert_eq!(collector.snapshot().unwrap().self_metrics.lookup_misses_total, 71);
    collector.snapshot().unwrap();
    put(&kernel, &[(Word::LookupMisses, 73)]);
    assert_eq!(collector.snapshot().unwrap().self_metrics.lookup_misses_total, 73);
    for misses in ["71", "73"] {
        one("ringscope::metrics", Level::WARN, "metric not found", ("misses", misses));
        assert_eq!(said("metric not found", ("misses", misses)).len(), 1);
    }
}

#[test]
fn hooks_that_panic_and_notifications_without_room_are_said_not_too_often() {
    said("", ("", ""));
    let config = TelemetryConfig { hook_queue: 1, hook_limit: Duration::from_nanos(1), ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    collector.add_hook(HookKind::Event, |_| panic!("I like no events")).unwrap();
    collector.record_receive("a").unwrap();
    for n in 1..=MAX_PANICS {
        collector.reset(Some("a")).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while collector.hooks()[0].panics < n {
            assert!(Instant::now() < patience);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    one("ringscope::hooks", Level::ERROR, "hook disabled", ("hook", "0"));
    let panicked = one("ringscope::hooks", Level::ERROR, "hook panicked", ("panic", "I like no events"));
    assert_eq!(panicked.field("hook"), Some("0"));
    one("ringscope::hooks", Level::WARN, "hook slow", ("hook", "0"));

    let free = Arc::new(AtomicBool::new(false));
    let wait = Arc::clone(&free);
    let stuck = move |_: &_| {
        while !wait.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    collector.add_hook(HookKind::Snapshot, stuck).unwrap();
    (0..1000).for_each(|_| drop(collector.snapshot().unwrap()));
    free.store(true, Ordering::SeqCst);
    let dropped = collector.hooks()[1].dropped;
    one("ringscope::hooks", Level::WARN, "notification dropped", ("hook", "1"));
    let told = said("notification dropped", ("hook", "1"));
    let suppressed = |s: &Said| s.field("suppressed").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let accounted = told.len() as u64 + told.iter().map(suppressed).sum::<u64>();
    assert!(dropped > 900 && accounted <= dropped, "{accounted} of {dropped}");
    assert!(told.len() < 500, "{} of {dropped}", told.len());
}
