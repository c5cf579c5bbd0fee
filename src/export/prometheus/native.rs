//! The buckets of native histograms, as every protobuf format of Prometheus's has them.
//!
//! They are those that the device counted: bucket `i` of OpenTelemetry, slot `i + 2` here, is index `i + 1` of Prometheus,
//! its schema is the scale. Nothing is counted a second time.

use prost::Message;

use crate::histogram::Histogram as Counted;

/// What is at most this counts as zero, as in other exporters. Whole numbers leave it free, but it must not be 0: a
/// histogram of no values could not be told from a classic one.
pub(in crate::export) const ZERO_THRESHOLD: f64 = 1.0 / (1u128 << 127) as f64 / 2.0;

/// So many empty buckets between two used ones are cheaper written than left out.
const SHORT_GAP: usize = 2;

/// Used buckets as spans, each count as the difference to the one before.
#[derive(Debug, Default, PartialEq)]
pub(in crate::export) struct NativeBuckets {
    pub(in crate::export) schema: i32,
    pub(in crate::export) zero_count: u64,
    pub(in crate::export) spans: Vec<BucketSpan>,
    pub(in crate::export) deltas: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub(in crate::export) struct BucketSpan {
    /// Empty buckets since the last span; of the first one, its index.
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

impl NativeBuckets {
    pub(in crate::export) fn of(counted: &Counted) -> NativeBuckets {
        let mut buckets = NativeBuckets { schema: counted.scale() as i32, ..NativeBuckets::default() };
        let mut used = counted.slots().filter(|(_, count)| *count > 0).peekable();
        buckets.zero_count = used.next_if(|(slot, _)| *slot == 0).map_or(0, |(_, zeros)| zeros);
        // Slot 1, of ones, is index 0: the next slot that is not written yet.
        let (mut next, mut before) = (1, 0);
        for (slot, count) in used {
            let gap = slot - next;
            match buckets.spans.last_mut() {
                Some(span) if gap <= SHORT_GAP => {
                    for _ in 0..gap {
                        buckets.deltas.push(-before);
                        before = 0;
                    }
                    span.length = Some(span.length() + gap as u32 + 1);
                }
                _ => buckets.spans.push(BucketSpan { offset: Some(gap as i32), length: Some(1) }),
            }
            buckets.deltas.push(count as i64 - before);
            (next, before) = (slot + 1, count as i64);
        }
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{slot_bounds, slot_of};
    use std::collections::BTreeMap;

    /// What a reader of the format makes of spans and differences: index and count.
    fn read(histogram: &NativeBuckets) -> BTreeMap<i32, i64> {
        let (mut index, mut count, mut deltas) = (0, 0, histogram.deltas.iter());
        let mut counts = BTreeMap::new();
        for span in &histogram.spans {
            index += span.offset();
            for _ in 0..span.length() {
                count += deltas.next().expect("a difference for each bucket");
                counts.insert(index, count);
                index += 1;
            }
        }
        assert_eq!(deltas.next(), None);
        counts.retain(|_, count| *count != 0);
        counts
    }

    #[test]
    fn differences_are_those_of_the_document() {
        // 1, 2, 0, 3, 4 values in the buckets 1 to 5 of scale 0: the values 2, 3 to 4, none, 9 to 16, 17 to 32.
        let mut counted = Counted::new(0);
        for (value, times) in [(2, 1), (4, 2), (16, 3), (32, 4)] {
            (0..times).for_each(|_| counted.record(value));
        }
        let histogram = NativeBuckets::of(&counted);
        assert_eq!(histogram.deltas, [1, 1, -2, 3, 1]);
        assert_eq!(histogram.spans, [BucketSpan { offset: Some(1), length: Some(5) }]);
    }

    #[test]
    fn every_bucket_is_where_its_bounds_say() {
        for scale in 0..=5 {
            let mut counted = Counted::new(scale);
            let mut expected: BTreeMap<i32, i64> = BTreeMap::new();
            let mut value = 1u64;
            while value < u64::MAX / 3 {
                counted.record(value);
                // The smallest index whose upper bound, 2^(index / 2^scale), is not below.
                let (_, high) = slot_bounds(slot_of(value, scale), scale);
                *expected.entry((high.log2() * f64::from(1 << scale)).round() as i32).or_default() += 1;
                value += value / 3 + 1;
            }
            assert_eq!(read(&NativeBuckets::of(&counted)), expected, "scale {scale}");
        }
    }

    #[test]
    fn zeros_ones_and_nothing() {
        let empty = NativeBuckets::of(&Counted::new(3));
        assert_eq!((empty.zero_count, empty.spans.len(), empty.schema), (0, 0, 3));
        let mut counted = Counted::new(3);
        [0, 0, 1].into_iter().for_each(|v| counted.record(v));
        let histogram = NativeBuckets::of(&counted);
        assert_eq!((histogram.zero_count, read(&histogram)), (2, BTreeMap::from([(0, 1)])));
        // A long gap begins a span, relative to the end of the one before.
        counted.record(1 << 20);
        let histogram = NativeBuckets::of(&counted);
        assert_eq!(histogram.spans[1], BucketSpan { offset: Some(159), length: Some(1) });
        assert_eq!(read(&histogram), BTreeMap::from([(0, 1), (160, 1)]));
    }
}
