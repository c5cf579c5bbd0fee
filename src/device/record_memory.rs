//! Where the rings of records and the black boxes of all shards are: their layout is known here alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::memory::Memory;
use super::slab::ShardRange;
use crate::abi::record::{HEAD_WORDS, WORDS};
use crate::abi::{BOX_WORDS, KernelRef, LINE_BYTES};

/// Rings of records: a filter of each kernel, then the heads of all rings, then the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingsLayout {
    kernels: usize,
    shards: u32,
    records: u32,
}

#[cfg_attr(not(any(feature = "cuda", feature = "host")), allow(dead_code, reason = "there is no device"))]
impl RingsLayout {
    /// `records` of each ring: a power of two.
    pub(crate) fn new(kernels: usize, shards: u32, records: u32) -> Self {
        RingsLayout { kernels, shards, records }
    }

    /// Records of each ring.
    pub(crate) fn records(self) -> u32 {
        self.records
    }

    /// Byte of a kernel's filter, by its place among all that are registered.
    pub(crate) fn filter(self, kernel: usize) -> usize {
        kernel * 8
    }

    /// Bytes of the heads of some shards.
    pub(crate) fn heads(self, of: ShardRange) -> Range<usize> {
        let start = (self.kernels * 8).next_multiple_of(LINE_BYTES) + of.first as usize * HEAD_WORDS * 8;
        start..start + of.count as usize * HEAD_WORDS * 8
    }

    /// Bytes of the ring of a shard.
    pub(crate) fn ring(self, shard: u32) -> Range<usize> {
        let heads = self.heads(ShardRange { first: 0, count: self.shards }).end.next_multiple_of(LINE_BYTES);
        let start = heads + shard as usize * self.ring_bytes();
        start..start + self.ring_bytes()
    }

    /// Bytes of the rings of some shards.
    pub(crate) fn rings(self, of: ShardRange) -> Range<usize> {
        self.ring(of.first).start..self.ring(of.first + of.count).start
    }

    /// Bytes of all of it.
    pub(crate) fn bytes(self) -> usize {
        self.ring(self.shards).start
    }

    /// Tells a kernel where its rings are, in memory at that device address.
    pub(crate) fn tell(self, memory: u64, of: ShardRange, kernel: usize, to: &mut KernelRef) {
        to.records = memory + self.ring(of.first).start as u64;
        to.heads = memory + self.heads(of).start as u64;
        to.filter = memory + self.filter(kernel) as u64;
        to.record_count = self.records;
    }

    fn ring_bytes(self) -> usize {
        self.records as usize * WORDS * 8
    }
}

/// Black boxes of all shards, in mapped host memory.
#[derive(Clone, Debug)]
pub(crate) struct BlackBoxes {
    memory: Memory,
    records: u32,
}

#[cfg_attr(not(any(feature = "cuda", feature = "host")), allow(dead_code, reason = "there is no device"))]
impl BlackBoxes {
    /// Bytes of so many shards' boxes of so many records, a power of two.
    pub(crate) fn bytes(shards: u32, records: u32) -> usize {
        shards as usize * Self::words(records) * 8
    }

    /// Boxes in `memory`, which the host addresses and has [`bytes`](Self::bytes) for each of them.
    pub(crate) fn new(memory: Memory, records: u32) -> Self {
        BlackBoxes { memory, records }
    }

    /// The memory, for callers that must keep it alive.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Tells a kernel where its boxes are.
    pub(crate) fn tell(&self, of: ShardRange, to: &mut KernelRef) {
        to.black_box = self.memory.device_address() + (of.first as usize * Self::words(self.records) * 8) as u64;
        to.box_count = self.records;
    }

    /// Words of the box of a shard, each read whole.
    pub(crate) fn read(&self, shard: u32) -> Vec<u64> {
        self.mine(shard).iter().map(|word| word.load(Ordering::Acquire)).collect()
    }

    /// Makes the box of a shard zero, which no block writes.
    pub(crate) fn clear(&self, shard: u32) {
        self.mine(shard).iter().for_each(|word| word.store(0, Ordering::Release));
    }

    fn mine(&self, shard: u32) -> &[AtomicU64] {
        let words = Self::words(self.records);
        let all = self.memory.host_words().unwrap_or_default();
        all.get(shard as usize * words..(shard as usize + 1) * words).unwrap_or_default()
    }

    fn words(records: u32) -> usize {
        BOX_WORDS + records as usize * WORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_heads_and_rings_lie_behind_one_another() {
        let layout = RingsLayout::new(3, 5, 64);
        let all = ShardRange { first: 0, count: 5 };
        assert_eq!((layout.filter(2), layout.heads(all), layout.ring(0).start), (16, 128..448, 512));
        assert_eq!((layout.ring(4).end, layout.bytes()), (512 + 5 * 1024, 512 + 5 * 1024));
        let mut to = KernelRef::default();
        layout.tell(1 << 20, ShardRange { first: 2, count: 3 }, 1, &mut to);
        assert_eq!((to.records, to.heads, to.filter), ((1 << 20) + 512 + 2048, (1 << 20) + 256, (1 << 20) + 8));
        assert_eq!(to.record_count, 64);
    }
}
