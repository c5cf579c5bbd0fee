//! What a snapshot holds of the metrics.

use std::sync::Arc;

use super::explicit::ExplicitHistogram;
use super::kind::{Buckets, MetricKind};
use super::name::without_total;
use crate::histogram::{Histogram as ExponentialHistogram, slot_bounds};

/// What a metric was registered with.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Description {
    /// Name; of a counter, without the `_total` that its series have where they are exported.
    pub name: Arc<str>,
    /// Help text: one sentence about what is counted or measured.
    pub help: Arc<str>,
    /// Unit, with which the name ends.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub unit: Option<Arc<str>>,
    /// Type.
    pub kind: MetricKind,
    /// Names of the labels, sorted.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub label_names: Arc<[Arc<str>]>,
    /// Buckets of a histogram; `None` for other types.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub buckets: Option<Buckets>,
}

/// All series of one metric, in the order of their labels' values.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Family {
    /// What the metric was registered with.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub description: Arc<Description>,
    /// The label sets and their values.
    pub series: Vec<Series>,
}

impl Family {
    /// Returns the value of the series with exactly these labels, given in any order; `None` if there is no such series.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// telemetry.counter("cache_hits", "Cache hits")?.label("table", "users").on_host()?.inc();
    /// let hits = telemetry.metric("cache_hits")?;
    /// assert_eq!(hits.value(&[("table", "users")]).and_then(|value| value.counter()), Some(1));
    /// assert_eq!(hits.value(&[]), None);
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<&Value> {
        Some(&self.series.iter().find(|series| series.labels.are(labels))?.value)
    }
}

/// Finds the metric of that name in `families`, which are sorted by name.
pub(crate) fn find<'a>(families: &'a [Family], name: &str) -> Option<&'a Family> {
    let at = |name: &str| families.binary_search_by(|family| (*family.description.name).cmp(name)).ok();
    let counter = |i: &usize| families[*i].description.kind == MetricKind::Counter;
    at(name).or_else(|| at(without_total(name)).filter(counter)).map(|i| &families[i])
}

/// One label set of a metric, and its value.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Series {
    /// The label set.
    pub labels: Labels,
    /// The value.
    pub value: Value,
}

/// A label set: names and values, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub(super) names: Arc<[Arc<str>]>,
    pub(super) values: Arc<[Arc<str>]>,
}

impl Labels {
    /// Makes a label set of pairs that are sorted by name.
    pub(crate) fn from_sorted(pairs: Vec<(&str, &str)>) -> Self {
        let (names, values): (Vec<Arc<str>>, Vec<Arc<str>>) =
            pairs.into_iter().map(|(n, v)| (n.into(), v.into())).unzip();
        Labels { names: names.into(), values: values.into() }
    }

    /// Returns the value of the label `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Returns names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.names.iter().zip(&*self.values).map(|(name, value)| (&**name, &**value))
    }

    /// The values, in the order of the names.
    #[cfg(feature = "recording")]
    pub(crate) fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    fn are(&self, others: &[(&str, &str)]) -> bool {
        self.names.len() == others.len() && others.iter().all(|(name, value)| self.get(name) == Some(value))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum Value {
    /// The count of a counter.
    Counter(u64),
    /// The value of a gauge.
    Gauge(f64),
    /// The values of a histogram.
    Histogram(HistogramValue),
}

impl Value {
    /// Returns the count, if this is of a counter.
    pub fn counter(&self) -> Option<u64> {
        if let Value::Counter(count) = self { Some(*count) } else { None }
    }

    /// Returns the value, if this is of a gauge.
    pub fn gauge(&self) -> Option<f64> {
        if let Value::Gauge(value) = self { Some(*value) } else { None }
    }

    /// Returns the values, if this is of a histogram.
    pub fn histogram(&self) -> Option<&HistogramValue> {
        if let Value::Histogram(histogram) = self { Some(histogram) } else { None }
    }

    /// The counts and histograms of two devices as one. Gauges do not add up.
    pub(crate) fn with_added(self, other: Value) -> Value {
        match (self, other) {
            (Value::Counter(count), Value::Counter(more)) => Value::Counter(count.wrapping_add(more)),
            (Value::Histogram(values), Value::Histogram(more)) => Value::Histogram(values.with_added(&more)),
            (value, _) => value,
        }
    }
}

/// The values of one histogram.
///
/// ```
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let batch = telemetry.histogram("batch_tokens", "Tokens in a batch")?.on_host()?;
/// [10u64, 20, 30].into_iter().for_each(|tokens| batch.observe(tokens));
/// let value = batch.value();
/// assert_eq!((value.count(), value.sum(), value.max()), (3, 60.0, Some(30.0)));
/// assert_eq!(value.percentile(50.0), value.quantile(0.5));
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramValue {
    /// Counts by bucket.
    pub distribution: Distribution,
    /// Values that could not be counted: NaN, infinities, and of an exponential histogram what is negative or too
    /// large.
    pub dropped: u64,
}

/// Counts by bucket, with count, sum and extremes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Distribution {
    /// Over exponential buckets.
    Exponential(ExponentialHistogram),
    /// Over the user's bounds.
    Explicit(ExplicitHistogram),
}

/// Evaluates one of two expressions, by the kind of the distribution.
macro_rules! of_either {
    ($self:ident, $h:ident => $exponential:expr, $explicit:expr) => {
        match &$self.distribution {
            Distribution::Exponential($h) => $exponential,
            Distribution::Explicit($h) => $explicit,
        }
    };
}

impl HistogramValue {
    fn with_added(mut self, other: &HistogramValue) -> Self {
        match (&mut self.distribution, &other.distribution) {
            (Distribution::Exponential(all), Distribution::Exponential(more)) => all.merge(more),
            (Distribution::Explicit(all), Distribution::Explicit(more)) => {
                // They were made of the same bounds.
                let _ = all.merge(more);
            }
            _ => {}
        }
        self.dropped = self.dropped.wrapping_add(other.dropped);
        self
    }

    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        of_either!(self, h => h.count(), h.count())
    }

    /// Returns the sum of the values. That of an exponential histogram is exact in [`distribution`](Self::distribution),
    /// as a `u64`.
    pub fn sum(&self) -> f64 {
        of_either!(self, h => h.sum() as f64, h.sum())
    }

    /// Returns the arithmetic mean; 0.0 if there are no values.
    pub fn mean(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum() / self.count() as f64 }
    }

    /// Returns the smallest value; `None` if there are no values.
    pub fn min(&self) -> Option<f64> {
        of_either!(self, h => h.min().map(|min| min as f64), h.min())
    }

    /// Returns the largest value; `None` if there are no values.
    pub fn max(&self) -> Option<f64> {
        of_either!(self, h => h.max().map(|max| max as f64), h.max())
    }

    /// Returns the `q`-quantile, `q` in 0..=1 (clamped); 0.0 if there are no values. Of an exponential histogram it is
    /// within its [relative error](crate::histogram::relative_error), of an explicit one it is what Prometheus's
    /// `histogram_quantile` computes. See [`percentile`](Self::percentile) for the same from 0 to 100.
    pub fn quantile(&self, q: f64) -> f64 {
        of_either!(self, h => h.quantile(q), h.quantile(q))
    }

    /// Returns the `p`-th percentile, `p` in 0..=100 (clamped): `percentile(99.0)` is `quantile(0.99)`.
    pub fn percentile(&self, p: f64) -> f64 {
        self.quantile(p / 100.0)
    }

    /// Returns the upper bound (inclusive) and the count of each bucket, not cumulative: of an exponential histogram the
    /// used ones, of an explicit one all, the last with the bound infinity.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        of_either!(
            self,
            h => h.slots().filter(|(_, n)| *n > 0).map(|(slot, n)| (slot_bounds(slot, h.scale()).1, n)).collect(),
            h.bounds().iter().copied().chain([f64::INFINITY]).zip(h.counts().iter().copied()).collect()
        )
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for HistogramValue {
    /// Count, sum, extremes and percentiles, then the buckets as pairs of bound and count; a bound of infinity is none.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut s = serializer.serialize_struct("HistogramValue", 9)?;
        s.serialize_field("count", &self.count())?;
        of_either!(self, h => s.serialize_field("sum", &h.sum())?, s.serialize_field("sum", &h.sum())?);
        s.serialize_field("min", &self.min())?;
        s.serialize_field("max", &self.max())?;
        for (key, q) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)] {
            s.serialize_field(key, &self.quantile(q))?;
        }
        s.serialize_field("dropped", &self.dropped)?;
        let bound = |bound: f64| bound.is_finite().then_some(bound);
        let buckets: Vec<_> = self.buckets().into_iter().map(|(le, count)| (bound(le), count)).collect();
        s.serialize_field("buckets", &buckets)?;
        s.end()
    }
}
