//! The two traits: who takes publications, and who takes them as bytes that can be kept and sent again.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::error::PublishError;
use super::publication::Publication;
use crate::collector::TelemetryCollector;

/// Takes publications somewhere. Implement it for a destination of one's own; the method may be an `async fn`.
///
/// In an [`Outbox`](super::Outbox) it has a queue, retries and counts like every other, and a thread: it may take its time,
/// and it may block.
pub trait Publisher: Send + Sync + 'static {
    /// Returns its name, the label `destination` of what is counted of it.
    fn name(&self) -> &str;

    /// Publishes one publication. It is called again with the same one after an error that is not
    /// [permanent](PublishError::is_permanent).
    ///
    /// # Errors
    /// What went wrong; nothing of the publication counts as published then.
    fn publish(&self, publication: &Publication) -> impl Future<Output = Result<Published, PublishError>> + Send;
}

/// A destination that takes bytes: what a publication is there, and how they get there. Payloads can be kept on disk, and are
/// retried each by itself.
///
/// Every destination of ringscope's is one. Each is a [`Publisher`] as well, without a queue and with one attempt: what it
/// wants to be sent again counts as rejected then.
pub trait Destination: Send + Sync + 'static {
    /// Returns its name, the label `destination` of what is counted of it.
    fn name(&self) -> &str;

    /// Returns whether counts are sent as what was added since the publication before. A full queue then takes no new
    /// payloads, and what was counted meanwhile is in the next; otherwise the oldest payloads go.
    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }

    /// Uses `collector` for what it counts of its own network operations. Called once, before anything is sent.
    fn attach(&self, collector: &TelemetryCollector) {
        let _ = collector;
    }

    /// Writes the publication in the destination's format, in pieces that are sent, retried and counted each by itself.
    ///
    /// # Errors
    /// It cannot be written; the publication is dropped.
    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError>;

    /// Sends one payload, once.
    ///
    /// # Errors
    /// What went wrong; nothing of the payload counts as published then.
    fn send(&self, payload: &Payload) -> impl Future<Output = Result<Published, PublishError>> + Send;
}

impl<D: Destination> Publisher for D {
    fn name(&self) -> &str {
        Destination::name(self)
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        let mut all = Published::default();
        for payload in self.encode(publication)? {
            let published = self.send(&payload).await?;
            all.items += published.items;
            // There is no second attempt here.
            all.rejected += published.rejected + published.again.map_or(0, |again| again.items);
            all.warning = published.warning.or(all.warning);
        }
        Ok(all)
    }
}

/// Whether counts are sent as all so far, or as what came since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Temporality {
    /// All since the start.
    #[default]
    Cumulative,
    /// What came since the publication before.
    Delta,
}

/// Bytes for a destination: one request, packet or file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// What it is, in the destination's own numbers.
    pub kind: u8,
    /// Series, spans, events or documents in it.
    pub items: u64,
    /// When the snapshot was taken.
    pub time: SystemTime,
    /// What is sent.
    pub bytes: Arc<[u8]>,
}

impl Payload {
    /// Makes one.
    pub fn new(kind: u8, items: u64, time: SystemTime, bytes: impl Into<Arc<[u8]>>) -> Self {
        Payload { kind, items, time, bytes: bytes.into() }
    }
}

/// What became of something that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// Items that are there.
    pub items: u64,
    /// Items that the destination does not take, and never will.
    pub rejected: u64,
    /// Items that it may take when it is sent them again; they are neither in `items` nor in `rejected`.
    pub again: Option<Payload>,
    /// What it had to say, or why it rejected some.
    pub warning: Option<String>,
}

impl Published {
    /// Says that so many items are there, and all is well.
    pub fn all(items: u64) -> Self {
        Published { items, ..Published::default() }
    }
}
