//! [`Outbox`]: the way to one destination, which waits, tries again and counts, on a thread of its own.

mod guard;
mod ledger;
mod log;
mod mailbox;
mod retry;
mod route;
mod worker;

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;

use self::ledger::{Ledger, SharedLedger};
use self::mailbox::{Mailbox, Message};
use self::route::{Route, ToDestination, ToPublisher};
use self::worker::Worker;
use super::delivery::Delivery;
use super::error::PublishError;
use super::publication::Publication;
use super::publisher::{Destination, Payload, Publisher};
use super::queue::{Memory, Queue};
use super::spool::DiskQueue;
use crate::collector::TelemetryCollector;
use crate::snapshot::{DropReason, PublisherTelemetry};

/// How much longer than its limit somebody waits for a thread that says when the limit is over.
const GRACE: Duration = Duration::from_millis(100);

type Attach = Box<dyn Fn(&TelemetryCollector) + Send + Sync>;

/// The way to one destination: a queue, retries, a circuit and counts, on a thread of its own.
///
/// Whoever [offers](Self::offer) publications never waits: neither for a destination that is slow or gone, nor for one that
/// blocks. What waits is bounded in bytes and in age. An attempt that fails is made again after a pause that grows, with
/// jitter, or as long as the destination asks to be left alone; what it will never take is dropped at once. After
/// [so many](Delivery::circuit_failures) failures in a row the circuit opens: one attempt after each
/// [pause](Delivery::circuit_pause), until one succeeds. Every item is published, dropped for a reason that is counted, or
/// still waits: [`status`](Self::status).
///
/// An attempt that ran into the time limit, or whose connection broke, is made again although it may have arrived: what is
/// delivered is delivered at least once.
///
/// Dropping it is [`stop`](Self::stop).
pub struct Outbox {
    mailbox: Mailbox,
    ledger: SharedLedger,
    attach: Attach,
    attached: Once,
    flush_limit: Duration,
    /// Told by the thread that it has ended; `None` once that was waited for.
    ended: Mutex<Option<Receiver<()>>>,
    keeps: bool,
}

impl Outbox {
    /// Starts the way to `destination`, with its payloads in the queue.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] of `delivery`; [`PublishError::File`], if the spool cannot be used;
    /// [`PublishError::NoThread`].
    pub fn destination<D: Destination>(destination: D, delivery: Delivery) -> Result<Outbox, PublishError> {
        let destination = Arc::new(destination);
        let attached = Arc::clone(&destination);
        delivery.check()?;
        let queue: Box<dyn Queue<Payload>> = match &delivery.spool {
            None => Box::new(Memory::new(delivery.queue_bytes)),
            Some(spool) => Box::new(DiskQueue::open(spool)?),
        };
        let mut outbox = Outbox::start(ToDestination(destination), queue, delivery)?;
        outbox.attach = Box::new(move |collector| attached.attach(collector));
        Ok(outbox)
    }

    /// Starts the way to a publisher of one's own, with publications in the queue. The publisher may block.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] of `delivery`, which cannot have a spool; [`PublishError::NoThread`].
    pub fn publisher<P: Publisher>(publisher: P, delivery: Delivery) -> Result<Outbox, PublishError> {
        if delivery.spool.is_some() {
            return Err(PublishError::BadSetting {
                setting: "spool".to_owned(),
                remedy: "only what implements Destination has bytes that a spool can keep".to_owned(),
            });
        }
        let queue = Box::new(Memory::new(delivery.queue_bytes));
        Outbox::start(ToPublisher::new(Arc::new(publisher)), queue, delivery)
    }

    fn start<R: Route>(route: R, queue: Box<dyn Queue<R::Item>>, delivery: Delivery) -> Result<Outbox, PublishError> {
        delivery.check()?;
        let (route, flush_limit, keeps) = (Arc::new(route), delivery.flush_limit, queue.keeps());
        let ledger = Arc::new(Ledger::new(route.name()));
        let (mailbox, receiver) = Mailbox::new();
        let (end, ended) = channel();
        let name = format!("ringscope-pub-{}", route.name());
        let no_thread = |e: std::io::Error| PublishError::NoThread { what: name.clone(), reason: e.to_string() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
        let counts = Arc::clone(&ledger);
        let body = move || {
            runtime.block_on(async { Worker::new(route, queue, delivery, counts, receiver).run().await });
            // Not dropped: that would wait for a look-up of a name that hangs.
            runtime.shutdown_background();
            // Whoever waited may have gone.
            let _ = end.send(());
        };
        std::thread::Builder::new().name(name.clone()).spawn(body).map_err(no_thread)?;
        Ok(Outbox {
            mailbox,
            ledger,
            attach: Box::new(|_| ()),
            attached: Once::new(),
            flush_limit,
            ended: Mutex::new(Some(ended)),
            keeps,
        })
    }

    /// Counts in the snapshots of `collector` what becomes of everything, and lets the destination count its network operations
    /// there. To be called before anything is offered; only the first call does something. Where the collector has another
    /// destination of that name, this one is called `name-2`.
    pub fn attach(&self, collector: &TelemetryCollector) {
        self.attached.call_once(|| {
            let name = self.status().destination;
            self.ledger.rename(collector.add_publisher(&name, Arc::clone(&self.ledger) as _));
            (self.attach)(collector);
        });
    }

    /// Hands over a publication, and returns at once. One that finds others still waiting to be written is skipped, and
    /// counted: what its snapshot counts is in the next one's.
    /// [`previous`](Publication::previous) is set for the destination, whatever it is here.
    pub fn offer(&self, publication: &Publication) {
        self.ledger.offered();
        if !self.mailbox.leave(publication.clone()) {
            self.ledger.skipped(publication.records(), DropReason::Full);
        }
    }

    /// Returns what became of what was offered so far.
    pub fn status(&self) -> PublisherTelemetry {
        self.ledger.read()
    }

    /// Waits until what waits now is sent or dropped, for at most `limit`, and returns whether that is so. A pause between
    /// attempts is cut short, unless the destination asked for it.
    ///
    /// Blocks the thread: from async code, call it in `spawn_blocking`.
    pub fn flush(&self, limit: Duration) -> bool {
        self.start_flush(limit).wait()
    }

    /// Begins a flush that somebody waits for later, after others were begun.
    pub(super) fn start_flush(&self, limit: Duration) -> Flushing {
        let (reply, answer) = channel();
        self.mailbox.tell(Message::Flush(limit, reply));
        Flushing { answer, until: std::time::Instant::now() + limit.saturating_add(GRACE) }
    }

    /// Sends what waits, within the [limit](Delivery::flush_limit), and ends; what is left is dropped and counted, or stays in
    /// the spool. Returns after at most that time, also when the destination hangs. Further calls do nothing.
    pub fn stop(&self) {
        self.start_stop();
        self.finish_stop(self.flush_limit);
    }

    pub(super) fn start_stop(&self) {
        self.mailbox.tell(Message::Stop(self.flush_limit));
    }

    pub(super) fn finish_stop(&self, limit: Duration) {
        let Some(ended) = self.ended.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(limit.saturating_add(GRACE)) {
            // A destination that blocks: its thread is left alone.
            self.ledger.close(self.keeps);
        }
    }

    pub(super) fn flush_limit(&self) -> Duration {
        self.flush_limit
    }
}

/// A flush under way.
pub(super) struct Flushing {
    answer: Receiver<bool>,
    until: std::time::Instant,
}

impl Flushing {
    pub(super) fn wait(self) -> bool {
        let left = self.until.saturating_duration_since(std::time::Instant::now());
        self.answer.recv_timeout(left).unwrap_or(false)
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("status", &self.status()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
