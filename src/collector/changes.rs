//! What ended or happened since somebody looked last.

use std::fmt;
use std::sync::Arc;

use super::handle::TelemetryCollector;
use super::notify::KernelEvent;
use super::ops::{ApplicationEvent, EventSubscription, NetworkRecord, OperationRecord, Positions};
use super::ring::Position;

/// Reads what ended or happened since its last look: operations, network operations, events. Each reader has a place of its own
/// in the lists, takes nothing from others, and nobody waits for it: what left a list before it looked is counted as missed.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// telemetry.monitor_operations()?;
/// let mut changes = telemetry.changes();
/// telemetry.operation("resize").start()?.succeed();
/// telemetry.record_event("deploy", 1.0, &[], &[])?;
/// let changed = changes.read();
/// assert_eq!((&*changed.operations[0].name, changed.events.len(), changed.missed), ("resize", 1, 0));
/// assert!(changes.read().operations.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Changes {
    collector: TelemetryCollector,
    positions: Positions,
    events: Option<EventSubscription>,
    kernel_events: Position,
}

/// What [`Changes`] found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Changed {
    /// Operations that ended, in the order of their ends.
    pub operations: Vec<OperationRecord>,
    /// Network operations that ended, in the order of their ends.
    pub network_operations: Vec<NetworkRecord>,
    /// Events of the application, in their order.
    pub events: Vec<Arc<ApplicationEvent>>,
    /// What happened to kernels, in the order in which it was noticed.
    pub kernel_events: Vec<KernelEvent>,
    /// How many of all these were gone.
    pub missed: u64,
}

impl TelemetryCollector {
    /// Makes a reader of what ends or happens: of operations and events of the application it begins with the oldest that are
    /// kept, of what happens to kernels with the next. Operations and events are there when they are
    /// [monitored](Self::monitor_operations), which may begin later.
    pub fn changes(&self) -> Changes {
        let mut changes = Changes {
            collector: self.clone(),
            positions: Positions::default(),
            events: None,
            kernel_events: Position::default(),
        };
        // From now on they are kept.
        self.core.notifier.events_since(&mut changes.kernel_events, &mut Vec::new());
        changes
    }
}

impl Changes {
    /// Returns what there is since the last call. Nothing waits for it.
    pub fn read(&mut self) -> Changed {
        let mut changed = Changed::default();
        let core = &self.collector.core;
        changed.missed = core.notifier.events_since(&mut self.kernel_events, &mut changed.kernel_events);
        changed.kernel_events.sort_by_key(|event| event.time);
        let Some(monitor) = core.ops.get() else { return changed };
        let (operations, network_operations, missed) = monitor.since(&mut self.positions);
        let events = self.events.get_or_insert_with(|| monitor.subscribe_from_the_oldest());
        let missed_before = events.missed();
        changed.events = std::iter::from_fn(|| events.try_next()).collect();
        changed.missed += missed + events.missed() - missed_before;
        Changed { operations, network_operations, ..changed }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").finish_non_exhaustive()
    }
}
