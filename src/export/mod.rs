//! The ways out of a snapshot: pure functions from it to bytes. Whoever calls them sends the bytes.
//!
//! ```
//! let telemetry = ringscope::TelemetryCollector::new(true);
//! telemetry.record_receive("parser")?;
//! let page = telemetry.snapshot()?.export_prometheus();
//! assert!(page.contains("\nringscope_kernel_messages_received_total{kernel=\"parser\"} 1\n"));
//! # Ok::<(), ringscope::TelemetryError>(())
//! ```
//!
//! # Prometheus
//!
//! [`export_prometheus`](Snapshot::export_prometheus) writes the classic text that everybody reads,
//! [`export_openmetrics`](Snapshot::export_openmetrics) OpenMetrics 1.0, and `export_prometheus_protobuf` (feature
//! `prometheus-protobuf`) the one format that has native histograms. [`PageFormat::negotiate`] chooses among them by a
//! scraper's `Accept` header, as `ringscope serve` does. A page is of one snapshot, and its order is always the same.
//!
//! Names begin with `ringscope_`, which metrics of your own may not; counters end in `_total`; units are base units. Every
//! kernel is a value of the label `kernel`. The metrics of your own follow as they were registered.
//! `# UNIT` is part of OpenMetrics; in the classic text it is a comment, there for people.
//!
//! **A reset** ([`TelemetryCollector::reset`](crate::TelemetryCollector::reset)) makes counters begin at zero again, which
//! Prometheus takes for the restart of a process: `rate` and `increase` stay right.
//!
//! **Histograms.** Exponential ones have many buckets, of which classic histograms get a few: powers of two, which are
//! bounds at every scale, so that counts are exact. They are the same on every page, whatever was counted: from 256 ns to
//! 17 s for durations, and every second one from 1 to 2^40 for histograms of your own. Native histograms have the full
//! resolution, bucket by bucket what the device counted.
//!
//! That a kernel's durations are exported twice has a reason. Bounds of native buckets are powers of two in the metric's own
//! unit. The device counts nanoseconds, and in seconds its buckets would lie between Prometheus's. So
//! `ringscope_kernel_message_duration_seconds` is the classic histogram in the base unit, on every page, and
//! `ringscope_kernel_message_duration_nanoseconds` the native one, in protobuf only, exact:
//!
//! ```promql
//! histogram_quantile(0.99, rate(ringscope_kernel_message_duration_nanoseconds[1m])) / 1e9
//! ```
//!
//! # JSON
//!
//! With the feature `json`, `export_json` writes the sums over all kernels as `timestamp`, `tasks`, `latency` and `system`,
//! and `export_json_full` everything there is.

mod families;
#[cfg(feature = "json")]
mod json;
mod negotiate;
mod number;
mod openmetrics;
#[cfg(feature = "prometheus-protobuf")]
mod protobuf;
mod text;

pub use negotiate::PageFormat;

use crate::snapshot::Snapshot;

impl Snapshot {
    /// The snapshot as a page for Prometheus: classic text, version 0.0.4. See [`export`](crate::export).
    pub fn export_prometheus(&self) -> String {
        let mut page = String::new();
        self.export_prometheus_into(&mut page);
        page
    }

    /// As [`export_prometheus`](Self::export_prometheus), in the place of what is in `page`, whose memory is used again.
    pub fn export_prometheus_into(&self, page: &mut String) {
        page.clear();
        text::encode(self, text::Dialect::Classic, page);
    }

    /// The snapshot as a page of OpenMetrics 1.0 text.
    pub fn export_openmetrics(&self) -> String {
        let mut page = String::new();
        self.export_openmetrics_into(&mut page);
        page
    }

    /// As [`export_openmetrics`](Self::export_openmetrics), in the place of what is in `page`.
    pub fn export_openmetrics_into(&self, page: &mut String) {
        page.clear();
        openmetrics::encode(self, page);
    }

    /// The snapshot as a page for Prometheus with native histograms: `io.prometheus.client.MetricFamily`, each after its
    /// length.
    #[cfg(feature = "prometheus-protobuf")]
    pub fn export_prometheus_protobuf(&self) -> Vec<u8> {
        let mut page = Vec::new();
        self.export_prometheus_protobuf_into(&mut page);
        page
    }

    /// As [`export_prometheus_protobuf`](Self::export_prometheus_protobuf), in the place of what is in `page`.
    #[cfg(feature = "prometheus-protobuf")]
    pub fn export_prometheus_protobuf_into(&self, page: &mut Vec<u8>) {
        page.clear();
        protobuf::encode(self, page);
    }

    /// The page in this format.
    pub fn export_page(&self, format: PageFormat) -> Vec<u8> {
        match format {
            PageFormat::Text => self.export_prometheus().into_bytes(),
            PageFormat::OpenMetrics => self.export_openmetrics().into_bytes(),
            #[cfg(feature = "prometheus-protobuf")]
            PageFormat::Protobuf => self.export_prometheus_protobuf(),
        }
    }

    /// The sums over all kernels as one JSON document: `timestamp`, `tasks`, `latency`, `system`.
    ///
    /// # Errors
    /// None that is known; they are the JSON writer's.
    #[cfg(feature = "json")]
    pub fn export_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&json::Nested::of(self))
    }

    /// Everything there is, as one JSON document: each kernel with its buckets, each metric.
    ///
    /// # Errors
    /// As [`export_json`](Self::export_json).
    #[cfg(feature = "json")]
    pub fn export_json_full(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
