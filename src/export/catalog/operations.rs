//! The families of operations and network operations, with a sample for each name or peer; there from their first use on.

use super::family::{ExportedFamily, Read};
use super::kind::FamilyKind::{Counter, Gauge, Histogram};
use super::sample::{Sample, Values, count};

/// In the order of a page.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[ExportedFamily] = &[
    ExportedFamily::new("event", Counter, "Operations that ended, by status; abandoned ones were dropped without a result", Read::OperationStatus),
    ExportedFamily::new("event_running", Gauge, "Operations that have started and not ended", Read::Operation(|o| count(o.counts.running))),
    ExportedFamily::new("event_retries", Counter, "Retries of operations", Read::Operation(|o| count(o.retries))),
    ExportedFamily::new("event_duration_seconds", Histogram, "Duration of operations that ended", Read::Operation(|o| Some(Sample::Histogram(Values::Seconds(&o.duration))))).unit("seconds"),
    ExportedFamily::new("event_duration_nanoseconds", Histogram, "Duration of operations that ended", Read::OperationNative(|o| Some(Sample::Histogram(Values::Native(&o.duration))))).unit("nanoseconds"),
    ExportedFamily::new("network_operations", Counter, "Network operations that ended, by status; abandoned ones were dropped without a result", Read::NetworkStatus),
    ExportedFamily::new("network_operations_running", Gauge, "Network operations that have started and not ended", Read::Network(|n| count(n.counts.running))),
    ExportedFamily::new("network_sent_bytes", Counter, "Bytes sent to the peer", Read::Network(|n| count(n.bytes_sent))).unit("bytes"),
    ExportedFamily::new("network_received_bytes", Counter, "Bytes received from the peer", Read::Network(|n| count(n.bytes_received))).unit("bytes"),
    ExportedFamily::new("network_latency_seconds", Histogram, "Time until the peer answered: until the connection was established or the first byte received, or the end of operations without an answer", Read::Network(|n| Some(Sample::Histogram(Values::Seconds(&n.latency))))).unit("seconds"),
    ExportedFamily::new("network_latency_nanoseconds", Histogram, "Time until the peer answered: until the connection was established or the first byte received, or the end of operations without an answer", Read::NetworkNative(|n| Some(Sample::Histogram(Values::Native(&n.latency))))).unit("nanoseconds"),
];
