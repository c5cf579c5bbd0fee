//! Prometheus's formats: the classic text, OpenMetrics, and protobuf with native histograms.

pub(super) mod buckets;
#[cfg(any(feature = "prometheus-protobuf", feature = "remote-write"))]
pub(super) mod native;
mod negotiate;
pub(super) mod number;
pub(super) mod openmetrics;
#[cfg(feature = "prometheus-protobuf")]
pub(super) mod protobuf;
pub(super) mod text;

pub use negotiate::PageFormat;
