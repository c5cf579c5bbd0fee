//! Types of families.

use crate::metrics::MetricKind;

/// The type of an exported family, in Prometheus's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FamilyKind {
    /// A count that only rises, until a reset or a restart.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// Values counted by bucket.
    Histogram,
    /// Count and sum of values, and quantiles that were computed before the export.
    Summary,
}

impl FamilyKind {
    /// Returns the name that Prometheus has for it, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram => "histogram",
            FamilyKind::Summary => "summary",
        }
    }
}

impl std::fmt::Display for FamilyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl From<MetricKind> for FamilyKind {
    fn from(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => FamilyKind::Counter,
            MetricKind::Gauge => FamilyKind::Gauge,
            MetricKind::Histogram => FamilyKind::Histogram,
        }
    }
}
