//! Types of metrics, and buckets of histograms.

use std::sync::Arc;

use crate::abi::{ExponentialFamilyRef, ExponentialRef, HistogramFamilyRef, HistogramRef, MetricRef, metric_kind};

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Returns the name, in lower case.
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
#[non_exhaustive]
pub enum Buckets {
    /// 2^scale buckets for each octave of the whole numbers; see [`crate::histogram`].
    Exponential {
        /// Scale, 0 to 5.
        scale: u32,
    },
    /// Buckets with these upper-inclusive bounds, ascending, and a last bucket without a bound.
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

impl HistogramFamilyRef {
    /// Returns the same family for a kernel that knows its buckets to be exponential; one that counts nothing if they are not.
    pub fn exponential(self) -> ExponentialFamilyRef {
        ExponentialFamilyRef(HistogramRef(self.0).exponential().0)
    }
}

impl HistogramRef {
    /// Returns the same metric for a kernel that knows its buckets to be exponential; one that counts nothing if they are not.
    pub fn exponential(self) -> ExponentialRef {
        ExponentialRef(if self.0.kind == metric_kind::HISTOGRAM { self.0 } else { MetricRef::default() })
    }
}
