//! Records of kernels, collected in the background for a trace.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use crate::trace::{DeviceTrace, KernelRecords, Stream, StreamEnd, Trace, Tracer};

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
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    kept: Mutex<Kept>,
    stop: AtomicBool,
}

#[derive(Debug)]
struct Kept {
    device: DeviceTrace,
    places: TracePlaces,
    end: Option<StreamEnd>,
}

/// How many places in the kernels' rings were read, or lost, so far. A record has one to three: a message two or three, an
/// event or a span with a value over 2^32 − 1 two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TracePlaces {
    /// Read.
    pub read: u64,
    /// Overwritten before they were read, or there was no room for them on the way.
    pub lost: u64,
}

impl TelemetryCollector {
    /// Collects what kernels record from now on, on a thread of its own, for a trace with what `tracer` records: the newest
    /// `records` of them. Messages that were sent inside a span of that tracer have it as their parent, if the runtime
    /// [knows the tracer](crate::RuntimeBuilder::tracer).
    ///
    /// # Errors
    /// As [`trace_stream`](Self::trace_stream); [`TelemetryError::NoThread`].
    pub fn record_trace(&self, tracer: &Tracer, records: usize) -> Result<TraceRecorder, TelemetryError> {
        let stream = self.trace_stream()?;
        let device = DeviceTrace::new(self.core.device_track()?, records);
        let kept = Mutex::new(Kept { device, places: TracePlaces::default(), end: None });
        let shared = Arc::new(Shared { tracer: tracer.clone(), kept, stop: AtomicBool::new(false) });
        let body = {
            let shared = Arc::clone(&shared);
            move || shared.collect(stream)
        };
        let thread = std::thread::Builder::new().name("ringscope-trace".into()).spawn(body);
        Ok(TraceRecorder { shared, thread: Some(thread.map_err(TelemetryError::NoThread)?) })
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
            first.into_iter().chain(rest).for_each(|record| kept.device.record(record, Some(&self.tracer)));
            kept.places = TracePlaces { read: stream.read(), lost: stream.lost() };
            if idle {
                kept.end = stream.end();
                if stopping || kept.end.is_some() {
                    return;
                }
            }
        }
    }
}

impl TraceRecorder {
    /// Returns all that is kept, the host's spans included. It stays kept.
    pub fn trace(&self) -> Trace {
        // What a device recorded of a message comes after what the host did, so this order has the sender of each.
        let kept = self.shared.kept();
        let mut trace = self.shared.tracer.trace();
        kept.device.add_to(&mut trace);
        trace
    }

    /// Sets how many roles of each block of a kernel have a shard of their own: shard `block × roles + role`. Default: 1.
    pub fn set_roles(&self, kernel: impl Into<Arc<str>>, roles: u32) {
        self.shared.kept().device.set_roles(kernel, roles);
    }

    /// Returns how many records there are of each kernel so far.
    pub fn counts(&self) -> BTreeMap<Arc<str>, KernelRecords> {
        self.shared.kept().device.counts().clone()
    }

    /// Returns how many places of the rings these had.
    pub fn places(&self) -> TracePlaces {
        self.shared.kept().places
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
