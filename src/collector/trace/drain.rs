//! Reads the rings while there are streams: on a thread of its own, as often as the fullest ring asks for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::super::clock::SteadyClock;
use super::super::config::TelemetryConfig;
use super::super::counts::Counts;
use super::super::error::TelemetryError;
use super::super::ops::Switch;
use super::kernels::{Counted, Traced};
use super::pass::{Positions, Sources};
use super::rings::Rings;
use crate::abi::KernelRef;
use crate::device::{DeviceError, DeviceKind, Internal, Memory, ShardRange, SharedDevice, Timekeeper};
use crate::trace::{DeviceTrack, Queue, StreamEnd, TracedKernel};

/// The rings are looked at no oftener, and no more seldom.
const SHORTEST: Duration = Duration::from_micros(200);
const LONGEST: Duration = Duration::from_millis(20);
/// How full the fullest ring is to be when it is looked at.
const FULL_ENOUGH: f64 = 0.25;
/// As of when it is looked at again at once.
const TOO_FULL: f64 = 0.5;

/// Copies' time limits in which a look at all rings, and one that is under way, have ended, unless copies hang.
const LOOK_COPIES: u32 = 10;

/// Owns the rings; when it goes, the streams end behind what was written by then.
pub(in crate::collector) struct Drain {
    shared: Arc<Shared>,
}

struct Shared {
    rings: Rings,
    device: SharedDevice,
    time: Arc<Timekeeper>,
    counts: Arc<Counts>,
    /// Looks at the rings so far, from 1; 0 while nobody reads them.
    looks: Arc<AtomicU64>,
    ops: Arc<Switch>,
    clock: SteadyClock,
    kernels: Mutex<Arc<Vec<Arc<Traced>>>>,
    desk: Mutex<Desk>,
    bell: Condvar,
    /// Rung when kernels that were to be taken back were.
    done: Condvar,
}

/// What is asked of the thread.
#[derive(Default)]
struct Desk {
    /// Streams that it does not know of yet.
    new: Vec<Weak<Queue>>,
    /// Kernels to be read once more, and then taken back.
    retiring: Vec<Arc<Traced>>,
    /// Whether it runs.
    running: bool,
    closing: bool,
}

// Its state is behind locks that no panic leaves half changed, and its thread shares nothing else.
impl std::panic::UnwindSafe for Drain {}
impl std::panic::RefUnwindSafe for Drain {}

impl Drain {
    /// Allocates the rings.
    pub(in crate::collector) fn new(
        device: &SharedDevice,
        config: &TelemetryConfig,
        (counts, ops, clock): (Arc<Counts>, Arc<Switch>, SteadyClock),
    ) -> Result<Self, DeviceError> {
        let TelemetryConfig { max_kernels, max_blocks, trace_records, copy_limit, .. } = *config;
        let shared = Shared {
            rings: Rings::new(device, max_kernels, max_blocks, trace_records, copy_limit)?,
            device: Arc::clone(device),
            time: device.timekeeper(Internal(()))?,
            counts,
            looks: Arc::default(),
            ops,
            clock,
            kernels: Mutex::default(),
            desk: Mutex::default(),
            bell: Condvar::new(),
            done: Condvar::new(),
        };
        Ok(Drain { shared: Arc::new(shared) })
    }

    /// What kernels write to.
    pub(in crate::collector) fn memory(&self) -> Memory {
        self.shared.rings.memory()
    }

    /// Whose rings they are. Host devices are told apart by their `index` among the collector's.
    pub(in crate::collector) fn device_track(&self, index: usize) -> Arc<DeviceTrack> {
        let info = self.shared.device.info();
        let ordinal = if info.kind == DeviceKind::Host { index } else { info.ordinal };
        Arc::new(DeviceTrack::new(ordinal as u32, info.name.clone()))
    }

    /// Tells a kernel where its rings are, and which messages leave a span. From now on they are read.
    pub(in crate::collector) fn add_kernel(
        &self,
        kernel: TracedKernel,
        (shards, index): (ShardRange, usize),
        filter: u64,
        to: &mut KernelRef,
    ) -> Result<Arc<Counted>, DeviceError> {
        self.shared.rings.set_filter(index, filter)?;
        self.shared.rings.tell(shards, index, to);
        let counted = Arc::new(Counted::new(Arc::clone(&self.shared.looks)));
        counted.set_filter(filter);
        let traced = Traced { kernel: Arc::new(kernel), shards, counted: Arc::clone(&counted) };
        Arc::make_mut(&mut *lock(&self.shared.kernels)).push(Arc::new(traced));
        Ok(counted)
    }

    /// Takes a kernel back, of which nobody writes any more, and returns when what its rings have was read, and nobody reads
    /// them. Where copies hang that may be never: then it stays, and that is the error.
    pub(in crate::collector) fn retire(&self, counted: &Arc<Counted>) -> Result<(), DeviceError> {
        let shared = &self.shared;
        let is_its = |kernel: &Arc<Traced>| Arc::ptr_eq(&kernel.counted, counted);
        let mut desk = lock(&shared.desk);
        if desk.running {
            desk.retiring.extend(shared.kernels().iter().find(|kernel| is_its(kernel)).cloned());
            shared.bell.notify_all();
            let waited = shared.rings.limit().saturating_mul(LOOK_COPIES);
            let waits = |desk: &mut Desk| desk.running && desk.retiring.iter().any(is_its);
            let done = shared.done.wait_timeout_while(desk, waited, waits);
            let (mut desk, so_far) = done.unwrap_or_else(PoisonError::into_inner);
            if so_far.timed_out() {
                desk.retiring.retain(|kernel| !is_its(kernel));
                return Err(DeviceError::CopyTimedOut { waited });
            }
        }
        shared.take_back(is_its);
        Ok(())
    }

    /// Takes back a kernel of which nothing was launched.
    pub(in crate::collector) fn forget(&self, counted: &Arc<Counted>) {
        self.shared.take_back(|kernel| Arc::ptr_eq(&kernel.counted, counted));
    }

    /// Makes the rings of shards zero that are nobody's.
    pub(in crate::collector) fn clean(&self, shards: ShardRange) -> Result<(), DeviceError> {
        self.shared.rings.clean(shards)
    }

    /// Changes of which messages a kernel leaves a span.
    pub(in crate::collector) fn set_filter(
        &self,
        index: usize,
        counted: &Counted,
        word: u64,
    ) -> Result<(), DeviceError> {
        self.shared.rings.set_filter(index, word)?;
        counted.set_filter(word);
        Ok(())
    }

    /// Looks at the rings so far, from 1; 0 while nobody reads them.
    pub(in crate::collector) fn looks(&self) -> u64 {
        self.shared.looks.load(Ordering::Acquire)
    }

    /// Feeds a stream with what is written from now on. Where that cannot be, the stream has one source less.
    pub(in crate::collector) fn open(&self, queue: &Weak<Queue>) -> Result<(), TelemetryError> {
        let opened = self.try_open(queue);
        if let (Err(TelemetryError::Device(error)), Some(queue)) = (&opened, queue.upgrade()) {
            queue.end(StreamEnd::Failed(error.clone()));
        }
        opened
    }

    fn try_open(&self, queue: &Weak<Queue>) -> Result<(), TelemetryError> {
        let shared = &self.shared;
        let mut desk = lock(&shared.desk);
        if !desk.running {
            let positions = shared.begin()?;
            shared.looks.store(1, Ordering::Release);
            let shared = Arc::clone(shared);
            std::thread::Builder::new()
                .name("ringscope-drain".into())
                .spawn(move || shared.run(positions))
                .map_err(|e| TelemetryError::no_thread("the reader of events and spans", &e))?;
            desk.running = true;
        }
        desk.new.push(Weak::clone(queue));
        drop(desk);
        self.shared.bell.notify_all();
        Ok(())
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        lock(&self.shared.desk).closing = true;
        self.shared.bell.notify_all();
    }
}

impl Shared {
    fn kernels(&self) -> Arc<Vec<Arc<Traced>>> {
        Arc::clone(&lock(&self.kernels))
    }

    /// Where the rings are now.
    fn begin(&self) -> Result<Positions, DeviceError> {
        let kernels = self.kernels();
        let shards = kernels.iter().map(|k| k.shards.first + k.shards.count).max().unwrap_or(0);
        let heads = if shards == 0 { Vec::new() } else { self.rings.heads(shards)? };
        Ok(Positions::at(&heads, &kernels, self.device.clock()?.device_ns))
    }

    fn take_back(&self, which: impl Fn(&Arc<Traced>) -> bool) {
        Arc::make_mut(&mut *lock(&self.kernels)).retain(|kernel| !which(kernel));
    }

    /// Takes back the kernels that were to be read once more.
    fn retire(&self, retiring: &[Arc<Traced>]) {
        if !retiring.is_empty() {
            let is_one = |kernel: &Arc<Traced>| retiring.iter().any(|one| Arc::ptr_eq(one, kernel));
            self.take_back(is_one);
            lock(&self.desk).retiring.retain(|kernel| !is_one(kernel));
            self.done.notify_all();
        }
    }

    /// Reads until there are no streams.
    fn run(&self, mut positions: Positions) {
        let mut streams: Vec<Weak<Queue>> = Vec::new();
        let (mut rest, mut at_once) = (SHORTEST, false);
        loop {
            let Some((closing, retiring)) = self.next(&mut streams) else {
                positions.close(&self.kernels());
                return self.done.notify_all();
            };
            let open: Vec<Arc<Queue>> = streams.iter().filter_map(Weak::upgrade).collect();
            let looked = self.look(&mut positions, &open, at_once && retiring.is_empty());
            self.looks.fetch_add(1, Ordering::Release);
            let end = match (&looked, closing) {
                (Ok(_) | Err(DeviceError::CopyTimedOut { .. }), false) => None,
                (Ok(_) | Err(DeviceError::CopyTimedOut { .. }), true) => Some(StreamEnd::Closed),
                (Err(error), _) => Some(StreamEnd::Failed(error.clone())),
            };
            if looked.is_ok() {
                self.retire(&retiring);
            }
            if let Some(end) = end {
                self.end(&open, end);
                streams.clear();
                continue;
            }
            drop(open);
            let fullest = looked.unwrap_or(0.0);
            at_once = fullest > TOO_FULL;
            rest = next_rest(rest, fullest);
            if !at_once {
                self.rest(rest);
            }
        }
    }

    /// Takes note of new streams and of those that are gone. Whether this is the last look, and who is looked at for the last
    /// time; `None` if nobody wants a look.
    fn next(&self, streams: &mut Vec<Weak<Queue>>) -> Option<(bool, Vec<Arc<Traced>>)> {
        let mut desk = lock(&self.desk);
        streams.append(&mut desk.new);
        streams.retain(|stream| stream.strong_count() > 0);
        if streams.is_empty() {
            desk.running = false;
            desk.retiring.clear();
            self.looks.store(0, Ordering::Release);
            return None;
        }
        Some((desk.closing, desk.retiring.clone()))
    }

    fn look(&self, positions: &mut Positions, open: &[Arc<Queue>], at_once: bool) -> Result<f64, DeviceError> {
        let kernels = self.kernels();
        let sources = Sources {
            rings: &self.rings,
            device: &self.device,
            kernels: &kernels,
            counts: &self.counts,
            monitor: self.ops.get().map(|monitor| (&**monitor, self.clock)),
            timeline: self.time.timeline(),
        };
        positions.look(&sources, open, at_once)
    }

    fn end(&self, streams: &[Arc<Queue>], why: StreamEnd) {
        streams.iter().for_each(|stream| stream.end(why.clone()));
    }

    /// Waits for that time, or until something is asked.
    fn rest(&self, limit: Duration) {
        let waits = |desk: &mut Desk| desk.new.is_empty() && desk.retiring.is_empty() && !desk.closing;
        drop(self.bell.wait_timeout_while(lock(&self.desk), limit, waits));
    }
}

/// The interval after which the fullest ring is as full as it should be, going on as it does.
fn next_rest(rest: Duration, fullest: f64) -> Duration {
    // Nothing new: twice as long, not for ever.
    let factor = if fullest > 0.0 { FULL_ENOUGH / fullest } else { 2.0 };
    rest.mul_f64(factor.clamp(0.1, 2.0)).clamp(SHORTEST, LONGEST)
}

/// A panic elsewhere leaves what is behind these locks whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
