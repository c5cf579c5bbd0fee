//! Which metrics there are: names, label sets, bounds.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::device::{self, Allocation, DeviceMetrics, DeviceSeries, make_on_all};
use super::error::{Difference, MetricError};
use super::explicit::check_bounds;
use super::host::{Counter, Counters, Gauge, Histogram};
use super::kind::{Buckets, MetricKind};
use super::name::{
    MAX_LABELS, check_label, check_label_value, check_name, check_unit, family_name, ours_with_sample, sample_names,
};
use super::value::{Description, Family, Labels, Series, Value};
use crate::abi::{MAX_SCALE, MetricRef};
use crate::device::{DeviceError, MetricTable};

/// The metrics of one collector.
pub(crate) struct Registry {
    /// Whether what it registers counts anything.
    enabled: bool,
    max_series: usize,
    /// Scale of the histograms that ask for none.
    scale: u32,
    /// Counts the changes of `families`, after each.
    version: AtomicU64,
    families: RwLock<Families>,
    /// Where kernels count, by device.
    devices: Vec<Mutex<DeviceMetrics>>,
}

#[derive(Default)]
struct Families {
    by_name: BTreeMap<Arc<str>, Entry>,
    /// Every name that a series is exported under, and whose it is.
    sample_names: HashMap<String, Arc<str>>,
    series: usize,
    counters: Counters,
}

struct Entry {
    description: Arc<Description>,
    /// By the values of their labels.
    series: BTreeMap<LabelValues, Source>,
    /// What kernels were given for which label sets.
    made: Vec<Made>,
}

struct Made {
    sets: Vec<LabelValues>,
    indices: Option<Vec<u32>>,
    /// By device.
    references: Vec<MetricRef>,
}

/// Where a series' value comes from. It has one owner for good: the host's handle, whose clones share it, or the device.
#[derive(Clone, Debug)]
pub enum Source {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
    /// On one device, or on several, whose values add up.
    Device(Arc<[DeviceSeries]>),
}

/// A metric as it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) unit: Option<String>,
    pub(super) kind: MetricKind,
    /// Of a histogram; `None` is the registry's scale.
    pub(super) buckets: Option<Buckets>,
    pub(super) label_names: Vec<String>,
    /// A series for each, with a value for each name.
    pub(super) sets: Vec<Vec<String>>,
    /// Of a family, by which numbers its sets are chosen; `None` is by their places.
    pub(super) indices: Option<Vec<u32>>,
}

impl Request {
    /// The same with a series for each device.
    fn by_device(&self, devices: usize) -> Self {
        let of = |device: usize| {
            self.sets.iter().map(move |set| set.iter().cloned().chain([device.to_string()]).collect::<Vec<_>>())
        };
        let label_names = self.label_names.iter().cloned().chain(["device".to_owned()]).collect();
        Request { label_names, sets: (0..devices).flat_map(of).collect(), ..self.clone() }
    }
}

impl Registry {
    pub(crate) fn new(max_series: usize, scale: u32, devices: Vec<DeviceMetrics>) -> Self {
        let devices = devices.into_iter().map(Mutex::new).collect();
        Registry { enabled: true, max_series, scale, version: AtomicU64::new(0), families: RwLock::default(), devices }
    }

    /// A registry that checks what is registered as any other does, and hands out metrics that count nothing.
    pub(crate) fn disabled(max_series: usize, scale: u32) -> Self {
        Registry { enabled: false, ..Registry::new(max_series, scale, Vec::new()) }
    }

    /// The metrics that kernels of a device count in.
    fn device(&self, index: usize) -> Option<MutexGuard<'_, DeviceMetrics>> {
        Some(self.devices.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many devices there are.
    pub(super) fn device_count(&self) -> usize {
        self.devices.len()
    }

    /// Where kernels of a device look metrics up.
    pub(crate) fn table(&self, device: usize) -> Option<MetricTable> {
        self.device(device).map(|device| device.table())
    }

    /// Reads what kernels of a device counted; how many bytes that took.
    pub(crate) fn read_device(&self, device: usize) -> Result<usize, DeviceError> {
        self.device(device).map_or(Ok(0), |mut device| device.read())
    }

    /// What kernels take to count in all the sets asked for, new or made together before: on each device. Counts and
    /// histograms of several devices add up, gauges do not: they have a series for each, with its index as the label `device`.
    pub(super) fn register_on_devices(&self, request: &Request) -> Result<Vec<MetricRef>, MetricError> {
        let apart = request.kind == MetricKind::Gauge && self.devices.len() > 1;
        let by_device = apart.then(|| request.by_device(self.devices.len()));
        let (description, sets) = self.check(by_device.as_ref().unwrap_or(request))?;
        let metric = description.name.to_string();
        if !self.enabled {
            return Ok(vec![MetricRef::default()]);
        }
        let mut devices: Vec<_> = (0..self.devices.len()).filter_map(|index| self.device(index)).collect();
        if devices.is_empty() {
            return Err(MetricError::NoDevice { metric });
        }
        let mut families = self.families.write().unwrap_or_else(PoisonError::into_inner);
        families.check(&description)?;
        if let Some(made) = families.made(&description.name, &sets) {
            return made.check(metric, &request.indices);
        }
        if families.count_new(&description.name, &sets) < sets.len() {
            return Err(MetricError::Owned { metric });
        }
        self.check_room(&families, &description.name, &sets)?;
        let (buckets, indices) = (description.buckets.as_ref(), request.indices.as_deref());
        if let (Some(Buckets::Explicit(_)), Some(_)) = (buckets, indices) {
            return Err(MetricError::IndexedBuckets { metric });
        }
        let wanted = Allocation { kind: description.kind, buckets, series: request.sets.len(), indices };
        let made = make_on_all(&mut devices, &wanted).map_err(|refused| refused.into_error(metric))?;
        let references: Vec<MetricRef> = made.iter().map(|(reference, _)| *reference).collect();
        let sources: Vec<Source> = match apart {
            true => {
                made.iter().flat_map(|(_, all)| all.iter().map(|one| Source::Device([one.clone()].into()))).collect()
            }
            false => {
                let of_all = |i: usize| made.iter().filter_map(|(_, all)| all.get(i).cloned()).collect();
                (0..sets.len()).map(|i| Source::Device(of_all(i))).collect()
            }
        };
        families.series += sets.len();
        let entry = families.entry(description);
        let indices = request.indices.clone();
        entry.made.push(Made { sets: sets.clone(), indices, references: references.clone() });
        entry.series.extend(sets.into_iter().zip(sources));
        self.version.fetch_add(1, Ordering::Release);
        Ok(references)
    }

    fn check_room(&self, families: &Families, name: &Arc<str>, sets: &[LabelValues]) -> Result<(), MetricError> {
        let free = self.max_series.saturating_sub(families.series);
        let asked = families.count_new(name, sets);
        if asked > free {
            return Err(MetricError::TooManySeries { metric: name.to_string(), asked, free, limit: self.max_series });
        }
        Ok(())
    }

    /// The sources of all the sets asked for, new or known, in their order; or none of them.
    pub(super) fn register(&self, request: &Request) -> Result<Vec<Source>, MetricError> {
        let (description, sets) = self.check(request)?;
        let mut families = self.families.write().unwrap_or_else(PoisonError::into_inner);
        families.check(&description)?;
        if families.has_of_device(&description.name, &sets) {
            return Err(MetricError::Owned { metric: description.name.to_string() });
        }
        self.check_room(&families, &description.name, &sets)?;
        let sources = families.insert(description, sets, self.enabled);
        // After the change, which a reader of this number then sees under the lock.
        self.version.fetch_add(1, Ordering::Release);
        Ok(sources)
    }

    /// The request as a description and as sets in the order of the sorted names, if nothing is wrong with it.
    fn check(&self, request: &Request) -> Result<(Description, Vec<LabelValues>), MetricError> {
        let name = family_name(&request.name, request.kind);
        check_name(name)?;
        if let Some(unit) = &request.unit {
            check_unit(name, unit)?;
        }
        let order = check_labels(name, request)?;
        let sorted = |of: &[String]| order.iter().map(|i| of[*i].as_str().into()).collect::<Arc<[Arc<str>]>>();
        let description = Description {
            name: name.into(),
            help: request.help.as_str().into(),
            unit: request.unit.as_deref().map(Into::into),
            kind: request.kind,
            label_names: sorted(&request.label_names),
            buckets: self.check_buckets(name, request)?,
        };
        Ok((description, request.sets.iter().map(|set| sorted(set)).collect()))
    }

    fn check_buckets(&self, name: &str, request: &Request) -> Result<Option<Buckets>, MetricError> {
        if request.kind != MetricKind::Histogram {
            return Ok(None);
        }
        let buckets = request.buckets.clone().unwrap_or(Buckets::Exponential { scale: self.scale });
        let metric = || name.to_owned();
        match &buckets {
            Buckets::Exponential { scale } if *scale > MAX_SCALE => {
                return Err(MetricError::BadScale { metric: metric(), scale: *scale, finest: MAX_SCALE });
            }
            Buckets::Exponential { .. } => {}
            Buckets::Explicit(bounds) => {
                check_bounds(bounds).map_err(|why| MetricError::BadBuckets { metric: metric(), why })?;
            }
        }
        Ok(Some(buckets))
    }
}

type LabelValues = Arc<[Arc<str>]>;

/// Checks names and values, and returns the places of the names in their order.
fn check_labels(metric: &str, request: &Request) -> Result<Vec<usize>, MetricError> {
    let names = &request.label_names;
    if names.len() > MAX_LABELS {
        return Err(MetricError::TooManyLabels { metric: metric.to_owned(), labels: names.len(), limit: MAX_LABELS });
    }
    for name in names {
        check_label(metric, name, request.kind)?;
    }
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_by_key(|i| &names[*i]);
    if let Some(pair) = order.windows(2).find(|pair| names[pair[0]] == names[pair[1]]) {
        return Err(MetricError::LabelTwice { metric: metric.to_owned(), label: names[pair[0]].clone() });
    }
    for (name, value) in request.sets.iter().flat_map(|set| names.iter().zip(set)) {
        check_label_value(metric, name, value)?;
    }
    Ok(order)
}

impl Families {
    /// Whether a metric so described may be, beside those that are.
    fn check(&self, asked: &Description) -> Result<(), MetricError> {
        if let Some(entry) = self.by_name.get(&asked.name) {
            return entry.check(asked);
        }
        for name in sample_names(&asked.name, asked.kind) {
            let other = self.sample_names.get(&name).map(|other| other.to_string());
            if let Some(other) = other.or_else(|| ours_with_sample(&name).map(str::to_owned)) {
                let metric = asked.name.to_string();
                return Err(MetricError::NameTaken { metric, other, name });
            }
        }
        Ok(())
    }

    fn count_new(&self, name: &str, sets: &[LabelValues]) -> usize {
        let known = |set: &LabelValues| self.by_name.get(name).is_some_and(|entry| entry.series.contains_key(set));
        sets.iter().filter(|set| !known(set)).count()
    }

    /// What kernels were given for exactly these sets.
    fn made(&self, name: &str, sets: &[LabelValues]) -> Option<&Made> {
        self.by_name.get(name)?.made.iter().find(|made| made.sets == sets)
    }

    fn has_of_device(&self, name: &str, sets: &[LabelValues]) -> bool {
        let of_device = |entry: &Entry| sets.iter().any(|s| matches!(entry.series.get(s), Some(Source::Device(..))));
        self.by_name.get(name).is_some_and(of_device)
    }

    /// The metric so described, which is made if it is new.
    fn entry(&mut self, description: Description) -> &mut Entry {
        let name = Arc::clone(&description.name);
        if !self.by_name.contains_key(&name) {
            let samples = sample_names(&name, description.kind).into_iter();
            self.sample_names.extend(samples.map(|sample| (sample, Arc::clone(&name))));
        }
        let new = || Entry { description: Arc::new(description), series: BTreeMap::new(), made: Vec::new() };
        self.by_name.entry(name).or_insert_with(new)
    }

    fn insert(&mut self, description: Description, sets: Vec<LabelValues>, enabled: bool) -> Vec<Source> {
        let name = Arc::clone(&description.name);
        self.entry(description);
        let Some(entry) = self.by_name.get_mut(&name) else { return Vec::new() };
        let mut sources = Vec::with_capacity(sets.len());
        for set in sets {
            let source = entry.series.entry(set).or_insert_with(|| {
                self.series += 1;
                Source::new(&entry.description, &mut self.counters, enabled)
            });
            sources.push(source.clone());
        }
        sources
    }
}

impl Entry {
    /// Whether the metric is what is asked for.
    fn check(&self, asked: &Description) -> Result<(), MetricError> {
        let registered = &*self.description;
        let unit = |d: &Description| d.unit.as_deref().unwrap_or("none").to_owned();
        let buckets = |d: &Description| d.buckets.as_ref().map(ToString::to_string).unwrap_or_default();
        let differ = |what, of: &dyn Fn(&Description) -> String| {
            let (registered, asked) = (of(registered), of(asked));
            (registered != asked).then(|| MetricError::Differs {
                metric: self.description.name.to_string(),
                what,
                registered,
                asked,
            })
        };
        let difference = differ(Difference::Type, &|d| d.kind.to_string())
            .or_else(|| differ(Difference::Labels, &|d| d.label_names.join(", ")))
            .or_else(|| differ(Difference::Unit, &unit))
            .or_else(|| differ(Difference::Buckets, &buckets))
            .or_else(|| differ(Difference::Help, &|d| d.help.to_string()));
        difference.map_or(Ok(()), Err)
    }
}

impl Made {
    /// What kernels were given, if it is chosen from by the same numbers.
    fn check(&self, metric: String, indices: &Option<Vec<u32>>) -> Result<Vec<MetricRef>, MetricError> {
        if self.indices == *indices {
            return Ok(self.references.clone());
        }
        let text = |of: &Option<Vec<u32>>| of.as_ref().map_or("0, 1, 2, …".to_owned(), |numbers| list(numbers));
        let (registered, asked) = (text(&self.indices), text(indices));
        Err(MetricError::Differs { metric, what: Difference::Indices, registered, asked })
    }
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

impl Source {
    fn new(of: &Description, counters: &mut Counters, enabled: bool) -> Self {
        match &of.buckets {
            // Only a histogram has buckets.
            Some(buckets) => Source::Histogram(Histogram::new(buckets, enabled)),
            None if of.kind == MetricKind::Gauge => Source::Gauge(Gauge::new(enabled)),
            None if enabled => Source::Counter(counters.make()),
            None => Source::Counter(Counter::disabled()),
        }
    }

    fn value(&self) -> Value {
        match self {
            Source::Counter(counter) => Value::Counter(counter.get()),
            Source::Gauge(gauge) => Value::Gauge(gauge.get()),
            Source::Histogram(histogram) => Value::Histogram(histogram.value()),
            Source::Device(series) => device::sum(series),
        }
    }
}

/// The registry's metrics as of a version: they change rarely, and are read often.
pub(crate) struct View {
    registry: Arc<Registry>,
    version: u64,
    families: Vec<FamilyView>,
}

struct FamilyView {
    description: Arc<Description>,
    series: Vec<(Labels, Source)>,
}

impl View {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        View { registry, version: 0, families: Vec::new() }
    }

    /// All values now, by name. Of no metrics it costs a load.
    pub(crate) fn read(&mut self) -> Vec<Family> {
        if self.registry.version.load(Ordering::Acquire) != self.version {
            self.catch_up();
        }
        let series = |(labels, source): &(Labels, Source)| Series { labels: labels.clone(), value: source.value() };
        let family = |view: &FamilyView| Family {
            description: Arc::clone(&view.description),
            series: view.series.iter().map(series).collect(),
        };
        self.families.iter().map(family).collect()
    }

    fn catch_up(&mut self) {
        let families = self.registry.families.read().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: the number belongs to what is read.
        self.version = self.registry.version.load(Ordering::Acquire);
        self.families = families.by_name.values().map(Entry::view).collect();
    }
}

impl Entry {
    fn view(&self) -> FamilyView {
        let names = &self.description.label_names;
        let labels = |values: &LabelValues| Labels { names: Arc::clone(names), values: Arc::clone(values) };
        let series = self.series.iter().map(|(values, source)| (labels(values), source.clone())).collect();
        FamilyView { description: Arc::clone(&self.description), series }
    }
}
