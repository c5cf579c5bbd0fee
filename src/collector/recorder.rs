//! Records of kernels, collected in the background for a trace.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::core::Core;
use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use super::trace::Drain;
use crate::snapshot::{BlockState, BlockStatus, KernelTelemetry, Place, RingPlace, TraceRecords, WaitsFor};
use crate::trace::{
    Attribute, DeviceRecord, DeviceTrace, InHand, KernelRecords, Stream, StreamEnd, Trace, TraceCursor, Tracer,
};

/// How soon the end of a recording is noticed.
const LOOK: Duration = Duration::from_millis(20);
/// Records that are taken before somebody else may look at what is kept.
const BATCH: usize = 4096;

/// Collects what kernels record, on a thread of its own, until it is dropped; [`trace`](Self::trace) is all of it with what the
/// host's tracer recorded, at any moment: while kernels run, or hang, or when they have ended.
///
/// Made by [`TelemetryCollector::record_trace`].
#[derive(Debug)]
pub struct TraceRecorder {
    core: Weak<Core>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    kept: Mutex<Kept>,
    stop: AtomicBool,
    /// How often the thread found nothing more.
    idle: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    /// In the order of the collector's devices.
    devices: Vec<DeviceTrace>,
    read: u64,
    lost: u64,
    end: Option<StreamEnd>,
}

impl TelemetryCollector {
    /// Collects what kernels record from now on, on a thread of its own, for a trace with what `tracer` records: the newest
    /// `records` of them of each device. Messages that were sent inside a span of that tracer have it as their parent, if the runtime
    /// [knows the tracer](crate::RuntimeBuilder::tracer).
    ///
    /// # Errors
    /// As [`trace_stream`](Self::trace_stream); [`TelemetryError::NoThread`].
    pub fn record_trace(&self, tracer: &Tracer, records: usize) -> Result<TraceRecorder, TelemetryError> {
        let stream = self.trace_stream()?;
        let one = |(index, drain): (usize, &Drain)| DeviceTrace::new(drain.device_track(index), records);
        let devices = self.core.drains.iter().enumerate().map(one).collect();
        let kept = Mutex::new(Kept { devices, read: 0, lost: 0, end: None });
        let (stop, idle) = (AtomicBool::new(false), AtomicU64::new(0));
        let shared = Arc::new(Shared { tracer: tracer.clone(), kept, stop, idle });
        let body = {
            let shared = Arc::clone(&shared);
            move || shared.collect(stream)
        };
        let thread = std::thread::Builder::new()
            .name("ringscope-trace".into())
            .spawn(body)
            .map_err(|e| TelemetryError::no_thread("the recorder of a trace", &e))?;
        Ok(TraceRecorder { core: Arc::downgrade(&self.core), shared, thread: Some(thread) })
    }
}

impl Kept {
    fn record(&mut self, record: DeviceRecord, tracer: &Tracer) {
        if let Some(device) = self.devices.get_mut(record.device as usize) {
            device.record(record, Some(tracer));
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collect(&self, mut stream: Stream) {
        loop {
            // What is there already is taken also when the end is near.
            let stopping = self.stop.load(Ordering::Relaxed);
            let first = stream.next_blocking(if stopping { Duration::ZERO } else { LOOK });
            let idle = first.is_none();
            let mut kept = self.kept();
            let rest = std::iter::from_fn(|| stream.try_next()).take(BATCH);
            first.into_iter().chain(rest).for_each(|record| kept.record(record, &self.tracer));
            (kept.read, kept.lost) = (stream.read(), stream.lost());
            if idle {
                kept.end = stream.end();
                self.idle.fetch_add(1, Ordering::Release);
                if stopping || kept.end.is_some() {
                    return;
                }
            }
        }
    }
}

/// What the blocks of traced kernels have in hand now, or what they wait for; not those that wait for work.
fn in_hand(core: &Core) -> Vec<InHand> {
    let Ok(snapshot) = core.snapshot() else { return Vec::new() };
    let traced = snapshot.kernels.iter().filter(|kernel| kernel.trace.is_some());
    let blocks = traced.flat_map(|kernel| {
        let blocks = snapshot.blocks(&kernel.kernel_id).unwrap_or_default();
        blocks.into_iter().filter_map(|block| of_block(kernel, &block))
    });
    blocks.collect()
}

fn of_block(kernel: &KernelTelemetry, block: &BlockStatus) -> Option<InHand> {
    let works = matches!(block.state, BlockState::Held | BlockState::Active);
    let waits_for_work = block.waits_for == Some(WaitsFor::Work) || block.place == Place::Ring(RingPlace::Message);
    if !works || waits_for_work || block.place == Place::Nowhere {
        return None;
    }
    let since = block.since?.duration_since(UNIX_EPOCH).ok()?;
    let place = match &block.place {
        Place::Waypoint { name, .. } => name.to_string(),
        place => place.to_string(),
    };
    let attributes = match block.waits_for {
        Some(WaitsFor::Due { resource, expected, seen }) => {
            let parts = [("resource", resource), ("expected", expected), ("seen", seen)];
            parts.map(|(name, value)| Attribute::new(name, value)).to_vec()
        }
        _ => Vec::new(),
    };
    Some(InHand {
        kernel: Arc::clone(&kernel.kernel_id),
        device: kernel.device?,
        shard: block.block,
        sm: block.multiprocessor,
        place: place.into(),
        since_ns: u64::try_from(since.as_nanos()).ok()?,
        message: block.message,
        attributes,
    })
}

impl TraceRecorder {
    /// Returns the tracer whose spans are in its traces.
    pub fn tracer(&self) -> &Tracer {
        &self.shared.tracer
    }

    /// Returns all that is kept, the host's spans included. It stays kept.
    ///
    /// Where kernels run, a snapshot is taken, and what a block has in hand at that moment, or where it waits, is a span that
    /// has not ended: that is what there is to see of a kernel that hangs.
    pub fn trace(&self) -> Trace {
        let kept = self.shared.kept();
        let mut trace = self.shared.tracer.trace();
        kept.devices.iter().for_each(|device| device.add_to(&mut trace));
        // After the records: what was in hand then has none.
        let in_hand = self.core.upgrade().map(|core| in_hand(&core)).unwrap_or_default();
        for (index, device) in (0..).zip(&kept.devices) {
            let here: Vec<_> = in_hand.iter().filter(|one| one.device == index).cloned().collect();
            device.add_in_hand(&here, Some(&self.shared.tracer), &mut trace);
        }
        trace
    }

    /// Returns what ended since this reader's last look, on the host and on the device: a message, with what lies in it, when it
    /// has ended. `last` says that there is no next look, so that nothing is left for it. It stays kept.
    pub fn trace_since(&self, cursor: &mut TraceCursor, last: bool) -> Trace {
        let kept = self.shared.kept();
        let mut trace = self.shared.tracer.trace_since(cursor);
        kept.devices.iter().for_each(|device| device.add_since(cursor, last, &mut trace));
        trace
    }

    /// Sets how many roles of each block of a kernel have a shard of their own: shard `block × roles + role`. Default: 1.
    pub fn set_roles(&self, kernel: impl Into<Arc<str>>, roles: u32) {
        let kernel = kernel.into();
        self.shared.kept().devices.iter_mut().for_each(|device| device.set_roles(Arc::clone(&kernel), roles));
    }

    /// Returns how many records there are of each kernel so far.
    pub fn counts(&self) -> BTreeMap<Arc<str>, KernelRecords> {
        let mut all = BTreeMap::<_, KernelRecords>::new();
        for (kernel, counts) in self.shared.kept().devices.iter().flat_map(DeviceTrace::counts) {
            *all.entry(Arc::clone(kernel)).or_default() += *counts;
        }
        all
    }

    /// Returns what became of all that the kernels wrote to their rings since the recording began: `read` of its places are in
    /// the records that were recorded here, `lost` in those that are missing, and where the kernels rest and
    /// [everything was taken](Self::flush_blocking), both together are what was `written`. A record has one to three places.
    pub fn places(&self) -> TraceRecords {
        let (read, lost) = {
            let kept = self.shared.kept();
            (kept.read, kept.lost)
        };
        let written = self.core.upgrade().map_or(read + lost, |core| core.written_to_rings());
        TraceRecords::new(written, read, lost)
    }

    /// Waits until all that kernels have written by now is recorded, at most that long; whether it is. It blocks the calling
    /// thread.
    pub fn flush_blocking(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        let until = |done: &dyn Fn() -> bool| {
            while !done() {
                if begun.elapsed() >= limit {
                    return false;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            true
        };
        // A look that began later has seen it: of two that end from now on, the second one.
        let looks = || self.core.upgrade().map_or_else(Vec::new, |core| core.trace_looks());
        let looks_now = looks();
        let looked = until(&|| looks().iter().zip(&looks_now).all(|(now, then)| *now == 0 || *now >= then + 2));
        let idle = || self.shared.idle.load(Ordering::Acquire);
        let idle_now = idle();
        let ended = || self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        looked && until(&|| idle() >= idle_now + 2 || ended())
    }

    /// Returns why nothing comes any more; `None` while more may come.
    pub fn end(&self) -> Option<StreamEnd> {
        self.shared.kept().end.clone()
    }
}

impl Drop for TraceRecorder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // If it panicked, it has said so.
            let _ = thread.join();
        }
    }
}
