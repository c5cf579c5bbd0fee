//! The series of one metric, chosen by number.

use std::sync::Arc;

/// A series for each label set that was registered, in their order, and one for every other number: a wrong index
/// is counted where it can be seen, and never somewhere else.
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

    /// The series of the set registered at `index`; that of the overflow if there is none.
    #[inline]
    pub fn with(&self, index: usize) -> &T {
        self.sets.get(index).unwrap_or(&self.overflow)
    }

    /// The series of the sets, in the order in which they were registered.
    pub fn sets(&self) -> &[T] {
        &self.sets
    }

    /// The series that counts what is out of range.
    pub fn overflow(&self) -> &T {
        &self.overflow
    }
}
