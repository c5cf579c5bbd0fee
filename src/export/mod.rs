//! Exports of a snapshot: pure functions from it to bytes. They do no I/O: the caller sends the bytes.
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
//! Names begin with `ringscope_` or `telemetry_`, which metrics of your own may not; those of operations are
//! `event_total` and such, and no metric of your own may have one of them; counters end in `_total`; units are base units. Every
//! kernel is a value of the label `kernel`. The metrics of your own follow, sorted by name. [`catalog`] lists every
//! family of ringscope's own with its type, unit, help text and labels, for dashboards and alerts.
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
//! **All kernels together**, in the words of task queues, are `ringscope_tasks_executed_total`,
//! `ringscope_tasks_failed_total`, `ringscope_tasks_pending` and the summary `ringscope_task_latency_seconds`, with the
//! quantiles 0.5, 0.95 and 0.99 since the kernels' start or the last reset. Summaries of several processes do not add up;
//! the histograms do.
//!
//! # JSON
//!
//! With the feature `json`, `export_json` writes the sums over all kernels as `timestamp`, `tasks`, `latency`, `system` and `operations`,
//! `export_json_metrics` each metric by its name, as on a page for Prometheus, and `export_json_full` everything there is.
//!
//! # OpenTelemetry
//!
//! With the feature `otlp` the same families are written in OpenTelemetry's protocol, for
//! [`publish::Otlp`](crate::publish), by the same names and without `_total`, with units in UCUM. A counter is a monotonic
//! Sum, of whole numbers where it counts things; an exponential histogram an ExponentialHistogram with the scale, the zeros and
//! every bucket that was counted, and with the exact sum and extremes; a histogram over bounds of its own a Histogram; a
//! summary a Summary. Durations are in `ns`, exact, and not in seconds beside it. For receivers without exponential histograms
//! all histograms are explicit, over powers of two, and durations are in seconds. A sum of values of which one is negative is
//! left out, as OpenTelemetry wants it; NaN and infinity stay what they are (in JSON `"NaN"`, `"Infinity"`). Counts begin when
//! the collector was made or their kernel started; after a reset they are smaller than before, which receivers take for a
//! restart. With delta temporality there are differences of counters and histograms, and gauges and summaries are as they
//! are.
//!
//! # Traces
//!
//! With the feature `trace` a [`Trace`](crate::trace::Trace) is written for Perfetto (`export_perfetto`), for OpenTelemetry's
//! protocol (`export_otlp`, `export_otlp_json`) and in Jaeger's own JSON (`export_jaeger`). All of them are pure functions;
//! a trace whose spans go on can be written and opened.
//!
//! Viewers of Perfetto's format want the slices of a track nested. Spans of one track that overlap without one being inside
//! the other are on lanes below it, of the same name. Times of devices are on the devices' own clocks there, and the file says
//! what these were in Unix time whenever they were read: a time is off by what the clock drifted since the reading before it.
//! An arrow joins the records of a flow in the order of their times.

mod catalog;
#[cfg(feature = "cloudwatch")]
pub(crate) mod cloudwatch;
#[cfg(feature = "elasticsearch")]
pub(crate) mod elasticsearch;
#[cfg(feature = "trace")]
mod jaeger;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod json_metrics;
#[cfg(feature = "trace")]
pub(crate) mod otlp;
#[cfg(feature = "trace")]
mod perfetto;
mod prometheus;
#[cfg(feature = "remote-write")]
pub(crate) mod remote_write;
#[cfg(feature = "datadog")]
pub(crate) mod statsd;
#[cfg(feature = "trace")]
mod traces;
#[cfg(any(feature = "cloudwatch", feature = "datadog"))]
mod weighted;

#[cfg(feature = "dashboard")]
pub(crate) use catalog::family;
pub use catalog::{ExportedFamily, FamilyKind, catalog};
pub(crate) use catalog::{LabelSet, Reading, samples_of};
#[cfg(feature = "files")]
pub(crate) use json_metrics::{Happened, document as json_document, line as json_line};
pub use prometheus::PageFormat;

#[cfg(feature = "prometheus-protobuf")]
use prometheus::protobuf;
use prometheus::{openmetrics, text};

use crate::snapshot::Snapshot;

/// Counts the series of a page: one for each set of labels of a family.
#[cfg(feature = "pushgateway")]
pub(crate) fn count_series(snapshot: &Snapshot) -> u64 {
    struct Count(u64);
    impl catalog::Sink for Count {
        const NATIVE: bool = true;
        fn family(&mut self, _: &catalog::MetricHeader<'_>) {}
        fn sample(&mut self, _: catalog::LabelSet<'_>, _: &catalog::Sample<'_>) {
            self.0 += 1;
        }
    }
    let mut count = Count(0);
    catalog::visit(snapshot, &mut count);
    count.0
}

impl Snapshot {
    /// Writes the snapshot as a page for Prometheus: classic text, version 0.0.4. See [`export`](crate::export).
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.record_receive("parser")?;
    /// let page = telemetry.snapshot()?.export_prometheus();
    /// assert!(page.contains("\nringscope_kernel_messages_received_total{kernel=\"parser\"} 1\n"));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn export_prometheus(&self) -> String {
        let mut page = String::new();
        self.export_prometheus_into(&mut page);
        page
    }

    /// Writes the same as [`export_prometheus`](Self::export_prometheus) over the contents of `page`, whose memory is
    /// used again.
    pub fn export_prometheus_into(&self, page: &mut String) {
        page.clear();
        text::encode(self, text::Dialect::Classic, &[], page);
    }

    /// Writes the same with these labels on every sample that has none of the same name.
    #[cfg(feature = "files")]
    pub(crate) fn export_prometheus_labelled(&self, labels: &[(String, String)]) -> String {
        let mut page = String::new();
        text::encode(self, text::Dialect::Classic, labels, &mut page);
        page
    }

    /// Writes the snapshot as a page of OpenMetrics 1.0 text.
    pub fn export_openmetrics(&self) -> String {
        let mut page = String::new();
        self.export_openmetrics_into(&mut page);
        page
    }

    /// Writes the same as [`export_openmetrics`](Self::export_openmetrics) over the contents of `page`.
    pub fn export_openmetrics_into(&self, page: &mut String) {
        page.clear();
        openmetrics::encode(self, page);
    }

    /// Writes the snapshot as a page for Prometheus with native histograms: `io.prometheus.client.MetricFamily` messages
    /// in protobuf, each after its length.
    #[cfg(feature = "prometheus-protobuf")]
    pub fn export_prometheus_protobuf(&self) -> Vec<u8> {
        let mut page = Vec::new();
        self.export_prometheus_protobuf_into(&mut page);
        page
    }

    /// Writes the same as [`export_prometheus_protobuf`](Self::export_prometheus_protobuf) over the contents of `page`.
    #[cfg(feature = "prometheus-protobuf")]
    pub fn export_prometheus_protobuf_into(&self, page: &mut Vec<u8>) {
        page.clear();
        protobuf::encode(self, page);
    }

    /// Writes the page in the format that [`PageFormat::negotiate`] chose.
    ///
    /// ```
    /// use ringscope::export::PageFormat;
    ///
    /// let snapshot = ringscope::TelemetryCollector::new(true).snapshot()?;
    /// let format = PageFormat::negotiate("application/openmetrics-text;version=1.0.0");
    /// assert!(snapshot.export_page(format).ends_with(b"# EOF\n"));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn export_page(&self, format: PageFormat) -> Vec<u8> {
        match format {
            PageFormat::Text => self.export_prometheus().into_bytes(),
            PageFormat::OpenMetrics => self.export_openmetrics().into_bytes(),
            #[cfg(feature = "prometheus-protobuf")]
            PageFormat::Protobuf => self.export_prometheus_protobuf(),
        }
    }

    /// Writes the sums over all kernels as one JSON document, on one line:
    ///
    /// * `timestamp`: Unix time in seconds;
    /// * `tasks`: `executed`, `failed`, `pending`, …;
    /// * `latency`, in milliseconds: `avg_ms`, `p50_ms`, `p95_ms`, `p99_ms`, …;
    /// * `system`: `cpu_percent`, `memory_mb` (10^6 bytes), `throughput_tasks_per_sec`, `gpu_utilization_percent` (the
    ///   mean of all GPUs), `gpu_memory_used_mb` (their sum), ….
    ///
    /// * `operations`: `started`, `running`, `succeeded`, `failed`, `abandoned`, `retries`, and the same of `network` with
    ///   `bytes_sent` and `bytes_received`; only where they are
    ///   [monitored](crate::TelemetryCollector::monitor_operations).
    ///
    /// What is not known is `null`: the GPU's values without a GPU, the latencies before the first message.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.record_processed("parser", Some(std::time::Duration::from_millis(4)))?;
    /// let page: serde_json::Value = serde_json::from_str(&telemetry.snapshot()?.export_json()?)?;
    /// assert_eq!((&page["tasks"]["executed"], &page["latency"]["avg_ms"]), (&1.into(), &4.0.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns the JSON writer's error; none is known that a snapshot causes.
    #[cfg(feature = "json")]
    pub fn export_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&json::Nested::from_snapshot(self))
    }

    /// Writes each metric by its name, as on a page for Prometheus, as one JSON document, on one line:
    ///
    /// * `timestamp`: Unix time in seconds;
    /// * `metrics`: under each name a list of samples with `value`, `labels` and `timestamp`;
    /// * `events_count`: number of events so far, of kernels and of the application;
    /// * `running`: what is given here.
    ///
    /// The value of a histogram is an object of `count`, `sum` and `buckets`, a list of pairs: the largest value of a bucket and
    /// how many are in it. Of exponential histograms these are the buckets that were counted in, in full resolution; of those
    /// with bounds of their own all of them, the last with the bound `null`. The value of a summary is an object of `count`,
    /// `sum` and `quantiles`. Numbers that are not finite are `null`.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let sizes = telemetry.histogram("batch_tokens", "Tokens of a batch")?.label("model", "small").on_host()?;
    /// [3, 3, 1024].into_iter().for_each(|tokens| sizes.observe(tokens));
    /// telemetry.counter("requests", "Requests")?.on_host()?.inc_by(2);
    /// let page: serde_json::Value = serde_json::from_str(&telemetry.snapshot()?.export_json_metrics(true)?)?;
    ///
    /// let now = &page["timestamp"];
    /// assert_eq!(page["metrics"]["requests_total"], serde_json::json!([{"value": 2, "labels": {}, "timestamp": now}]));
    /// assert_eq!(
    ///     page["metrics"]["batch_tokens"],
    ///     serde_json::json!([{
    ///         "value": {"count": 3, "sum": 1030, "buckets": [[3, 2], [1024, 1]]},
    ///         "labels": {"model": "small"},
    ///         "timestamp": now,
    ///     }])
    /// );
    /// assert_eq!((&page["events_count"], &page["running"]), (&0.into(), &true.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`export_json`](Self::export_json).
    #[cfg(feature = "json")]
    pub fn export_json_metrics(&self, running: bool) -> Result<String, serde_json::Error> {
        serde_json::to_string(&json_metrics::ByMetric::new(self, running))
    }

    /// Writes everything in the snapshot as one JSON document, on one line: each kernel with its buckets, each metric.
    ///
    /// # Errors
    /// As [`export_json`](Self::export_json).
    #[cfg(feature = "json")]
    pub fn export_json_full(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}
