//! What the lists and counts say together: retries, throughput by peer, and everything as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::clock::SteadyClock;
use super::monitor::Monitor;
use crate::snapshot::{OperationTelemetry, ratio};

/// Attempts that failed and were made again, since operations are monitored.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RetryStats {
    /// All of them.
    pub total: u64,
    /// Those of each name that has any.
    pub by_name: BTreeMap<Arc<str>, u64>,
    /// The name with the most of them, and how many that are; `None` without any.
    pub most_retried: Option<(Arc<str>, u64)>,
    /// Retries per operation that was started; 0.0 without any.
    pub mean: f64,
}

impl RetryStats {
    pub(in crate::collector) fn new(by_name: &[OperationTelemetry]) -> Self {
        let started: u64 = by_name.iter().map(|of| of.counts.started).sum();
        let total: u64 = by_name.iter().map(|of| of.retries).sum();
        let retried = by_name.iter().filter(|of| of.retries > 0);
        let by_name: BTreeMap<Arc<str>, u64> = retried.map(|of| (Arc::clone(&of.name), of.retries)).collect();
        // Of several, the first in the alphabet.
        let most_retried = by_name.iter().rev().max_by_key(|(_, retries)| **retries);
        let most_retried = most_retried.map(|(name, retries)| (Arc::clone(name), *retries));
        RetryStats { total, most_retried, mean: ratio(total as f64, started as f64), by_name }
    }
}

/// What went to a peer and came from it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PeerThroughput {
    /// Host; `overflow` for those beyond the limit on peers.
    pub host: Arc<str>,
    /// Port; 0 for those beyond the limit on peers.
    pub port: u16,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// The time since the first operation with the peer began, which the rates are over.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::snapshot::seconds"))]
    pub over: Duration,
    /// Bytes sent, per second.
    pub sent_per_second: f64,
    /// Bytes received, per second.
    pub received_per_second: f64,
}

impl Monitor {
    /// Of all kinds together, by host and port.
    pub(in crate::collector) fn throughput(&self) -> Vec<PeerThroughput> {
        let mut peers = BTreeMap::<(Arc<str>, u16), (u64, u64, u64)>::new();
        for series in self.all_network_series() {
            let (sent, received, since_ns) =
                peers.entry((Arc::clone(&series.host), series.port)).or_insert((0, 0, u64::MAX));
            *sent += series.sent.get();
            *received += series.received.get();
            *since_ns = series.since_ns.min(*since_ns);
        }
        let clock: SteadyClock = self.kept.clock;
        let now_ns = clock.now_ns();
        let throughput = |((host, port), (bytes_sent, bytes_received, since_ns)): (_, (u64, u64, u64))| {
            let over = Duration::from_nanos(now_ns.saturating_sub(since_ns));
            let rate = |bytes| crate::snapshot::rate(bytes, over);
            let (sent_per_second, received_per_second) = (rate(bytes_sent), rate(bytes_received));
            PeerThroughput { host, port, bytes_sent, bytes_received, over, sent_per_second, received_per_second }
        };
        peers.into_iter().map(throughput).collect()
    }
}

#[cfg(feature = "json")]
pub(in crate::collector) use json::Report;

#[cfg(feature = "json")]
mod json {
    use serde::Serialize;

    use super::super::events::{ApplicationEvent, EventFilter};
    use super::super::monitor::Monitor;
    use super::super::record::{NetworkRecord, OperationRecord};
    use super::{PeerThroughput, RetryStats};
    use crate::snapshot::OperationsTelemetry;
    use std::sync::Arc;

    /// Everything that is known of operations.
    #[derive(Default, Serialize)]
    pub(in crate::collector) struct Report {
        /// Whether operations are monitored.
        monitored: bool,
        counts: OperationsTelemetry,
        retries: RetryStats,
        throughput: Vec<PeerThroughput>,
        operations: Vec<OperationRecord>,
        network_operations: Vec<NetworkRecord>,
        events: Vec<Arc<ApplicationEvent>>,
    }

    impl Report {
        pub(in crate::collector) fn new(monitor: &Monitor) -> Self {
            let counts = monitor.telemetry();
            Report {
                monitored: true,
                retries: RetryStats::new(&counts.by_name),
                counts,
                throughput: monitor.throughput(),
                operations: monitor.kept.operations(),
                network_operations: monitor.kept.network(),
                events: monitor.events.events(&EventFilter::new()),
            }
        }
    }
}
