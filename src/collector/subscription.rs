//! Snapshots as they come, for async code.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use super::costs::Shared;
use super::{TelemetryCollector, TelemetryError};
use crate::snapshot::Snapshot;

/// Snapshots as they come. One that is slow skips to the newest: nothing queues up, and nobody waits for it.
#[derive(Debug)]
pub struct Subscription {
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    counts: Arc<Shared>,
    /// The last one that was given out.
    last: Option<Arc<Snapshot>>,
    missed: u64,
}

impl TelemetryCollector {
    /// Snapshots as they come, whoever takes them; the newest there is comes first. Something must take them:
    /// [`start_collection`](Self::start_collection), say.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), ringscope::TelemetryError> {
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let mut snapshots = telemetry.subscribe()?;
    /// telemetry.start_collection(Duration::from_millis(5))?;
    /// let first = snapshots.next().await.expect("the collector is there");
    /// let second = snapshots.next().await.expect("the collector is there");
    /// assert!(second.sequence > first.sequence);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`].
    pub fn subscribe(&self) -> Result<Subscription, TelemetryError> {
        let inner = &*self.inner;
        if !inner.enabled {
            return Err(TelemetryError::Disabled);
        }
        let mut snapshots = inner.subscribers.subscribe();
        // Without subscribers nobody wrote it there; whoever writes next writes a newer one.
        inner.subscribers.send_if_modified(|newest| {
            *newest = inner.latest.load_full();
            false
        });
        snapshots.mark_changed();
        Ok(Subscription { snapshots, counts: Arc::clone(&inner.counts), last: None, missed: 0 })
    }
}

impl Subscription {
    /// The next snapshot, or the newest of several; `None` when the collector is gone. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        loop {
            self.snapshots.changed().await.ok()?;
            let newest = self.snapshots.borrow_and_update().clone();
            if let Some(snapshot) = newest.filter(|newest| self.is_new(newest)) {
                self.note(&snapshot);
                return Some(snapshot);
            }
        }
    }

    /// How many snapshots came and went between those that were given out.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// A subscription may begin while a snapshot is published, and find it twice.
    fn is_new(&self, snapshot: &Arc<Snapshot>) -> bool {
        self.last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, snapshot))
    }

    fn note(&mut self, snapshot: &Arc<Snapshot>) {
        if let Some(last) = &self.last {
            let missed = snapshot.sequence.saturating_sub(last.sequence + 1);
            self.missed += missed;
            self.counts.dropped_subscribers.fetch_add(missed, Ordering::Relaxed);
        }
        self.last = Some(Arc::clone(snapshot));
    }
}
