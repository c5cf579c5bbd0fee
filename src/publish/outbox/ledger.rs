//! What became of what one destination was to get: counts that agree at every moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::log::{Log, Message};
use crate::collector::CountsPublishing;
use crate::publish::error::PublishError;
use crate::publish::queue::Lost;
use crate::snapshot::{DropReason, PublisherTelemetry};

/// The counts of one destination. Each method moves items from one count to another under one lock, so that whoever reads finds
/// them adding up.
#[derive(Debug)]
pub(in crate::publish) struct Ledger {
    counts: Mutex<Counts>,
    log: Log,
}

#[derive(Debug)]
struct Counts {
    told: PublisherTelemetry,
    /// Nobody waits any more: what the thread still does is not counted.
    closed: bool,
}

impl Ledger {
    pub(in crate::publish) fn new(destination: &str) -> Self {
        Ledger {
            counts: Mutex::new(Counts { told: PublisherTelemetry::new(destination), closed: false }),
            log: Default::default(),
        }
    }

    pub(in crate::publish) fn read(&self) -> PublisherTelemetry {
        self.lock().told.clone()
    }

    /// Takes the name that the collector knows it by.
    pub(super) fn rename(&self, destination: Arc<str>) {
        self.change(|c| c.destination = destination);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut PublisherTelemetry)) {
        let mut counts = self.lock();
        if !counts.closed {
            change(&mut counts.told);
        }
    }

    /// When no lock is held: a subscriber may look here.
    fn say(&self, message: Message<'_>) {
        let destination = Arc::clone(&self.lock().told.destination);
        self.log.say(&destination, message);
    }

    fn say_dropped(&self, reason: DropReason, items: u64) {
        if items > 0 {
            self.say(Message::ItemsDropped { reason, items });
        }
    }

    pub(in crate::publish) fn offered(&self) {
        self.change(|c| c.publications += 1);
    }

    /// Nothing of a publication was taken; its snapshot's counts come with the next one, its `records` do not.
    pub(in crate::publish) fn skipped(&self, records: u64, reason: DropReason) {
        self.change(|c| {
            c.skipped += 1;
            c.encoded_items += records;
            drop_items(c, reason, records);
        });
        self.say(Message::PublicationSkipped { skipped: self.read().skipped });
        self.say_dropped(reason, records);
    }

    /// Something could not be written at all.
    pub(super) fn unwritable(&self, items: u64, error: &PublishError) {
        self.change(|c| {
            c.encoded_items += items;
            drop_items(c, DropReason::Unwritable, items);
            c.last_error = Some(error.to_string().into());
        });
        self.say_dropped(DropReason::Unwritable, items);
    }

    /// Something was written, or found in the spool, and waits.
    pub(super) fn queued(&self, items: u64, bytes: u64) {
        self.change(|c| {
            c.encoded_items += items;
            c.queued_items += items;
            c.queued_bytes += bytes;
        });
    }

    /// Something that waited is dropped.
    pub(super) fn dropped(&self, reason: DropReason, lost: Lost) {
        self.change(|c| {
            c.queued_items = c.queued_items.saturating_sub(lost.items);
            c.queued_bytes = c.queued_bytes.saturating_sub(lost.bytes);
            drop_items(c, reason, lost.items);
        });
        self.say_dropped(reason, lost.items);
    }

    /// Something was lost of which nothing is counted yet.
    pub(super) fn lost(&self, reason: DropReason, items: u64) {
        self.change(|c| {
            c.encoded_items += items;
            drop_items(c, reason, items);
        });
        self.say_dropped(reason, items);
    }

    pub(super) fn attempt(&self, is_retry: bool) {
        self.change(|c| {
            c.attempts += 1;
            c.retries += u64::from(is_retry);
        });
    }

    pub(super) fn failed(&self, error: &PublishError) {
        self.change(|c| {
            c.failures += 1;
            c.last_error = Some(error.to_string().into());
        });
        self.say(Message::AttemptFailed { error });
    }

    /// Of something that waited, with `bytes`, so many items arrived and so many were refused; `left` waits on, in so many bytes.
    pub(super) fn sent(&self, outcome: &Outcome, bytes: u64, left: Lost, at: SystemTime) {
        self.change(|c| {
            let gone = outcome.published + outcome.rejected;
            c.queued_items = c.queued_items.saturating_sub(gone);
            c.queued_bytes = c.queued_bytes.saturating_sub(bytes) + left.bytes;
            c.published_items += outcome.published;
            c.sent_bytes += bytes.saturating_sub(left.bytes);
            drop_items(c, DropReason::Rejected, outcome.rejected);
            if outcome.published > 0 {
                c.last_success = Some(at);
            }
            if let Some(warning) = &outcome.warning {
                c.last_error = Some(warning.as_str().into());
            }
        });
        self.say_dropped(DropReason::Rejected, outcome.rejected);
    }

    pub(super) fn circuit(&self, open: bool) {
        self.change(|c| c.circuit_open = open);
        self.say(if open { Message::CircuitOpened } else { Message::CircuitClosed });
    }

    /// Counts what still waits as dropped at the end, and nothing after it; `keeps` says that it stays in the spool instead.
    pub(super) fn close(&self, keeps: bool) {
        let mut counts = self.lock();
        if !std::mem::replace(&mut counts.closed, true) && !keeps {
            let c = &mut counts.told;
            let left = std::mem::take(&mut c.queued_items);
            c.queued_bytes = 0;
            drop_items(c, DropReason::Shutdown, left);
            drop(counts);
            self.say_dropped(DropReason::Shutdown, left);
        }
    }
}

impl CountsPublishing for Ledger {
    fn read(&self) -> PublisherTelemetry {
        Ledger::read(self)
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

/// What an attempt came to, in numbers that add up to what was sent.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) published: u64,
    pub(super) rejected: u64,
    pub(super) warning: Option<String>,
}

fn drop_items(counts: &mut PublisherTelemetry, reason: DropReason, items: u64) {
    if let Some(at) = DropReason::ALL.iter().position(|one| *one == reason) {
        counts.dropped_items[at] += items;
    }
}

/// Shared by the thread that sends and by those who read.
pub(in crate::publish) type SharedLedger = Arc<Ledger>;
