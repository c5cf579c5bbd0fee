//! [`Composite`]: many destinations, none of which waits for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::PublishError;
use super::outbox::Outbox;
use super::publication::Publication;
use super::publisher::{Published, Publisher};
use crate::collector::TelemetryCollector;
use crate::snapshot::PublisherTelemetry;

/// Hands each publication to every one of its outboxes, and returns at once: each has a queue and a thread of its own, and one
/// that is slow or dead delays no other. Clones share the outboxes.
#[derive(Clone, Debug)]
pub struct Composite {
    outboxes: Arc<[Outbox]>,
}

impl Composite {
    /// Makes one of outboxes.
    pub fn new(outboxes: impl IntoIterator<Item = Outbox>) -> Self {
        Composite { outboxes: outboxes.into_iter().collect() }
    }

    /// Lets each of them count in `collector`, as [`Outbox::attach`].
    pub fn attach(&self, collector: &TelemetryCollector) {
        self.outboxes.iter().for_each(|outbox| outbox.attach(collector));
    }

    /// Offers it to each, as [`Outbox::offer`].
    pub fn offer(&self, publication: &Publication) {
        self.outboxes.iter().for_each(|outbox| outbox.offer(publication));
    }

    /// Returns what became of what was offered so far, for each.
    pub fn status(&self) -> Vec<PublisherTelemetry> {
        self.outboxes.iter().map(Outbox::status).collect()
    }

    /// Waits until nothing of what waits now waits any more anywhere, for at most `limit` in all, and returns whether that is
    /// so; as [`Outbox::flush`].
    pub fn flush(&self, limit: Duration) -> bool {
        let begun: Vec<_> = self.outboxes.iter().map(|outbox| outbox.start_flush(limit)).collect();
        // All are asked before the first is waited for, and each is waited for.
        let late = begun.into_iter().filter_map(|flushing| (!flushing.wait()).then_some(())).count();
        late == 0
    }

    /// Ends all of them at the same time, each within its own [limit](super::Delivery::flush_limit); as [`Outbox::stop`].
    pub fn stop(&self) {
        let begun = Instant::now();
        self.outboxes.iter().for_each(Outbox::start_stop);
        self.outboxes
            .iter()
            .for_each(|outbox| outbox.finish_stop(outbox.flush_limit().saturating_sub(begun.elapsed())));
    }

    /// Counts what waits as dropped, since nobody waits for it any more.
    pub(super) fn abandon(&self) {
        self.outboxes.iter().for_each(|outbox| outbox.finish_stop(Duration::ZERO));
    }

    /// The longest that [`stop`](Self::stop) may take.
    pub(super) fn flush_limit(&self) -> Duration {
        self.outboxes.iter().map(Outbox::flush_limit).max().unwrap_or_default()
    }
}

impl Publisher for Composite {
    fn name(&self) -> &str {
        "composite"
    }

    /// Offers it to each, which counts as published here; what becomes of it, each one's status says.
    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        self.offer(publication);
        Ok(Published::all(1 + publication.records()))
    }
}
