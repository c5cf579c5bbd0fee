//! The collector's operations, network operations and events of the application.

use std::sync::Arc;
use std::time::Duration;

use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use super::ops::{
    ApplicationEvent, EventFilter, EventSubscription, Monitor, NetworkOperation, NetworkRecord, OperationBuilder,
    OperationError, OperationRecord, OperationsConfig, PeerThroughput, RetryStats,
};
use crate::snapshot::OperationStatus;

impl TelemetryCollector {
    /// Switches on the monitoring of operations, network operations and events, with the default bounds. Before, and with
    /// a collector that is off, their calls cost a branch and do nothing. A second time changes nothing.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.monitor_operations()?;
    /// telemetry.operation("resize").id(7).start()?.succeed();
    /// telemetry.operation("resize").id(8).start()?.fail("not an image");
    /// let snapshot = telemetry.snapshot()?;
    /// let resize = snapshot.operations.as_ref().and_then(|all| all.operation("resize")).expect("it is monitored");
    /// assert_eq!((resize.counts.succeeded, resize.counts.failed), (1, 1));
    /// assert_eq!(telemetry.failed_events()[0].id.as_deref(), Some("8"));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`].
    pub fn monitor_operations(&self) -> Result<(), TelemetryError> {
        self.core.check_enabled()?;
        self.core.ops.turn_on(None)
    }

    /// Switches on the monitoring of operations with bounds of one's own; see
    /// [`monitor_operations`](Self::monitor_operations).
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; [`TelemetryError::BadSetting`], as [`OperationsConfig::check`];
    /// [`TelemetryError::AlreadyMonitored`] if it is on with other bounds.
    pub fn monitor_operations_with(&self, config: &OperationsConfig) -> Result<(), TelemetryError> {
        self.core.check_enabled()?;
        config.check()?;
        self.core.ops.turn_on(Some(config))
    }

    #[inline]
    fn monitor(&self) -> Option<&Arc<Monitor>> {
        self.core.ops.get()
    }

    // ---- operations ----------------------------------------------------------------------------------

    /// Begins to describe an operation of that name, at most 255 bytes: add an id and labels, then
    /// [`start`](OperationBuilder::start) it. Names are counted each by itself up to
    /// [`max_names`](OperationsConfig::max_names): name what is done, and put in the id what it is done to.
    #[inline]
    pub fn operation<'a>(&'a self, name: &'a str) -> OperationBuilder<'a> {
        OperationBuilder::new(self.monitor(), name)
    }

    /// Returns the operations that ended and are kept, in the order of their ends, and messages of device kernels among
    /// them. Empty until operations are monitored, as all of these lists. Those that run are counted in
    /// [`Snapshot::operations`](crate::Snapshot::operations), where all counts and losses are.
    pub fn operations(&self) -> Vec<OperationRecord> {
        self.monitor().map(|monitor| monitor.operations()).unwrap_or_default()
    }

    /// Returns the kept operations that failed, and messages that device kernels refused. Of a kernel without spans it is
    /// known how many errors it counted between two snapshots, and the code and time of the newest: that is one entry.
    pub fn failed_events(&self) -> Vec<OperationRecord> {
        self.operations_that(|of| of.status == OperationStatus::Failed)
    }

    /// Returns the kept operations that nobody said the end of; see [`Operation`](super::Operation).
    pub fn abandoned_events(&self) -> Vec<OperationRecord> {
        self.operations_that(|of| of.status == OperationStatus::Abandoned)
    }

    /// Returns the kept operations that took longer than `threshold`, however they ended, and such messages of device
    /// kernels. Those that took longer than [`slow_limit`](OperationsConfig::slow_limit) are kept longest.
    pub fn slow_events(&self, threshold: Duration) -> Vec<OperationRecord> {
        self.operations_that(|of| of.duration > threshold)
    }

    fn operations_that(&self, are: impl Fn(&OperationRecord) -> bool) -> Vec<OperationRecord> {
        let mut all = self.operations();
        all.retain(are);
        all
    }

    /// Returns how often operations were retried, from the counts: what left the lists is in it, and what runs.
    pub fn retry_stats(&self) -> RetryStats {
        self.monitor().map(|monitor| RetryStats::new(&monitor.telemetry().by_name)).unwrap_or_default()
    }

    // ---- network -------------------------------------------------------------------------------------

    /// Begins a network operation: of that kind (the protocol, say), with that peer; a name, a kind and a host have at most
    /// 255 bytes. Pairs of kind and peer are counted each by itself up to [`max_peers`](OperationsConfig::max_peers). A
    /// stream of tokio's counts by itself as [`Metered`](super::Metered).
    ///
    /// # Errors
    /// [`OperationError`] for a text that is empty or too long. Then nothing was counted.
    pub fn network_operation(&self, kind: &str, host: &str, port: u16) -> Result<NetworkOperation, OperationError> {
        NetworkOperation::start(self.monitor(), kind, host, port)
    }

    /// Returns the network operations that ended and are kept, in the order of their ends.
    pub fn network_operations(&self) -> Vec<NetworkRecord> {
        self.monitor().map(|monitor| monitor.network_operations()).unwrap_or_default()
    }

    /// Returns the kept network operations that failed.
    pub fn failed_network_ops(&self) -> Vec<NetworkRecord> {
        self.network_that(|of| of.status == OperationStatus::Failed)
    }

    /// Returns the kept network operations whose peer took longer than `threshold` to answer, or that ended after a longer
    /// time without an answer.
    pub fn slow_network_ops(&self, threshold: Duration) -> Vec<NetworkRecord> {
        self.network_that(|of| of.latency > threshold)
    }

    fn network_that(&self, are: impl Fn(&NetworkRecord) -> bool) -> Vec<NetworkRecord> {
        let mut all = self.network_operations();
        all.retain(are);
        all
    }

    /// Returns bytes, and bytes per second since the first operation with it, of each peer, sorted by host and port.
    pub fn throughput_by_peer(&self) -> Vec<PeerThroughput> {
        self.monitor().map(|monitor| monitor.throughput()).unwrap_or_default()
    }

    // ---- events --------------------------------------------------------------------------------------

    /// Records an event of the application: its name, a number, labels that it is chosen by, and whatever else there is to
    /// know. At most 32 labels and 32 entries of metadata, with names of up to 255 bytes, labels' values of up to 1024, and
    /// metadata of up to 8 KiB together. It counts in `telemetry_events_total`.
    ///
    /// # Errors
    /// [`OperationError`] for what is empty, too long, too much or given twice, and for a value that is not finite. Then
    /// nothing was recorded. None where events are not monitored.
    pub fn record_event(
        &self,
        name: &str,
        value: f64,
        labels: &[(&str, &str)],
        metadata: &[(&str, &str)],
    ) -> Result<(), OperationError> {
        self.monitor().map_or(Ok(()), |monitor| monitor.record_event(name, value, labels, metadata))
    }

    /// Returns the kept events that `filter` takes, the oldest first.
    pub fn events(&self, filter: &EventFilter) -> Vec<Arc<ApplicationEvent>> {
        self.monitor().map(|monitor| monitor.events(filter)).unwrap_or_default()
    }

    /// Returns events that `filter` takes as they come, from now on; as a [`Stream`](futures_core::Stream), or by
    /// [`EventSubscription::next`].
    ///
    /// # Errors
    /// [`TelemetryError::Disabled`]; [`TelemetryError::NotMonitored`] before
    /// [`monitor_operations`](Self::monitor_operations).
    pub fn subscribe_events(&self, filter: EventFilter) -> Result<EventSubscription, TelemetryError> {
        self.core.check_enabled()?;
        let monitor = self.monitor().ok_or(TelemetryError::NotMonitored)?;
        Ok(monitor.subscribe(filter))
    }

    // ---- JSON ----------------------------------------------------------------------------------------

    /// Writes everything that is known of operations as one JSON document, on one line: `monitored`, `counts` as in a
    /// snapshot, `retries`, `throughput`, and the lists `operations`, `network_operations` and `events`. Texts are escaped
    /// as JSON wants it. Takes no snapshot.
    ///
    /// # Errors
    /// Returns the JSON writer's error; none is known that these values cause.
    #[cfg(feature = "json")]
    pub fn metrics_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.monitor().map(|monitor| super::ops::Report::new(monitor)).unwrap_or_default())
    }
}
