//! What monitored operations share, and the switch that makes it.

use std::sync::{Arc, OnceLock};

use super::super::clock::SteadyClock;
use super::super::counts::Counts;
use super::super::error::TelemetryError;
use super::config::OperationsConfig;
use super::error::OperationError;
use super::events::{ApplicationEvent, EventFilter, EventLog, EventSubscription};
use super::record::{Kept, NetworkRecord, OperationRecord, Positions};
use super::series::{NetworkSeries, OperationSeries, Peer, Table};
use crate::snapshot::OperationsTelemetry;

/// Off until it is switched on: what is asked of it meanwhile costs a load and a branch.
pub(in crate::collector) struct Switch {
    scale: u32,
    clock: SteadyClock,
    counts: Arc<Counts>,
    monitor: OnceLock<Arc<Monitor>>,
}

impl Switch {
    pub(in crate::collector) fn new(scale: u32, clock: SteadyClock, counts: Arc<Counts>) -> Self {
        Switch { scale, clock, counts, monitor: OnceLock::new() }
    }

    #[inline]
    pub(in crate::collector) fn get(&self) -> Option<&Arc<Monitor>> {
        self.monitor.get()
    }

    /// Switches it on, with a config that was checked. A second time changes nothing, and must not ask for a change.
    pub(in crate::collector) fn turn_on(&self, config: Option<&OperationsConfig>) -> Result<(), TelemetryError> {
        let wanted = config.cloned().unwrap_or_default();
        let make = || Arc::new(Monitor::new(wanted, self.scale, self.clock, Arc::clone(&self.counts)));
        let monitor = self.monitor.get_or_init(make);
        match config {
            Some(config) if *config != monitor.config => Err(TelemetryError::AlreadyMonitored),
            _ => Ok(()),
        }
    }
}

/// What monitored operations share.
pub(in crate::collector) struct Monitor {
    config: OperationsConfig,
    scale: u32,
    pub(super) kept: Arc<Kept>,
    pub(super) events: Arc<EventLog>,
    operations: Table<OperationSeries>,
    network: Table<NetworkSeries>,
}

impl Monitor {
    fn new(config: OperationsConfig, scale: u32, clock: SteadyClock, counts: Arc<Counts>) -> Self {
        Monitor {
            scale,
            kept: Arc::new(Kept::new(&config, clock)),
            events: Arc::new(EventLog::new(config.events, config.age, clock, counts)),
            operations: Table::new(config.max_names),
            network: Table::new(config.max_peers),
            config,
        }
    }

    pub(super) fn operation_series(&self, name: &str) -> Arc<OperationSeries> {
        self.operations.get(name, name, self.scale, &self.kept)
    }

    pub(super) fn network_series(&self, peer: Peer<'_>) -> Arc<NetworkSeries> {
        self.network.get(&peer.key(), peer, self.scale, &self.kept)
    }

    pub(super) fn all_network_series(&self) -> Vec<Arc<NetworkSeries>> {
        self.network.series()
    }

    pub(in crate::collector) fn operations(&self) -> Vec<OperationRecord> {
        self.kept.operations()
    }

    pub(in crate::collector) fn network_operations(&self) -> Vec<NetworkRecord> {
        self.kept.network()
    }

    pub(in crate::collector) fn record_event(
        &self,
        name: &str,
        value: f64,
        labels: &[(&str, &str)],
        metadata: &[(&str, &str)],
    ) -> Result<(), OperationError> {
        self.events.record(name, value, labels, metadata)
    }

    pub(in crate::collector) fn events(&self, filter: &EventFilter) -> Vec<Arc<ApplicationEvent>> {
        self.events.events(filter)
    }

    pub(in crate::collector) fn subscribe(&self, filter: EventFilter) -> EventSubscription {
        EventSubscription::new(Arc::clone(&self.events), filter)
    }

    /// What ended since then, in the order of the ends, and how many of it are gone.
    pub(in crate::collector) fn since(&self, to: &mut Positions) -> (Vec<OperationRecord>, Vec<NetworkRecord>, u64) {
        self.kept.since(to)
    }

    pub(in crate::collector) fn subscribe_from_the_oldest(&self) -> EventSubscription {
        EventSubscription::from_the_oldest(Arc::clone(&self.events))
    }

    /// What a snapshot holds of it. Lets go of what is too old.
    pub(in crate::collector) fn telemetry(&self) -> OperationsTelemetry {
        self.kept.sweep();
        let [operations_kept, network_kept, device_messages_kept] = self.kept.counts();
        OperationsTelemetry {
            by_name: self.operations.series().iter().map(|series| series.telemetry()).collect(),
            network: self.network.series().iter().map(|series| series.telemetry()).collect(),
            operations_kept,
            network_kept,
            device_messages_kept,
            events_kept: self.events.counts(),
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.events.close();
    }
}
