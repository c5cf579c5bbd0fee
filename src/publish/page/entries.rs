//! The newest lines of the log, for pages that are opened later.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::feed::Entry;

/// Most entries that are kept.
pub const MOST: usize = 10_000;

/// Keeps entries as they come, the newest [`MOST`] of them.
#[derive(Debug, Default)]
pub struct Entries {
    kept: Mutex<VecDeque<Entry>>,
}

impl Entries {
    /// Adds the newest, in their order.
    pub fn add(&self, new: &[Entry]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(new.iter().cloned());
        let too_many = kept.len().saturating_sub(MOST);
        kept.drain(..too_many);
    }

    /// Returns the newest, at most so many, the newest last.
    pub fn newest(&self, most: usize) -> Vec<Entry> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().skip(kept.len().saturating_sub(most)).cloned().collect()
    }
}
