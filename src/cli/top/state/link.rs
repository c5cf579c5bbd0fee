//! Where moments come from, and how that is.

use std::time::{Duration, SystemTime};

/// Where moments come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kernels that this program launched.
    Workload,
    /// A server.
    Server,
    /// A recording.
    Recording,
}

/// How the source of the moments is.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// Nothing was heard yet.
    Opening,
    /// Moments come.
    Up,
    /// It cannot be reached, or ended; `again` is when that is tried anew.
    Down {
        /// Why.
        why: String,
        /// When it is tried again.
        again: SystemTime,
    },
    /// There will be no more moments.
    Ended {
        /// Why.
        why: String,
    },
}

/// How many times as fast as it was a recording can be played.
pub const SPEEDS: std::ops::RangeInclusive<f64> = 0.0625..=4096.0;

/// How a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Playing {
    /// How many times as fast as it was.
    pub speed: f64,
}

/// Where moments come from, in words, and how that is.
#[derive(Clone, Debug)]
pub struct Origin {
    /// What kind of source.
    pub kind: Kind,
    /// Its name: what runs where, an address, a file.
    pub name: String,
    /// How it is.
    pub link: Link,
    /// Of a recording: how fast it is played.
    pub playing: Option<Playing>,
    /// Moments that were there, and that this program was too slow for.
    pub lost: u64,
}

impl Origin {
    /// Makes one from which nothing was heard yet.
    pub fn new(kind: Kind, name: impl Into<String>) -> Origin {
        let playing = (kind == Kind::Recording).then_some(Playing { speed: 1.0 });
        Origin { kind, name: name.into(), link: Link::Opening, playing, lost: 0 }
    }
}

/// What shows are old: three intervals without a moment, and no less than this.
const STALE: Duration = Duration::from_secs(3);

/// Returns whether the newest moment of a live source, so old, is old for one that comes every `interval`.
pub fn is_stale(age: Duration, interval: Option<Duration>) -> bool {
    age > interval.map_or(STALE, |interval| (interval * 3).max(STALE))
}
