//! How a kernel is registered of which more is known than its blocks.

use std::sync::Arc;

use super::core::Core;
use super::error::TelemetryError;
use crate::abi::KernelRef;
use crate::trace::{KernelNames, Severity, TraceFilter};

/// A kernel that is to be registered.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ringscope::trace::Severity;
/// use ringscope::{TelemetryCollector, TelemetryConfig};
///
/// let collector = TelemetryCollector::on_device(ringscope::device::auto()?.device, TelemetryConfig::default())?;
/// let (blocks, roles) = (132, 2);
/// let telemetry = collector
///     .kernel("gemm")
///     .shards(blocks * roles)
///     .roles(roles)
///     .waypoints(&["load", "mma", "store"])
///     .log(2, Severity::Warn, "tile {} stored after {} retries")
///     .register()?; // pass this to the launch, by value
/// # drop(telemetry); Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "it is registered by register()"]
pub struct KernelRegistration {
    core: Arc<Core>,
    id: String,
    device: usize,
    shards: u32,
    roles: u32,
    names: Vec<String>,
    patterns: Vec<(u32, Severity, String)>,
    filter: TraceFilter,
}

impl KernelRegistration {
    pub(super) fn new(core: Arc<Core>, id: String) -> Self {
        let filter = TraceFilter::at_launch();
        KernelRegistration { core, id, device: 0, shards: 1, roles: 1, names: Vec::new(), patterns: Vec::new(), filter }
    }

    /// Sets the index of the device that it runs on, as the collector was given them. Default: 0.
    pub fn device(mut self, index: usize) -> Self {
        self.device = index;
        self
    }

    /// Sets how many shards it has: one a block, or one for each role of each block. Default: 1.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Sets how many roles each block has, of which each has a shard: `ringscope::Role{i}` of the calling block is the shard
    /// `block * roles + i` then, and a role from `roles` on records nothing, which
    /// [`role_misses_total`](crate::snapshot::SelfMetrics::role_misses_total) tells. Default: 1.
    pub fn roles(mut self, roles: u32) -> Self {
        self.roles = roles;
        self
    }

    /// Sets the names of its waypoints, events and spans, in the order of the kernel's enum. Default: none, and they are
    /// shown by their numbers.
    pub fn waypoints<S: AsRef<str>>(mut self, names: &[S]) -> Self {
        self.names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self
    }

    /// Sets the line of the log records of that name: text in which each `{}` stands for one of the record's two numbers.
    pub fn log(mut self, name: u32, severity: Severity, pattern: impl Into<String>) -> Self {
        self.patterns.push((name, severity, pattern.into()));
        self
    }

    /// Sets of which messages it leaves a span at first; [`trace`](super::TelemetryCollector::trace) changes it while the
    /// kernel runs. Default: of those that fail.
    pub fn trace(mut self, filter: TraceFilter) -> Self {
        self.filter = filter;
        self
    }

    /// Registers it, and returns what to pass to it by value, as
    /// [`TelemetryCollector::register`](super::TelemetryCollector::register) does.
    ///
    /// # Errors
    /// As [`TelemetryCollector::register`](super::TelemetryCollector::register); [`TelemetryError::UnknownDevice`];
    /// [`TelemetryError::BadRoles`] for shards that are not as many for each block as it has roles;
    /// [`TelemetryError::Name`]; [`TelemetryError::Filter`].
    pub fn register(self) -> Result<KernelRef, TelemetryError> {
        let names = KernelNames::new(&self.id, &self.names, &self.patterns)?;
        let KernelRegistration { id, shards, roles, .. } = self;
        if roles == 0 || shards % roles != 0 {
            return Err(TelemetryError::BadRoles { id, shards, roles });
        }
        let to = self.core.add_kernel((&id, self.device), shards, names, self.filter)?;
        // One that is switched off stays all zeros.
        Ok(if to.shards == 0 { to } else { KernelRef { roles, ..to } })
    }
}

impl std::fmt::Debug for KernelRegistration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KernelRegistration({} with {} shards)", self.id, self.shards)
    }
}
