//! Whatever a destination answers: every item is published, dropped or queued, at every moment.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::sleep;

use super::bench::{Answer, Bench, Scripted, assert_adds_up};
use crate::publish::{Delivery, Spool, SyncPolicy, Temporality};

#[derive(Clone, Debug)]
enum Step {
    Offer,
    Pass(u64),
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Ok),
        1 => (0..7_u64).prop_map(Answer::Rejects),
        2 => (0..7_u64).prop_map(Answer::Again),
        3 => Just(Answer::Busy(None)),
        1 => (0..100_u64).prop_map(|s| Answer::Busy(Some(Duration::from_secs(s)))),
        1 => Just(Answer::Never),
        1 => Just(Answer::Hangs),
        1 => Just(Answer::Panics),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![Just(Step::Offer), (1..40_000_u64).prop_map(Step::Pass)];
    prop::collection::vec(step, 1..40)
}

async fn check(
    steps: Vec<Step>,
    script: Vec<Answer>,
    delta: bool,
    shape: (usize, usize),
    bytes: usize,
    age: u64,
    disk: bool,
) {
    let temporality = if delta { Temporality::Delta } else { Temporality::Cumulative };
    let (items, payloads) = shape;
    let destination = Arc::new(Scripted { temporality, items, payloads, ..Scripted::new(script) });
    let delivery = Delivery { queue_bytes: bytes, queue_age: Duration::from_secs(age), ..Delivery::default() };
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Spool { path: folder.path().join("spool"), limit: bytes as u64, sync: SyncPolicy::AtTheEnd };
    let mut bench = match disk {
        false => Bench::start(&destination, delivery),
        true => Bench::on_disk(&destination, delivery, &spool),
    };
    for step in steps {
        match step {
            Step::Offer => drop(bench.leave()),
            Step::Pass(milliseconds) => sleep(Duration::from_millis(milliseconds)).await,
        }
        let counts = bench.status();
        assert_adds_up(&counts);
        assert_eq!(counts.published_items, destination.arrived().len() as u64);
        assert!(counts.queued_bytes <= bytes as u64, "{counts:?}");
    }
    let counts = bench.stop(Duration::from_secs(5)).await;
    assert_adds_up(&counts);
    assert!(disk || (counts.queued_items, counts.queued_bytes) == (0, 0), "{counts:?}");
    let mut arrived = destination.arrived();
    assert!(arrived.is_sorted(), "in order: {arrived:?}");
    arrived.dedup();
    assert_eq!(counts.published_items, arrived.len() as u64, "nothing twice");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_item_is_published_dropped_or_queued(
        steps in steps(),
        script in prop::collection::vec(answer(), 0..60),
        delta in any::<bool>(),
        shape in (1..6_usize, 1..4_usize),
        bytes in 1..1000_usize,
        age in 1..200_u64,
        disk in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(check(steps, script, delta, shape, bytes, age, disk));
    }
}
