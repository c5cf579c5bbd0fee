//! With the feature `tracing`, what goes wrong with publishing is an event, of each kind not too often.
#![cfg(all(feature = "tracing", feature = "publish"))]

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ringscope::TelemetryCollector;
use ringscope::publish::{Delivery, Destination, Outbox, Payload, Publication, PublishError, Published};
use ringscope::trace::Source;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static SAID: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());
static OUTBOX: Mutex<Option<Arc<Outbox>>> = Mutex::new(None);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

struct Keep;

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ringscope::publish"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        // A subscriber may look at what it is told of.
        if let Some(outbox) = &*OUTBOX.lock().expect("no panic inside") {
            outbox.status();
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        SAID.lock().expect("no panic inside").push((*event.metadata().level(), fields.0));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Fails five times, then takes all, then refuses.
struct Moody(AtomicU64);

impl Destination for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        Ok(vec![Payload::new(0, 3, publication.snapshot.time, *b"three")])
    }

    async fn send(&self, _: &Payload) -> Result<Published, PublishError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0..5 => Err(PublishError::Unreachable { peer: "here:1".to_owned(), reason: "refused".to_owned() }),
            5 => Ok(Published::all(3)),
            _ => Err(PublishError::permanent("never again")),
        }
    }
}

fn said(level: Level, text: &str) -> bool {
    SAID.lock().expect("no panic inside").iter().any(|(of, said)| *of == level && said.contains(text))
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {:?}", SAID.lock());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_goes_wrong_is_said() {
    tracing::subscriber::set_global_default(Keep).expect("the first one");
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(1), Duration::from_millis(2));
    delivery.circuit_pause = Duration::from_millis(5);
    let outbox = Arc::new(Outbox::destination(Moody(AtomicU64::new(0)), delivery).expect("a thread"));
    *OUTBOX.lock().expect("no panic inside") = Some(Arc::clone(&outbox));
    let snapshot = TelemetryCollector::new(true).snapshot().expect("it is on");
    let publication = Publication::of_snapshot(Arc::new(Source::this_process("test")), SystemTime::now(), snapshot);
    outbox.offer(&publication);
    until("it arrives", || outbox.status().published_items == 3);
    until("the circuit closes", || said(Level::INFO, "destination=\"moody\" "));
    let failed = "message=attempt failed destination=\"moody\" error=here:1 cannot be reached: refused";
    assert!(said(Level::WARN, failed), "{:?}", SAID.lock());
    assert!(said(Level::WARN, "reason=\"unreachable\" permanent=false suppressed=0"));
    assert!(said(Level::WARN, "message=circuit opened") && said(Level::INFO, "message=circuit closed"));
    outbox.offer(&publication);
    until("it is dropped", || {
        said(Level::WARN, "message=items dropped destination=\"moody\" reason=\"rejected\" items=3")
    });
    // A hundred failures in no time are not a hundred events.
    for _ in 0..100 {
        let before = outbox.status().failures;
        outbox.offer(&publication);
        until("it is refused", || outbox.status().failures > before);
    }
    let count =
        SAID.lock().expect("no panic inside").iter().filter(|(_, said)| said.contains("attempt failed")).count() as u64;
    let failures = outbox.status().failures;
    assert!(count < failures, "{count} of {failures}");
    outbox.stop();
}
