//! How much a kernel records.

/// How much of telemetry a kernel is compiled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Level {
    /// None: the code of a kernel without ringscope's calls.
    Off = 0,
    /// The counters, and where each block is.
    Counters = 1,
    /// The counters and the latency histogram.
    #[default]
    Histograms = 2,
    /// The counters, the latency histogram, and events and spans: see [`trace`](crate::trace).
    Events = 3,
}

impl Level {
    /// All levels, in their order.
    pub const ALL: &[Level] = &[Level::Off, Level::Counters, Level::Histograms, Level::Events];
}
