//! Publishing every so often: what destinations get, who waits for whom, how it ends, and what snapshots say of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use ringscope::TelemetryCollector;
use ringscope::collector::OperationsConfig;
use ringscope::export::FamilyKind;
use ringscope::publish::{
    Composite, Delivery, Destination, Outbox, Payload, Periodic, Publication, PublishError, Published, Publisher,
};
use ringscope::snapshot::{DropReason, PublisherTelemetry};
use ringscope::trace::{Source, Tracer};

const LONG: Duration = Duration::from_secs(60);
/// Longer than any test.
const NEVER: Duration = Duration::from_secs(86_400);

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Keeps what it gets.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Publication>>>);

impl Kept {
    fn all(&self) -> Vec<Publication> {
        self.0.lock().expect("no panic inside").clone()
    }
}

impl Publisher for Kept {
    fn name(&self) -> &str {
        "kept"
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        self.0.lock().expect("no panic inside").push(publication.clone());
        Ok(Published::all(1))
    }
}

/// Blocks its thread until it is let go.
#[derive(Clone, Default)]
struct Blocks(Arc<AtomicBool>);

impl Publisher for Blocks {
    fn name(&self) -> &str {
        "blocks"
    }

    async fn publish(&self, _: &Publication) -> Result<Published, PublishError> {
        while !self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Published::all(1))
    }
}

/// Is never there.
struct Dead;

impl Destination for Dead {
    fn name(&self) -> &str {
        "dead"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        Ok(vec![Payload::new(0, 7, publication.snapshot.time, *b"seven items")])
    }

    async fn send(&self, _: &Payload) -> Result<Published, PublishError> {
        Err(PublishError::Unreachable { peer: "nowhere:1".to_owned(), reason: "refused".to_owned() })
    }
}

/// That does not wait at the end.
fn hurried() -> Delivery {
    let mut delivery = Delivery::default();
    delivery.flush_limit = Duration::from_millis(50);
    delivery
}

fn of(status: &[PublisherTelemetry], name: &str) -> PublisherTelemetry {
    status.iter().find(|one| &*one.destination == name).cloned().expect("it was added")
}

fn assert_adds_up(all: &[PublisherTelemetry]) {
    for one in all {
        let sum = one.published_items + one.dropped_items.iter().sum::<u64>() + one.queued_items;
        assert_eq!(one.encoded_items, sum, "{one:?}");
    }
}

fn publication(collector: &TelemetryCollector) -> Publication {
    let snapshot = collector.snapshot().expect("it is on");
    Publication::of_snapshot(Arc::new(Source::this_process("test")), SystemTime::now(), snapshot)
}

#[test]
fn publications_come_every_so_often_each_with_the_one_before_and_the_last_says_so() {
    let collector = TelemetryCollector::new(true);
    let kept = Kept::default();
    // What comes while four wait is left out: an interval in which a busy machine gives each thread its turn.
    let periodic = Periodic::builder(&collector)
        .interval(Duration::from_millis(300))
        .source(Source::this_process("shop"))
        .publisher(kept.clone())
        .start()
        .expect("it starts");
    until("three publications", || kept.all().len() >= 3);
    collector.record_processed("last", None).expect("it is on");
    periodic.stop();
    let all = kept.all();
    for (i, one) in all.iter().enumerate() {
        assert_eq!((one.number, one.running), (i as u64 + 1, i + 1 < all.len()));
        let before = i.checked_sub(1).map(|i| all[i].snapshot.sequence);
        assert_eq!(one.previous.as_ref().map(|s| s.sequence), before);
        assert_eq!((&*one.source.service, one.started), ("shop", collector.started()));
    }
    assert!(all.last().is_some_and(|last| last.snapshot.kernel("last").is_some()), "what was counted before the end");
    assert_eq!(periodic.status()[0].published_items, all.len() as u64);
    periodic.stop();
    drop(periodic);
    assert_eq!(kept.all().len(), all.len(), "it ends once");
}

#[test]
fn a_flush_publishes_now() {
    let collector = TelemetryCollector::new(true);
    let kept = Kept::default();
    let periodic = Periodic::builder(&collector).interval(NEVER).publisher(kept.clone()).start().expect("it starts");
    assert!(periodic.flush(LONG));
    assert_eq!((kept.all().len(), kept.all()[0].running), (1, true));
}

#[test]
fn one_that_blocks_delays_neither_the_others_nor_who_offers() {
    let collector = TelemetryCollector::new(true);
    let (blocks, kept) = (Blocks::default(), Kept::default());
    let delivery = hurried();
    let outboxes = [
        Outbox::publisher(blocks.clone(), delivery.clone()).expect("a thread"),
        Outbox::publisher(kept.clone(), delivery.clone()).expect("a thread"),
        Outbox::destination(Dead, delivery).expect("a thread"),
    ];
    let composite = Composite::new(outboxes);
    for count in 1..=50 {
        composite.offer(&publication(&collector));
        let dead = || of(&composite.status(), "dead").queued_items;
        until("the others get it", || kept.all().len() == count && dead() == 7 * count as u64);
    }
    let status = composite.status();
    let blocked = of(&status, "blocks");
    assert_eq!((blocked.publications, blocked.published_items, of(&status, "kept").skipped), (50, 0, 0));
    assert!(blocked.skipped >= 40, "its mailbox is bounded: {blocked:?}");
    assert_adds_up(&status);
    blocks.0.store(true, Ordering::Relaxed);
    until("it goes on", || composite.status()[0].queued_items == 0);
    assert_adds_up(&composite.status());
}

/// With the limit at hand: much less than what the blocked one would take.
#[test]
fn the_end_waits_neither_for_one_that_blocks_nor_for_one_that_is_not_there() {
    let collector = TelemetryCollector::new(true);
    let blocks = Blocks::default();
    let periodic = Periodic::builder(&collector)
        .interval(NEVER)
        .publisher_with(blocks.clone(), hurried())
        .destination_with(Dead, hurried())
        .start()
        .expect("it starts");
    assert!(!periodic.flush(Duration::from_millis(20)));
    until("both have one", || periodic.status().iter().all(|one| one.encoded_items > 0));
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    let thread = std::thread::spawn(move || {
        periodic.stop();
        told.store(true, Ordering::Relaxed);
        periodic.status()
    });
    until("it ends while the publisher blocks", || ended.load(Ordering::Relaxed));
    let status = thread.join().expect("no panic");
    for name in ["blocks", "dead"] {
        let one = of(&status, name);
        assert!(one.dropped(DropReason::Shutdown) > 0 && one.queued_items == 0, "{one:?}");
    }
    assert_adds_up(&status);
    blocks.0.store(true, Ordering::Relaxed);
}

#[test]
fn snapshots_their_history_and_pages_count_each_destination_by_its_own_name() {
    let collector = TelemetryCollector::new(true);
    collector.start_collection(Duration::from_millis(1)).expect("it is on");
    let periodic = Periodic::builder(&collector)
        .interval(NEVER)
        .destination_with(Dead, hurried())
        .destination_with(Dead, hurried())
        .publisher(Kept::default())
        .start()
        .expect("it starts");
    assert!(!periodic.flush(Duration::from_millis(20)));
    let names: Vec<_> = periodic.status().iter().map(|one| one.destination.to_string()).collect();
    assert_eq!(names, ["dead", "dead-2", "kept"]);
    until("the history has it", || {
        collector.snapshots().last().is_some_and(|last| last.publishers.iter().all(|one| one.encoded_items > 0))
    });
    collector.stop_collection();
    periodic.stop();
    let snapshot = collector.snapshot().expect("it is on");
    assert_eq!(snapshot.publishers.to_vec(), periodic.status());
    let page = snapshot.export_prometheus();
    let dead = of(&periodic.status(), "dead-2");
    // The end waits for no thread, so the last publication may have come too late.
    assert!([7, 14].contains(&dead.encoded_items), "{dead:?}");
    let dropped = dead.encoded_items;
    for line in [
        format!("telemetry_publish_failures_total{{destination=\"dead-2\"}} {}", dead.failures),
        format!("telemetry_publish_dropped_total{{destination=\"dead-2\",reason=\"shutdown\"}} {dropped}"),
        "telemetry_publish_items_total{destination=\"kept\"} 2".to_owned(),
        "telemetry_publish_queued_items{destination=\"dead\"} 0".to_owned(),
    ] {
        assert!(page.lines().any(|one| one == line), "{line} in\n{page}");
    }
    assert!(
        ringscope::export::catalog().any(|f| f.name == "telemetry_publish_retries" && f.kind == FamilyKind::Counter)
    );
    // A new one takes the name of one that has ended.
    let again = Outbox::destination(Dead, hurried()).expect("a thread");
    again.attach(&collector);
    assert_eq!(&*again.status().destination, "dead");
    assert_eq!(collector.snapshot().expect("it is on").publishers.len(), 3);
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let collector = TelemetryCollector::new(true);
    let error = |result: Result<Periodic, PublishError>| result.expect_err("it is wrong").to_string();
    let builder = || Periodic::builder(&collector);
    assert_eq!(error(builder().interval(Duration::ZERO).start()), "interval is wrong: it must be at least 1 ms");
    let off = TelemetryCollector::new(false);
    assert_eq!(
        error(Periodic::builder(&off).start()),
        "the collector is wrong: it is off: there is nothing to publish"
    );
    let spool = Delivery::default().spool("/nowhere", 1000);
    assert!(error(builder().publisher_with(Kept::default(), spool).start()).starts_with("spool is wrong"));
    let mut wrong = Delivery::default();
    wrong.timeout = Duration::ZERO;
    assert!(error(builder().destination_with(Dead, wrong).start()).starts_with("timeout is wrong"));
    assert!(collector.snapshot().expect("it is on").publishers.is_empty());
}

#[test]
fn a_destination_is_a_publisher_without_a_queue_and_alone() {
    let collector = TelemetryCollector::new(true);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let result = runtime.block_on(Publisher::publish(&Dead, &publication(&collector)));
    assert_eq!(result.expect_err("it is not there").to_string(), "nowhere:1 cannot be reached: refused");
}

#[test]
fn what_ended_is_published_once_and_what_was_gone_is_counted() {
    let collector = TelemetryCollector::new(true);
    let tracer = Tracer::new("shop");
    tracer.span("before").start().end();
    let kept = Kept::default();
    let builder = Periodic::builder(&collector).interval(NEVER).tracer(&tracer);
    let periodic = builder.publisher(kept.clone()).start().expect("it starts");
    // Switched on later.
    let mut config = OperationsConfig::default();
    (config.kept, config.events) = (8, 8);
    collector.monitor_operations_with(&config).expect("a good config");
    for round in 0..3_u32 {
        for i in 0..3 {
            collector.operation("resize").id(format!("{round}.{i}")).start().expect("a name").succeed();
            collector.record_event("deploy", f64::from(round * 10 + i), &[], &[]).expect("a name");
        }
        collector.network_operation("http", "peer", 80).expect("a name").succeed();
        collector.reset(None).expect("it is on");
        collector.record_processed("w", None).expect("it is on");
        tracer.span(format!("span {round}")).start().end();
        let open = tracer.span("goes on").start();
        assert!(periodic.flush(LONG));
        open.end();
    }
    for i in 0..20 {
        collector.operation("many").id(i.to_string()).start().expect("a name").succeed();
    }
    periodic.stop();
    let all = kept.all();
    let ids: Vec<Vec<String>> = all
        .iter()
        .map(|one| one.operations.iter().map(|o| o.id.as_deref().unwrap_or("").to_owned()).collect())
        .collect();
    assert_eq!(ids[..3], [["0.0", "0.1", "0.2"], ["1.0", "1.1", "1.2"], ["2.0", "2.1", "2.2"]]);
    assert_eq!((ids[3].len(), all[3].missed), (8, 12), "the list is short");
    let values = |one: &Publication| one.events.iter().map(|e| e.value).collect::<Vec<_>>();
    assert_eq!((values(&all[0]), values(&all[2])), (vec![0.0, 1.0, 2.0], vec![20.0, 21.0, 22.0]));
    assert_eq!(all.iter().map(|one| one.network_operations.len()).collect::<Vec<_>>(), [1, 1, 1, 0]);
    assert_eq!(all.iter().map(|one| one.kernel_events.len()).collect::<Vec<_>>(), [0, 1, 1, 0], "{all:?}");
    let names = |one: &Publication| -> Vec<String> {
        one.trace.as_ref().expect("of the tracer").spans.iter().map(|span| span.name.to_string()).collect()
    };
    assert_eq!(
        (names(&all[0]), names(&all[1])),
        (vec!["before".into(), "span 0".into()], vec!["goes on".into(), "span 1".into()])
    );
    assert_eq!(tracer.spans().len(), 7, "they stay for others");
    assert!(all[..3].iter().all(|one| one.missed == 0));
}
