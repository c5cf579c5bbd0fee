//! The two ways to a destination, as one: what waits in the queue, and how it is sent.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::ledger::Outcome;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Publisher, Temporality};
use crate::publish::queue::Entry;
use crate::snapshot::Snapshot;

/// What comes out of an attempt that did not fail.
pub(super) struct Sent<I> {
    pub(super) outcome: Outcome,
    /// What is to be sent once more.
    pub(super) again: Option<Entry<I>>,
}

/// How publications become items of a queue, and how these are sent.
pub(super) trait Route: Send + Sync + 'static {
    type Item: Send + Sync + 'static;

    fn name(&self) -> &str;

    fn temporality(&self) -> Temporality;

    fn prepare(&self, publication: Publication) -> Result<Vec<Entry<Self::Item>>, PublishError>;

    fn send(&self, entry: &Entry<Self::Item>) -> impl Future<Output = Result<Sent<Self::Item>, PublishError>> + Send;
}

/// Payloads wait, each of which is sent by itself.
pub(super) struct ToDestination<D>(pub(super) Arc<D>);

impl<D: Destination> Route for ToDestination<D> {
    type Item = Payload;

    fn name(&self) -> &str {
        Destination::name(&*self.0)
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }

    fn prepare(&self, publication: Publication) -> Result<Vec<Entry<Payload>>, PublishError> {
        Ok(self.0.encode(&publication)?.into_iter().map(Entry::of_payload).collect())
    }

    async fn send(&self, entry: &Entry<Payload>) -> Result<Sent<Payload>, PublishError> {
        let published = self.0.send(&entry.item).await?;
        let rejected = published.rejected.min(entry.items);
        // A destination whose numbers do not add up is believed in what it says against itself.
        let again = published.again.map(|mut again| {
            again.items = again.items.min(entry.items - rejected);
            Entry { queued: entry.queued, ..Entry::of_payload(again) }
        });
        let left = again.as_ref().map_or(0, |again| again.items);
        let outcome = Outcome { published: entry.items - rejected - left, rejected, warning: published.warning };
        Ok(Sent { outcome, again })
    }
}

/// Publications wait as they are.
pub(super) struct ToPublisher<P> {
    publisher: Arc<P>,
    /// The snapshot of the one that was published last.
    last: Mutex<Option<Arc<Snapshot>>>,
}

impl<P> ToPublisher<P> {
    pub(super) fn new(publisher: Arc<P>) -> Self {
        ToPublisher { publisher, last: Mutex::new(None) }
    }
}

impl<P: Publisher> Route for ToPublisher<P> {
    type Item = Publication;

    fn name(&self) -> &str {
        self.publisher.name()
    }

    /// What is dropped is in the difference to the next one that is published.
    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }

    fn prepare(&self, publication: Publication) -> Result<Vec<Entry<Publication>>, PublishError> {
        let (items, bytes) = (1 + publication.records(), publication.bytes_about());
        Ok(vec![Entry::new(publication, items, bytes)])
    }

    async fn send(&self, entry: &Entry<Publication>) -> Result<Sent<Publication>, PublishError> {
        let previous = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let publication = Publication { previous, ..entry.item.clone() };
        let published = self.publisher.publish(&publication).await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(publication.snapshot);
        let rejected = published.rejected.min(entry.items);
        let outcome = Outcome { published: entry.items - rejected, rejected, warning: published.warning };
        Ok(Sent { outcome, again: None })
    }
}
