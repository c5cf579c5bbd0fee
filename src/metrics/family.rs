//! The series of one metric, chosen by number.

use std::sync::Arc;

/// A series for each label set that was registered, in their order, and one for all other indexes: what is counted with a
/// wrong index is in the series `overflow`, and never in another label set's.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let hits = telemetry.counter("cache_hits", "Cache hits")?.family(&["table"], &[&["users"], &["orders"]]).on_host()?;
/// hits.with(1).inc();
/// hits.with(2).inc(); // there are two
/// let metric = telemetry.metric("cache_hits")?;
/// assert_eq!(metric.value(&[("table", "orders")]).and_then(|v| v.counter()), Some(1));
/// assert_eq!(metric.value(&[("table", "overflow")]).and_then(|v| v.counter()), Some(1));
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MetricFamily<T> {
    sets: Arc<[T]>,
    overflow: T,
}

impl<T> MetricFamily<T> {
    pub(super) fn new(sets: Vec<T>, overflow: T) -> Self {
        MetricFamily { sets: sets.into(), overflow }
    }

    /// Returns the series of the label set registered at `index`, or that of the overflow if there is none.
    #[inline]
    pub fn with(&self, index: usize) -> &T {
        self.sets.get(index).unwrap_or(&self.overflow)
    }

    /// Returns the series of the label sets, in the order in which they were registered.
    pub fn sets(&self) -> &[T] {
        &self.sets
    }

    /// Returns the series that counts what is out of range.
    pub fn overflow(&self) -> &T {
        &self.overflow
    }
}
