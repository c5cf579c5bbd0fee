//! The data streams, and what their fields' names are from.

/// The version of the Elastic Common Schema that fields' names are from.
pub(super) const ECS_VERSION: &str = "8.11.0";

/// One of the data streams that documents go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stream {
    /// `<index_prefix>-metrics`: numbers of snapshots.
    Metrics,
    /// `<index_prefix>-events`: events of the application and of kernels.
    Events,
    /// `<index_prefix>-operations`: operations and network operations that ended.
    Operations,
}

impl Stream {
    /// All of them.
    pub const ALL: [Stream; 3] = [Stream::Metrics, Stream::Events, Stream::Operations];

    /// Returns what its name ends with, after the prefix and a dash.
    pub const fn name(self) -> &'static str {
        match self {
            Stream::Metrics => "metrics",
            Stream::Events => "events",
            Stream::Operations => "operations",
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Stream::Metrics => "Telemetry of kernels, GPUs and metrics, written by ringscope",
            Stream::Events => "Events of applications and kernels, written by ringscope",
            Stream::Operations => "Operations and network operations that ended, written by ringscope",
        }
    }
}
