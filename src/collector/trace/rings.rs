//! The rings of events and spans of a device.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::abi::KernelRef;
use crate::abi::record::{HEAD_SM, HEAD_WORDS, HEAD_WRITTEN, WORDS};
use crate::device::{Copier, DeviceError, Internal, Memory, RingsLayout, ShardRange, SharedDevice};

/// The rings of all shards, and who copies them: a copier of its own, so that snapshots do not wait for it.
pub(super) struct Rings {
    layout: RingsLayout,
    memory: Memory,
    copier: Mutex<Box<dyn Copier>>,
    limit: Duration,
}

impl Rings {
    /// How long a copy may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Allocates rings of `records` records.
    pub(super) fn new(
        device: &SharedDevice,
        kernels: usize,
        shards: u32,
        records: u32,
        limit: Duration,
    ) -> Result<Self, DeviceError> {
        let layout = RingsLayout::new(kernels, shards, records);
        let memory = device.allocate(layout.bytes())?;
        let copier = Mutex::new(device.copier(&memory)?);
        Ok(Rings { layout, memory, copier, limit })
    }

    /// What kernels write to.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// Records of each ring.
    pub(super) fn records(&self) -> u64 {
        self.layout.records().into()
    }

    /// Tells a kernel where its rings are.
    pub(super) fn tell(&self, of: ShardRange, kernel: usize, to: &mut KernelRef) {
        self.layout.tell(self.memory.device_address(), of, kernel, to);
    }

    /// Writes a kernel's filter, while it runs or before.
    pub(super) fn set_filter(&self, kernel: usize, word: u64) -> Result<(), DeviceError> {
        self.copier().upload(Internal(()), self.layout.filter(kernel), &[word], self.limit)
    }

    /// Makes the rings of shards zero that nobody writes.
    pub(super) fn clean(&self, of: ShardRange) -> Result<(), DeviceError> {
        let mut copier = self.copier();
        [self.layout.heads(of), self.layout.rings(of)]
            .into_iter()
            .try_for_each(|range| copier.clear(Internal(()), range, self.limit))
    }

    /// Copies how many records each of the first `shards` rings had.
    pub(super) fn heads(&self, shards: u32) -> Result<Vec<u64>, DeviceError> {
        let heads = self.layout.heads(ShardRange { first: 0, count: shards });
        let mut copier = self.copier();
        copier.copy(std::slice::from_ref(&heads), self.limit)?;
        Ok(heads_in(copier.words(), heads))
    }

    /// Copies those records of each ring, given by their numbers, and then all heads again: the ranges are copied in their
    /// order.
    pub(super) fn copy<T>(
        &self,
        wanted: &[(u32, Range<u64>)],
        shards: u32,
        look: impl FnOnce(Copied<'_>, Vec<u64>) -> T,
    ) -> Result<T, DeviceError> {
        let mut copier = self.copier();
        let pieces = wanted.iter().flat_map(|(shard, numbers)| self.pieces(*shard, numbers.clone()));
        let mut ranges = merged(pieces, copier.batch_bytes());
        let heads = self.layout.heads(ShardRange { first: 0, count: shards });
        ranges.push(heads.clone());
        copier.copy(&ranges, self.limit)?;
        let words = copier.words();
        Ok(look(Copied { layout: self.layout, words }, heads_in(words, heads)))
    }

    /// Where records are that lie behind one another but for the ring's end; at most as many as it has.
    fn pieces(&self, shard: u32, numbers: Range<u64>) -> impl Iterator<Item = Range<usize>> + use<> {
        let (start, records) = (self.layout.ring(shard).start, self.records());
        let place = |number: u64| start + (number & (records - 1)) as usize * WORDS * 8;
        let end = start + records as usize * WORDS * 8;
        let (first, last) = (place(numbers.start), place(numbers.end));
        let pieces = match (numbers.is_empty(), first < last) {
            (true, _) => [0..0, 0..0],
            (false, true) => [first..last, 0..0],
            (false, false) => [start..last, first..end],
        };
        pieces.into_iter().filter(|piece| !piece.is_empty())
    }

    fn copier(&self) -> MutexGuard<'_, Box<dyn Copier>> {
        self.copier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rings as they were copied last.
pub(super) struct Copied<'a> {
    layout: RingsLayout,
    words: &'a [u64],
}

impl<'a> Copied<'a> {
    /// The multiprocessor that the ring of a shard was written on, where that is known.
    pub(super) fn sm(&self, shard: u32) -> Option<u32> {
        let words = self.layout.heads(ShardRange { first: shard, count: 1 });
        self.words[words.start / 8 + HEAD_SM].checked_sub(1).map(|sm| sm as u32)
    }

    /// The words of the ring of a shard.
    pub(super) fn ring(&self, shard: u32) -> &'a [u64] {
        let bytes = self.layout.ring(shard);
        &self.words[bytes.start / 8..bytes.end / 8]
    }
}

fn heads_in(words: &[u64], heads: Range<usize>) -> Vec<u64> {
    words[heads.start / 8..heads.end / 8].iter().skip(HEAD_WRITTEN).step_by(HEAD_WORDS).copied().collect()
}

/// Ascending ranges, those together that are at most `gap` bytes apart.
fn merged(ranges: impl Iterator<Item = Range<usize>>, gap: usize) -> Vec<Range<usize>> {
    let mut all: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end + gap => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}
