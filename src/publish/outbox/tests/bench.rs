//! A destination that does what a test says, and a worker under a clock that stands still unless all wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::super::ledger::Ledger;
use super::super::mailbox::{Mailbox, Message};
use super::super::route::{Route, ToDestination};
use super::super::worker::Worker;
use crate::publish::queue::{Memory, Queue};
use crate::publish::spool::DiskQueue;
use crate::publish::{Delivery, Destination, Payload, Publication, PublishError, Published, Spool, Temporality};
use crate::snapshot::{PublisherTelemetry, Snapshot};
use crate::trace::Source;

/// What an attempt comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Ok,
    Rejects(u64),
    Again(u64),
    Busy(Option<Duration>),
    Never,
    Hangs,
    Panics,
}

/// One attempt: when, and the numbers in the payload.
pub(super) type Attempt = (Duration, Vec<u32>);

#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) temporality: Temporality,
    /// Items of each payload, and payloads of each publication.
    pub(super) items: usize,
    pub(super) payloads: usize,
    /// The answers in turn, then `then`.
    pub(super) script: Mutex<VecDeque<Answer>>,
    pub(super) then: Mutex<Answer>,
    pub(super) begin: Instant,
    pub(super) attempts: Mutex<Vec<Attempt>>,
    pub(super) arrived: Mutex<Vec<u32>>,
    /// Number of the snapshot, and of the one before it, of what was encoded.
    pub(super) encoded: Mutex<Vec<(u64, Option<u64>)>>,
}

impl Scripted {
    pub(super) fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        Scripted {
            temporality: Temporality::Cumulative,
            items: 1,
            payloads: 1,
            script: Mutex::new(script.into_iter().collect()),
            then: Mutex::new(Answer::Ok),
            begin: Instant::now(),
            attempts: Mutex::default(),
            arrived: Mutex::default(),
            encoded: Mutex::default(),
        }
    }

    pub(super) fn then(self, then: Answer) -> Self {
        self.answers(then);
        self
    }

    pub(super) fn answers(&self, then: Answer) {
        *self.then.lock().expect("no panic inside") = then;
    }

    pub(super) fn arrived(&self) -> Vec<u32> {
        self.arrived.lock().expect("no panic inside").clone()
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().expect("no panic inside").clone()
    }
}

pub(super) fn numbers(payload: &Payload) -> Vec<u32> {
    payload.bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
}

fn payload(numbers: &[u32]) -> Payload {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Payload::new(0, numbers.len() as u64, SystemTime::UNIX_EPOCH, bytes)
}

impl Destination for Arc<Scripted> {
    fn name(&self) -> &str {
        "scripted"
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    /// Item i of publication n is 100 n + i.
    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let previous = publication.previous.as_ref().map(|s| s.sequence);
        self.encoded.lock().expect("no panic inside").push((publication.snapshot.sequence, previous));
        let items: Vec<u32> =
            (0..self.items * self.payloads).map(|i| publication.number as u32 * 100 + i as u32).collect();
        Ok(items.chunks(self.items).map(payload).collect())
    }

    async fn send(&self, sent: &Payload) -> Result<Published, PublishError> {
        let all = numbers(sent);
        self.attempts.lock().expect("no panic inside").push((self.begin.elapsed(), all.clone()));
        let next = self.script.lock().expect("no panic inside").pop_front();
        let answer = next.unwrap_or_else(|| self.then.lock().expect("no panic inside").clone());
        let arrive = |count: u64| {
            let taken = &all[..count as usize];
            self.arrived.lock().expect("no panic inside").extend_from_slice(taken);
            Published::all(count)
        };
        match answer {
            Answer::Ok => Ok(arrive(sent.items)),
            Answer::Rejects(rejected) => {
                let rejected = rejected.min(sent.items);
                Ok(Published { rejected, ..arrive(sent.items - rejected) })
            }
            Answer::Again(again) => {
                let taken = sent.items - again.min(sent.items);
                let rest = payload(&all[taken as usize..]);
                Ok(Published { again: (rest.items > 0).then_some(rest), ..arrive(taken) })
            }
            Answer::Busy(retry_after) => Err(PublishError::Unavailable {
                peer: "scripted".to_owned(),
                status: "500".to_owned(),
                said: "later".to_owned(),
                retry_after,
            }),
            Answer::Never => Err(PublishError::permanent("never")),
            Answer::Hangs => std::future::pending().await,
            Answer::Panics => panic!("a bug of the destination's"),
        }
    }
}

/// A worker, and those who talk to it.
pub(super) struct Bench {
    pub(super) mailbox: Mailbox,
    pub(super) ledger: Arc<Ledger>,
    pub(super) worker: tokio::task::JoinHandle<()>,
    sequence: u64,
    template: Snapshot,
    source: Arc<Source>,
}

impl Bench {
    pub(super) fn start(destination: &Arc<Scripted>, delivery: Delivery) -> Bench {
        Bench::of(ToDestination(Arc::new(Arc::clone(destination))), delivery)
    }

    /// With what waits on disk.
    pub(super) fn on_disk(destination: &Arc<Scripted>, delivery: Delivery, spool: &Spool) -> Bench {
        let queue = Box::new(DiskQueue::open(spool).expect("a folder of its own"));
        Bench::with(ToDestination(Arc::new(Arc::clone(destination))), queue, delivery)
    }

    pub(super) fn of<R: Route>(route: R, delivery: Delivery) -> Bench {
        let queue = Box::new(Memory::new(delivery.queue_bytes));
        Bench::with(route, queue, delivery)
    }

    fn with<R: Route>(route: R, queue: Box<dyn Queue<R::Item>>, delivery: Delivery) -> Bench {
        let ledger = Arc::new(Ledger::new(route.name()));
        let (mailbox, receiver) = Mailbox::new();
        let worker = Worker::new(Arc::new(route), queue, delivery, Arc::clone(&ledger), receiver);
        let snapshot = crate::TelemetryCollector::new(true).snapshot().expect("it is enabled");
        Bench {
            mailbox,
            ledger,
            worker: tokio::spawn(worker.run()),
            sequence: 0,
            template: (*snapshot).clone(),
            source: Arc::new(Source::this_process("bench")),
        }
    }

    /// Offers the next publication, and lets the worker take it.
    pub(super) async fn offer(&mut self) {
        self.leave();
        settled().await;
    }

    pub(super) fn leave(&mut self) -> bool {
        self.sequence += 1;
        let snapshot = Arc::new(Snapshot { sequence: self.sequence, ..self.template.clone() });
        let mut publication = Publication::of_snapshot(Arc::clone(&self.source), SystemTime::UNIX_EPOCH, snapshot);
        publication.number = self.sequence;
        self.mailbox.leave(publication)
    }

    pub(super) fn status(&self) -> PublisherTelemetry {
        self.ledger.read()
    }

    pub(super) async fn stop(self, limit: Duration) -> PublisherTelemetry {
        self.mailbox.tell(Message::Stop(limit));
        self.worker.await.expect("the worker does not panic");
        self.ledger.read()
    }
}

/// Waits until nobody can go on at this moment.
pub(super) async fn settled() {
    sleep(Duration::from_millis(1)).await;
}

/// Encoded is published, dropped or queued.
pub(super) fn assert_adds_up(counts: &PublisherTelemetry) {
    let sum = counts.published_items + counts.dropped_items.iter().sum::<u64>() + counts.queued_items;
    assert_eq!(counts.encoded_items, sum, "{counts:?}");
}
