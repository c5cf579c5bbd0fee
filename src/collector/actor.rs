//! Host actors: what a device kernel counts by itself, a host thread counts by call.
//!
//! Each handle writes cells of its own, so a record is a load and a store that no other thread contends for;
//! reading adds the cells up. A dropped handle's cell is folded into the actor's.

use std::cell::Cell as NotSync;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::abi::{COUNTERS, Counter, buckets};
use crate::histogram::{Histogram, slot_of};
use crate::reader::KernelSums;

/// The counts of one writer, on lines of their own.
#[repr(align(128))]
struct Cell {
    counters: [AtomicU64; COUNTERS],
    last_message_ns: AtomicU64,
    latency: OnceLock<LatencyCell>,
}

struct LatencyCell {
    slots: Box<[AtomicU64]>,
    min_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Cell {
    fn new() -> Self {
        let counters = std::array::from_fn(|_| AtomicU64::new(0));
        Cell { counters, last_message_ns: AtomicU64::new(0), latency: OnceLock::new() }
    }

    fn latency(&self, scale: u32) -> &LatencyCell {
        self.latency.get_or_init(|| LatencyCell {
            slots: (0..buckets(scale)).map(|_| AtomicU64::new(0)).collect(),
            min_ns: AtomicU64::new(u64::MAX),
            max_ns: AtomicU64::new(0),
        })
    }

    /// Adds this cell to `sums` and `histogram`.
    fn add_to(&self, totals: &mut KernelSums, histogram: &mut Histogram) {
        for (sum, counter) in totals.lines.counters.iter_mut().zip(&self.counters) {
            *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
        }
        let last = &mut totals.lines.last_message_ns;
        *last = self.last_message_ns.load(Ordering::Relaxed).max(*last);
        if let Some(latency) = self.latency.get() {
            let counts: Vec<u64> = latency.slots.iter().map(|s| s.load(Ordering::Relaxed)).collect();
            let sum = self.counters[Counter::LatencySumNs as usize].load(Ordering::Relaxed);
            let (min, max) = (latency.min_ns.load(Ordering::Relaxed), latency.max_ns.load(Ordering::Relaxed));
            histogram.merge(&Histogram::from_slots(histogram.scale(), 0, &counts, sum, min, max));
        }
    }
}

/// How a cell is written: by its only writer, or by many.
trait Add {
    fn add(word: &AtomicU64, by: u64);
}
/// The only writer: a load and a store, each atomic for the reader, need no locked instruction.
struct Alone;
impl Add for Alone {
    #[inline(always)]
    fn add(word: &AtomicU64, by: u64) {
        word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}
struct Shared;
impl Add for Shared {
    fn add(word: &AtomicU64, by: u64) {
        word.fetch_add(by, Ordering::Relaxed);
    }
}

impl Cell {
    #[inline(always)]
    fn count<A: Add>(&self, counter: Counter, by: u64) {
        A::add(&self.counters[counter as usize], by);
    }

    #[inline(always)]
    fn message<A: Add>(&self, counter: Counter, now_ns: u64) {
        self.count::<A>(counter, 1);
        self.last_message_ns.store(now_ns, Ordering::Relaxed);
    }

    fn processed_in<A: Add>(&self, took: Duration, scale: u32) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let latency = self.latency(scale);
        A::add(&latency.slots[slot_of(ns, scale)], 1);
        latency.min_ns.fetch_min(ns, Ordering::Relaxed);
        latency.max_ns.fetch_max(ns, Ordering::Relaxed);
        self.count::<A>(Counter::LatencyCount, 1);
        self.count::<A>(Counter::LatencySumNs, ns);
        self.count::<A>(Counter::BusyNs, ns);
        self.count::<A>(Counter::Processed, 1);
    }
}

/// One host actor.
pub(super) struct Actor {
    scale: u32,
    start_ns: u64,
    clock: Arc<AtomicU64>,
    /// For records by id; every thread may write it.
    shared: Cell,
    cells: Mutex<Cells>,
}

#[derive(Default)]
struct Cells {
    live: Vec<Arc<Cell>>,
    retired: Option<KernelSums>,
    last_error: Option<Arc<str>>,
}

impl Actor {
    /// An actor that starts at `start_ns` of the steady clock, which `clock` follows.
    pub(super) fn new(scale: u32, start_ns: u64, clock: Arc<AtomicU64>) -> Self {
        Actor { scale, start_ns, clock, shared: Cell::new(), cells: Mutex::default() }
    }

    pub(super) fn handle(self: &Arc<Self>) -> ActorHandle {
        let cell = Arc::new(Cell::new());
        self.lock().live.push(Arc::clone(&cell));
        let counting = Counting { cell, clock: Arc::clone(&self.clock), actor: Arc::clone(self) };
        ActorHandle { counting: Some(counting), one_thread: PhantomData }
    }

    pub(super) fn receive(&self) {
        self.shared.message::<Shared>(Counter::Received, self.clock.load(Ordering::Relaxed));
    }

    pub(super) fn send(&self) {
        self.shared.count::<Shared>(Counter::Sent, 1);
    }

    pub(super) fn processed(&self, took: Option<Duration>) {
        match took {
            Some(took) => self.shared.processed_in::<Shared>(took, self.scale),
            None => self.shared.count::<Shared>(Counter::Processed, 1),
        }
    }

    pub(super) fn error(&self, error: &str) {
        self.shared.count::<Shared>(Counter::Errors, 1);
        self.lock().last_error = Some(error.into());
    }

    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.lock().last_error.clone()
    }

    /// Everything this actor has counted; times are those of the steady clock.
    pub(super) fn totals(&self) -> KernelSums {
        let cells = self.lock();
        let (mut totals, mut histogram) = start_from(cells.retired.as_ref(), self.scale);
        for cell in cells.live.iter().map(Arc::as_ref).chain([&self.shared]) {
            cell.add_to(&mut totals, &mut histogram);
        }
        totals.lines.start_ns = self.start_ns;
        totals.latency = Arc::new(histogram);
        totals
    }

    fn retire(&self, cell: &Arc<Cell>) {
        let mut cells = self.lock();
        let (mut totals, mut histogram) = start_from(cells.retired.as_ref(), self.scale);
        cell.add_to(&mut totals, &mut histogram);
        totals.latency = Arc::new(histogram);
        cells.retired = Some(totals);
        cells.live.retain(|live| !Arc::ptr_eq(live, cell));
    }

    /// A panic elsewhere must not stop counting: the cells are consistent at every moment.
    fn lock(&self) -> std::sync::MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_from(retired: Option<&KernelSums>, scale: u32) -> (KernelSums, Histogram) {
    match retired {
        Some(totals) => (totals.clone(), (*totals.latency).clone()),
        None => (KernelSums::new(Arc::new(Histogram::new(scale))), Histogram::new(scale)),
    }
}

/// Counts for one host actor, from one thread: no look-up, no lock, no contended line. Take another handle for
/// another thread; they add up. The handle of a collector that is off counts nothing.
///
/// ```
/// let collector = ringscope::TelemetryCollector::new(true);
/// let actor = collector.actor("parser")?;
/// actor.record_receive();
/// actor.record_processed();
/// actor.record_send();
/// assert_eq!(collector.telemetry("parser")?.messages_received, 1);
/// # Ok::<(), ringscope::TelemetryError>(())
/// ```
pub struct ActorHandle {
    /// `None` for a collector that is off.
    counting: Option<Counting>,
    one_thread: PhantomData<NotSync<()>>,
}

struct Counting {
    cell: Arc<Cell>,
    clock: Arc<AtomicU64>,
    actor: Arc<Actor>,
}

impl ActorHandle {
    /// A handle that counts nothing.
    pub(super) fn disabled() -> Self {
        ActorHandle { counting: None, one_thread: PhantomData }
    }

    /// Counts a received message. Its time is noted to within 10 ms.
    #[inline]
    pub fn record_receive(&self) {
        if let Some(c) = &self.counting {
            c.cell.message::<Alone>(Counter::Received, c.clock.load(Ordering::Relaxed));
        }
    }

    /// Counts a sent message.
    #[inline]
    pub fn record_send(&self) {
        self.count(Counter::Sent, 1);
    }

    /// Counts a message that was handled.
    #[inline]
    pub fn record_processed(&self) {
        self.count(Counter::Processed, 1);
    }

    /// Counts a message that was handled, and how long that took.
    #[inline]
    pub fn record_processed_in(&self, took: Duration) {
        if let Some(c) = &self.counting {
            c.cell.processed_in::<Alone>(took, c.actor.scale);
        }
    }

    /// Counts a message that was refused, and keeps the text of the error as the last one.
    pub fn record_error(&self, error: &str) {
        if let Some(c) = &self.counting {
            c.cell.count::<Alone>(Counter::Errors, 1);
            c.actor.lock().last_error = Some(error.into());
        }
    }

    /// Counts payload bytes received and sent.
    #[inline]
    pub fn record_bytes(&self, received: u64, sent: u64) {
        self.count(Counter::BytesIn, received);
        self.count(Counter::BytesOut, sent);
    }

    #[inline(always)]
    fn count(&self, counter: Counter, by: u64) {
        if let Some(c) = &self.counting {
            c.cell.count::<Alone>(counter, by);
        }
    }
}

impl Drop for ActorHandle {
    fn drop(&mut self) {
        if let Some(c) = &self.counting {
            c.actor.retire(&c.cell);
        }
    }
}

impl std::fmt::Debug for ActorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActorHandle(enabled: {})", self.counting.is_some())
    }
}
