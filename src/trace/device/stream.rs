//! Records as they come, for who wants them: a bounded queue between who reads the rings and each stream.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::decode::{Decoded, What};
use super::record::{DeviceRecord, RecordKind, SampleValue};
use crate::device::{ClockSample, DeviceError, Timeline};
use crate::trace::names::KernelNames;
use crate::trace::time::Time;

/// The bounds of a [`Stream`].
///
/// ```
/// use ringscope::trace::StreamConfig;
///
/// let config = StreamConfig::new().queue_records(1 << 12);
/// # assert_ne!(config, StreamConfig::new());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    queue_records: usize,
}

impl StreamConfig {
    /// Default of [`queue_records`](Self::queue_records): 262,144, some 14 MiB when they are all there.
    pub const DEFAULT_QUEUE_RECORDS: usize = 1 << 18;

    /// Makes the default bounds.
    pub const fn new() -> Self {
        StreamConfig { queue_records: Self::DEFAULT_QUEUE_RECORDS }
    }

    /// Sets how many records wait for the stream's owner at most, at least 1; of what comes then the stream only says how much
    /// it was. Default: [`DEFAULT_QUEUE_RECORDS`](Self::DEFAULT_QUEUE_RECORDS).
    pub const fn queue_records(self, records: usize) -> Self {
        StreamConfig { queue_records: if records == 0 { 1 } else { records } }
    }
}

impl Default for StreamConfig {
    fn default() -> Self {
        StreamConfig::new()
    }
}

/// Why a [`Stream`] ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamEnd {
    /// Its collector is gone.
    #[error("the trace stream ended with its collector")]
    Closed,
    /// The rings cannot be read any more.
    #[error("the trace stream ended: {0}")]
    Failed(#[source] DeviceError),
}

/// Whose records they are.
#[derive(Debug)]
pub(crate) struct TracedKernel {
    pub(crate) id: Arc<str>,
    /// Index of the device that it runs on.
    pub(crate) device: u32,
    pub(crate) names: KernelNames,
}

/// What was read of one ring at one time.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) kernel: Arc<TracedKernel>,
    pub(crate) shard: u32,
    pub(crate) sm: Option<u32>,
    /// Both clocks at some moment, and where the device's is not the host's, the host's times of it.
    pub(crate) clock: ClockSample,
    pub(crate) timeline: Option<Timeline>,
    pub(crate) records: Vec<Decoded>,
}

impl Batch {
    fn time(&self, device_ns: u64) -> Time {
        let ago = match &self.timeline {
            Some(timeline) => i128::from(timeline.host_ns_between(device_ns, self.clock.device_ns)),
            None => i128::from(self.clock.device_ns) - i128::from(device_ns),
        };
        let unix_ns = u64::try_from(i128::from(self.clock.unix_ns) - ago).unwrap_or(0);
        Time::device(device_ns, unix_ns, self.clock.uncertainty_ns)
    }
}

/// Something in the queue.
enum Queued {
    Records(Arc<Batch>, Range<usize>),
    /// What had no room: records of the batch's ring from a number on.
    Missing(Arc<Batch>, Missing),
}

/// A run of records that a stream could not take.
#[derive(Clone, Copy, Debug)]
struct Missing {
    number: u64,
    device_ns: u64,
    places: u64,
}

/// The queue of one stream.
pub(crate) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    limit: usize,
}

#[derive(Default)]
struct State {
    queued: VecDeque<Queued>,
    /// Records in the queue.
    records: usize,
    /// What had no room lately, by its ring; it comes before the next record of that ring.
    missing: BTreeMap<(Arc<str>, u32), (Arc<Batch>, Missing)>,
    waker: Option<Waker>,
    /// Devices from which something may come.
    sources: usize,
    end: Option<StreamEnd>,
}

impl Queue {
    /// Makes the queue of a new stream of so many devices, and the stream.
    pub(crate) fn open(config: StreamConfig, sources: usize) -> (Weak<Queue>, Stream) {
        let state = Mutex::new(State { sources, ..State::default() });
        let queue = Arc::new(Queue { state, arrived: Condvar::new(), limit: config.queue_records });
        (
            Arc::downgrade(&queue),
            Stream { queue, current: None, names: HashMap::new(), last_name: None, read: 0, lost: 0 },
        )
    }

    /// Adds what has room, and notes how much had none. Returns how many places of the ring that was.
    pub(crate) fn push(&self, batch: &Arc<Batch>) -> u64 {
        let mut state = self.lock();
        let key = (Arc::clone(&batch.kernel.id), batch.shard);
        let fits = self.limit.saturating_sub(state.records).min(batch.records.len());
        if fits > 0 {
            if let Some((batch, missing)) = state.missing.remove(&key) {
                state.queued.push_back(Queued::Missing(batch, missing));
            }
            state.records += fits;
            state.queued.push_back(Queued::Records(Arc::clone(batch), 0..fits));
        }
        let left = &batch.records[fits..];
        let places = |all: (u64, u64), one: &Decoded| (all.0 + one.counts().0, all.1 + one.counts().1);
        let (dropped, lost) = left.iter().fold((0, 0), places);
        if let Some(first) = left.first() {
            let new = Missing { number: first.number, device_ns: first.device_ns, places: 0 };
            let (_, missing) = state.missing.entry(key).or_insert_with(|| (Arc::clone(batch), new));
            missing.places += dropped + lost;
        }
        self.wake(state);
        dropped
    }

    /// Nothing comes any more from one of its devices; after the last one the stream has ended.
    pub(crate) fn end(&self, why: StreamEnd) {
        let mut state = self.lock();
        state.sources = state.sources.saturating_sub(1);
        if state.sources == 0 {
            state.end.get_or_insert(why);
        }
        self.wake(state);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_all();
        // What wakes may run at once, and look here.
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Queued> {
        if let Some(next) = self.queued.pop_front() {
            if let Queued::Records(_, range) = &next {
                self.records -= range.len();
            }
            return Some(next);
        }
        // Whoever has taken all that had room hears what had none.
        self.missing.pop_first().map(|(_, (batch, missing))| Queued::Missing(batch, missing))
    }
}

/// Records of all kernels of a collector as they come: of each ring in the order in which they were written, with
/// [what is missing](RecordKind::Lost) in its place. By [`next`](Self::next), as a [`Stream`](futures_core::Stream), or without
/// async by [`next_blocking`](Self::next_blocking) and [`blocking`](Self::blocking).
///
/// The queue between the rings and the stream is [bounded](StreamConfig): of what comes while it is full the stream says how
/// much it was. It ends with its collector, or when no device can be read any more; what was read until then is still
/// there, and [`end`](Self::end) says why. Dropping it ends it.
pub struct Stream {
    queue: Arc<Queue>,
    /// What is left of the batch in hand.
    current: Option<(Arc<Batch>, Range<usize>)>,
    /// Names of numbers that have none, by kernel.
    names: HashMap<(Arc<str>, u16), Arc<str>>,
    /// The one of them that was used last.
    last_name: Option<(Arc<str>, u16, Arc<str>)>,
    read: u64,
    lost: u64,
}

impl Stream {
    /// Waits for the next record, and returns it; `None` when the stream has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call returns what this one would have.
    pub async fn next(&mut self) -> Option<DeviceRecord> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Waits for the next record on the calling thread, and returns it; `None` if none came within `timeout`, or the stream
    /// has [ended](Self::end).
    pub fn next_blocking(&mut self, timeout: Duration) -> Option<DeviceRecord> {
        if let Some(record) = self.try_next() {
            return Some(record);
        }
        let begun = Instant::now();
        loop {
            if let Some(record) = self.try_next() {
                return Some(record);
            }
            let state = self.queue.lock();
            let left = timeout.saturating_sub(begun.elapsed());
            let waits = |state: &mut State| state.queued.is_empty() && state.missing.is_empty() && state.end.is_none();
            let waited = self.queue.arrived.wait_timeout_while(state, left, waits);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if waits(&mut state) || (state.queued.is_empty() && state.missing.is_empty()) {
                return None;
            }
        }
    }

    /// Returns the next record if it is there already.
    pub fn try_next(&mut self) -> Option<DeviceRecord> {
        loop {
            if let Some((batch, mut range)) = self.current.take()
                && let Some(at) = range.next()
            {
                let record = self.hand_out(&batch, &batch.records[at]);
                self.current = Some((batch, range));
                return Some(record);
            }
            let next = self.queue.lock().pop();
            match next {
                None => return None,
                Some(Queued::Records(batch, range)) => self.current = Some((batch, range)),
                Some(Queued::Missing(batch, Missing { number, device_ns, places })) => {
                    let what = What::Lost(places);
                    return Some(self.hand_out(&batch, &Decoded { number, device_ns, what, name: 0, places: 0 }));
                }
            }
        }
    }

    /// Returns an iterator over records, which ends when none came for `timeout`, or the stream has [ended](Self::end).
    pub fn blocking(&mut self, timeout: Duration) -> impl Iterator<Item = DeviceRecord> {
        std::iter::from_fn(move || self.next_blocking(timeout))
    }

    /// Returns how many places in rings the records had that were returned; a record has one to three.
    pub fn read(&self) -> u64 {
        self.read
    }

    /// Returns how many places in rings were returned as [lost](RecordKind::Lost).
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns why nothing comes any more, behind what is queued; `None` while more may come.
    pub fn end(&self) -> Option<StreamEnd> {
        self.queue.lock().end.clone()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<DeviceRecord>> {
        if let Some(record) = self.try_next() {
            return Poll::Ready(Some(record));
        }
        let mut state = self.queue.lock();
        if !state.queued.is_empty() || !state.missing.is_empty() {
            drop(state);
            return Poll::Ready(self.try_next());
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        let before = state.waker.replace(context.waker().clone());
        drop(state);
        // A waker may be the last owner of a task, which may own streams: it goes when the lock is free.
        drop(before);
        Poll::Pending
    }

    fn hand_out(&mut self, batch: &Batch, decoded: &Decoded) -> DeviceRecord {
        let (read, lost) = decoded.counts();
        (self.read, self.lost) = (self.read + read, self.lost + lost);
        DeviceRecord {
            kernel: Arc::clone(&batch.kernel.id),
            device: batch.kernel.device,
            shard: batch.shard,
            sm: batch.sm,
            number: decoded.number,
            time: batch.time(decoded.device_ns),
            kind: self.kind(&batch.kernel, decoded),
        }
    }

    fn kind(&mut self, kernel: &TracedKernel, decoded: &Decoded) -> RecordKind {
        let index = decoded.name;
        match decoded.what {
            What::Event(value) => RecordKind::Event { name: self.name(kernel, index), value },
            What::Span(duration_ns) => RecordKind::Span { name: self.name(kernel, index), duration_ns },
            What::Whole(value) => {
                RecordKind::Sample { name: self.name(kernel, index), value: SampleValue::Whole(value) }
            }
            What::Real(value) => RecordKind::Sample { name: self.name(kernel, index), value: SampleValue::Real(value) },
            What::Log(first, second) => {
                let (severity, text) = kernel.names.line(index.into(), first, second);
                RecordKind::Log { name: self.name(kernel, index), severity, text }
            }
            What::Message(number, duration_ns, status) => RecordKind::Message { number, duration_ns, status },
            What::Lost(records) => RecordKind::Lost { records },
        }
    }

    /// A number without a name is written out once.
    fn name(&mut self, kernel: &TracedKernel, index: u16) -> Arc<str> {
        if usize::from(index) < kernel.names.len() {
            return kernel.names.name(index.into());
        }
        // Most are of the one before them.
        if let Some((id, last, name)) = &self.last_name
            && *last == index
            && Arc::ptr_eq(id, &kernel.id)
        {
            return Arc::clone(name);
        }
        let known = self.names.entry((Arc::clone(&kernel.id), index));
        let name = Arc::clone(known.or_insert_with(|| kernel.names.name(index.into())));
        self.last_name = Some((Arc::clone(&kernel.id), index, Arc::clone(&name)));
        name
    }
}

impl futures_core::Stream for Stream {
    type Item = DeviceRecord;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<DeviceRecord>> {
        self.poll(context)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({} read, {} lost)", self.read, self.lost)
    }
}
