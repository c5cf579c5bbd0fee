//! The series of one metric, chosen by number.

use std::sync::Arc;

use super::error::MetricError;

/// Largest number by which a set of a family is chosen.
pub const MAX_FAMILY_INDEX: u32 = 65_535;
/// In a map, of an index that has no series.
const NO_SERIES: u16 = u16::MAX;

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
    /// The place in `sets` of each index, where those are not the same.
    map: Option<Arc<[u16]>>,
}

impl<T> MetricFamily<T> {
    pub(super) fn new(sets: Vec<T>, overflow: T, map: Option<Vec<u16>>) -> Self {
        MetricFamily { sets: sets.into(), overflow, map: map.map(Into::into) }
    }

    /// Returns the series of the label set registered at `index`, or that of the overflow if there is none.
    #[inline]
    pub fn with(&self, index: usize) -> &T {
        let place = match &self.map {
            None => index,
            Some(map) => map.get(index).copied().unwrap_or(NO_SERIES).into(),
        };
        self.sets.get(place).unwrap_or(&self.overflow)
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

/// Whether each of `sets` label sets has an index of its own.
pub(super) fn check_indices(metric: &str, indices: &[u32], sets: usize) -> Result<(), MetricError> {
    let metric = || metric.to_owned();
    if indices.len() != sets {
        return Err(MetricError::WrongIndices { metric: metric(), indices: indices.len(), sets });
    }
    if let Some(index) = indices.iter().find(|index| **index > MAX_FAMILY_INDEX) {
        return Err(MetricError::IndexTooLarge { metric: metric(), index: *index, limit: MAX_FAMILY_INDEX });
    }
    let mut seen = std::collections::HashSet::new();
    let twice = indices.iter().find(|index| !seen.insert(**index));
    twice.map_or(Ok(()), |index| Err(MetricError::IndexTwice { metric: metric(), index: *index }))
}

/// For each number up to the largest index, the place of its set. metrics.cuh reads the same.
pub(super) fn series_of_indices(indices: &[u32]) -> Vec<u16> {
    let mut map = vec![NO_SERIES; indices.iter().max().map_or(0, |most| *most as usize + 1)];
    for (place, index) in (0u16..).zip(indices) {
        map[*index as usize] = place;
    }
    map
}
