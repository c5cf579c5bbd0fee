//! A subscriber of `tracing` events may use what it hears of, and may panic: nobody waits for ever because of that.
#![cfg(all(feature = "tracing", feature = "host"))]
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

use ringscope::collector::HookKind;
use ringscope::{
    DeviceSpec, KernelSource, LaunchOptions, Level, RingKernel, RingKernelRuntime, RuntimeError, TelemetryCollector,
    TelemetryConfig,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SOON: Duration = Duration::from_secs(60);

static COLLECTOR: OnceLock<TelemetryCollector> = OnceLock::new();
static KERNEL: OnceLock<RingKernel> = OnceLock::new();

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Uses the collector, or the kernel, that it hears of; panics on the thread that wakes futures.
struct Meddler;

impl Subscriber for Meddler {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ringscope::")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        match (std::thread::current().name(), &*message.0) {
            (Some("drops"), "notification dropped") => drop(COLLECTOR.get().unwrap().snapshot()),
            (Some("fails"), "kernel failed") => assert_eq!(KERNEL.get().unwrap().messages_sent(), 0),
            (Some("ringscope-waker"), _) => panic!("a subscriber that panics"),
            _ => {}
        }
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| tracing::subscriber::set_global_default(Meddler).unwrap());
}

/// Does it on a thread of that name, which the subscriber looks at; fails if it does not come back.
fn in_time<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    listen();
    let (done, result) = mpsc::channel();
    std::thread::Builder::new().name(name.into()).spawn(move || done.send(work())).unwrap();
    result.recv_timeout(SOON).expect("it holds a lock that the subscriber wants")
}

/// A runtime with a kernel `w` that takes no message and returns by itself.
fn returning(entry: extern "C" fn(*mut *mut c_void)) -> RingKernelRuntime {
    // SAFETY: the entry touches none of its arguments.
    let source = unsafe { KernelSource::host_at("mine", Level::Histograms, entry) };
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).telemetry(true).source("mine", source);
    let runtime = builder.kernel("mine").max_kernels(2).build().unwrap();
    runtime.launch_blocking("w", &LaunchOptions::new()).unwrap();
    runtime
}

extern "C" fn at_once(_: *mut *mut c_void) {}

extern "C" fn later(_: *mut *mut c_void) {
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn who_hears_of_a_dropped_notification_may_take_a_snapshot() {
    let config = TelemetryConfig { hook_queue: 1, ..TelemetryConfig::default() };
    let collector = TelemetryCollector::with_config(true, config).unwrap();
    COLLECTOR.get_or_init(|| collector.clone());
    let (_held, never) = mpsc::channel::<()>();
    collector.add_hook(HookKind::Snapshot, move |_| assert!(never.recv().is_err())).unwrap();
    let dropped = in_time("drops", move || {
        (0..5).for_each(|_| drop(collector.snapshot().unwrap()));
        collector.snapshot().unwrap().self_metrics.dropped.hooks
    });
    assert!(dropped > 0, "the subscriber heard of it");
}

#[test]
fn who_hears_of_a_failure_may_ask_the_kernel() {
    let runtime = returning(at_once);
    KERNEL.get_or_init(|| runtime.kernel("w").unwrap());
    let told = in_time("fails", move || runtime.receive_blocking("w", SOON).unwrap_err());
    assert_eq!(told, RuntimeError::Returned { id: "w".into() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_subscriber_keeps_nobody_waiting() {
    listen();
    let runtime = returning(later);
    for _ in 0..2 {
        let told = tokio::time::timeout(SOON, runtime.receive("w", Duration::MAX)).await;
        let told = told.expect("the thread that wakes futures goes on").unwrap_err();
        assert_eq!(told, RuntimeError::Returned { id: "w".into() });
    }
}
