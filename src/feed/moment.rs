//! One moment: a snapshot, and what happened since the one before.

use std::sync::Arc;

use super::entry::Entry;
use crate::alert::Alert;
use crate::snapshot::Snapshot;

/// A snapshot with what happened since the one before it. Cloning it clones pointers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Moment {
    /// All numbers.
    pub snapshot: Arc<Snapshot>,
    /// What happened since the moment before, in order of time: events of kernels and of the application, failed and slow
    /// operations, alerts that fired or were resolved.
    pub entries: Arc<[Entry]>,
    /// All alerts that are pending or firing, and those that were resolved since the moment before.
    pub alerts: Arc<[Alert]>,
    /// Entries that were gone before they could be read.
    pub missed: u64,
}

impl Moment {
    /// Makes one of a snapshot alone.
    pub fn of_snapshot(snapshot: Arc<Snapshot>) -> Self {
        Moment { snapshot, entries: Arc::new([]), alerts: Arc::new([]), missed: 0 }
    }
}
