//! The layout of the slab, known here alone: the three lines of every shard first, then the bucket rows, one a shard, each of
//! which has the buckets of handling and then those of waiting in the queue.

use std::ops::Range;

use crate::abi::{COUNTERS, Counter, KernelRef, LINE_BYTES, MAX_SCALE, SINGLE_WORDS, Shard, WORDS, buckets};

// A record is one instruction over the words of a line: all of them must fit.
const _: () = assert!(COUNTERS <= WORDS && SINGLE_WORDS <= WORDS);

/// The shards of one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardRange {
    /// Its first shard in the slab.
    pub first: u32,
    /// How many, one a block.
    pub count: u32,
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

/// A slab of so many shards with histograms of that scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlabLayout {
    shards: u32,
    scale: u32,
}

impl SlabLayout {
    /// Scales above the finest are the finest.
    pub(crate) fn new(shards: u32, scale: u32) -> Self {
        SlabLayout { shards, scale: scale.min(MAX_SCALE) }
    }

    pub(crate) fn shards(self) -> u32 {
        self.shards
    }

    pub(crate) fn scale(self) -> u32 {
        self.scale
    }

    /// Bytes of all of it.
    pub(crate) fn bytes(self) -> usize {
        self.shards as usize * (size_of::<Shard>() + self.row_bytes())
    }

    /// Buckets of one histogram.
    pub(crate) fn buckets(self) -> usize {
        buckets(self.scale)
    }

    /// What a kernel needs to record in these shards of the slab at that device address.
    ///
    /// # Panics
    /// If they are not in the slab: the collector gives them out.
    pub(crate) fn kernel_ref(self, slab: u64, of: ShardRange) -> KernelRef {
        assert!(of.count >= 1 && of.first + of.count <= self.shards, "{of:?} of {} shards", self.shards);
        KernelRef {
            shards: slab + self.lines(of).start as u64,
            buckets: slab + self.rows(of).start as u64,
            shard_count: of.count,
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

    /// Bytes of the bucket rows of some shards.
    pub(crate) fn rows(self, of: ShardRange) -> Range<usize> {
        let start = |shard: usize| self.shards as usize * size_of::<Shard>() + shard * self.row_bytes();
        start(of.first as usize)..start(of.first as usize + of.count as usize)
    }

    /// Bytes of some bucket slots of one histogram, in the row of each of these shards.
    pub(crate) fn slots(
        self,
        of: ShardRange,
        kind: LatencyKind,
        slots: Range<usize>,
    ) -> impl Iterator<Item = Range<usize>> {
        let histogram = match kind {
            LatencyKind::Handling => 0,
            LatencyKind::Waiting => self.half_row_bytes(),
        };
        let first = self.rows(of).start + histogram;
        let row = self.row_bytes();
        (0..of.count as usize).map(move |i| first + i * row + slots.start * 8..first + i * row + slots.end * 8)
    }

    /// One histogram's part of a row: whole lines, so that no two blocks share one.
    fn half_row_bytes(self) -> usize {
        self.buckets().next_multiple_of(LINE_BYTES / 8) * 8
    }

    fn row_bytes(self) -> usize {
        2 * self.half_row_bytes()
    }
}

/// One shard in a copy of the slab.
pub(crate) fn shard(words: &[u64], index: u32) -> &Shard {
    const SHARD_WORDS: usize = size_of::<Shard>() / 8;
    let at = index as usize * SHARD_WORDS;
    bytemuck::from_bytes(bytemuck::cast_slice(&words[at..at + SHARD_WORDS]))
}
