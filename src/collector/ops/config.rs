//! [`OperationsConfig`]: the bounds of monitored operations.

use std::time::Duration;

use super::super::config::within;
use super::super::error::TelemetryError;

/// Bounds of what is kept of operations, network operations and events. What does not fit is counted in the snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationsConfig {
    /// Most entries of each list, 1 to 2^20. There is one for operations that succeeded within `slow_limit`, one for those
    /// that failed or were abandoned, one for those that took longer; three of the same of network operations; and one for
    /// messages of device kernels. So no flood of one sort drives out another. An entry takes some 150 bytes, from the
    /// beginning, beside its texts. Default: [`DEFAULT_KEPT`](Self::DEFAULT_KEPT).
    pub kept: usize,
    /// Age at which an entry leaves its list, counted from its end. Default: [`DEFAULT_AGE`](Self::DEFAULT_AGE).
    pub age: Duration,
    /// Operations that take longer, and network operations whose peer takes longer to answer, are kept in a list of their
    /// own. Default: [`DEFAULT_SLOW_LIMIT`](Self::DEFAULT_SLOW_LIMIT).
    pub slow_limit: Duration,
    /// Most [events](super::super::TelemetryCollector::record_event) that are kept, 1 to 2^20. Default:
    /// [`DEFAULT_EVENTS`](Self::DEFAULT_EVENTS).
    pub events: usize,
    /// Most names of operations with counts of their own, 1 to 2^16; operations of further names are counted together, as
    /// `overflow`. A name takes 6 KB, and 4.3 KB for each thread that ends operations of it. Default:
    /// [`DEFAULT_MAX_NAMES`](Self::DEFAULT_MAX_NAMES).
    pub max_names: usize,
    /// Most pairs of kind and peer of network operations with counts of their own, 1 to 2^16; further ones are counted
    /// together, as `overflow`. Default: [`DEFAULT_MAX_PEERS`](Self::DEFAULT_MAX_PEERS).
    pub max_peers: usize,
}

impl OperationsConfig {
    /// Default of `kept`.
    pub const DEFAULT_KEPT: usize = 1024;
    /// Default of `age`: 1 h.
    pub const DEFAULT_AGE: Duration = Duration::from_secs(3600);
    /// Default of `slow_limit`: 1 s.
    pub const DEFAULT_SLOW_LIMIT: Duration = Duration::from_secs(1);
    /// Default of `events`.
    pub const DEFAULT_EVENTS: usize = 4096;
    /// Default of `max_names`.
    pub const DEFAULT_MAX_NAMES: usize = 256;
    /// Default of `max_peers`.
    pub const DEFAULT_MAX_PEERS: usize = 128;

    /// Checks every setting.
    ///
    /// # Errors
    /// [`TelemetryError::BadSetting`] for the first setting that is out of its range.
    pub fn check(&self) -> Result<(), TelemetryError> {
        within("kept", self.kept, 1..=1 << 20, "1 to 2^20")?;
        within("age", self.age, Duration::from_nanos(1)..=Duration::MAX, "longer than 0: Duration::MAX is for ever")?;
        within("events", self.events, 1..=1 << 20, "1 to 2^20")?;
        within("max_names", self.max_names, 1..=1 << 16, "1 to 2^16")?;
        within("max_peers", self.max_peers, 1..=1 << 16, "1 to 2^16")
    }
}

impl Default for OperationsConfig {
    fn default() -> Self {
        OperationsConfig {
            kept: Self::DEFAULT_KEPT,
            age: Self::DEFAULT_AGE,
            slow_limit: Self::DEFAULT_SLOW_LIMIT,
            events: Self::DEFAULT_EVENTS,
            max_names: Self::DEFAULT_MAX_NAMES,
            max_peers: Self::DEFAULT_MAX_PEERS,
        }
    }
}
