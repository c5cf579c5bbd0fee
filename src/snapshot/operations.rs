//! What a snapshot holds of operations: counts by name, by peer, and of the lists that keep the newest of them.

use std::sync::Arc;

use crate::histogram::Histogram;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum OperationStatus {
    /// It did what it was begun for.
    Succeeded,
    /// It ended with an error, or its thread panicked meanwhile.
    Failed,
    /// Its guard was dropped without a word on how it ended: a future that was cancelled, a return before the end.
    Abandoned,
}

impl OperationStatus {
    /// All of them.
    pub const ALL: &'static [OperationStatus] =
        &[OperationStatus::Succeeded, OperationStatus::Failed, OperationStatus::Abandoned];

    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            OperationStatus::Succeeded => "succeeded",
            OperationStatus::Failed => "failed",
            OperationStatus::Abandoned => "abandoned",
        }
    }
}

impl std::fmt::Display for OperationStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Counts of operations, since they are monitored. `started` is `succeeded + failed + abandoned + running`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OperationCounts {
    /// Begun.
    pub started: u64,
    /// Begun, and not ended.
    pub running: u64,
    /// Ended as they should.
    pub succeeded: u64,
    /// Ended with an error.
    pub failed: u64,
    /// Dropped without a word on how they ended.
    pub abandoned: u64,
}

impl OperationCounts {
    /// Of what began and what ended; `started` was read last.
    pub(crate) fn new(started: u64, [succeeded, failed, abandoned]: [u64; 3]) -> Self {
        let ended = succeeded.saturating_add(failed).saturating_add(abandoned);
        let running = started.saturating_sub(ended);
        OperationCounts { started: ended.max(started), running, succeeded, failed, abandoned }
    }

    /// Returns how many have ended.
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed + self.abandoned
    }

    /// Returns how many ended with this status.
    pub fn with_status(&self, status: OperationStatus) -> u64 {
        match status {
            OperationStatus::Succeeded => self.succeeded,
            OperationStatus::Failed => self.failed,
            OperationStatus::Abandoned => self.abandoned,
        }
    }

    fn add(&mut self, other: &OperationCounts) {
        self.started += other.started;
        self.running += other.running;
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
    }
}

/// The operations of one name.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OperationTelemetry {
    /// Their name; `overflow` for those beyond the limit on names.
    pub name: Arc<str>,
    /// How many there are.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counts: OperationCounts,
    /// Attempts that failed and were made again, of operations that run as well.
    pub retries: u64,
    /// How long those that ended took, in nanoseconds.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "duration_seconds", serialize_with = "super::convert::histogram_in_seconds")
    )]
    pub duration: Arc<Histogram>,
}

/// The network operations of one kind with one peer.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NetworkTelemetry {
    /// Their kind; `overflow` for those beyond the limit on peers.
    pub kind: Arc<str>,
    /// Host and port, `host:port`, with brackets around an IPv6 address; `overflow` for those beyond the limit on peers.
    pub peer: Arc<str>,
    /// How many there are.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counts: OperationCounts,
    /// Bytes sent so far, of operations that run as well.
    pub bytes_sent: u64,
    /// Bytes received so far, of operations that run as well.
    pub bytes_received: u64,
    /// How long the peer took to answer, in nanoseconds: until the first byte came, or the end where none did.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "latency_seconds", serialize_with = "super::convert::histogram_in_seconds")
    )]
    pub latency: Arc<Histogram>,
}

/// How many entries a bounded list took: all of them are `retained + evicted`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct ListCounts {
    /// Entries that are in the list.
    pub retained: u64,
    /// Entries that left it, because it was full or they were too old.
    pub evicted: u64,
}

impl ListCounts {
    pub(crate) fn new(retained: u64, evicted: u64) -> Self {
        ListCounts { retained, evicted }
    }

    /// Returns how many entries were ever added.
    pub fn added(&self) -> u64 {
        self.retained + self.evicted
    }
}

/// Operations, network operations and events of the application, since they are monitored.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct OperationsTelemetry {
    /// Operations by name, in the order in which the names were first used.
    pub by_name: Vec<OperationTelemetry>,
    /// Network operations by kind and peer, in the order in which these were first used.
    pub network: Vec<NetworkTelemetry>,
    /// The list of ended operations.
    pub operations_kept: ListCounts,
    /// The list of ended network operations.
    pub network_kept: ListCounts,
    /// The list of messages of device kernels.
    pub device_messages_kept: ListCounts,
    /// The list of the application's events.
    pub events_kept: ListCounts,
}

impl OperationsTelemetry {
    /// Returns the operations of that name.
    pub fn operation(&self, name: &str) -> Option<&OperationTelemetry> {
        self.by_name.iter().find(|of| &*of.name == name)
    }

    /// Adds up the counts of all names.
    pub fn totals(&self) -> OperationCounts {
        sum(self.by_name.iter().map(|of| &of.counts))
    }

    /// Adds up the retries of all names.
    pub fn retries(&self) -> u64 {
        self.by_name.iter().map(|of| of.retries).sum()
    }

    /// Adds up the counts of all network operations.
    pub fn network_totals(&self) -> OperationCounts {
        sum(self.network.iter().map(|of| &of.counts))
    }
}

fn sum<'a>(all: impl Iterator<Item = &'a OperationCounts>) -> OperationCounts {
    let mut sum = OperationCounts::default();
    all.for_each(|counts| sum.add(counts));
    sum
}
