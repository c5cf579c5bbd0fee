//! Times, as the protocol has them.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in nanoseconds; 0 for one before it.
pub(super) fn unix_ns(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
