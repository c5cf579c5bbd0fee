//! What is published at one time: a snapshot, and what ended or happened since the one before.

use std::sync::Arc;
use std::time::SystemTime;

use crate::alert::Notification;
use crate::collector::{ApplicationEvent, KernelEvent, NetworkRecord, OperationRecord};
use crate::snapshot::Snapshot;
use crate::trace::{Source, Trace};

/// What all destinations get at one time. Cloning it clones pointers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Publication {
    /// Number of the publication; the first is 1.
    pub number: u64,
    /// The process that it comes from: service, number, attributes of the resource.
    pub source: Arc<Source>,
    /// Since when counts are counted: when the collector was made.
    pub started: SystemTime,
    /// All numbers.
    pub snapshot: Arc<Snapshot>,
    /// The snapshot of the publication that this destination took before; `None` of the first. From both come deltas.
    pub previous: Option<Arc<Snapshot>>,
    /// Spans that ended since then, on the host and on devices.
    pub trace: Option<Arc<Trace>>,
    /// Operations that ended since then.
    pub operations: Arc<[OperationRecord]>,
    /// Network operations that ended since then.
    pub network_operations: Arc<[NetworkRecord]>,
    /// Events of the application since then.
    pub events: Arc<[Arc<ApplicationEvent>]>,
    /// What happened to kernels since then.
    pub kernel_events: Arc<[KernelEvent]>,
    /// What somebody is to be told of alerts; only where [`Alerting`](super::Alerting) publishes.
    pub notifications: Arc<[Notification]>,
    /// Operations, network operations, events and spans that were gone before they could be published.
    pub missed: u64,
    /// Whether the program goes on; false in the last one.
    pub running: bool,
}

impl Publication {
    /// Makes one of a snapshot alone.
    pub fn of_snapshot(source: Arc<Source>, started: SystemTime, snapshot: Arc<Snapshot>) -> Self {
        Publication {
            number: 1,
            source,
            started,
            snapshot,
            previous: None,
            trace: None,
            operations: Arc::new([]),
            network_operations: Arc::new([]),
            events: Arc::new([]),
            kernel_events: Arc::new([]),
            notifications: Arc::new([]),
            missed: 0,
            running: true,
        }
    }

    /// Spans, operations and events in it: what no later snapshot makes up for.
    pub(super) fn records(&self) -> u64 {
        let of_trace = self.trace.as_ref().map_or(0, |t| t.spans.len() + t.instants.len() + t.counters.len());
        let ended = self.operations.len() + self.network_operations.len();
        (of_trace + ended + self.events.len() + self.kernel_events.len() + self.notifications.len()) as u64
    }

    /// About how much memory it holds that nothing else may hold any more.
    pub(super) fn bytes_about(&self) -> u64 {
        const OF_SERIES: u64 = 256;
        const OF_KERNEL: u64 = 8192;
        const OF_RECORD: u64 = 512;
        let series: usize = self.snapshot.metrics.iter().map(|family| family.series.len()).sum();
        OF_KERNEL * (1 + self.snapshot.kernels.len() as u64) + OF_SERIES * series as u64 + OF_RECORD * self.records()
    }
}
