//! What became of what was to be published, destination by destination.

use std::sync::Arc;
use std::time::SystemTime;

/// Why something that was to be published was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum DropReason {
    /// The queue had no room for it.
    Full,
    /// It was too old to be sent any more.
    Expired,
    /// The destination does not take it, and never will.
    Rejected,
    /// It cannot be written in the destination's format, or is more than the destination takes at once.
    Unwritable,
    /// It was still queued at the end, and the time for the flush was over.
    Shutdown,
    /// The spool's disk did not take it or did not give it back.
    Spool,
}

impl DropReason {
    /// All of them, in this order.
    pub const ALL: [DropReason; 6] = [
        DropReason::Full,
        DropReason::Expired,
        DropReason::Rejected,
        DropReason::Unwritable,
        DropReason::Shutdown,
        DropReason::Spool,
    ];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Full => "full",
            DropReason::Expired => "expired",
            DropReason::Rejected => "rejected",
            DropReason::Unwritable => "unwritable",
            DropReason::Shutdown => "shutdown",
            DropReason::Spool => "spool",
        }
    }
}

/// What became of what one destination was to get, since it was added. An item is a series, a span, an event or a document.
/// Every item is published, dropped or queued: `encoded_items` is their sum.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PublisherTelemetry {
    /// Name of the destination.
    pub destination: Arc<str>,
    /// Publications that it was offered.
    pub publications: u64,
    /// Publications of which it took nothing, because its queue was full or it was still writing the ones before.
    pub skipped: u64,
    /// Items that were written in its format.
    pub encoded_items: u64,
    /// Items that it took.
    pub published_items: u64,
    /// Items dropped, in the order of [`DropReason::ALL`]; serializes to a map by reason.
    #[cfg_attr(feature = "serde", serde(serialize_with = "by_reason"))]
    pub dropped_items: [u64; DropReason::ALL.len()],
    /// Items that wait, in memory or in the spool.
    pub queued_items: u64,
    /// Bytes that wait, in memory or in the spool.
    pub queued_bytes: u64,
    /// Attempts to send.
    pub attempts: u64,
    /// Attempts that failed, whether they were made again or not.
    pub failures: u64,
    /// Attempts after a failure.
    pub retries: u64,
    /// Bytes of payloads that arrived.
    pub sent_bytes: u64,
    /// Whether nothing is sent for now, after too many failures in a row.
    pub circuit_open: bool,
    /// When something arrived last.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub last_success: Option<SystemTime>,
    /// Why an attempt failed last.
    pub last_error: Option<Arc<str>>,
}

impl PublisherTelemetry {
    /// Makes one of a destination that was not sent anything yet.
    pub fn new(destination: impl Into<Arc<str>>) -> Self {
        PublisherTelemetry { destination: destination.into(), ..PublisherTelemetry::default() }
    }

    /// Returns how many items were dropped for that reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        DropReason::ALL.iter().position(|one| *one == reason).map_or(0, |i| self.dropped_items[i])
    }
}

#[cfg(feature = "serde")]
fn by_reason<S: serde::Serializer>(dropped: &[u64; DropReason::ALL.len()], s: S) -> Result<S::Ok, S::Error> {
    s.collect_map(DropReason::ALL.iter().map(|reason| reason.name()).zip(dropped))
}
