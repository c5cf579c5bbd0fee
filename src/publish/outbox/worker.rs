//! The one loop of every destination: takes publications in, keeps them within bounds, sends them, tries again, ends in time.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, sleep_until};

use super::guard;
use super::ledger::SharedLedger;
use super::mailbox::Message;
use super::retry::Retry;
use super::route::{Route, Sent};
use crate::publish::delivery::Delivery;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::Temporality;
use crate::publish::queue::{Entry, Queue, Taken};
use crate::snapshot::{DropReason, Snapshot};

/// A year: far from where a clock overflows.
const FAR: Duration = Duration::from_secs(365 * 86_400);

/// Somebody waits until so many entries are gone.
struct Flush {
    entries: u64,
    until: Instant,
    reply: Sender<bool>,
}

/// The clock that paused tests turn, as times of day.
struct Clock {
    begin: Instant,
    time: SystemTime,
}

impl Clock {
    fn now(&self) -> SystemTime {
        self.time + self.begin.elapsed()
    }

    fn at(&self, time: SystemTime) -> Instant {
        self.begin + time.duration_since(self.time).unwrap_or_default().min(FAR)
    }
}

pub(super) struct Worker<R: Route> {
    route: Arc<R>,
    queue: Box<dyn Queue<R::Item>>,
    delivery: Delivery,
    ledger: SharedLedger,
    mailbox: UnboundedReceiver<Message>,
    clock: Clock,
    retry: Retry,
    in_hand: Option<Entry<R::Item>>,
    /// Whether `in_hand` was tried before.
    tried: bool,
    /// What the next differences are differences to.
    baseline: Option<Arc<Snapshot>>,
    /// Entries ever pushed, and those that are not there any more.
    pushed: u64,
    gone: u64,
    flushes: Vec<Flush>,
    /// When it ends, whatever waits.
    stop: Option<Instant>,
}

impl<R: Route> Worker<R> {
    pub(super) fn new(
        route: Arc<R>,
        queue: Box<dyn Queue<R::Item>>,
        delivery: Delivery,
        ledger: SharedLedger,
        mailbox: UnboundedReceiver<Message>,
    ) -> Self {
        Worker {
            retry: Retry::new(&delivery),
            clock: Clock { begin: Instant::now(), time: SystemTime::now() },
            route,
            queue,
            delivery,
            ledger,
            mailbox,
            in_hand: None,
            tried: false,
            baseline: None,
            pushed: 0,
            gone: 0,
            flushes: Vec::new(),
            stop: None,
        }
    }

    pub(super) async fn run(mut self) {
        self.count_found();
        loop {
            self.receive_waiting();
            self.take();
            self.drop_expired();
            self.answer_flushes();
            if self.has_ended() {
                break;
            }
            match self.retry.held_until(Instant::now()) {
                None if self.in_hand.is_some() => self.attempt().await,
                held => self.wait(held).await,
            }
        }
        self.end();
    }

    /// What the spool has kept, which counts as if it had been written just now.
    fn count_found(&mut self) {
        let found = self.queue.found();
        self.pushed += found.waiting.entries;
        self.ledger.queued(found.waiting.items, found.waiting.bytes);
        self.ledger.lost(DropReason::Spool, found.cut);
    }

    fn end(mut self) {
        self.mailbox.close();
        while let Ok(message) = self.mailbox.try_recv() {
            match message {
                Message::Publication(pending) => self.ledger.skipped(pending.take().records(), DropReason::Shutdown),
                Message::Flush(_, reply) => _ = reply.send(false),
                Message::Stop(_) => {}
            }
        }
        // What they wait for does not come any more; whoever asked may have gone.
        for flush in &self.flushes {
            let _ = flush.reply.send(false);
        }
        if let Err(error) = self.queue.end() {
            self.ledger.failed(&error);
        }
        self.ledger.close(self.queue.keeps());
    }

    fn receive_waiting(&mut self) {
        loop {
            match self.mailbox.try_recv() {
                Ok(message) => self.receive(message, false),
                Err(TryRecvError::Empty) => return,
                // Nobody can say anything any more.
                Err(TryRecvError::Disconnected) => return self.end_within(Duration::ZERO),
            }
        }
    }

    fn receive(&mut self, message: Message, sending: bool) {
        match message {
            Message::Publication(pending) => self.admit(pending.take(), sending),
            Message::Flush(limit, reply) => {
                self.retry.hurry();
                let until = Instant::now() + limit.min(FAR);
                self.flushes.push(Flush { entries: self.pushed, until, reply });
            }
            Message::Stop(limit) => {
                self.retry.hurry();
                self.end_within(limit);
            }
        }
    }

    fn end_within(&mut self, limit: Duration) {
        let end = Instant::now() + limit.min(FAR);
        self.stop = Some(self.stop.map_or(end, |earlier| earlier.min(end)));
    }

    /// Writes a publication and puts it into the queue.
    fn admit(&mut self, publication: Publication, sending: bool) {
        let records = publication.records();
        let snapshot = Arc::clone(&publication.snapshot);
        let publication = Publication { previous: self.baseline.clone(), ..publication };
        let entries = match guard::call(|| self.route.prepare(publication)) {
            Ok(entries) => entries,
            Err(error) => {
                self.ledger.failed(&error);
                return self.ledger.unwritable(records.max(1), &error);
            }
        };
        let sizes: Vec<u64> = entries.iter().map(|entry| entry.bytes).collect();
        let waits = self.pushed > self.gone;
        if self.route.temporality() == Temporality::Delta && waits && !self.queue.fits(&sizes) {
            // What was counted meanwhile is in the next difference.
            return self.ledger.skipped(records, DropReason::Full);
        }
        self.baseline = Some(snapshot);
        let now = self.clock.now();
        entries.into_iter().for_each(|entry| self.push(Entry { queued: now, ..entry }, sending));
        self.commit();
    }

    fn push(&mut self, entry: Entry<R::Item>, sending: bool) {
        while !self.queue.fits(&[entry.bytes]) && self.drop_oldest(sending) {}
        if !self.queue.fits(&[entry.bytes]) {
            return self.ledger.lost(DropReason::Full, entry.items);
        }
        let (items, bytes) = (entry.items, entry.bytes);
        match self.queue.push(entry) {
            Ok(()) => {
                self.pushed += 1;
                self.ledger.queued(items, bytes);
            }
            Err(error) => {
                self.ledger.failed(&error);
                self.ledger.lost(DropReason::Spool, items);
            }
        }
    }

    fn commit(&mut self) {
        if let Err(error) = self.queue.commit() {
            self.ledger.failed(&error);
        }
    }

    /// Drops what waits longest, unless it is being sent; returns false if there is nothing else.
    fn drop_oldest(&mut self, sending: bool) -> bool {
        if !sending && self.in_hand.is_some() {
            self.drop_in_hand(DropReason::Full);
            return true;
        }
        let Some(lost) = self.queue.drop_oldest() else { return false };
        self.gone += lost.entries;
        self.ledger.dropped(DropReason::Full, lost);
        true
    }

    fn drop_in_hand(&mut self, reason: DropReason) {
        if let Some(entry) = self.in_hand.take() {
            self.ledger.dropped(reason, entry.size());
            self.settle();
        }
    }

    fn settle(&mut self) {
        self.queue.settle();
        self.gone += 1;
        self.tried = false;
    }

    fn take(&mut self) {
        while self.in_hand.is_none() {
            match self.queue.take() {
                Taken::Empty => return,
                Taken::Entry(entry) => self.in_hand = Some(entry),
                Taken::Lost(lost, error) => {
                    self.gone += lost.entries;
                    self.ledger.failed(&error);
                    self.ledger.dropped(DropReason::Spool, lost);
                }
            }
        }
    }

    fn expiry(&self) -> Option<Instant> {
        let oldest = self.in_hand.as_ref()?;
        Some(self.clock.at(oldest.queued + self.delivery.queue_age.min(FAR)))
    }

    fn drop_expired(&mut self) {
        while self.expiry().is_some_and(|expiry| expiry <= Instant::now()) {
            self.drop_in_hand(DropReason::Expired);
            self.take();
        }
    }

    /// Says to those who wait for a flush what came of it: all gone, or that it cannot be within their time.
    fn answer_flushes(&mut self) {
        let (gone, now) = (self.gone, Instant::now());
        let held = self.retry.held_until(now);
        self.flushes.retain(|flush| {
            let is_done = gone >= flush.entries;
            let is_over = flush.until <= now || held.is_some_and(|held| held > flush.until);
            if is_done || is_over {
                // Whoever asked may have gone.
                let _ = flush.reply.send(is_done);
            }
            !is_done && !is_over
        });
    }

    fn has_ended(&self) -> bool {
        let now = Instant::now();
        self.stop.is_some_and(|stop| {
            let held = self.retry.held_until(now);
            self.in_hand.is_none() || stop <= now || held.is_some_and(|held| held > stop)
        })
    }

    /// Waits until there is something to do.
    async fn wait(&mut self, held: Option<Instant>) {
        let flushes = self.flushes.iter().map(|flush| flush.until);
        let held = held.filter(|_| self.in_hand.is_some());
        let wake = held.into_iter().chain(self.expiry()).chain(self.stop).chain(flushes).min();
        let message = tokio::select! {
            message = self.mailbox.recv() => message,
            () = sleep_until(wake.unwrap_or_else(|| Instant::now() + FAR)) => return,
        };
        match message {
            Some(message) => self.receive(message, false),
            None => self.end_within(Duration::ZERO),
        }
    }

    /// Sends what is in hand once, and takes publications in meanwhile.
    async fn attempt(&mut self) {
        let Some(entry) = self.in_hand.take() else { return };
        self.ledger.attempt(self.tried);
        let (route, limit) = (Arc::clone(&self.route), self.delivery.timeout);
        let sending = guard::run(route.send(&entry));
        let result = match self.while_receiving(tokio::time::timeout(limit, sending)).await {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(PublishError::TimedOut { peer: route.name().to_owned(), limit }),
            // It is the end; whether it arrived nobody knows.
            None => {
                self.in_hand = Some(entry);
                return;
            }
        };
        self.tried = true;
        match result {
            Ok(sent) => self.sent(entry, sent),
            Err(error) => self.failed(entry, &error),
        }
    }

    /// Waits for `sending`; `None` if the end comes first.
    async fn while_receiving<T>(&mut self, sending: impl Future<Output = T>) -> Option<T> {
        let mut sending = pin!(sending);
        loop {
            let stop = self.stop.unwrap_or_else(|| Instant::now() + FAR);
            let message = tokio::select! {
                biased;
                sent = &mut sending => return Some(sent),
                () = sleep_until(stop) => return None,
                message = self.mailbox.recv(), if self.stop.is_none() => message,
            };
            match message {
                Some(message) => self.receive(message, true),
                None => self.end_within(Duration::ZERO),
            }
        }
    }

    fn sent(&mut self, entry: Entry<R::Item>, sent: Sent<R::Item>) {
        let open = self.retry.is_open();
        let left = sent.again.as_ref().map(Entry::size).unwrap_or_default();
        self.ledger.sent(&sent.outcome, entry.bytes, left, self.clock.now());
        match sent.again {
            None => {
                self.retry.answered();
                self.settle();
            }
            Some(again) => {
                if sent.outcome.published > 0 {
                    self.retry.answered();
                }
                self.in_hand = Some(Entry { queued: entry.queued, ..again });
                self.retry.failed(&PublishError::transient("not all of it was taken"), Instant::now());
            }
        }
        self.told_of_the_circuit(open);
    }

    fn failed(&mut self, entry: Entry<R::Item>, error: &PublishError) {
        let open = self.retry.is_open();
        self.ledger.failed(error);
        self.in_hand = Some(entry);
        if error.is_permanent() {
            self.retry.answered();
            self.drop_in_hand(reason_of(error));
        } else {
            self.retry.failed(error, Instant::now());
        }
        self.told_of_the_circuit(open);
    }

    fn told_of_the_circuit(&self, was_open: bool) {
        if was_open != self.retry.is_open() {
            self.ledger.circuit(self.retry.is_open());
        }
    }
}

fn reason_of(error: &PublishError) -> DropReason {
    match error {
        PublishError::Unwritable { .. } => DropReason::Unwritable,
        _ => DropReason::Rejected,
    }
}
