//! Base-2 exponential histograms: the host's one bucket function, and what is read from the buckets.
//!
//! With scale `s` there are 2^s buckets an octave and `base = 2^(2^-s)`. Bucket `i` holds the values in
//! `(base^i, base^(i+1)]`: bounds are upper-inclusive, as in OpenTelemetry's ExponentialHistogram, and
//! Prometheus's native-histogram index is `i + 1`. Buckets of one scale merge into those of a coarser one
//! without error. The estimate of a value from its bucket is off by at most `(base - 1) / (base + 1)`:
//! 4.4 % at scale 3, 1.1 % at scale 5.
//!
//! A *slot* is a bucket's place in memory: slot 0 counts zeros, slot 1 ones (bucket -1), slot `n` bucket
//! `n - 2`. `kernels/include/ringscope/histogram.cuh` is the device's copy of [`slot_of`].

use crate::abi::{MAX_SCALE, buckets};

/// Where the k-th of 32 buckets of an octave starts: floor(2^63 · 2^(k/32)), 1.63 fixed point.
const OCTAVE_BOUNDARIES: [u64; 32] = [
    0x8000000000000000,
    0x82cd8698ac2ba1d7,
    0x85aac367cc487b14,
    0x88980e8092da8527,
    0x8b95c1e3ea8bd6e6,
    0x8ea4398b45cd53c0,
    0x91c3d373ab11c336,
    0x94f4efa8fef70961,
    0x9837f0518db8a96f,
    0x9b8d39b9d54e5538,
    0x9ef5326091a111ad,
    0xa27043030c496818,
    0xa5fed6a9b15138ea,
    0xa9a15ab4ea7c0ef8,
    0xad583eea42a14ac6,
    0xb123f581d2ac258f,
    0xb504f333f9de6484,
    0xb8fbaf4762fb9ee9,
    0xbd08a39f580c36be,
    0xc12c4cca66709456,
    0xc5672a115506dadd,
    0xc9b9bd866e2f27a2,
    0xce248c151f8480e3,
    0xd2a81d91f12ae45a,
    0xd744fccad69d6af4,
    0xdbfbb797daf23755,
    0xe0ccdeec2a94e111,
    0xe5b906e77c8348a8,
    0xeac0c6e7dd24392e,
    0xefe4b99bdcdaf5cb,
    0xf5257d152486cc2c,
    0xfa83b2db722a033a,
];

/// Parts of an octave that tell where a value's boundaries are. A part is narrower than any bucket, so at most one more
/// boundary lies in it, and one compare finds it.
const PARTS: usize = 64;

/// The last boundary at or below the start of each part. The tables' first halves are not needed: a fixed-point number
/// of 1.63 has its top bit set, and its top seven bits are the index as they are.
const OCTAVE_GUESSES: [u8; 2 * PARTS] = guesses();

const fn guesses() -> [u8; 2 * PARTS] {
    let mut table = [0; 2 * PARTS];
    let mut part = 0;
    while part < PARTS {
        let start = (1 << 63) + ((part as u64) << 57);
        let mut k = 31;
        while OCTAVE_BOUNDARIES[k] > start {
            k -= 1;
        }
        table[PARTS + part] = k as u8;
        part += 1;
    }
    table
}

/// The last value below the boundary after each guess; of the last guess, which has none, the largest of all. A table
/// of its own, so that it is looked up at the same time as the guess and not after it.
const OCTAVE_LASTS: [u64; 2 * PARTS] = lasts();

const fn lasts() -> [u64; 2 * PARTS] {
    let mut table = [u64::MAX; 2 * PARTS];
    let mut part = PARTS;
    while part < 2 * PARTS {
        let next = OCTAVE_GUESSES[part] as usize + 1;
        if next < 32 {
            table[part] = OCTAVE_BOUNDARIES[next] - 1;
        }
        part += 1;
    }
    table
}

/// Returns the slot of `value`, below [`buckets`]`(scale)`. A `scale` above [`MAX_SCALE`] counts as [`MAX_SCALE`].
#[inline]
pub const fn slot_of(value: u64, scale: u32) -> usize {
    Coarseness::from_scale(scale).slot_of(value)
}

/// How much coarser than the finest scale a scale is, kept where one scale is used for many values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coarseness(u32);

impl Coarseness {
    pub(crate) const fn from_scale(scale: u32) -> Self {
        Coarseness(MAX_SCALE.saturating_sub(scale))
    }

    /// As [`slot_of`].
    #[inline(always)]
    pub(crate) const fn slot_of(self, value: u64) -> usize {
        // Upper-inclusive: a value belongs below a boundary that it equals, so look at the value minus an
        // infinitesimal, value - 1 with all the fraction bits below it set. Boundaries inside an octave are
        // irrational, no integer equals one.
        let octave = (value.wrapping_sub(1) | 1).ilog2(); // 0 to 63
        // !(value - 1) is -value: shifted so that the top bit of value - 1 is gone at 63, zeros following, it is the
        // complement of that number.
        let m = !value.wrapping_neg().wrapping_shl(!octave);
        let part = (m >> 57) as usize; // PARTS to 2 * PARTS - 1, of the value 1 PARTS - 1
        let k = OCTAVE_GUESSES[part] as usize + (m > OCTAVE_LASTS[part]) as usize; // 0 to 31
        let finest = octave as usize * 32 + k;
        let slot = (finest >> self.0) + 2;
        // At the end, and so without a branch: zeros and ones have slots of their own.
        if value < 2 { value as usize } else { slot }
    }
}

/// Returns the bounds of a slot, lower exclusive, upper inclusive: `(base^i, base^(i+1)]` with `i = slot - 2`.
/// Slot 0 is `(0, 0)`, and slot 1, which counts ones, `(base^-1, 1)`.
pub fn slot_bounds(slot: usize, scale: u32) -> (f64, f64) {
    if slot == 0 {
        return (0.0, 0.0);
    }
    let octaves = |index: f64| (index / f64::from(1u32 << scale.min(MAX_SCALE))).exp2();
    let index = slot as f64 - 2.0;
    (octaves(index), octaves(index + 1.0))
}

/// Returns the integers of a slot, exactly: from the first above its lower bound to the last at its upper one. Some slots
/// of the first octaves have none; their range is empty.
pub const fn slot_values(slot: usize, scale: u32) -> std::ops::RangeInclusive<u64> {
    if slot < 2 {
        return slot as u64..=slot as u64;
    }
    let finer = MAX_SCALE.saturating_sub(scale);
    // floor(2^(i/32)), where the boundaries' fixed point has it.
    const fn floor_of_boundary(i: usize) -> u64 {
        if i >= 64 * 32 { u64::MAX } else { OCTAVE_BOUNDARIES[i % 32] >> (63 - i / 32) }
    }
    floor_of_boundary((slot - 2) << finer) + 1..=floor_of_boundary((slot - 1) << finer)
}

/// Returns the largest relative error of a quantile at `scale`: `(base - 1) / (base + 1)`, 0.044 at scale 3.
pub fn relative_error(scale: u32) -> f64 {
    let base = (1.0 / f64::from(1u32 << scale.min(MAX_SCALE))).exp2();
    (base - 1.0) / (base + 1.0)
}

/// Counts of whole numbers by exponential bucket, with exact count, sum, and extremes.
///
/// ```
/// use ringscope::histogram::Histogram;
///
/// let mut latencies = Histogram::new(3); // nanoseconds, say; 2^3 buckets an octave
/// (1..=1000u64).for_each(|ns| latencies.record(ns));
/// assert_eq!((latencies.count(), latencies.sum(), latencies.max()), (1000, 500_500, Some(1000)));
/// assert!((latencies.quantile(0.99) - 990.0).abs() < 990.0 * 0.044);
/// assert_eq!(latencies.percentile(99.0), latencies.quantile(0.99));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    scale: u32,
    /// Slot of `counts[0]`; only the used range is kept.
    first: usize,
    counts: Vec<u64>,
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new(0)
    }
}

impl Histogram {
    /// Makes an empty histogram of `scale`, 0 to [`MAX_SCALE`]; more counts as [`MAX_SCALE`].
    pub fn new(scale: u32) -> Self {
        Histogram { scale: scale.min(MAX_SCALE), first: 0, counts: Vec::new(), count: 0, sum: 0, min: u64::MAX, max: 0 }
    }

    /// Makes a histogram of slot counts that start at slot `first`. `min` and `max` are those of all values, `u64::MAX`
    /// and 0 without any; the count is the sum of `counts`.
    pub fn from_slots(scale: u32, first: usize, counts: &[u64], sum: u64, min: u64, max: u64) -> Self {
        let used = |c: &u64| *c != 0;
        let start = counts.iter().position(used).unwrap_or(0);
        let end = counts.iter().rposition(used).map_or(start, |last| last + 1);
        let counts = counts[start..end].to_vec();
        let count = counts.iter().sum();
        Histogram { scale: scale.min(MAX_SCALE), first: first + start, counts, count, sum, min, max }
    }

    /// The extremes of these values, as far as somebody knows them who may have counted more values or fewer: inside the
    /// first and the last used bucket, the bounds of which they are where nothing is known; `None` if there are no values.
    pub(crate) fn extremes_by(&self, known: Option<(u64, u64)>) -> Option<(u64, u64)> {
        let (first, last) = (slot_values(self.first, self.scale), slot_values(self.last()?, self.scale));
        let (min, max) = known.unwrap_or((*first.start(), *last.end()));
        let min = min.clamp(*first.start(), *first.end());
        Some((min, max.clamp(*last.start(), *last.end()).max(min)))
    }

    /// With [these](Self::extremes_by) extremes.
    pub(crate) fn with_extremes(mut self, known: Option<(u64, u64)>) -> Self {
        (self.min, self.max) = self.extremes_by(known).unwrap_or((u64::MAX, 0));
        self
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        let slot = slot_of(value, self.scale);
        self.cover(slot, slot);
        self.counts[slot - self.first] += 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all of `other`, exactly. The result has the coarser scale of the two.
    pub fn merge(&mut self, other: &Histogram) {
        if other.scale < self.scale {
            *self = self.downscaled(other.scale);
        } else if other.scale > self.scale {
            return self.merge(&other.downscaled(self.scale));
        }
        if let Some(last) = other.last() {
            self.cover(other.first, last);
            for (i, count) in other.counts.iter().enumerate() {
                self.counts[other.first - self.first + i] += count;
            }
        }
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Returns the same values in the buckets of a coarser `scale`, exactly. A finer one changes nothing.
    pub fn downscaled(&self, scale: u32) -> Histogram {
        let mut coarse = Histogram { scale: self.scale.min(scale), first: 0, counts: Vec::new(), ..*self };
        let by = self.scale - coarse.scale;
        for (slot, count) in self.slots() {
            let slot = if slot < 2 { slot } else { ((slot - 2) >> by) + 2 };
            coarse.cover(slot, slot);
            coarse.counts[slot - coarse.first] += count;
        }
        coarse
    }

    /// Returns what was recorded since `earlier`, an older state of this histogram. Where the exact extremes of these
    /// values are not known any more, they are those of the buckets: a lower `min` and a higher `max` at most.
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        if earlier.count == 0 {
            return self.clone();
        }
        let before =
            |slot: usize| slot.checked_sub(earlier.first).and_then(|i| earlier.counts.get(i)).copied().unwrap_or(0);
        let counts: Vec<u64> = self.slots().map(|(slot, count)| count.saturating_sub(before(slot))).collect();
        let sum = self.sum.wrapping_sub(earlier.sum);
        Histogram::from_slots(self.scale, self.first, &counts, sum, u64::MAX, 0)
            .with_extremes(self.min().zip(self.max()))
    }

    /// Returns the scale: there are 2^scale buckets an octave.
    pub fn scale(&self) -> u32 {
        self.scale
    }
    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Returns the sum of the values, modulo 2^64.
    pub fn sum(&self) -> u64 {
        self.sum
    }
    /// Returns the smallest value; `None` if there are no values.
    pub fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }
    /// Returns the largest value; `None` if there are no values.
    pub fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }
    /// Returns the arithmetic mean; 0.0 if there are no values.
    pub fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    /// Returns the `q`-quantile by nearest rank, `q` in 0..=1 (clamped); 0.0 if there are no values. See
    /// [`percentile`](Self::percentile) for the same from 0 to 100.
    ///
    /// The value of rank `ceil(q · count)` lies in one bucket `(a, b]`; the estimate is `2ab / (a + b)`, whose
    /// relative error is at most [`relative_error`] anywhere in the bucket, limited to `min..=max`.
    pub fn quantile(&self, q: f64) -> f64 {
        let q = if q.is_nan() { 0.0 } else { q.clamp(0.0, 1.0) };
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (slot, count) in self.slots() {
            seen += count;
            if seen >= rank {
                let (low, high) = slot_bounds(slot, self.scale);
                let estimate = if slot < 2 { slot as f64 } else { 2.0 * low * high / (low + high) };
                return if self.min <= self.max { estimate.clamp(self.min as f64, self.max as f64) } else { estimate };
            }
        }
        0.0
    }

    /// Returns the `p`-th percentile, `p` in 0..=100 (clamped): `percentile(99.0)` is `quantile(0.99)`.
    pub fn percentile(&self, p: f64) -> f64 {
        self.quantile(p / 100.0)
    }

    /// Returns the slots from the first to the last that is used, with their counts, ascending.
    pub fn slots(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.counts.iter().enumerate().map(|(i, count)| (self.first + i, *count))
    }

    /// Returns the count of a slot.
    pub(crate) fn count_in(&self, slot: usize) -> u64 {
        slot.checked_sub(self.first).and_then(|i| self.counts.get(i)).copied().unwrap_or(0)
    }

    fn last(&self) -> Option<usize> {
        (!self.counts.is_empty()).then(|| self.first + self.counts.len() - 1)
    }

    /// Makes room for the slots `low..=high`.
    fn cover(&mut self, low: usize, high: usize) {
        debug_assert!(high < buckets(self.scale));
        let Some(last) = self.last() else {
            self.first = low;
            self.counts = vec![0; high - low + 1];
            return;
        };
        if low < self.first {
            self.counts.splice(0..0, std::iter::repeat_n(0, self.first - low));
            self.first = low;
        }
        if high > last {
            self.counts.resize(high - self.first + 1, 0);
        }
    }
}
