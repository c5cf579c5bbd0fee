//! The loop, on a clock that tests turn.

mod bench;
mod property;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::bench::{Answer, Bench, Scripted, assert_adds_up, settled};
use super::mailbox::Message;
use super::route::ToPublisher;
use crate::publish::{Delivery, Publication, PublishError, Published, Publisher, Temporality};
use crate::snapshot::DropReason;

const SECOND: Duration = Duration::from_secs(1);

fn busy() -> Answer {
    Answer::Busy(None)
}

#[tokio::test(start_paused = true)]
async fn what_was_offered_while_a_destination_failed_for_a_minute_arrives_in_order() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    let mut bench = Bench::start(&destination, Delivery::default());
    for _ in 0..6 {
        bench.offer().await;
        sleep(10 * SECOND).await;
    }
    let meanwhile = bench.status();
    assert!(meanwhile.circuit_open, "{meanwhile:?}");
    assert_eq!((meanwhile.queued_items, meanwhile.published_items), (6, 0));
    destination.answers(Answer::Ok);
    sleep(60 * SECOND).await;
    assert_eq!(destination.arrived(), [100, 200, 300, 400, 500, 600]);
    let after = bench.status();
    assert_eq!((after.published_items, after.queued_items, after.queued_bytes, after.circuit_open), (6, 0, 0, false));
    assert_eq!(after.attempts, after.failures + 6);
    assert_eq!(after.retries, after.failures, "each failure was followed by one more attempt");
    assert!(after.last_success.is_some() && after.last_error.is_some());
    assert_adds_up(&after);
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_from_the_shortest_to_the_longest() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    let delivery = Delivery { circuit_failures: u32::MAX, ..Delivery::default() };
    let mut bench = Bench::start(&destination, delivery.clone());
    bench.offer().await;
    sleep(200 * SECOND).await;
    let times: Vec<Duration> = destination.attempts().into_iter().map(|(time, _)| time).collect();
    let pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let tick = Duration::from_millis(2);
    for (i, pause) in pauses.iter().enumerate() {
        let least = (delivery.retry_min * (1 << i.min(10))).min(delivery.retry_max / 2);
        assert!(*pause + tick >= least && *pause <= (least * 2).min(delivery.retry_max) + tick, "{i}: {pauses:?}");
    }
    assert!(pauses.len() >= 8, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_left_alone_as_long_as_it_asks_for() {
    let destination = Arc::new(Scripted::new([Answer::Busy(Some(120 * SECOND))]));
    let mut bench = Bench::start(&destination, Delivery::default());
    bench.offer().await;
    let (reply, _answer) = std::sync::mpsc::channel();
    // Nor does a flush disturb it.
    bench.mailbox.tell(Message::Flush(200 * SECOND, reply));
    sleep(119 * SECOND).await;
    assert_eq!(destination.attempts().len(), 1);
    sleep(2 * SECOND).await;
    assert_eq!((destination.attempts().len(), destination.arrived()), (2, vec![100]));
}

#[tokio::test(start_paused = true)]
async fn what_it_will_never_take_is_dropped_at_once_and_the_next_is_sent() {
    let destination = Arc::new(Scripted::new([Answer::Never, Answer::Panics]));
    let mut bench = Bench::start(&destination, Delivery::default());
    for _ in 0..3 {
        bench.offer().await;
    }
    assert_eq!((destination.attempts().len(), destination.arrived()), (3, vec![300]));
    let counts = bench.status();
    assert_eq!((counts.dropped(DropReason::Rejected), counts.failures, counts.retries), (2, 2, 0));
    assert!(counts.last_error.as_deref().is_some_and(|e| e.contains("a bug of the destination's")), "{counts:?}");
    assert_adds_up(&counts);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_taken_of_a_payload_is_sent_again_alone() {
    let destination = Arc::new(Scripted { items: 5, ..Scripted::new([Answer::Again(3), Answer::Rejects(1)]) });
    let mut bench = Bench::start(&destination, Delivery::default());
    bench.offer().await;
    let meanwhile = bench.status();
    assert_eq!((meanwhile.published_items, meanwhile.queued_items, meanwhile.queued_bytes), (2, 3, 12));
    sleep(10 * SECOND).await;
    let attempts: Vec<_> = destination.attempts().into_iter().map(|(_, numbers)| numbers).collect();
    assert_eq!(attempts, [vec![100, 101, 102, 103, 104], vec![102, 103, 104]]);
    let counts = bench.status();
    assert_eq!((counts.published_items, counts.dropped(DropReason::Rejected), counts.sent_bytes), (4, 1, 20));
    assert_eq!((counts.failures, counts.retries), (0, 1));
    assert_adds_up(&counts);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_makes_one_attempt_after_each_pause() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    let delivery =
        Delivery { circuit_failures: 3, retry_max: SECOND, circuit_pause: 40 * SECOND, ..Delivery::default() };
    let mut bench = Bench::start(&destination, delivery);
    bench.offer().await;
    sleep(10 * SECOND).await;
    assert_eq!((destination.attempts().len(), bench.status().circuit_open), (3, true));
    sleep(40 * SECOND).await;
    assert_eq!(destination.attempts().len(), 4);
    sleep(40 * SECOND).await;
    assert_eq!(destination.attempts().len(), 5);
    destination.answers(Answer::Ok);
    sleep(40 * SECOND).await;
    assert!(!bench.status().circuit_open);
    bench.offer().await;
    assert_eq!(destination.arrived(), [100, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_the_oldest_of_cumulative_counts() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    // Each payload has 4 bytes, and 64 beside them.
    let mut bench = Bench::start(&destination, Delivery { queue_bytes: 3 * 68 - 64, ..Delivery::default() });
    for _ in 0..5 {
        bench.offer().await;
    }
    let counts = bench.status();
    assert_eq!((counts.queued_items, counts.dropped(DropReason::Full), counts.skipped), (3, 2, 0));
    destination.answers(Answer::Ok);
    sleep(40 * SECOND).await;
    assert_eq!(destination.arrived(), [300, 400, 500]);
    assert_adds_up(&bench.status());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_takes_no_new_differences_and_the_next_has_them() {
    let script = Scripted { temporality: Temporality::Delta, ..Scripted::new([]).then(busy()) };
    let destination = Arc::new(script);
    let mut bench = Bench::start(&destination, Delivery { queue_bytes: 2 * 68 - 64, ..Delivery::default() });
    for _ in 0..5 {
        bench.offer().await;
    }
    assert_eq!((bench.status().queued_items, bench.status().skipped), (2, 3));
    destination.answers(Answer::Ok);
    sleep(40 * SECOND).await;
    bench.offer().await;
    assert_eq!(destination.arrived(), [100, 200, 600]);
    assert_eq!(destination.encoded.lock().expect("no panic inside").last(), Some(&(6, Some(2))));
    let counts = bench.status();
    assert_eq!((counts.dropped_items.iter().sum::<u64>(), counts.published_items), (0, 3));
    assert_adds_up(&counts);
}

#[tokio::test(start_paused = true)]
async fn one_publication_that_is_more_than_the_queue_holds_comes_in_part() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let script = Scripted { temporality, payloads: 5, ..Scripted::new([]).then(busy()) };
        let destination = Arc::new(script);
        let mut bench = Bench::start(&destination, Delivery { queue_bytes: 2 * 68 - 64, ..Delivery::default() });
        bench.offer().await;
        let counts = bench.status();
        assert_eq!((counts.encoded_items, counts.queued_items, counts.dropped(DropReason::Full)), (5, 2, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn what_waited_too_long_is_dropped_while_it_waits() {
    let destination = Arc::new(Scripted::new([]).then(Answer::Busy(Some(10_000 * SECOND))));
    let mut bench = Bench::start(&destination, Delivery { queue_age: 30 * SECOND, ..Delivery::default() });
    bench.offer().await;
    sleep(20 * SECOND).await;
    bench.offer().await;
    sleep(11 * SECOND).await;
    assert_eq!((bench.status().dropped(DropReason::Expired), bench.status().queued_items), (1, 1));
    sleep(20 * SECOND).await;
    assert_eq!((bench.status().dropped(DropReason::Expired), bench.status().queued_items), (2, 0));
    assert_eq!(destination.attempts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_ends_and_publications_are_taken_meanwhile() {
    let destination = Arc::new(Scripted::new([Answer::Hangs]));
    let mut bench = Bench::start(&destination, Delivery { timeout: 5 * SECOND, ..Delivery::default() });
    for _ in 0..8 {
        bench.offer().await;
    }
    assert_eq!((bench.status().queued_items, bench.status().attempts, bench.status().skipped), (8, 1, 0));
    sleep(10 * SECOND).await;
    assert_eq!(destination.arrived().len(), 8);
    let error = bench.status().last_error.expect("it failed once");
    assert_eq!(&*error, "scripted did not answer within 5s");
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_within_its_limit_and_says_what_was_lost() {
    for (answer, most) in [(Answer::Hangs, 3 * SECOND), (busy(), 3 * SECOND), (Answer::Busy(Some(9 * SECOND)), SECOND)]
    {
        let destination = Arc::new(Scripted::new([]).then(answer.clone()));
        let mut bench = Bench::start(&destination, Delivery::default());
        for _ in 0..3 {
            bench.offer().await;
        }
        let begin = Instant::now();
        let counts = bench.stop(3 * SECOND).await;
        assert!(begin.elapsed() <= most, "{answer:?}: {:?}", begin.elapsed());
        assert_eq!((counts.dropped(DropReason::Shutdown), counts.queued_items), (3, 0), "{answer:?}");
        assert_adds_up(&counts);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_sends_what_waits_without_its_pause() {
    let destination = Arc::new(Scripted::new([busy(), busy(), busy(), busy(), busy(), busy()]));
    let mut bench = Bench::start(&destination, Delivery { circuit_pause: 600 * SECOND, ..Delivery::default() });
    bench.offer().await;
    sleep(100 * SECOND).await;
    assert!(bench.status().circuit_open);
    destination.script.lock().expect("no panic inside").clear();
    let begin = Instant::now();
    let counts = bench.stop(3 * SECOND).await;
    assert_eq!((counts.published_items, begin.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_flush_says_whether_all_is_gone() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    let mut bench = Bench::start(&destination, Delivery::default());
    bench.offer().await;
    let (reply, answers) = std::sync::mpsc::channel();
    bench.mailbox.tell(Message::Flush(3 * SECOND, reply.clone()));
    sleep(4 * SECOND).await;
    assert_eq!(answers.try_recv(), Ok(false));
    destination.answers(Answer::Ok);
    bench.mailbox.tell(Message::Flush(3 * SECOND, reply));
    settled().await;
    assert_eq!((answers.try_recv(), destination.arrived()), (Ok(true), vec![100]));
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_the_mailbox_at_the_end_is_counted_as_skipped() {
    let destination = Arc::new(Scripted::new([]).then(busy()));
    let mut bench = Bench::start(&destination, Delivery::default());
    let left = (0..6).filter(|_| bench.leave()).count();
    assert_eq!(left, 4, "there is room for so many");
    bench.mailbox.tell(Message::Stop(Duration::ZERO));
    let counts = bench.stop(Duration::ZERO).await;
    assert_eq!(counts.skipped + counts.encoded_items, 4);
    assert_adds_up(&counts);
}

/// Fails every other time; writes down which snapshot came after which.
#[derive(Default)]
struct Own(std::sync::Mutex<(u32, Seen)>);

/// Numbers of publications, and of the one before each.
type Seen = Vec<(u64, Option<u64>)>;

impl Publisher for Arc<Own> {
    fn name(&self) -> &str {
        "own"
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        let mut own = self.0.lock().expect("no panic inside");
        own.0 += 1;
        if own.0 % 2 == 1 {
            return Err(PublishError::transient("not yet"));
        }
        own.1.push((publication.snapshot.sequence, publication.previous.as_ref().map(|s| s.sequence)));
        Ok(Published::all(1))
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_of_ones_own_gets_each_publication_with_the_one_that_it_took_before() {
    let own = Arc::new(Own::default());
    let mut bench = Bench::of(ToPublisher::new(Arc::new(Arc::clone(&own))), Delivery::default());
    for _ in 0..3 {
        bench.offer().await;
    }
    sleep(60 * SECOND).await;
    assert_eq!(own.0.lock().expect("no panic inside").1, [(1, None), (2, Some(1)), (3, Some(2))]);
    let counts = bench.status();
    assert_eq!((counts.published_items, counts.attempts, counts.failures), (3, 6, 3));
    assert_adds_up(&counts);
}
