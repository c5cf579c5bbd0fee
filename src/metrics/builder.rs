//! Registering a metric: help, unit and labels, then whose it is.

use std::marker::PhantomData;
use std::sync::Arc;

use super::error::MetricError;
use super::family::MetricFamily;
use super::host::{Counter, Gauge, Histogram};
use super::kind::{Buckets, MetricKind};
use super::registry::{Registry, Request, Source};
use crate::abi::{CounterFamilyRef, CounterRef, GaugeFamilyRef, GaugeRef, HistogramFamilyRef, HistogramRef, MetricRef};

/// A metric that is about to be registered: [`host`](Self::host) does it for threads, [`build`](Self::build) for kernels.
#[must_use = "a metric is registered by .on_host() or .on_device()"]
pub struct Builder<T> {
    registry: Arc<Registry>,
    request: Request,
    of: PhantomData<T>,
}

/// The value of every label of the series that counts what is out of a family's range.
pub const OVERFLOW: &str = "overflow";

/// What the host can own: [`Counter`], [`Gauge`], [`Histogram`].
pub trait Instrument: sealed::Instrument {}

impl<T: sealed::Instrument> Instrument for T {}

mod sealed {
    pub trait Instrument: Clone {
        const KIND: super::MetricKind;
        /// What kernels take of one series, and of a family.
        type Ref: From<super::MetricRef>;
        type FamilyRef: From<super::MetricRef>;
        fn of(source: &super::Source) -> Option<&Self>;
    }
}

macro_rules! twin {
    ($($kind:ident: $reference:ident, $family:ident;)*) => {$(
        impl sealed::Instrument for $kind {
            const KIND: MetricKind = MetricKind::$kind;
            type Ref = $reference;
            type FamilyRef = $family;
            fn of(source: &Source) -> Option<&Self> {
                if let Source::$kind(twin) = source { Some(twin) } else { None }
            }
        }
    )*};
}
twin! {
    Counter: CounterRef, CounterFamilyRef;
    Gauge: GaugeRef, GaugeFamilyRef;
    Histogram: HistogramRef, HistogramFamilyRef;
}

impl<T: Instrument> Builder<T> {
    pub(crate) fn new(registry: Arc<Registry>, name: &str, help: &str) -> Self {
        let request = Request {
            name: name.to_owned(),
            help: help.to_owned(),
            unit: None,
            kind: T::KIND,
            buckets: None,
            label_names: Vec::new(),
            sets: vec![Vec::new()],
        };
        Builder { registry, request, of: PhantomData }
    }

    /// Its unit, in the plural and without prefix as Prometheus likes them (`seconds`, `bytes`), or what else the name
    /// ends with.
    pub fn unit(mut self, unit: &str) -> Self {
        self.request.unit = Some(unit.to_owned());
        self
    }

    /// One more label of this series. The same name with other label values is another series of the same metric; with
    /// other labels it is refused.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.request.label_names.push(name.to_owned());
        self.request.sets[0].push(value.to_owned());
        self
    }

    /// Registers the series, or finds it if it is registered as the same, for threads of the host.
    ///
    /// # Errors
    /// What the name, the unit, a label or the buckets are refused for; a metric of that name that is something else;
    /// the bound on series.
    pub fn on_host(self) -> Result<T, MetricError> {
        let mut twins = register(&self.registry, &self.request)?;
        Ok(twins.swap_remove(0))
    }

    /// Registers the series, or finds it if it was built as the same before, for kernels: the result is passed to them by
    /// value, or looked up there by its [`index`](CounterRef::index). It may be done while kernels run.
    ///
    /// # Errors
    /// As [`host`](Self::host); no device, no room on it, a series that the host owns, what the device died of.
    pub fn on_device(self) -> Result<T::Ref, MetricError> {
        self.registry.register_on_device(&self.request).map(T::Ref::from)
    }

    /// A series for each of `sets`, chosen by its place in the list, beside labels that all of them have; and one more
    /// for what is out of range, with the value [`OVERFLOW`] for each of `labels`.
    pub fn family(mut self, labels: &[&str], sets: &[&[&str]]) -> FamilyBuilder<T> {
        let common = std::mem::take(&mut self.request.sets[0]);
        let overflow = vec![OVERFLOW; labels.len()];
        let all = sets.iter().copied().chain([&overflow[..]]);
        let with_common = |set: &[&str]| common.iter().cloned().chain(set.iter().map(|v| (*v).to_owned())).collect();
        self.request.sets = all.map(with_common).collect();
        self.request.label_names.extend(labels.iter().map(|label| (*label).to_owned()));
        FamilyBuilder { builder: self, labels: labels.len(), common: common.len() }
    }
}

impl Builder<Histogram> {
    /// 2^`scale` buckets an octave, 0 to 5; the collector's scale if nothing is said. Takes the place of buckets that
    /// were given before.
    pub fn scale(mut self, scale: u32) -> Self {
        self.request.buckets = Some(Buckets::Exponential { scale });
        self
    }

    /// Buckets with these upper-inclusive bounds, finite and ascending, and one without. Takes the place of a scale or
    /// of buckets that were given before.
    pub fn buckets(mut self, bounds: &[f64]) -> Self {
        self.request.buckets = Some(Buckets::Explicit(bounds.into()));
        self
    }
}

/// A metric with label sets that is about to be registered; [`host`](Self::host) does it.
#[must_use = "a metric is registered by .on_host() or .on_device()"]
pub struct FamilyBuilder<T> {
    builder: Builder<T>,
    labels: usize,
    common: usize,
}

impl<T: Instrument> FamilyBuilder<T> {
    /// Registers all of the series, or finds those that are registered as the same, for threads of the host.
    ///
    /// # Errors
    /// As [`Builder::host`]; no labels, a set of another length, a set given twice. Then none is registered.
    pub fn on_host(self) -> Result<MetricFamily<T>, MetricError> {
        self.check()?;
        let mut twins = register(&self.builder.registry, &self.builder.request)?;
        let overflow = twins.swap_remove(twins.len() - 1);
        Ok(MetricFamily::new(twins, overflow))
    }

    /// Registers all of the series, or finds them if they are registered as the same, for kernels, which choose by index.
    ///
    /// # Errors
    /// As [`host`](Self::host) and [`Builder::build`].
    pub fn on_device(self) -> Result<T::FamilyRef, MetricError> {
        self.check()?;
        self.builder.registry.register_on_device(&self.builder.request).map(T::FamilyRef::from)
    }

    /// Whether the sets can be told apart and fit the labels.
    fn check(&self) -> Result<(), MetricError> {
        let metric = || self.builder.request.name.clone();
        let sets = &self.builder.request.sets;
        if self.labels == 0 {
            return Err(MetricError::NoLabels { metric: metric() });
        }
        let wrong = |set: &Vec<String>| set.len() != self.common + self.labels;
        if let Some(index) = sets.iter().position(wrong) {
            let (values, labels) = (sets[index].len() - self.common, self.labels);
            return Err(MetricError::WrongSetLength { metric: metric(), index, values, labels });
        }
        // The last one is that of the overflow, which no other may be.
        let overflow = sets.len() - 1;
        let mut seen = std::collections::HashSet::from([&sets[overflow]]);
        if let Some(index) = sets[..overflow].iter().position(|set| !seen.insert(set)) {
            return Err(MetricError::SetTwice { metric: metric(), index });
        }
        Ok(())
    }
}

/// A twin for each of the request's sets. The registry compared the kinds, so every source is one.
fn register<T: Instrument>(registry: &Registry, request: &Request) -> Result<Vec<T>, MetricError> {
    Ok(registry.register(request)?.iter().filter_map(T::of).cloned().collect())
}
