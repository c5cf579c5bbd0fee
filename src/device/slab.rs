//! The layout of the slab, known here alone: the three lines of every shard first, then the bucket rows, each of which has the
//! buckets of handling and then those of waiting in the queue.
//!
//! The blocks of a kernel share its rows, of which it has at most [`MAX_ROWS`]: a row is 22 times as long as a shard is, and
//! adds to buckets are spread over the row's words already.

use std::ops::Range;

use crate::abi::{COUNTERS, Counter, KernelRef, LINE_BYTES, MAX_SCALE, SINGLE_WORDS, Shard, WORDS, buckets};

// A record is one instruction over the words of a line: all of them must fit.
const _: () = assert!(COUNTERS <= WORDS && SINGLE_WORDS <= WORDS);

/// Most rows of a kernel.
pub(crate) const MAX_ROWS: u32 = 8;
/// Rows that there are besides those that every kernel is certain to get: a few small kernels then have all that they want.
const SPARE_ROWS: u32 = 64;

/// The shards of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRange {
    /// Its first shard in the slab.
    pub first: u32,
    /// How many, one a block.
    pub count: u32,
}

impl ShardRange {
    /// Their numbers.
    pub(crate) fn all(self) -> Range<u32> {
        self.first..self.first + self.count
    }
}

/// The bucket rows of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// Its first row in the slab.
    pub first: u32,
    /// How many, a power of two: shard `i` counts in row `i % count`.
    pub count: u32,
}

impl RowRange {
    pub(crate) fn end(self) -> u32 {
        self.first + self.count
    }
}

/// All that one kernel has of the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlabRange {
    /// One for each block.
    pub shards: ShardRange,
    /// Shared by the blocks.
    pub rows: RowRange,
}

/// One of a kernel's two histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LatencyKind {
    Handling,
    Waiting,
}

impl LatencyKind {
    pub(crate) const ALL: [LatencyKind; 2] = [LatencyKind::Handling, LatencyKind::Waiting];

    /// The counter with the sum of its values.
    pub(crate) fn sum(self) -> Counter {
        match self {
            LatencyKind::Handling => Counter::LatencySumNs,
            LatencyKind::Waiting => Counter::QueuedSumNs,
        }
    }
}

/// A slab of so many shards and rows, with histograms of that scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlabLayout {
    shards: u32,
    rows: u32,
    scale: u32,
}

impl SlabLayout {
    /// For so many shards of at most so many kernels, each of which has at least one; scales above the finest are the finest.
    pub(crate) fn new(shards: u32, kernels: usize, scale: u32) -> Self {
        // More rows than all of these kernels want are of no use; one for each kernel, and one for every 8 blocks besides, are
        // what many kernels get by with, and never more than one for each block.
        let kernels = u32::try_from(kernels).unwrap_or(u32::MAX).min(shards);
        let enough = kernels.saturating_add(shards / MAX_ROWS).min(shards).saturating_add(SPARE_ROWS);
        let rows = enough.min(kernels.saturating_mul(MAX_ROWS));
        SlabLayout { shards, rows, scale: scale.min(MAX_SCALE) }
    }

    /// Rows that a kernel of so many shards wants: where it has no more shards than rows, each shard has a row of its own.
    pub(crate) fn wanted_rows(shards: u32) -> u32 {
        shards.clamp(1, MAX_ROWS).next_power_of_two()
    }

    pub(crate) fn shards(self) -> u32 {
        self.shards
    }

    pub(crate) fn row_count(self) -> u32 {
        self.rows
    }

    pub(crate) fn scale(self) -> u32 {
        self.scale
    }

    /// Bytes of all of it.
    pub(crate) fn bytes(self) -> usize {
        self.row_start(self.rows)
    }

    /// Buckets of one histogram.
    pub(crate) fn buckets(self) -> usize {
        buckets(self.scale)
    }

    /// What a kernel needs to record in these parts of the slab at that device address.
    ///
    /// # Panics
    /// If they are not in the slab, or the rows are no power of two: the collector gives them out.
    pub(crate) fn kernel_ref(self, slab: u64, of: SlabRange) -> KernelRef {
        let SlabRange { shards, rows } = of;
        assert!(
            shards.count >= 1 && shards.first + shards.count <= self.shards,
            "{shards:?} of {} shards",
            self.shards
        );
        assert!(rows.count.is_power_of_two() && rows.end() <= self.rows, "{rows:?} of {} rows", self.rows);
        KernelRef {
            shards: slab + self.lines(shards).start as u64,
            buckets: slab + self.rows(rows).start as u64,
            shard_count: shards.count,
            row_mask: rows.count - 1,
            bucket_stride: (self.row_bytes() / 8) as u32,
            scale: self.scale,
            ..KernelRef::default()
        }
    }

    /// Bytes of the lines of some shards.
    pub(crate) fn lines(self, of: ShardRange) -> Range<usize> {
        let end = of.first as usize + of.count as usize;
        of.first as usize * size_of::<Shard>()..end * size_of::<Shard>()
    }

    /// Bytes of some rows.
    pub(crate) fn rows(self, of: RowRange) -> Range<usize> {
        self.row_start(of.first)..self.row_start(of.end())
    }

    /// Bytes of some bucket slots of one histogram, in each of these rows.
    pub(crate) fn slots(
        self,
        of: RowRange,
        kind: LatencyKind,
        slots: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> {
        let bytes = self.within_row(kind, slots);
        let starts = (of.first..of.end()).map(move |row| self.row_start(row));
        starts.map(move |start| start + bytes.start..start + bytes.end)
    }

    /// Bytes of some bucket slots of one histogram, from the start of a row.
    pub(crate) fn within_row(self, kind: LatencyKind, slots: Range<usize>) -> Range<usize> {
        let histogram = match kind {
            LatencyKind::Handling => 0,
            LatencyKind::Waiting => self.half_row_bytes(),
        };
        histogram + slots.start * 8..histogram + slots.end * 8
    }

    fn row_start(self, row: u32) -> usize {
        self.shards as usize * size_of::<Shard>() + row as usize * self.row_bytes()
    }

    /// One histogram's part of a row: whole lines, so that no two rows share one.
    fn half_row_bytes(self) -> usize {
        self.buckets().next_multiple_of(LINE_BYTES / 8) * 8
    }

    pub(crate) fn row_bytes(self) -> usize {
        2 * self.half_row_bytes()
    }
}

/// One shard in a copy of the slab.
pub(crate) fn shard(words: &[u64], index: u32) -> &Shard {
    const SHARD_WORDS: usize = size_of::<Shard>() / 8;
    let at = index as usize * SHARD_WORDS;
    bytemuck::from_bytes(bytemuck::cast_slice(&words[at..at + SHARD_WORDS]))
}
