//! The lists of what ended: each sort in a ring of its own, so that a flood of one does not drive out another.

use super::super::ring::{Position, Ring};
use crate::snapshot::{ListCounts, OperationStatus};

/// What ended well and in time, what did not end well, and what was slow.
pub(super) struct Lists<T> {
    in_time: Ring<T>,
    failed: Ring<T>,
    slow: Ring<T>,
}

impl<T: Clone> Lists<T> {
    pub(super) fn new(places: usize) -> Self {
        Lists { in_time: Ring::new(places), failed: Ring::new(places), slow: Ring::new(places) }
    }

    pub(super) fn push(&self, ended_ns: u64, status: OperationStatus, is_slow: bool, item: T) {
        let ring = match status {
            OperationStatus::Succeeded if is_slow => &self.slow,
            OperationStatus::Succeeded => &self.in_time,
            _ => &self.failed,
        };
        ring.push(ended_ns, item);
    }

    fn rings(&self) -> [&Ring<T>; 3] {
        [&self.in_time, &self.failed, &self.slow]
    }

    pub(super) fn sweep(&self, since_ns: u64) {
        self.rings().iter().for_each(|ring| ring.sweep(since_ns));
    }

    pub(super) fn copy(&self, since_ns: u64) -> Vec<T> {
        let mut copies = Vec::new();
        self.rings().iter().for_each(|ring| ring.copy_into(since_ns, &mut copies));
        copies
    }

    /// What was added since then, in no order; returns how many of it are gone.
    pub(super) fn since(&self, positions: &mut [Position; 3], copies: &mut Vec<T>) -> u64 {
        self.rings().iter().zip(positions).map(|(ring, position)| ring.since(position, copies)).sum()
    }

    pub(super) fn counts(&self) -> ListCounts {
        let [in_time, failed, slow] = self.rings().map(Ring::counts);
        ListCounts::new(
            in_time.retained + failed.retained + slow.retained,
            in_time.evicted + failed.evicted + slow.evicted,
        )
    }
}
