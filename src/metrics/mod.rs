//! Metrics of your own: counters, gauges and histograms with labels, in the same snapshot as the kernels.
//!
//! They are registered with a collector by name and help text. A metric of the host ([`Counter`], [`Gauge`],
//! [`Histogram`]) may be cloned and used from any thread: a thread counts in words that no other thread writes, which costs
//! a load and a store, and does not slow down with the number of threads.
//!
//! ```
//! let telemetry = ringscope::TelemetryCollector::new(true);
//! let hits = telemetry.counter("cache_hits", "Cache hits")?.label("table", "users").on_host()?;
//! let depth = telemetry.gauge("frontier_size", "Vertices in the frontier")?.on_host()?;
//! let batch = telemetry.histogram("batch_tokens", "Tokens in a batch")?.unit("tokens").scale(4).on_host()?;
//! hits.inc();
//! depth.set(12.0);
//! batch.observe(512);
//!
//! let snapshot = telemetry.snapshot()?;
//! let metric = snapshot.metric("cache_hits").expect("it is registered");
//! assert_eq!(metric.value(&[("table", "users")]).and_then(|v| v.counter()), Some(1));
//! assert_eq!(snapshot.metric("frontier_size").unwrap().value(&[]).and_then(|v| v.gauge()), Some(12.0));
//! # Ok::<(), ringscope::TelemetryError>(())
//! ```
//!
//! Kernels count in metrics as well: [`Builder::on_device`] returns what a kernel takes by value, and
//! `<ringscope/metrics.cuh>` has the calls. Their words lie in device memory that was reserved when the collector was made,
//! and are read with the kernels' own.
//!
//! # Names
//!
//! A metric's name is letters, digits and `_` after a letter, at most 255 bytes: what Prometheus and OpenTelemetry both
//! take as it is; one that begins with `ringscope_` or `telemetry_` is ringscope's own, as are `event_total` and the other
//! families of [operations](crate::TelemetryCollector::monitor_operations). A label's is the same, or begins with one `_`;
//! a histogram has no label `le` or `quantile`. If there is a unit, the name ends with it (`wait_seconds`). Counters
//! are exported with `_total` at the end; a name that has it already means the same counter. Two metrics whose series
//! would be exported under one name are refused.
//!
//! # One name, one metric
//!
//! Registering the same again finds what is there, so that modules need not pass handles around. The same name with
//! another type, help, unit, other label names or other buckets is an error that says both. Series are bounded in
//! number by [`max_series`](crate::TelemetryConfig::max_series) and stay until the collector goes; so label values are
//! what you register, not what comes in. Where they are known beforehand and chosen by number, [`MetricFamily`] counts
//! what is out of range in a series of its own.
//!
//! # What is exact
//!
//! Every count is, as is a histogram's sum of whole numbers. A value is read at the time of the snapshot, each metric's
//! after the other. [`reset`](crate::TelemetryCollector::reset) is of kernels: a metric counts from its registration.
//!
//! # Memory
//!
//! A thread takes eight bytes for each counter, and for each histogram eight for each bucket, where it uses any: 4.3 KB
//! for one of scale 3. A histogram takes 3 KB besides, as do 64 counters together. Threads beyond the 128th that count
//! at the same time share one set of words, with atomic additions. A signal handler must not count: it would interrupt
//! a load and its store.

mod builder;
mod device;
mod error;
mod explicit;
mod family;
mod host;
mod kind;
mod name;
mod registry;
mod value;

pub use crate::abi::{
    CounterFamilyRef, CounterRef, ExponentialFamilyRef, ExponentialRef, GaugeFamilyRef, GaugeRef, HistogramFamilyRef,
    HistogramRef,
};
pub use builder::{Builder, FamilyBuilder, Instrument, OVERFLOW};
pub use error::{Difference, MetricError};
pub use explicit::{BoundsError, ExplicitHistogram, MAX_BOUNDS, OtherBounds};
pub use family::{MAX_FAMILY_INDEX, MetricFamily};
pub use host::{Counter, Gauge, Histogram, Observation};
pub use kind::{Buckets, MetricKind};
pub use name::{MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};
pub use value::{Description, Distribution, Family, HistogramValue, Labels, Series, Value};

pub(crate) use device::{Capacity, DeviceMetrics};
pub(crate) use host::Counters;
pub(crate) use registry::{Registry, View};
pub(crate) use value::find;

/// A [`Counter`] that is about to be registered.
pub type CounterBuilder = Builder<Counter>;
/// A [`Gauge`] that is about to be registered.
pub type GaugeBuilder = Builder<Gauge>;
/// A [`Histogram`] that is about to be registered.
pub type HistogramBuilder = Builder<Histogram>;
/// The counters of one metric, chosen by number.
pub type CounterFamily = MetricFamily<Counter>;
/// The gauges of one metric, chosen by number.
pub type GaugeFamily = MetricFamily<Gauge>;
/// The histograms of one metric, chosen by number.
pub type HistogramFamily = MetricFamily<Histogram>;
