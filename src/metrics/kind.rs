//! What a metric can be.

use std::sync::Arc;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum MetricKind {
    /// A count that only rises.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// Values counted by bucket.
    Histogram,
}

impl MetricKind {
    /// The name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

impl std::fmt::Display for MetricKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The buckets of a histogram.
#[derive(Clone, Debug, PartialEq)]
pub enum Buckets {
    /// 2^scale for each octave of the whole numbers; see [`crate::histogram`].
    Exponential {
        /// 0 to 5.
        scale: u32,
    },
    /// Upper-inclusive bounds, ascending, and a last bucket without one.
    Explicit(Arc<[f64]>),
}

impl std::fmt::Display for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Buckets::Exponential { scale } => write!(f, "exponential of scale {scale}"),
            Buckets::Explicit(bounds) => write!(f, "{bounds:?}"),
        }
    }
}
