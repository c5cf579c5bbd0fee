//! One look at all rings: what moved is copied, decoded, counted and told.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::clock::SteadyClock;
use super::super::counts::Counts;
use super::super::ops::{EndedMessage, Monitor};
use super::kernels::{Counted, Traced};
use super::rings::Rings;
use crate::device::{ClockSample, DeviceError, SharedDevice, Timeline};
use crate::trace::{Batch, Cursor, Decoded, Queue, RingCopy, What};

/// Everything that a look needs beside what it remembers.
pub(super) struct Sources<'a> {
    pub(super) rings: &'a Rings,
    pub(super) device: &'a SharedDevice,
    pub(super) kernels: &'a [Arc<Traced>],
    pub(super) counts: &'a Counts,
    /// Where messages that failed or were slow are listed, by that clock.
    pub(super) monitor: Option<(&'a Monitor, SteadyClock)>,
    pub(super) timeline: Option<Timeline>,
}

/// How far a ring was read, and how many records it was seen to have.
#[derive(Clone, Copy)]
struct Position {
    cursor: Cursor,
    seen: u64,
}

impl Position {
    fn at(head: u64, now_ns: u64) -> Self {
        Position { cursor: Cursor::at(head, now_ns), seen: head }
    }

    /// Reads a copy, and counts.
    fn read(&mut self, copy: &RingCopy<'_>, counted: &Counted, out: &mut Vec<Decoded>) {
        let before = *self;
        self.cursor.read(copy, out);
        self.seen = before.seen.max(copy.head_before).max(copy.head_after);
        let skipped = self.cursor.start - before.cursor.start;
        let (read, lost) = (self.cursor.read - before.cursor.read, self.cursor.lost - before.cursor.lost);
        counted.add(self.seen - before.seen, skipped, read, lost);
    }
}

/// How far all rings were read.
pub(super) struct Positions {
    rings: Vec<Position>,
    /// Whose each ring is: one that is given to another kernel begins at zero.
    owners: Vec<Weak<Traced>>,
    /// The heads as they were copied last, for a look that comes at once.
    heads: Vec<u64>,
    now_ns: u64,
}

impl Positions {
    /// Wants what comes after these heads of the kernels' rings, and all of rings that are not among them.
    pub(super) fn at(heads: &[u64], kernels: &[Arc<Traced>], now_ns: u64) -> Self {
        let rings = heads.iter().map(|head| Position::at(*head, now_ns)).collect();
        let mut owners: Vec<_> = heads.iter().map(|_| Weak::new()).collect();
        for kernel in kernels {
            kernel.shards.all().for_each(|shard| owners[shard as usize] = Arc::downgrade(kernel));
        }
        Positions { rings, owners, heads: Vec::new(), now_ns }
    }

    /// Begins with the rings of kernels that were not there at the last look.
    fn meet(&mut self, kernels: &[Arc<Traced>], shards: usize) {
        let now_ns = self.now_ns;
        if self.rings.len() < shards {
            self.rings.resize_with(shards, || Position::at(0, now_ns));
            self.owners.resize_with(shards, Weak::new);
        }
        for kernel in kernels {
            for shard in kernel.shards.all().map(|shard| shard as usize) {
                if self.owners[shard].as_ptr() != Arc::as_ptr(kernel) {
                    self.owners[shard] = Arc::downgrade(kernel);
                    self.rings[shard] = Position::at(0, now_ns);
                    // It was another's.
                    self.heads.clear();
                }
            }
        }
    }

    /// Looks at all rings; `at_once` after the look before. Returns how full the fullest was, 1.0 being all of its records.
    pub(super) fn look(
        &mut self,
        from: &Sources<'_>,
        streams: &[Arc<Queue>],
        at_once: bool,
    ) -> Result<f64, DeviceError> {
        let shards = from.kernels.iter().map(|k| k.shards.first + k.shards.count).max().unwrap_or(0);
        if shards == 0 {
            return Ok(0.0);
        }
        self.meet(from.kernels, shards as usize);
        let heads = match std::mem::take(&mut self.heads) {
            heads if at_once && heads.len() == shards as usize => heads,
            _ => from.rings.heads(shards)?,
        };
        let records = from.rings.records();
        let new = |shard: u32| {
            let (next, head) = (self.rings[shard as usize].cursor.next, heads[shard as usize]);
            (next < head).then(|| (shard, next.max(head.saturating_sub(records))..head))
        };
        let mut wanted: Vec<_> = from.kernels.iter().flat_map(|kernel| kernel.shards.all()).filter_map(new).collect();
        wanted.sort_unstable_by_key(|(shard, _)| *shard);
        if wanted.is_empty() {
            return Ok(0.0);
        }
        let rings = &mut self.rings;
        let (fullest, after, now_ns) = from.rings.copy(&wanted, shards, |copied, after| {
            let clock = from.device.clock()?;
            let fullness = |shard: u32| after[shard as usize].saturating_sub(rings[shard as usize].cursor.next) as f64;
            let shards = from.kernels.iter().flat_map(|kernel| kernel.shards.all());
            let fullest = shards.map(fullness).fold(0.0, f64::max) / records as f64;
            for kernel in from.kernels {
                let read = |shard: u32, out: &mut Vec<Decoded>| {
                    let at = shard as usize;
                    let (head_before, head_after) = (heads[at], after[at]);
                    let copy = RingCopy { words: copied.ring(shard), head_before, head_after, now_ns: clock.device_ns };
                    rings[at].read(&copy, &kernel.counted, out);
                    copied.sm(shard)
                };
                read_kernel(kernel, from, &clock, streams, read);
            }
            Ok::<_, DeviceError>((fullest, after, clock.device_ns))
        })??;
        (self.heads, self.now_ns) = (after, now_ns);
        Ok(fullest)
    }

    /// Nobody wants anything any more: what is written and was not read is lost.
    pub(super) fn close(&self, kernels: &[Arc<Traced>]) {
        for kernel in kernels {
            // Of a kernel that came since nothing was seen.
            let is_met =
                |shard: u32| self.owners.get(shard as usize).is_some_and(|o| o.as_ptr() == Arc::as_ptr(kernel));
            if !kernel.shards.all().all(is_met) {
                continue;
            }
            let mine = self.rings.iter().skip(kernel.shards.first as usize).take(kernel.shards.count as usize);
            kernel.counted.add(0, 0, 0, mine.map(|ring| ring.seen - ring.cursor.next).sum());
        }
    }
}

/// Reads the rings of one kernel.
fn read_kernel(
    of: &Traced,
    from: &Sources<'_>,
    clock: &ClockSample,
    streams: &[Arc<Queue>],
    mut read: impl FnMut(u32, &mut Vec<Decoded>) -> Option<u32>,
) {
    for shard in 0..of.shards.count {
        let mut records = Vec::new();
        let sm = read(of.shards.first + shard, &mut records);
        if records.is_empty() {
            continue;
        }
        if let Some((monitor, steady)) = from.monitor {
            list(of, shard, &records, clock, from, (monitor, steady.now_ns()));
        }
        let batch = Arc::new(Batch {
            kernel: Arc::clone(&of.kernel),
            shard,
            sm,
            clock: *clock,
            timeline: from.timeline.clone(),
            records,
        });
        let dropped: u64 = streams.iter().map(|stream| stream.push(&batch)).sum();
        from.counts.dropped_trace_streams.fetch_add(dropped, Ordering::Relaxed);
    }
}

/// Adds what failed or was slow to the lists of operations.
fn list(
    of: &Traced,
    block: u32,
    records: &[Decoded],
    clock: &ClockSample,
    from: &Sources<'_>,
    (monitor, now_ns): (&Monitor, u64),
) {
    for record in records {
        let What::Message(number, duration_ns, code) = record.what else { continue };
        if code == 0 && !of.counted.is_slow(duration_ns) {
            continue;
        }
        let ago = match &from.timeline {
            Some(timeline) => timeline.host_ns_between(record.device_ns, clock.device_ns).max(0) as u64,
            None => clock.device_ns.saturating_sub(record.device_ns),
        };
        let (begun_ns, duration) = (now_ns.saturating_sub(ago), Duration::from_nanos(duration_ns));
        let (kernel, block) = (&of.kernel.id, Some(block));
        monitor.device_message(&EndedMessage { kernel, block, number, begun_ns, duration, code, messages: 1 });
        if code != 0 {
            of.counted.list_error();
        }
    }
}
