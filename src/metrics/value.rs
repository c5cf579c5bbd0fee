//! What a snapshot holds of the metrics.

use std::sync::Arc;

use super::explicit::ExplicitHistogram;
use super::kind::{Buckets, MetricKind};
use super::name::without_total;
use crate::histogram::{Histogram as ExponentialHistogram, slot_bounds};

/// What a metric was registered as.
#[derive(Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Description {
    /// Its name; of a counter, without the `_total` that its series get where they are exported.
    pub name: Arc<str>,
    /// One sentence about it.
    pub help: Arc<str>,
    /// Its unit, with which the name ends.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub unit: Option<Arc<str>>,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels, sorted.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub label_names: Arc<[Arc<str>]>,
    /// A histogram's buckets.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub buckets: Option<Buckets>,
}

/// All series of one metric, in the order of their labels' values.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Family {
    /// What it was registered as.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub description: Arc<Description>,
    /// Each label set and its value.
    pub series: Vec<Series>,
}

impl Family {
    /// The value of the series with these labels, in any order.
    pub fn value(&self, labels: &[(&str, &str)]) -> Option<&Value> {
        Some(&self.series.iter().find(|series| series.labels.are(labels))?.value)
    }
}

/// The metric of that name in `families`, which are sorted by name.
pub(crate) fn find<'a>(families: &'a [Family], name: &str) -> Option<&'a Family> {
    let at = |name: &str| families.binary_search_by(|family| (*family.description.name).cmp(name)).ok();
    let counter = |i: &usize| families[*i].description.kind == MetricKind::Counter;
    at(name).or_else(|| at(without_total(name)).filter(counter)).map(|i| &families[i])
}

/// One label set of a metric, and its value.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Series {
    /// What tells it from the metric's other series.
    pub labels: Labels,
    /// Its value.
    pub value: Value,
}

/// Names and values, sorted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    pub(super) names: Arc<[Arc<str>]>,
    pub(super) values: Arc<[Arc<str>]>,
}

impl Labels {
    /// The value of the label `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.names.iter().zip(&*self.values).map(|(name, value)| (&**name, &**value))
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
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(untagged))]
pub enum Value {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(f64),
    /// Of a histogram.
    Histogram(HistogramValue),
}

impl Value {
    /// A counter's count.
    pub fn counter(&self) -> Option<u64> {
        if let Value::Counter(count) = self { Some(*count) } else { None }
    }

    /// A gauge's value.
    pub fn gauge(&self) -> Option<f64> {
        if let Value::Gauge(value) = self { Some(*value) } else { None }
    }

    /// A histogram's values.
    pub fn histogram(&self) -> Option<&HistogramValue> {
        if let Value::Histogram(histogram) = self { Some(histogram) } else { None }
    }
}

/// The values of one histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramValue {
    /// What was counted.
    pub distribution: Distribution,
    /// Values that could not be counted: NaN, infinities, and of an exponential histogram what is negative or too
    /// large.
    pub dropped: u64,
}

/// Counts by bucket, with count, sum and extremes.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Over exponential buckets.
    Exponential(ExponentialHistogram),
    /// Over the user's bounds.
    Explicit(ExplicitHistogram),
}

/// Asks whichever of the two it is.
macro_rules! of_either {
    ($self:ident, $h:ident => $exponential:expr, $explicit:expr) => {
        match &$self.distribution {
            Distribution::Exponential($h) => $exponential,
            Distribution::Explicit($h) => $explicit,
        }
    };
}

impl HistogramValue {
    /// Number of values.
    pub fn count(&self) -> u64 {
        of_either!(self, h => h.count(), h.count())
    }

    /// Sum of the values. That of an exponential histogram is kept as a u64, and exact there.
    pub fn sum(&self) -> f64 {
        of_either!(self, h => h.sum() as f64, h.sum())
    }

    /// Arithmetic mean, 0.0 of no values.
    pub fn mean(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum() / self.count() as f64 }
    }

    /// Smallest value, `None` of no values.
    pub fn min(&self) -> Option<f64> {
        of_either!(self, h => h.min().map(|min| min as f64), h.min())
    }

    /// Largest value, `None` of no values.
    pub fn max(&self) -> Option<f64> {
        of_either!(self, h => h.max().map(|max| max as f64), h.max())
    }

    /// The `q`-quantile, `q` in 0..=1, 0.0 of no values: of an exponential histogram within its
    /// [relative error](crate::histogram::relative_error), of an explicit one as Prometheus's `histogram_quantile`.
    pub fn quantile(&self, q: f64) -> f64 {
        of_either!(self, h => h.quantile(q), h.quantile(q))
    }

    /// Upper bound, inclusive, and count of each bucket, not cumulative; of an exponential histogram the used ones. The
    /// last bucket of an explicit one is bounded by infinity.
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
