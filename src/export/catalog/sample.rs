//! What every exporter is handed: a family's header, then its samples.

use std::time::{Duration, SystemTime};

use super::kind::FamilyKind;
use crate::histogram::Histogram;
use crate::metrics::{ExplicitHistogram, Labels};

/// A sample's value, as exactly as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Count(u64),
    Real(f64),
    /// Nanoseconds, exported as seconds.
    Nanos(u64),
}

impl Number {
    pub(super) fn from_duration(time: Duration) -> Number {
        Number::Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    /// What was added since `earlier`; all of it, if it is less than then.
    #[cfg(any(feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
    pub(super) fn since(self, earlier: Number) -> Number {
        match (self, earlier) {
            (Number::Count(now), Number::Count(earlier)) => Number::Count(now.checked_sub(earlier).unwrap_or(now)),
            (Number::Nanos(now), Number::Nanos(earlier)) => Number::Nanos(now.checked_sub(earlier).unwrap_or(now)),
            (Number::Real(now), Number::Real(earlier)) if now >= earlier => Number::Real(now - earlier),
            (now, _) => now,
        }
    }

    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Number::Count(count) => count as f64,
            Number::Real(value) => value,
            Number::Nanos(ns) => ns as f64 / 1e9,
        }
    }
}

/// The header of a family, ringscope's own or the user's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetricHeader<'a> {
    /// Of a counter, without `_total`.
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: Option<&'a str>,
    pub(crate) kind: FamilyKind,
}

/// The labels of a sample.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LabelSet<'a> {
    Pairs(&'a [(&'a str, &'a str)]),
    Registered(&'a Labels),
}

impl<'a> LabelSet<'a> {
    pub(crate) fn for_each(self, mut f: impl FnMut(&'a str, &'a str)) {
        match self {
            LabelSet::Pairs(pairs) => pairs.iter().for_each(|(name, value)| f(name, value)),
            LabelSet::Registered(labels) => labels.iter().for_each(|(name, value)| f(name, value)),
        }
    }
}

/// A histogram's values. An exporter derives the buckets of its format from them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    /// Counted in nanoseconds, exported in seconds. In seconds the exponential buckets are not a format's own: only
    /// classic ones are exact.
    Seconds(&'a Histogram),
    /// For a format that has exponential buckets, those that were counted, in the unit that was counted.
    Native(&'a Histogram),
    /// Whole numbers of a user's histogram: in exponential buckets where the format has them, and in classic ones.
    Exponential(&'a Histogram),
    /// Classic buckets over the user's bounds.
    Explicit(&'a ExplicitHistogram),
}

impl Values<'_> {
    pub(crate) fn count(&self) -> u64 {
        match self {
            Values::Seconds(h) | Values::Native(h) | Values::Exponential(h) => h.count(),
            Values::Explicit(h) => h.count(),
        }
    }

    pub(crate) fn sum(&self) -> Number {
        match self {
            Values::Seconds(h) => Number::Nanos(h.sum()),
            Values::Native(h) | Values::Exponential(h) => Number::Count(h.sum()),
            Values::Explicit(h) => Number::Real(h.sum()),
        }
    }
}

/// The quantiles that a summary exports.
pub(crate) const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// What a summary exports of a histogram of nanoseconds, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quantiles<'a>(pub(crate) &'a Histogram);

impl Quantiles<'_> {
    pub(crate) fn count(&self) -> u64 {
        self.0.count()
    }

    pub(crate) fn sum(&self) -> Number {
        Number::Nanos(self.0.sum())
    }

    /// Each of [`QUANTILES`] and its value; NaN before the first value, as in Prometheus's own client libraries.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, f64)> {
        let value = |q| if self.count() == 0 { f64::NAN } else { self.0.quantile(q) / 1e9 };
        QUANTILES.into_iter().map(move |q| (q, value(q)))
    }
}

/// The value of one label set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sample<'a> {
    Number(Number),
    Histogram(Values<'a>),
    Summary(Quantiles<'a>),
}

// The samples of the tables, which are always there or follow a `?`.

pub(super) fn count(count: u64) -> Option<Sample<'static>> {
    Some(Sample::Number(Number::Count(count)))
}

pub(super) fn real(value: f64) -> Option<Sample<'static>> {
    Some(Sample::Number(Number::Real(value)))
}

pub(super) fn duration(time: Duration) -> Option<Sample<'static>> {
    Some(Sample::Number(Number::from_duration(time)))
}

pub(super) fn unix_time(time: Option<SystemTime>) -> Option<Sample<'static>> {
    duration(time?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// A page that is being written, in one of the formats.
pub(crate) trait Sink {
    /// Whether the format has exponential ("native") histograms.
    const NATIVE: bool = false;
    /// Whether a walk over what was added hands on differences of counters, or these as they are, and differences of
    /// histograms alone.
    #[cfg(any(feature = "cloudwatch", feature = "datadog", feature = "elasticsearch", feature = "otlp"))]
    const COUNTS_SINCE: bool = true;

    /// Begins a family; the samples that follow are its own.
    fn family(&mut self, header: &MetricHeader<'_>);
    /// Says since when the family's next sample is counted, where it is counted since another time than others: since its
    /// kernel's life began, or since that was reset.
    fn counted_since(&mut self, _: Option<SystemTime>) {}
    fn sample(&mut self, labels: LabelSet<'_>, sample: &Sample<'_>);
}
