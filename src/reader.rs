//! Slab → [`KernelSums`]: what the blocks of every kernel have recorded, added up, at one instant.
//!
//! A reading copies the lines of all registered shards, and the bucket rows of those kernels alone whose histogram is not
//! the one that their counters speak of; the others' histograms are shared with the reading before.

mod blocks;
mod rows;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::abi::{COUNTERS, Counter, KernelRef, Word, block_state};
pub(crate) use crate::device::ShardRange;
use crate::device::{
    ClockSample, Copier, DeviceError, Internal, LatencyKind, Memory, RowRange, SharedDevice, SlabLayout, SlabRange,
    Timekeeper, Timeline, shard,
};
use crate::histogram::{Histogram, slot_of};
use crate::nvtx;

pub use blocks::BlockWords;
use blocks::{Blocks, Turn};
use rows::Wanted;

/// How long nothing may have begun or ended where blocks that never began do not count any more. One that begins later than
/// others waits for room, and gets it when one of them ends.
const SETTLED_NS: u64 = 1_000_000_000;
/// Copies that could be started while one is waited for.
const ROUND_TRIP: usize = 2;

/// What the blocks of one kernel have recorded, added up.
#[derive(Clone, Debug)]
pub struct KernelSums {
    /// Counters and words.
    pub lines: ShardSums,
    /// Times of handling.
    pub latency: Arc<Histogram>,
    /// Times of waiting in the queue.
    pub waiting: Arc<Histogram>,
}

/// The lines of a kernel's shards, added up.
#[derive(Clone, Debug)]
pub struct ShardSums {
    /// Sums, by [`Counter`].
    pub counters: [u64; COUNTERS],
    /// How many blocks are in each of the block states.
    pub blocks_in_state: [u32; 4],
    /// When the first block started, device clock; 0 before.
    pub start_ns: u64,
    /// When the last block started, device clock; 0 before.
    pub last_start_ns: u64,
    /// When the last block ended, device clock; 0 unless all have that ever began. Where some never did, they count as not
    /// coming any more a second after the last one began or ended: a shard may have no owner.
    pub end_ns: u64,
    /// The last message of any block, device clock; 0 before the first.
    pub last_message_ns: u64,
    /// The youngest sign of life of any block, device clock.
    pub heartbeat_ns: u64,
    /// The youngest time that any of its blocks gave, device clock: of a sign of life, or of coming to a place.
    pub sign_of_life_ns: u64,
    /// The oldest last sign of life among the blocks that run, device clock; 0 if none does. Coming to a place is one.
    pub oldest_heartbeat_ns: u64,
    /// Which of the kernel's blocks that is.
    pub oldest_block: u32,
    /// Messages waiting when a block last looked.
    pub queue_depth: u64,
    /// The most that ever waited.
    pub queue_high_water: u64,
    /// Of the last error of any block; 0 is none.
    pub last_error_code: u64,
    /// When that was, device clock.
    pub last_error_ns: u64,
    /// An ABI version other than this crate's that a block was built with; 0 is none.
    pub foreign_abi: u64,
    /// Smallest latency of any block; more than the largest where none is known.
    pub latency_min_ns: u64,
    /// Largest latency of any block.
    pub latency_max_ns: u64,
    /// Shortest wait of any block's messages in the queue; more than the longest where none is known.
    pub queued_min_ns: u64,
    /// Longest wait of any block's messages in the queue.
    pub queued_max_ns: u64,
    /// Look-ups of metrics that found none.
    pub lookup_misses: u64,
    /// Pens of roles that there are not.
    pub role_misses: u64,
}

impl Default for ShardSums {
    fn default() -> Self {
        ShardSums {
            counters: [0; COUNTERS],
            blocks_in_state: [0; 4],
            start_ns: 0,
            last_start_ns: 0,
            end_ns: 0,
            last_message_ns: 0,
            heartbeat_ns: 0,
            sign_of_life_ns: 0,
            oldest_heartbeat_ns: 0,
            oldest_block: 0,
            queue_depth: 0,
            queue_high_water: 0,
            last_error_code: 0,
            last_error_ns: 0,
            foreign_abi: 0,
            latency_min_ns: u64::MAX,
            latency_max_ns: 0,
            queued_min_ns: u64::MAX,
            queued_max_ns: 0,
            lookup_misses: 0,
            role_misses: 0,
        }
    }
}

impl ShardSums {
    /// Takes back the time of the end while some of the `blocks` blocks run, or may yet begin; the device's clock has certainly
    /// passed `certain_ns`.
    fn settle(&mut self, blocks: u32, certain_ns: u64) {
        let [never_began, .., ended] = self.blocks_in_state;
        let quiet_ns = certain_ns.saturating_sub(self.last_start_ns.max(self.end_ns));
        let all_are_done = ended == blocks || (never_began + ended == blocks && quiet_ns > SETTLED_NS);
        if ended == 0 || !all_are_done {
            self.end_ns = 0;
        }
    }

    /// Smallest and largest value of a histogram, where there is one.
    fn extremes(&self, part: LatencyKind) -> Option<(u64, u64)> {
        let (min, max) = match part {
            LatencyKind::Handling => (self.latency_min_ns, self.latency_max_ns),
            LatencyKind::Waiting => (self.queued_min_ns, self.queued_max_ns),
        };
        (min <= max).then_some((min, max))
    }
}

impl KernelSums {
    pub(crate) fn new(latency: Arc<Histogram>) -> Self {
        let waiting = Arc::clone(&latency);
        KernelSums { lines: ShardSums::default(), latency, waiting }
    }

    /// Whether a histogram holds other values than the counters speak of, or the counters are of different moments.
    pub(crate) fn is_torn(&self) -> bool {
        use Counter::{BusyNs, Errors, LatencyCount, LatencySumNs, Processed, Received};
        let count = |counter| self.counter(counter);
        let handled = count(Processed) + count(Errors);
        let timed = count(LatencyCount);
        LatencyKind::ALL.into_iter().any(|part| self.histogram(part).count() != self.values(part))
            || count(Received) != handled
            || (timed != 0 && (timed != handled || count(LatencySumNs) != count(BusyNs)))
    }

    fn histogram(&self, part: LatencyKind) -> &Arc<Histogram> {
        match part {
            LatencyKind::Handling => &self.latency,
            LatencyKind::Waiting => &self.waiting,
        }
    }

    /// Values of a histogram, as the counters have it. Where one message's wait is known all are.
    fn values(&self, part: LatencyKind) -> u64 {
        match self.lines.extremes(part) {
            None if part == LatencyKind::Waiting => 0,
            _ => self.counter(Counter::LatencyCount),
        }
    }

    /// Whether the histogram is not the one that the counters and words speak of. Rows are copied after lines, so
    /// it may hold more values than they knew of: only what agrees in all of them is complete.
    fn is_stale(&self, part: LatencyKind) -> bool {
        let (h, count) = (self.histogram(part), self.values(part));
        let extremes = h.extremes_by(self.lines.extremes(part));
        (count, self.counter(part.sum()), extremes) != (h.count(), h.sum(), h.min().zip(h.max()))
    }

    /// Smallest and largest time of handling, where one is known.
    pub(crate) fn latency_extremes(&self) -> Option<(u64, u64)> {
        self.lines.extremes(LatencyKind::Handling)
    }

    /// One counter's sum.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.lines.counters[counter as usize]
    }
}

/// When and how the totals were read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// When the copy began.
    pub at: Instant,
    /// Its duration: counters of one reading lie at most this far apart.
    pub copy_duration: Duration,
    /// Bytes that were copied.
    pub copied_bytes: usize,
    /// The device's clock when the copy began.
    pub device_ns: u64,
    /// How far that may be wrong, in nanoseconds; 0 where the clock is the host's own.
    pub device_uncertainty_ns: u64,
    /// How much faster it runs than the host's, in parts in 10^9.
    pub device_drift_ppb: i64,
    /// How often its fit started anew.
    pub device_clock_restarts: u64,
    /// Times of the device's clock in the past; `None` where the clock is the host's own.
    pub timeline: Option<Timeline>,
    /// Unix time when the copy began.
    pub unix_ns: u64,
    /// Look-ups of metrics by all kernels so far that found none.
    pub lookup_misses: u64,
    /// Pens that kernels made of roles that there are not.
    pub role_misses: u64,
}

impl Reading {
    /// One of nothing, now.
    pub(crate) fn at(clock: &ClockSample) -> Self {
        Reading {
            at: Instant::now(),
            copy_duration: Duration::ZERO,
            copied_bytes: 0,
            device_ns: clock.device_ns,
            device_uncertainty_ns: clock.uncertainty_ns,
            device_drift_ppb: clock.drift_ppb,
            device_clock_restarts: clock.restarts,
            timeline: None,
            unix_ns: clock.unix_ns,
            lookup_misses: 0,
            role_misses: 0,
        }
    }
}

/// Reads a slab; owns it.
pub struct Reader {
    device: SharedDevice,
    time: Arc<Timekeeper>,
    slab: Memory,
    layout: SlabLayout,
    copier: Box<dyn Copier>,
    limit: Duration,
    /// Of the last reading; their histograms are read again when they are stale.
    totals: Vec<KernelSums>,
    blocks: Blocks,
    row: Vec<u64>,
    /// Look-ups in vain, and pens of roles that are not there, of kernels that are not read any more.
    misses_before: [u64; 2],
}

/// Look-ups in vain, and pens of roles that are not there.
fn misses(totals: &[KernelSums]) -> [u64; 2] {
    let sum = |of: fn(&KernelSums) -> u64| totals.iter().map(of).sum();
    [sum(|totals| totals.lines.lookup_misses), sum(|totals| totals.lines.role_misses)]
}

impl Reader {
    /// Allocates a slab of that layout; no copy waits longer than `limit`.
    ///
    /// # Errors
    /// [`DeviceError::OutOfMemory`], or the failed call.
    pub(crate) fn new(device: SharedDevice, layout: SlabLayout, limit: Duration) -> Result<Self, DeviceError> {
        let time = device.timekeeper(Internal(()))?;
        let slab = device.allocate(layout.bytes())?;
        let copier = device.copier(&slab)?;
        let (row, totals, blocks) = (vec![0; layout.buckets()], Vec::new(), Blocks::default());
        Ok(Reader { device, time, slab, layout, copier, limit, totals, blocks, row, misses_before: [0; 2] })
    }

    /// How the slab is laid out.
    pub(crate) fn layout(&self) -> SlabLayout {
        self.layout
    }

    /// The slab itself, for callers that must keep it alive: blocks that are still running write to it.
    pub fn slab(&self) -> Memory {
        self.slab.clone()
    }

    /// What a kernel needs to record in that range of the slab.
    ///
    /// # Panics
    /// If it is not in the slab.
    pub fn kernel_ref(&self, span: SlabRange) -> KernelRef {
        self.layout.kernel_ref(self.slab.device_address(), span)
    }

    /// Says that the kernels of the next reading are others than those of the last: for each of them, which of those it was.
    pub fn rearrange(&mut self, from: &[Option<usize>]) {
        let before = std::mem::take(&mut self.totals);
        let new = || KernelSums::new(Arc::new(Histogram::new(self.layout.scale())));
        self.totals = from.iter().map(|was| was.and_then(|i| before.get(i).cloned()).unwrap_or_else(new)).collect();
        let gone = std::iter::zip(misses(&before), misses(&self.totals)).map(|(all, kept)| all - kept);
        self.misses_before.iter_mut().zip(gone).for_each(|(sum, gone)| *sum += gone);
    }

    /// Makes shards and rows zero that nobody writes.
    ///
    /// # Errors
    /// As [`read`](Self::read); some of them may be zero then.
    pub fn clean(&mut self, part: SlabRange) -> Result<(), DeviceError> {
        for range in [self.layout.lines(part.shards), self.layout.rows(part.rows)] {
            self.copier.clear(Internal(()), range, self.limit)?;
        }
        Ok(())
    }

    /// Reads the shards and rows of `spans`, which keep their place from call to call, unless [`rearrange`](Self::rearrange) says
    /// otherwise; new ones come at the end. [`totals`](Self::totals) has what was read.
    ///
    /// # Errors
    /// [`DeviceError::CopyTimedOut`], or what the device died of.
    pub fn read(&mut self, spans: &[SlabRange]) -> Result<Reading, DeviceError> {
        let _range = nvtx::range("ringscope: read");
        let clock = self.device.clock()?;
        let at = Instant::now();
        let used: u32 = spans.iter().map(|s| s.shards.first + s.shards.count).max().unwrap_or(0);
        let mut ranges = Vec::new();
        if used > 0 {
            ranges.push(self.layout.lines(ShardRange { first: 0, count: used }));
            // Where another copy costs more than these bytes, take the rows along.
            let rows = spans.iter().map(|s| s.rows.end()).max().unwrap_or(0);
            let rows = self.layout.rows(RowRange { first: 0, count: rows });
            if rows.len() <= ROUND_TRIP * self.copier.batch_bytes() {
                ranges.push(rows);
            }
        }
        self.copy(&ranges)?;
        let mut totals = std::mem::take(&mut self.totals);
        totals.resize_with(spans.len(), || KernelSums::new(Arc::new(Histogram::new(self.layout.scale()))));
        let certain_ns = clock.device_ns.saturating_sub(clock.uncertainty_ns);
        let mut blocks = self.blocks.turn(used as usize, clock.device_ns);
        for (totals, span) in totals.iter_mut().zip(spans) {
            add_up(self.copier.words(), span.shards, &mut blocks, &mut totals.lines);
            totals.lines.settle(span.shards.count, certain_ns);
        }
        self.totals = totals;
        // What the blocks wrote was written by now.
        let newest = self.totals.iter().map(|t| t.lines.heartbeat_ns.max(t.lines.last_message_ns)).max();
        self.time.copied(newest.unwrap_or(0));
        self.refresh_histograms(spans, &mut ranges)?;
        let copied_bytes = ranges.iter().map(Range::len).sum();
        let [lookups, roles] = misses(&self.totals);
        let [lookup_misses, role_misses] = [self.misses_before[0] + lookups, self.misses_before[1] + roles];
        let read = Reading { at, copied_bytes, lookup_misses, role_misses, ..Reading::at(&clock) };
        Ok(Reading { copy_duration: at.elapsed(), timeline: self.time.timeline(), ..read })
    }

    fn copy(&mut self, ranges: &[Range<usize>]) -> Result<(), DeviceError> {
        let _range = nvtx::range("ringscope: copy");
        self.copier.copy(ranges, self.limit)
    }

    /// Reads the histograms that are stale, and adds what it copies for them to `ranges`.
    fn refresh_histograms(&mut self, spans: &[SlabRange], ranges: &mut Vec<Range<usize>>) -> Result<(), DeviceError> {
        let all = (0..spans.len()).flat_map(|i| LatencyKind::ALL.map(|part| (i, part)));
        let dirty: Vec<(usize, LatencyKind)> = all.filter(|(i, part)| self.totals[*i].is_stale(*part)).collect();
        let rows_are_here = ranges.len() > 1;
        if !rows_are_here && !dirty.is_empty() {
            let slots = |(i, part): (usize, LatencyKind)| Wanted {
                rows: spans[i].rows,
                part,
                slots: self.likely_slots(i, part),
            };
            let wanted: Vec<Wanted> = dirty.iter().copied().map(slots).collect();
            let start = ranges.len();
            ranges.extend(rows::ranges(self.layout, &wanted, self.copier.batch_bytes()));
            self.copy(&ranges[start..])?;
        }
        for (i, part) in dirty {
            let mut histogram = self.histogram(spans[i].rows, part, self.likely_slots(i, part), i);
            let before = self.totals[i].histogram(part).count();
            if !rows_are_here && histogram.count() < self.totals[i].values(part).max(before) {
                // The extremes lag behind the buckets: take all slots.
                let rows: Vec<_> = self.layout.slots(spans[i].rows, part, 0..self.row.len()).collect();
                self.copy(&rows)?;
                histogram = self.histogram(spans[i].rows, part, 0..self.row.len(), i);
                ranges.extend(rows);
            }
            let totals = &mut self.totals[i];
            match part {
                LatencyKind::Handling => totals.latency = Arc::new(histogram),
                LatencyKind::Waiting => totals.waiting = Arc::new(histogram),
            }
        }
        Ok(())
    }

    /// The slots between a kernel's extremes, where its values are.
    fn likely_slots(&self, kernel: usize, part: LatencyKind) -> Range<usize> {
        match self.totals[kernel].lines.extremes(part) {
            Some((min, max)) => slot_of(min, self.layout.scale())..slot_of(max, self.layout.scale()) + 1,
            None => 0..self.row.len(),
        }
    }

    /// What the last reading found, in the order of its spans.
    pub fn totals(&self) -> &[KernelSums] {
        &self.totals
    }

    /// What the last reading found of each block, by its place in the slab.
    pub fn blocks(&self) -> &Arc<[BlockWords]> {
        self.blocks.share()
    }

    /// A histogram of a kernel whose rows were copied, of these slots of them.
    fn histogram(&mut self, of: RowRange, part: LatencyKind, slots: Range<usize>, kernel: usize) -> Histogram {
        let row = &mut self.row[slots.clone()];
        row.fill(0);
        for rows in self.layout.slots(of, part, slots.clone()) {
            let counts = &self.copier.words()[rows.start / 8..rows.end / 8];
            row.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        }
        let totals = &self.totals[kernel];
        let (sum, extremes) = (totals.counter(part.sum()), totals.lines.extremes(part));
        Histogram::from_slots(self.layout.scale(), slots.start, row, sum, u64::MAX, 0).with_extremes(extremes)
    }
}

/// Adds up the lines of a kernel's shards in a copy of the slab, and takes note of its blocks.
fn add_up(copied: &[u64], span: ShardRange, blocks: &mut Turn<'_>, totals: &mut ShardSums) {
    *totals = ShardSums::default();
    let (mut newest, mut oldest) = (0, u64::MAX);
    for (block, shard) in (0..span.count).map(|i| (i, shard(copied, span.first + i))) {
        let words = blocks.note(span.first + block, shard);
        for (sum, counter) in totals.counters.iter_mut().zip(shard.counters) {
            *sum = sum.wrapping_add(counter);
        }
        let word = |w: Word| shard.words[w as usize];
        totals.lookup_misses = totals.lookup_misses.wrapping_add(word(Word::LookupMisses));
        totals.role_misses = totals.role_misses.wrapping_add(word(Word::RoleMisses));
        totals.blocks_in_state[word(Word::State).min(block_state::ENDED) as usize] += 1;
        if word(Word::State) == block_state::NONE {
            continue;
        }
        if totals.start_ns == 0 || word(Word::StartNs) < totals.start_ns {
            totals.start_ns = word(Word::StartNs);
        }
        totals.last_start_ns = totals.last_start_ns.max(word(Word::StartNs));
        totals.end_ns = totals.end_ns.max(word(Word::EndNs));
        totals.last_message_ns = totals.last_message_ns.max(word(Word::LastMessageNs));
        let has_ended = word(Word::State) == block_state::ENDED;
        if word(Word::HeartbeatNs) >= newest {
            newest = word(Word::HeartbeatNs);
            // For a block that has ended nothing waits, whatever it saw last.
            totals.queue_depth = if has_ended { 0 } else { word(Word::QueueDepth) };
        }
        totals.sign_of_life_ns = totals.sign_of_life_ns.max(words.sign_of_life_ns());
        if !has_ended && words.sign_of_life_ns() < oldest {
            oldest = words.sign_of_life_ns();
            (totals.oldest_heartbeat_ns, totals.oldest_block) = (oldest, block);
        }
        totals.queue_high_water = totals.queue_high_water.max(word(Word::QueueHighWater));
        if word(Word::LastErrorNs) > totals.last_error_ns {
            totals.last_error_ns = word(Word::LastErrorNs);
            totals.last_error_code = word(Word::LastErrorCode);
        }
        if word(Word::LatencyNotMinNs) != 0 {
            totals.latency_min_ns = totals.latency_min_ns.min(!word(Word::LatencyNotMinNs));
            totals.latency_max_ns = totals.latency_max_ns.max(word(Word::LatencyMaxNs));
        }
        if word(Word::QueuedNotMinNs) != 0 {
            totals.queued_min_ns = totals.queued_min_ns.min(!word(Word::QueuedNotMinNs));
            totals.queued_max_ns = totals.queued_max_ns.max(word(Word::QueuedMaxNs));
        }
        if word(Word::Abi) != u64::from(crate::abi::ABI_VERSION) {
            totals.foreign_abi = word(Word::Abi);
        }
    }
    totals.heartbeat_ns = newest;
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({} shards of {})", self.layout.shards(), self.device.info().name)
    }
}
