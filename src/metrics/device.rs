//! Metrics that live in device memory: the words that kernels count in, where the host finds them.
//!
//! One allocation, made before the first launch: the table of metrics, the words of all series, the bucket rows of the
//! histograms, the bounds of explicit buckets. The device writes words and rows, the host the rest, and each of that once.
//! A reading copies all words in use, and the rows of those histograms alone whose words say that they changed.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::MetricError;
use super::explicit::ExplicitHistogram;
use super::family::series_of_indices;
use super::kind::{Buckets, MetricKind};
use super::value::{Distribution, HistogramValue, Value};
use crate::abi::{LINE_BYTES, MetricRef, WORDS, buckets, metric_kind, metric_word};
use crate::device::{Copier, DeviceError, Internal, Memory, MetricTable, SharedDevice};
use crate::histogram::Histogram as ExponentialHistogram;
use crate::nvtx;

/// The word of a [`MetricRef`] with its kind; metrics.cuh has the same.
const KIND_WORD: usize = 5;
const _: () = assert!(std::mem::offset_of!(MetricRef, kind) / 8 == KIND_WORD);
/// Copies of each word, so that not all blocks meet in one.
const STRIPES: usize = 8;

/// How much of a device is set aside for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Metrics, a family being one.
    pub(crate) metrics: usize,
    /// Bucket counts of all histograms together.
    pub(crate) buckets: usize,
}

impl Capacity {
    /// Series: most metrics are one, and a histogram takes the words of eight counters.
    fn slots(self) -> usize {
        (self.metrics * metric_word::WORDS).next_multiple_of(WORDS)
    }
    fn table(self) -> Range<usize> {
        0..(self.metrics * size_of::<MetricRef>()).next_multiple_of(LINE_BYTES)
    }
    fn words(self) -> Range<usize> {
        let start = self.table().end;
        start..start + self.slots() * STRIPES * 8
    }
    fn rows(self) -> Range<usize> {
        let start = self.words().end;
        start..start + self.buckets * STRIPES * 8
    }
    fn bounds(self) -> Range<usize> {
        let start = self.rows().end;
        start..start + self.buckets * 8
    }
    fn bytes(self) -> usize {
        self.bounds().end
    }
}

/// What does not fit any more, and how much there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Metrics,
    Words,
    Buckets,
}

/// Why a metric was not made on the device.
#[derive(Debug)]
pub(super) enum Refused {
    Full(Full),
    Device(DeviceError),
}

impl Refused {
    pub(super) fn into_error(self, metric: String) -> MetricError {
        match self {
            Refused::Full(Full::Buckets) => {
                MetricError::DeviceFull { metric, what: "buckets", bound: "device_buckets" }
            }
            Refused::Full(Full::Words) => MetricError::DeviceFull { metric, what: "series", bound: "device_metrics" },
            Refused::Full(Full::Metrics) => {
                MetricError::DeviceFull { metric, what: "metrics", bound: "device_metrics" }
            }
            Refused::Device(error) => MetricError::Device { metric, error },
        }
    }
}

/// One series, as of the last reading.
#[derive(Clone, Debug)]
pub struct DeviceSeries {
    /// What a kernel takes, for this series alone.
    pub(super) reference: MetricRef,
    value: Arc<Mutex<Value>>,
}

impl DeviceSeries {
    pub(super) fn value(&self) -> Value {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One of a device that counts nothing any more.
    fn nowhere(wanted: &Allocation) -> Self {
        let reference = MetricRef { kind: wanted.kind(), ..MetricRef::default() };
        one_of(&reference, 0, 1, wanted.buckets)
    }

    fn set(&self, value: Value) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// What is to be made: so many series of one metric, the last of a family's being that of the overflow.
pub(super) struct Allocation<'a> {
    pub(super) kind: MetricKind,
    pub(super) buckets: Option<&'a Buckets>,
    pub(super) series: usize,
    /// By which numbers kernels choose, where they are not the places.
    pub(super) indices: Option<&'a [u32]>,
}

impl Allocation<'_> {
    fn kind(&self) -> u32 {
        match (self.kind, self.buckets) {
            (MetricKind::Counter, _) => metric_kind::COUNTER,
            (MetricKind::Gauge, _) => metric_kind::GAUGE,
            (MetricKind::Histogram, Some(Buckets::Explicit(_))) => metric_kind::EXPLICIT,
            (MetricKind::Histogram, _) => metric_kind::HISTOGRAM,
        }
    }
}

/// The metrics of one device.
pub(crate) struct DeviceMetrics {
    room: Capacity,
    device: SharedDevice,
    memory: Memory,
    copier: Box<dyn Copier>,
    limit: Duration,
    metrics: usize,
    slots: usize,
    row_words: usize,
    bounds: usize,
    series: Vec<DeviceEntry>,
}

struct DeviceEntry {
    series: DeviceSeries,
    buckets: Option<Buckets>,
    /// The words of a histogram when its rows were copied.
    seen: Option<[u64; metric_word::WORDS]>,
}

impl DeviceMetrics {
    /// Allocates `room`.
    pub(crate) fn new(device: &SharedDevice, room: Capacity, limit: Duration) -> Result<Self, DeviceError> {
        let memory = device.allocate(room.bytes())?;
        let copier = device.copier(&memory)?;
        Ok(DeviceMetrics {
            room,
            device: Arc::clone(device),
            memory,
            copier,
            limit,
            metrics: 0,
            slots: 0,
            row_words: 0,
            bounds: 0,
            series: Vec::new(),
        })
    }

    /// Where kernels look metrics up.
    pub(super) fn table(&self) -> MetricTable {
        let places = self.room.metrics as u32;
        MetricTable { memory: self.memory.clone(), device: Arc::clone(&self.device), places }
    }

    /// Makes a metric, and returns what a kernel takes of all of it, and each series.
    pub(super) fn make(&mut self, wanted: &Allocation) -> Result<(MetricRef, Vec<DeviceSeries>), Refused> {
        let width = if wanted.buckets.is_some() { metric_word::WORDS } else { 1 };
        // A histogram's words lie in one line.
        let slot = self.slots.next_multiple_of(width);
        let (row_words, bounds): (usize, &[f64]) = match wanted.buckets {
            None => (0, &[]),
            Some(Buckets::Exponential { scale }) => (buckets(*scale).next_multiple_of(WORDS), &[]),
            Some(Buckets::Explicit(bounds)) => ((bounds.len() + 1).next_multiple_of(WORDS), bounds),
        };
        let map = wanted.indices.map(series_of_indices).unwrap_or_default();
        let bits: Vec<u64> = bounds.iter().map(|bound| bound.to_bits()).chain(map.chunks(4).map(packed)).collect();
        // Lines of their own: a kernel may have what lies beside another metric's bounds in its cache.
        let bound_words = bits.len().next_multiple_of(WORDS);
        let (slots, rows) = (slot + width * wanted.series, self.row_words + row_words * wanted.series);
        let checks = [
            (self.metrics < self.room.metrics, Full::Metrics),
            (slots <= self.room.slots(), Full::Words),
            (rows <= self.room.buckets && self.bounds + bound_words <= self.room.buckets, Full::Buckets),
        ];
        if let Some((_, full)) = checks.into_iter().find(|(fits, _)| !fits) {
            return Err(Refused::Full(full));
        }
        let reference = self.reference(wanted, slot, row_words, bounds.len() + map.len());
        let place = self.metrics * size_of::<MetricRef>();
        let bounds_at = self.room.bounds().start + self.bounds * 8;
        // Taken whatever comes: what was given up on may still arrive.
        self.metrics += 1;
        (self.slots, self.row_words) = (slots, rows);
        self.bounds += bound_words;
        // Bounds before the table: who finds the metric finds them.
        self.upload(bounds_at, &bits)?;
        let mut words: [u64; size_of::<MetricRef>() / 8] = bytemuck::cast(reference);
        let kind = std::mem::take(&mut words[KIND_WORD]);
        self.upload(self.room.table().start + place, &words)?;
        // Last: a kernel that finds the kind finds all of it.
        self.upload(self.room.table().start + place + KIND_WORD * 8, &[kind])?;
        let series: Vec<DeviceSeries> =
            (0..wanted.series).map(|i| one_of(&reference, i, width, wanted.buckets)).collect();
        self.series.extend(series.iter().map(|series| DeviceEntry {
            series: series.clone(),
            buckets: wanted.buckets.cloned(),
            seen: None,
        }));
        Ok((reference, series))
    }

    fn upload(&mut self, at: usize, words: &[u64]) -> Result<(), Refused> {
        match words {
            [] => Ok(()),
            words => self.copier.upload(Internal(()), at, words, self.limit).map_err(Refused::Device),
        }
    }

    fn reference(&self, wanted: &Allocation, slot: usize, row_words: usize, bounds: usize) -> MetricRef {
        let address = |at: usize| self.memory.device_address() + at as u64;
        let scale = if let Some(Buckets::Exponential { scale }) = wanted.buckets { *scale } else { 0 };
        MetricRef {
            words: address(self.room.words().start),
            rows: address(self.room.rows().start + self.row_words * STRIPES * 8),
            bounds: address(self.room.bounds().start + self.bounds * 8),
            slot: slot as u32,
            stripes: STRIPES as u32,
            row_words: row_words as u32,
            scale,
            bounds_count: bounds as u32,
            kind: wanted.kind(),
            series: wanted.series as u32 - 1,
            index: self.metrics as u32,
            reserved: 0,
        }
    }

    /// Reads all metrics; their series then have their values of now. Without metrics it does nothing. How many bytes
    /// were copied.
    pub(super) fn read(&mut self) -> Result<usize, DeviceError> {
        if self.series.is_empty() {
            return Ok(0);
        }
        let start = self.room.words().start;
        let used = self.slots.div_ceil(WORDS) * STRIPES * LINE_BYTES;
        self.copy(std::slice::from_ref(&(start..start + used)))?;
        let words: Vec<[u64; metric_word::WORDS]> = self.series.iter().map(|kept| self.words(kept)).collect();
        let changed: Vec<usize> =
            (0..words.len()).filter(|i| self.series[*i].buckets.is_some() && self.is_stale(*i, &words[*i])).collect();
        let of_rows = self.copy_rows(&changed)?;
        for i in changed {
            self.refresh(i, &words[i]);
        }
        for (kept, words) in self.series.iter().zip(&words) {
            match kept.series.reference.kind {
                metric_kind::COUNTER => kept.series.set(Value::Counter(words[metric_word::VALUE])),
                metric_kind::GAUGE => kept.series.set(Value::Gauge(f64::from_bits(words[metric_word::VALUE]))),
                _ => {}
            }
        }
        Ok(used + of_rows)
    }

    fn copy(&mut self, ranges: &[Range<usize>]) -> Result<(), DeviceError> {
        let _range = nvtx::range("ringscope: copy metrics");
        self.copier.copy(ranges, self.limit)
    }

    /// A series' words, the stripes together: what is added adds up, of the rest the largest counts.
    fn words(&self, kept: &DeviceEntry) -> [u64; metric_word::WORDS] {
        let reference = &kept.series.reference;
        let width = if kept.buckets.is_some() { metric_word::WORDS } else { 1 };
        let explicit = reference.kind == metric_kind::EXPLICIT;
        let mut all = [0u64; metric_word::WORDS];
        for (word, sum) in all.iter_mut().enumerate().take(width) {
            let of_stripe = |stripe| self.word(reference.slot as usize + word, stripe);
            for value in (0..STRIPES).map(of_stripe) {
                *sum = match word {
                    metric_word::NOT_MIN | metric_word::MAX => value.max(*sum),
                    metric_word::SUM if explicit => (f64::from_bits(*sum) + f64::from_bits(value)).to_bits(),
                    _ => sum.wrapping_add(value),
                };
            }
        }
        all
    }

    /// metrics.cuh has the same.
    fn word(&self, slot: usize, stripe: usize) -> u64 {
        let at = self.room.words().start / 8 + ((slot / WORDS) * STRIPES + stripe) * WORDS + slot % WORDS;
        self.copier.words()[at]
    }

    /// Whether the rows may hold something else than when they were copied.
    fn is_stale(&self, i: usize, words: &[u64; metric_word::WORDS]) -> bool {
        let kept = &self.series[i];
        let counted = kept.series.value().histogram().map_or(0, HistogramValue::count);
        kept.seen.as_ref() != Some(words) || counted != words[metric_word::COUNT]
    }

    fn rows(&self, i: usize) -> Range<usize> {
        let reference = &self.series[i].series.reference;
        let start = (reference.rows - self.memory.device_address()) as usize;
        start..start + reference.row_words as usize * STRIPES * 8
    }

    fn copy_rows(&mut self, of: &[usize]) -> Result<usize, DeviceError> {
        let mut ranges: Vec<Range<usize>> = of.iter().map(|i| self.rows(*i)).collect();
        if self.copier.batch_bytes() > 0 {
            // One copy of everything between is dearer in bytes and cheaper in time, up to a point.
            ranges = merged(&ranges, self.copier.batch_bytes());
        }
        if !ranges.is_empty() {
            self.copy(&ranges)?;
        }
        Ok(ranges.iter().map(Range::len).sum())
    }

    fn refresh(&mut self, i: usize, words: &[u64; metric_word::WORDS]) {
        let rows = self.rows(i);
        let row_words = self.series[i].series.reference.row_words as usize;
        let mut counts = vec![0u64; row_words];
        for row in self.copier.words()[rows.start / 8..rows.end / 8].chunks(row_words.max(1)) {
            counts.iter_mut().zip(row).for_each(|(sum, count)| *sum = sum.wrapping_add(*count));
        }
        let no_extremes = words[metric_word::NOT_MIN] == 0 && words[metric_word::MAX] != u64::MAX;
        if no_extremes && counts.iter().any(|count| *count > 0) {
            // The first value came between the copies of words and rows: the next reading has both. Of nothing but the
            // largest value the first word is 0, too.
            return;
        }
        let (smallest, largest) = (!words[metric_word::NOT_MIN], words[metric_word::MAX]);
        let kept = &mut self.series[i];
        let distribution = match &kept.buckets {
            Some(Buckets::Explicit(bounds)) => {
                counts.truncate(bounds.len() + 1);
                let any = counts.iter().any(|count| *count > 0) && largest != 0;
                let extremes = any.then(|| (real(smallest), real(largest)));
                let sum = f64::from_bits(words[metric_word::SUM]);
                Distribution::Explicit(ExplicitHistogram::from_counts(Arc::clone(bounds), counts, sum, extremes))
            }
            Some(Buckets::Exponential { scale }) => {
                counts.truncate(buckets(*scale));
                let sum = words[metric_word::SUM];
                Distribution::Exponential(ExponentialHistogram::from_slots(*scale, 0, &counts, sum, smallest, largest))
            }
            None => return,
        };
        kept.series.set(Value::Histogram(HistogramValue { distribution, dropped: words[metric_word::DROPPED] }));
        kept.seen = Some(*words);
    }
}

/// Makes a metric on all devices, at the same place of each. One that is dead has a null reference, and nothing to count in.
pub(super) fn make_on_all(
    devices: &mut [MutexGuard<'_, DeviceMetrics>],
    wanted: &Allocation,
) -> Result<Vec<(MetricRef, Vec<DeviceSeries>)>, Refused> {
    // On each, whatever the others say: so their places stay the same.
    let made: Vec<_> = devices.iter_mut().map(|device| device.make(wanted)).collect();
    let any = made.iter().any(Result::is_ok);
    let is_dead = |refused: &Refused| matches!(refused, Refused::Device(error) if !error.is_late_copy());
    let or_nothing = |one: Result<_, Refused>| match one {
        Err(refused) if any && is_dead(&refused) => {
            Ok((MetricRef::default(), vec![DeviceSeries::nowhere(wanted); wanted.series]))
        }
        other => other,
    };
    made.into_iter().map(or_nothing).collect()
}

/// What the devices have counted together.
pub(super) fn sum(series: &[DeviceSeries]) -> Value {
    let mut values = series.iter().map(DeviceSeries::value);
    let first = values.next().unwrap_or(Value::Counter(0));
    values.fold(first, Value::with_added)
}

/// Four of a map's entries as kernels read them, one after the other.
fn packed(entries: &[u16]) -> u64 {
    let mut bytes = [0xff; 8];
    bytes.chunks_mut(2).zip(entries).for_each(|(to, entry)| to.copy_from_slice(&entry.to_ne_bytes()));
    u64::from_ne_bytes(bytes)
}

/// The value whose key this is; see metrics.cuh.
fn real(key: u64) -> f64 {
    f64::from_bits(if key >> 63 != 0 { key & !(1 << 63) } else { !key })
}

/// Neighbours with gaps of at most `gap` bytes as one.
fn merged(ranges: &[Range<usize>], gap: usize) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end + gap => last.end = last.end.max(range.end),
            _ => all.push(range.clone()),
        }
    }
    all
}

/// The reference of the `i`-th series of a metric.
fn one_of(all: &MetricRef, i: usize, width: usize, buckets: Option<&Buckets>) -> DeviceSeries {
    let reference = MetricRef {
        slot: all.slot + (i * width) as u32,
        rows: all.rows + i as u64 * u64::from(all.stripes) * u64::from(all.row_words) * 8,
        series: 0,
        ..*all
    };
    let value = match (buckets, all.kind) {
        (Some(Buckets::Exponential { scale }), _) => {
            histogram(Distribution::Exponential(ExponentialHistogram::new(*scale)))
        }
        (Some(Buckets::Explicit(bounds)), _) => {
            let counts = vec![0; bounds.len() + 1];
            histogram(Distribution::Explicit(ExplicitHistogram::from_counts(Arc::clone(bounds), counts, 0.0, None)))
        }
        (None, metric_kind::GAUGE) => Value::Gauge(0.0),
        (None, _) => Value::Counter(0),
    };
    DeviceSeries { reference, value: Arc::new(Mutex::new(value)) }
}

fn histogram(distribution: Distribution) -> Value {
    Value::Histogram(HistogramValue { distribution, dropped: 0 })
}

#[cfg(test)]
mod tests {
    use super::{merged, real};

    #[test]
    fn keys_sort_as_their_values_do() {
        // metrics.cuh, metric::key
        let key = |v: f64| if v.to_bits() >> 63 != 0 { !v.to_bits() } else { v.to_bits() | 1 << 63 };
        let values = [f64::MIN, -2.5, -1e-300, -0.0, 0.0, 1e-300, 1.0, f64::MAX];
        assert!(values.is_sorted_by_key(|v| key(*v)));
        assert!(values.iter().all(|v| real(key(*v)).to_bits() == v.to_bits()));
    }

    #[test]
    fn ranges_that_are_near_are_one() {
        assert_eq!(merged(&[0..8, 8..16, 32..40, 100..108], 16), [0..40, 100..108]);
        assert!(merged(&[], 16).is_empty());
    }
}
