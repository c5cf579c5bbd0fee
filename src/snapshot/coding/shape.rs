//! What stays the same over many snapshots: ids, metrics and their labels, where the blocks of a kernel lie.

use std::sync::Arc;

use super::coder::Coder;
use super::whole::Shape;
use crate::abi::MAX_SCALE;
use crate::histogram::Histogram;
use crate::metrics::{
    Buckets, Description, Distribution, ExplicitHistogram, Family, HistogramValue, Labels, MAX_BOUNDS, MetricKind,
    Series, Value,
};
use crate::reader::ShardRange;
use crate::snapshot::{KernelPlaces, Snapshot};
use crate::trace::KernelNames;

/// Most kernels, series, labels, whatever is said.
const MOST: usize = 1 << 16;

/// The shape of a snapshot with its blocks.
pub(crate) struct WholeShape {
    pub(crate) numbers: Shape,
    pub(crate) places: Arc<[KernelPlaces]>,
}

impl WholeShape {
    /// Takes that of a snapshot.
    pub(crate) fn from_snapshot(snapshot: &Snapshot) -> Self {
        let mut numbers = Shape::from_snapshot(snapshot);
        // A reader does not have these values: what is told first differs from nothing.
        for family in &mut numbers.metrics {
            let empty = empty(&family.description);
            family.series.iter_mut().for_each(|series| series.value = empty.clone());
        }
        WholeShape { numbers, places: Arc::clone(&snapshot.places.kernels) }
    }

    /// Whether a snapshot has this shape.
    pub(crate) fn fits(&self, snapshot: &Snapshot) -> bool {
        let places = &snapshot.places.kernels;
        let is = |(a, b): (&KernelPlaces, &KernelPlaces)| {
            Arc::ptr_eq(&a.id, &b.id) && (a.device, a.blocks) == (b.device, b.blocks) && a.names == b.names
        };
        let same_places = Arc::ptr_eq(&self.places, places)
            || self.places.len() == places.len() && self.places.iter().zip(&**places).all(is);
        same_places && self.numbers.fits(snapshot)
    }
}

/// Writes a shape, or reads it.
pub(crate) fn shape(coder: &mut impl Coder, now: Option<&WholeShape>) -> WholeShape {
    let ids = now.map_or(&[][..], |now| &now.numbers.ids);
    let ids: Vec<Arc<str>> = list(coder, ids, |coder, id| text(coder, id));
    let families = now.map_or(&[][..], |now| &now.numbers.metrics);
    let metrics = list(coder, families, family);
    let known = now.map_or(&[][..], |now| &now.places);
    let places = list(coder, known, |coder, kernel| places(coder, kernel, &ids));
    WholeShape { numbers: Shape { ids, metrics }, places: places.into() }
}

/// Each of a list, of which a reader has none.
pub(super) fn list<C: Coder, T, U>(coder: &mut C, now: &[T], mut one: impl FnMut(&mut C, Option<&T>) -> U) -> Vec<U> {
    let count = coder.count(0, || now.len()).min(MOST);
    (0..count).map(|i| one(coder, now.get(i))).collect()
}

fn text(coder: &mut impl Coder, now: Option<&Arc<str>>) -> Arc<str> {
    coder.text(|| now.cloned().unwrap_or_default())
}

fn family(coder: &mut impl Coder, now: Option<&Family>) -> Family {
    let description = description(coder, now.map(|now| &*now.description));
    let empty = empty(&description);
    let series = list(coder, now.map_or(&[], |now| &now.series), |coder, now| {
        let values = now.map_or(&[][..], |now| now.labels.values());
        let values: Vec<Arc<str>> = list(coder, values, text);
        let pairs = description.label_names.iter().zip(&values).map(|(name, value)| (&**name, &**value));
        Series { labels: Labels::from_sorted(pairs.collect()), value: empty.clone() }
    });
    Family { description: Arc::new(description), series }
}

fn description(coder: &mut impl Coder, now: Option<&Description>) -> Description {
    let name = text(coder, now.map(|now| &now.name));
    let help = text(coder, now.map(|now| &now.help));
    let unit = super::text(coder, None, now.map(|now| &now.unit));
    let label_names = list(coder, now.map_or(&[], |now| &*now.label_names), text).into();
    let kind = coder.word(0, || now.map_or(0, |now| now.kind as u64));
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        _ => MetricKind::Histogram,
    };
    let buckets = buckets(coder, now.and_then(|now| now.buckets.as_ref()));
    Description { name, help, unit, kind, label_names, buckets }
}

fn buckets(coder: &mut impl Coder, now: Option<&Buckets>) -> Option<Buckets> {
    let what = coder.word(0, || match now {
        None => 0,
        Some(Buckets::Exponential { .. }) => 1,
        Some(Buckets::Explicit(_)) => 2,
    });
    match what {
        0 => None,
        1 => {
            let scale = |now: &Buckets| if let Buckets::Exponential { scale } = now { u64::from(*scale) } else { 0 };
            let scale = coder.word(0, || now.map_or(0, scale));
            Some(Buckets::Exponential { scale: scale.min(MAX_SCALE.into()) as u32 })
        }
        _ => {
            let bounds = if let Some(Buckets::Explicit(bounds)) = now { &bounds[..] } else { &[] };
            let mut bounds =
                list(coder, bounds, |coder, now| f64::from_bits(coder.word(0, || now.map_or(0, |now| now.to_bits()))));
            bounds.truncate(MAX_BOUNDS);
            Some(Buckets::Explicit(bounds.into()))
        }
    }
}

/// A value of that kind in which nothing was counted.
fn empty(description: &Description) -> Value {
    match (description.kind, &description.buckets) {
        (MetricKind::Counter, _) => Value::Counter(0),
        (MetricKind::Gauge, _) => Value::Gauge(0.0),
        (MetricKind::Histogram, buckets) => {
            let distribution = match buckets {
                Some(Buckets::Explicit(bounds)) => {
                    let counts = vec![0; bounds.len() + 1];
                    Distribution::Explicit(ExplicitHistogram::from_counts(Arc::clone(bounds), counts, 0.0, None))
                }
                Some(Buckets::Exponential { scale }) => Distribution::Exponential(Histogram::new(*scale)),
                None => Distribution::Exponential(Histogram::default()),
            };
            Value::Histogram(HistogramValue { distribution, dropped: 0 })
        }
    }
}

fn places(coder: &mut impl Coder, now: Option<&KernelPlaces>, ids: &[Arc<str>]) -> KernelPlaces {
    let index = || ids.iter().position(|id| now.is_some_and(|now| *id == now.id)).map_or(u64::MAX, |i| i as u64);
    let index = coder.word(0, index);
    let id = ids.get(index as usize).cloned().unwrap_or_default();
    let device = coder.word(0, || now.map_or(0, |now| now.device as u64)) as usize;
    let first = coder.word(0, || now.map_or(0, |now| now.blocks.first.into())) as u32;
    let count = coder.word(0, || now.map_or(0, |now| now.blocks.count.into())) as u32;
    let names: Vec<Arc<str>> = list(coder, now.map_or(&[], |now| now.names.all()), text);
    KernelPlaces { id, names: KernelNames::of(names), device, blocks: ShardRange { first, count } }
}
