//! How much of a moment is told: all of it, as long as that fits within so many bytes a day.

use std::time::{Duration, SystemTime};

use crate::snapshot::Snapshot;

/// What a frame tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Counts exactly, times to a thousandth of the interval; no buckets, no blocks.
    Lean,
    /// That, with buckets.
    Buckets,
    /// Everything, exactly.
    Full,
}

impl Level {
    pub(super) fn from_word(word: u64) -> Level {
        [Level::Lean, Level::Buckets].into_iter().find(|level| *level as u64 == word).unwrap_or(Level::Full)
    }
}

/// At least so often there are buckets, and everything, whatever it takes.
const BUCKETS_EVERY: Duration = Duration::from_secs(20);
const FULL_EVERY: Duration = Duration::from_secs(120);
/// So often there are buckets where the bytes allow it.
const BUCKETS_WHERE_POSSIBLE: Duration = Duration::from_secs(10);
/// Of a day's bytes as many may be used at once.
const AT_ONCE: f64 = 0.08;
const DAY: f64 = 86_400.0;

/// Says how much is told of the next moment.
#[derive(Debug)]
pub(super) struct Budget {
    /// `None`: everything is always told.
    bytes_per_day: Option<u64>,
    /// Bytes that may be used beyond the least.
    credit: f64,
    last: Option<SystemTime>,
    last_buckets: Option<SystemTime>,
    last_full: Option<SystemTime>,
    /// States of the kernels.
    states: u64,
}

impl Budget {
    pub(super) fn new(bytes_per_day: Option<u64>) -> Self {
        let credit = bytes_per_day.map_or(0.0, |bytes| bytes as f64 * AT_ONCE);
        Budget { bytes_per_day, credit, last: None, last_buckets: None, last_full: None, states: 0 }
    }

    pub(super) fn level(&mut self, now: &Snapshot) -> Level {
        let Some(bytes) = self.bytes_per_day else { return Level::Full };
        let most = bytes as f64 * AT_ONCE;
        let since = |then: Option<SystemTime>| then.map(|then| now.time.duration_since(then).unwrap_or_default());
        let earned = since(self.last).unwrap_or_default().as_secs_f64() / DAY * (bytes as f64 - most);
        self.credit = (self.credit + earned).min(most);
        self.last = Some(now.time);
        let states = states(now);
        let is_due = |then: Option<SystemTime>, every: Duration| {
            // What is due is not late by the jitter of an interval.
            since(then).is_none_or(|since| since + since / 64 >= every)
        };
        let level = if self.credit > most / 2.0 || states != self.states || is_due(self.last_full, FULL_EVERY) {
            Level::Full
        } else if is_due(self.last_buckets, if self.credit > 0.0 { BUCKETS_WHERE_POSSIBLE } else { BUCKETS_EVERY }) {
            Level::Buckets
        } else {
            Level::Lean
        };
        self.states = states;
        level
    }

    /// So many bytes were used for a moment of that time.
    pub(super) fn used(&mut self, level: Level, bytes: usize, at: SystemTime) {
        self.credit = (self.credit - bytes as f64).max(-(self.bytes_per_day.unwrap_or(0) as f64) * AT_ONCE);
        if level >= Level::Buckets {
            self.last_buckets = Some(at);
        }
        if level == Level::Full {
            self.last_full = Some(at);
        }
    }
}

/// Other kernels' states, or another who stalls, are another number.
fn states(snapshot: &Snapshot) -> u64 {
    snapshot.kernels.iter().fold(snapshot.kernels.len() as u64, |sum, kernel| {
        let stalls = kernel.stall.as_ref().map_or(0, |stall| u64::from(stall.block) + 1);
        sum.wrapping_mul(31).wrapping_add(kernel.state as u64 + (stalls << 8))
    })
}
