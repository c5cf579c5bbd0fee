//! Registering a metric: help, unit and labels, then whose it is.

use std::marker::PhantomData;
use std::sync::Arc;

use super::error::MetricError;
use super::family::{MetricFamily, check_indices, series_of_indices};
use super::host::{Counter, Gauge, Histogram};
use super::kind::{Buckets, MetricKind};
use super::registry::{Registry, Request, Source};
use crate::abi::{CounterFamilyRef, CounterRef, GaugeFamilyRef, GaugeRef, HistogramFamilyRef, HistogramRef, MetricRef};

/// A metric that is about to be registered: by [`on_host`](Self::on_host) for host threads, by
/// [`on_device`](Self::on_device) for kernels.
#[must_use = "a metric is registered by .on_host() or .on_device()"]
pub struct Builder<T> {
    registry: Arc<Registry>,
    request: Request,
    of: PhantomData<T>,
}

/// Value of every label of the series that counts what is out of a family's range.
pub const OVERFLOW: &str = "overflow";

/// A metric of the host: [`Counter`], [`Gauge`] or [`Histogram`]. Sealed.
pub trait Instrument: sealed::Instrument {}

impl<T: sealed::Instrument> Instrument for T {}

mod sealed {
    pub trait Instrument: Clone {
        const KIND: super::MetricKind;
        /// What kernels take of one series, and of a family.
        type Ref: From<super::MetricRef>;
        type FamilyRef: From<super::MetricRef>;
        fn from_source(source: &super::Source) -> Option<&Self>;
    }
}

macro_rules! instrument {
    ($($kind:ident: $reference:ident, $family:ident;)*) => {$(
        impl sealed::Instrument for $kind {
            const KIND: MetricKind = MetricKind::$kind;
            type Ref = $reference;
            type FamilyRef = $family;
            fn from_source(source: &Source) -> Option<&Self> {
                if let Source::$kind(instrument) = source { Some(instrument) } else { None }
            }
        }
    )*};
}
instrument! {
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
            indices: None,
        };
        Builder { registry, request, of: PhantomData }
    }

    /// Sets the unit, with which the name must end: in the plural and without a prefix, as Prometheus recommends
    /// (`seconds`, `bytes`). Default: none.
    pub fn unit(mut self, unit: &str) -> Self {
        self.request.unit = Some(unit.to_owned());
        self
    }

    /// Adds a label to this series. The same metric with other label values is another series; with other label names it
    /// is refused. Default: no labels.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.request.label_names.push(name.to_owned());
        self.request.sets[0].push(value.to_owned());
        self
    }

    /// Registers the series for threads of the host. Returns the one that is there if the same was registered before.
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let hits = telemetry.counter("cache_hits", "Cache hits")?.label("table", "users").on_host()?;
    /// let same = telemetry.counter("cache_hits", "Cache hits")?.label("table", "users").on_host()?;
    /// hits.inc();
    /// same.inc();
    /// assert_eq!(hits.get(), 2);
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`MetricError`] for a name, unit, label or buckets that are not valid, if a metric of that name was
    /// registered as something else, if kernels count in the series, and if the limit on series is reached.
    pub fn on_host(self) -> Result<T, MetricError> {
        let mut series = register(&self.registry, &self.request)?;
        Ok(series.swap_remove(0))
    }

    /// Registers the series for kernels. Returns what they take by value; a kernel may also look it up by its
    /// [`index`](CounterRef::index). Returns the one that is there if the same was registered before. May be called while
    /// kernels run: it copies to the device on a stream of its own and waits for that copy, for at most
    /// [`copy_limit`](crate::TelemetryConfig::copy_limit), never for a kernel.
    ///
    /// # Errors
    /// Returns [`MetricError`] as [`on_host`](Self::on_host) does, and without a device, with several of them, if the device has
    /// no room for more metrics or buckets, if the host counts in the series, and if the copy fails.
    pub fn on_device(self) -> Result<T::Ref, MetricError> {
        on_one(&self.registry, &self.request).map(T::Ref::from)
    }

    /// Registers the series for kernels on each of the collector's devices. Returns what kernels take on each, in the order of
    /// the devices; its [`index`](CounterRef::index) is the same on all. What kernels on several devices count adds up in one
    /// series; of a gauge each device has a series of its own, with its index as the label `device`. On a device that is
    /// dead kernels count nothing.
    ///
    /// # Errors
    /// Returns [`MetricError`] as [`on_device`](Self::on_device) does.
    pub fn on_devices(self) -> Result<Vec<T::Ref>, MetricError> {
        let references = self.registry.register_on_devices(&self.request)?;
        Ok(references.into_iter().map(T::Ref::from).collect())
    }

    /// As [`on_device`](Self::on_device), or as [`on_devices`](Self::on_devices), of whatever kind it is.
    #[cfg(feature = "capi")]
    pub(crate) fn references(self, on_each: bool) -> Result<Vec<MetricRef>, MetricError> {
        references(&self.registry, &self.request, on_each)
    }

    /// Asks for a series for each of `sets`, chosen by its index in the list or by one of [`FamilyBuilder::indices`], in addition to the labels set so far, which
    /// all of them have. One more series, with the value [`OVERFLOW`] for each of `labels`, counts what is out of range.
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
    /// Sets 2^`scale` exponential buckets an octave, `scale` 0 to 5. Default: the collector's
    /// [`scale`](crate::TelemetryConfig::scale). Replaces buckets that were set before.
    pub fn scale(mut self, scale: u32) -> Self {
        self.request.buckets = Some(Buckets::Exponential { scale });
        self
    }

    /// Sets buckets with these upper-inclusive bounds, finite and ascending, and a last bucket without a bound. Replaces
    /// a scale or buckets that were set before.
    pub fn buckets(mut self, bounds: &[f64]) -> Self {
        self.request.buckets = Some(Buckets::Explicit(bounds.into()));
        self
    }
}

/// A metric with label sets that is about to be registered: by [`on_host`](Self::on_host) for host threads, by
/// [`on_device`](Self::on_device) for kernels.
#[must_use = "a metric is registered by .on_host() or .on_device()"]
pub struct FamilyBuilder<T> {
    builder: Builder<T>,
    labels: usize,
    common: usize,
}

impl<T> std::fmt::Debug for Builder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Builder").field(&self.request).finish()
    }
}

impl<T> std::fmt::Debug for FamilyBuilder<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FamilyBuilder").field(&self.builder.request).finish()
    }
}

impl<T: Instrument> FamilyBuilder<T> {
    /// Sets the numbers by which the sets are chosen, one for each in their order: 0 to [`MAX_FAMILY_INDEX`](super::MAX_FAMILY_INDEX), where they are
    /// far apart as the kinds of a scheduler's tasks may be. Every other number is out of range. Default: 0, 1, 2, …
    ///
    /// ```
    /// let telemetry = ringscope::TelemetryCollector::new(true);
    /// let tasks = telemetry.counter("tasks", "Tasks")?.family(&["kind"], &[&["matmul"], &["norm"]]).indices(&[101, 349]);
    /// let tasks = tasks.on_host()?;
    /// tasks.with(349).inc();
    /// let metric = telemetry.metric("tasks")?;
    /// assert_eq!(metric.value(&[("kind", "norm")]).and_then(|v| v.counter()), Some(1));
    /// # Ok::<(), ringscope::TelemetryError>(())
    /// ```
    pub fn indices(mut self, indices: &[u32]) -> Self {
        self.builder.request.indices = Some(indices.to_vec());
        self
    }

    /// Registers all of the series for threads of the host. Returns those that are there if the same were registered before.
    ///
    /// # Errors
    /// Returns [`MetricError`] as [`Builder::on_host`] does, and for no labels, a set of another length, a set given twice, and
    /// indices that do not fit. Then none is registered.
    pub fn on_host(self) -> Result<MetricFamily<T>, MetricError> {
        self.check()?;
        let mut series = register(&self.builder.registry, &self.builder.request)?;
        let overflow = series.swap_remove(series.len() - 1);
        let indices = self.builder.request.indices.as_deref();
        Ok(MetricFamily::new(series, overflow, indices.map(series_of_indices)))
    }

    /// Registers all of the series for kernels, which choose among them by index. Returns what kernels take by value, the
    /// same as before if the same were registered before. Waits as [`Builder::on_device`] does.
    ///
    /// # Errors
    /// Returns [`MetricError`] as [`on_host`](Self::on_host) and [`Builder::on_device`] do.
    pub fn on_device(self) -> Result<T::FamilyRef, MetricError> {
        self.check()?;
        on_one(&self.builder.registry, &self.builder.request).map(T::FamilyRef::from)
    }

    /// Registers all of the series for kernels on each of the collector's devices, as [`Builder::on_devices`] does.
    ///
    /// # Errors
    /// Returns [`MetricError`] as [`on_device`](Self::on_device) does.
    pub fn on_devices(self) -> Result<Vec<T::FamilyRef>, MetricError> {
        self.check()?;
        let references = self.builder.registry.register_on_devices(&self.builder.request)?;
        Ok(references.into_iter().map(T::FamilyRef::from).collect())
    }

    /// As [`on_device`](Self::on_device), or as [`on_devices`](Self::on_devices), of whatever kind it is.
    #[cfg(feature = "capi")]
    pub(crate) fn references(self, on_each: bool) -> Result<Vec<MetricRef>, MetricError> {
        self.check()?;
        references(&self.builder.registry, &self.builder.request, on_each)
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
        self.builder.request.indices.as_deref().map_or(Ok(()), |indices| check_indices(&metric(), indices, overflow))
    }
}

/// Registers the request for the kernels of the only device.
fn on_one(registry: &Registry, request: &Request) -> Result<MetricRef, MetricError> {
    match registry.device_count() {
        devices @ 2.. => Err(MetricError::SeveralDevices { metric: request.name.clone(), devices }),
        _ => Ok(registry.register_on_devices(request)?.swap_remove(0)),
    }
}

#[cfg(feature = "capi")]
fn references(registry: &Registry, request: &Request, on_each: bool) -> Result<Vec<MetricRef>, MetricError> {
    match on_each {
        true => registry.register_on_devices(request),
        false => on_one(registry, request).map(|one| vec![one]),
    }
}

/// Registers a series for each of the request's sets. The registry compared the types, so every source is a `T`.
fn register<T: Instrument>(registry: &Registry, request: &Request) -> Result<Vec<T>, MetricError> {
    Ok(registry.register(request)?.iter().filter_map(T::from_source).cloned().collect())
}
