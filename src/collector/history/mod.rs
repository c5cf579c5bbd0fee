//! The history: the snapshots of periodic collection, small.
//!
//! A snapshot of a hundred busy kernels is a hundred kilobytes. Kept as what is new in it since the one before, it is
//! a tenth of that. Every so often one is kept whole, in a chunk of its own with those that follow, so that the
//! oldest can go.

mod delta;
mod operations;
mod publishers;
mod stall;

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::machine::GpuMetrics;
use crate::metrics::{Family, Series};
use crate::snapshot::{DeviceClock, KernelTelemetry, Places, RatesBuilder, SelfMetrics, Snapshot};

use delta::{Coder, Reader, Writer};

/// Snapshots of one chunk. More make it smaller, and keep more of what is too old.
const CHUNK: usize = 32;

/// What an allocation costs beyond its bytes.
const ALLOCATION: usize = 32;

/// The bounds of a history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) snapshots: usize,
    pub(super) age: Duration,
    pub(super) bytes: usize,
}

pub(super) struct History {
    bounds: Bounds,
    chunks: VecDeque<Arc<Chunk>>,
    /// How many of the first chunk are gone already: what follows is told from them.
    hidden: usize,
    /// The newest, which the next is told from.
    last: Option<Arc<Snapshot>>,
}

#[derive(Clone)]
struct Chunk {
    shape: Arc<Shape>,
    frames: Vec<Frame>,
}

#[derive(Clone)]
struct Frame {
    at: Instant,
    bytes: Arc<[u8]>,
    gpus: Option<Arc<[GpuMetrics]>>,
}

/// What stays the same over many snapshots.
struct Shape {
    ids: Vec<Arc<str>>,
    /// With the values of some snapshot, which are not told again.
    metrics: Vec<Family>,
}

impl Shape {
    fn from_snapshot(snapshot: &Snapshot) -> Self {
        let ids = snapshot.kernels.iter().map(|k| Arc::clone(&k.kernel_id)).collect();
        Shape { ids, metrics: snapshot.metrics.clone() }
    }

    fn fits(&self, snapshot: &Snapshot) -> bool {
        let ids = self.ids.len() == snapshot.kernels.len()
            && self.ids.iter().zip(&snapshot.kernels).all(|(id, k)| Arc::ptr_eq(id, &k.kernel_id));
        // Series are only ever added.
        let same =
            |a: &Family, b: &Family| Arc::ptr_eq(&a.description, &b.description) && a.series.len() == b.series.len();
        ids && self.metrics.len() == snapshot.metrics.len()
            && self.metrics.iter().zip(&snapshot.metrics).all(|(a, b)| same(a, b))
    }

    fn bytes(&self) -> usize {
        let values = |family: &Family| family.series.len() * size_of::<Series>();
        self.ids.len() * size_of::<Arc<str>>() + self.metrics.iter().map(values).sum::<usize>() + ALLOCATION
    }
}

impl History {
    pub(super) fn new(bounds: Bounds) -> Self {
        History { bounds, chunks: VecDeque::new(), hidden: 0, last: None }
    }

    /// Adds the newest, and lets go of what is beyond the bounds. How many those are.
    pub(super) fn push(&mut self, snapshot: &Arc<Snapshot>, at: Instant) -> u64 {
        // A reader that was stopped may be late with its last one, and another be there already.
        if self.last.as_ref().is_some_and(|last| last.sequence >= snapshot.sequence) {
            return 1;
        }
        let fits = |chunk: &Arc<Chunk>| chunk.frames.len() < CHUNK && chunk.shape.fits(snapshot);
        if !self.chunks.back().is_some_and(fits) {
            let known = self.chunks.back().map(|chunk| &chunk.shape).filter(|shape| shape.fits(snapshot));
            let shape = known.cloned().unwrap_or_else(|| Arc::new(Shape::from_snapshot(snapshot)));
            self.chunks.push_back(Arc::new(Chunk { shape, frames: Vec::new() }));
            self.last = None;
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let mut writer = Writer(Vec::new());
            code(&mut writer, &chunk.shape, self.last.as_deref(), Some(snapshot), None);
            let frame = Frame { at, bytes: writer.0.into(), gpus: snapshot.gpus.clone() };
            // Copies it if somebody is just reading it.
            Arc::make_mut(chunk).frames.push(frame);
        }
        self.last = Some(Arc::clone(snapshot));
        self.trim(at)
    }

    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.frames.len()).sum::<usize>() - self.hidden
    }

    /// Memory of it all, without the newest snapshot, which others hold as well.
    pub(super) fn bytes(&self) -> usize {
        let mut bytes = 0;
        let mut shape_before = None;
        for chunk in &self.chunks {
            let gpus = |frame: &Frame| frame.gpus.as_ref().map_or(0, |gpus| gpus.len() * size_of::<GpuMetrics>());
            bytes += chunk.frames.iter().map(|f| f.bytes.len() + gpus(f) + ALLOCATION).sum::<usize>();
            bytes += chunk.frames.capacity() * size_of::<Frame>() + ALLOCATION;
            if shape_before != Some(Arc::as_ptr(&chunk.shape)) {
                bytes += chunk.shape.bytes();
            }
            shape_before = Some(Arc::as_ptr(&chunk.shape));
        }
        bytes
    }

    fn trim(&mut self, now: Instant) -> u64 {
        let before = self.len();
        while self.len() > self.bounds.snapshots || self.oldest_age(now) > self.bounds.age {
            self.hidden += 1;
            if self.chunks.front().is_some_and(|chunk| chunk.frames.len() == self.hidden) {
                self.drop_chunk();
            }
        }
        while self.bytes() > self.bounds.bytes && !self.chunks.is_empty() {
            self.drop_chunk();
        }
        (before - self.len()) as u64
    }

    fn oldest_age(&self, now: Instant) -> Duration {
        let oldest = self.chunks.front().and_then(|chunk| chunk.frames.get(self.hidden));
        oldest.map_or(Duration::ZERO, |frame| now.saturating_duration_since(frame.at))
    }

    fn drop_chunk(&mut self) {
        self.chunks.pop_front();
        self.hidden = 0;
    }

    pub(super) fn share(&self) -> SnapshotHistory {
        SnapshotHistory {
            chunks: self.chunks.iter().cloned().collect(),
            hidden: self.hidden,
            len: self.len(),
            bytes: self.bytes(),
        }
    }
}

/// Writes `now`, or reads it, as it differs from `before`.
fn code(
    coder: &mut impl Coder,
    shape: &Shape,
    before: Option<&Snapshot>,
    now: Option<&Snapshot>,
    gpus: Option<Arc<[GpuMetrics]>>,
) -> Snapshot {
    let mut word = |of: fn(&Snapshot) -> u64| coder.word(before.map_or(0, of), || now.map_or(0, of));
    let sequence = word(|s| s.sequence);
    let time = word(|s| delta::time_word(s.time));
    let copy_duration = word(|s| s.copy_duration.as_nanos() as u64);
    let copied_bytes = word(|s| s.copied_bytes as u64);
    let device_clock = DeviceClock {
        uncertainty: Duration::from_nanos(word(|s| s.device_clock.uncertainty.as_nanos() as u64)),
        drift_ppb: word(|s| s.device_clock.drift_ppb as u64) as i64,
        restarts_total: word(|s| s.device_clock.restarts_total),
    };
    let windows = windows(coder, now);
    let count = windows.len();
    let mut rates = RatesBuilder::new(windows, Box::default(), 0);
    let kernel = |(i, id): (usize, &Arc<str>)| -> KernelTelemetry {
        let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.kernels.get(i)).cloned();
        let (before, now) = (of(before), of(now));
        let kernel = delta::kernel(coder, id, before.as_ref(), now.as_ref(), count, |counts| rates.add(counts));
        let stall = |k: Option<KernelTelemetry>| k.and_then(|k| k.stall);
        KernelTelemetry { stall: stall::stall(coder, stall(before).as_ref(), stall(now).as_ref()), ..kernel }
    };
    let kernels = shape.ids.iter().enumerate().map(kernel).collect();
    rates.finish();
    let metrics = shape.metrics.iter().enumerate().map(|(i, like)| {
        let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.metrics.get(i)).cloned();
        family(coder, like, of(before).as_ref(), of(now).as_ref())
    });
    let metrics = metrics.collect();
    let nothing = SelfMetrics::default();
    let self_metrics =
        delta::self_metrics(coder, before.map_or(&nothing, |s| &s.self_metrics), now.map(|s| &s.self_metrics));
    let of = |s: Option<&'_ Snapshot>| s.and_then(|s| s.operations.clone());
    let operations = operations::operations(coder, of(before).as_ref(), of(now).as_ref());
    let publishers = publishers::publishers(coder, before.map_or(&[], |s| &s.publishers), now.map(|s| &*s.publishers));
    let system = delta::system(coder, before.and_then(|s| s.system.as_ref()), now.and_then(|s| s.system.as_ref()));
    Snapshot {
        sequence,
        time: delta::time_of(time).unwrap_or(UNIX_EPOCH),
        copy_duration: Duration::from_nanos(copy_duration),
        copied_bytes: copied_bytes as usize,
        device_clock,
        kernels,
        metrics,
        operations,
        publishers,
        self_metrics,
        system,
        gpus,
        places: Places::default(),
    }
}

/// Each window, and the time that it really is. Kernels that did something have the same ones, the others none.
fn windows(coder: &mut impl Coder, now: Option<&Snapshot>) -> Box<[(Duration, Duration)]> {
    let windows = now.and_then(|s| s.kernels.iter().map(|k| k.rates.windows()).find(|w| !w.is_empty()));
    let windows = windows.unwrap_or_default();
    let count = coder.word(0, || windows.len() as u64) as usize;
    let mut duration = |d: Option<Duration>| {
        Duration::from_nanos(coder.word(0, || d.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))))
    };
    let mut window = |i: usize| (duration(windows.get(i).map(|w| w.0)), duration(windows.get(i).map(|w| w.1)));
    (0..count).map(&mut window).collect()
}

fn family(coder: &mut impl Coder, like: &Family, before: Option<&Family>, now: Option<&Family>) -> Family {
    let of = |family: Option<&'_ Family>, i: usize| family.and_then(|f| f.series.get(i)).map(|s| s.value.clone());
    let series = like.series.iter().enumerate().map(|(i, series)| {
        let (before, now) = (of(before, i), of(now, i));
        let value = delta::value(coder, before.as_ref(), &series.value, now.as_ref());
        Series { labels: series.labels.clone(), value }
    });
    Family { description: Arc::clone(&like.description), series: series.collect() }
}

/// The snapshots of periodic collection, as they were when the history was asked for, in a few bytes for each number that
/// changed. Clones share them.
#[derive(Clone)]
pub struct SnapshotHistory {
    chunks: Vec<Arc<Chunk>>,
    hidden: usize,
    len: usize,
    bytes: usize,
}

impl SnapshotHistory {
    /// Returns the number of snapshots.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the memory that they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Iterates over the snapshots, the oldest first, each with all buckets as it was taken. Each is decoded to a full
    /// snapshot: keep what you need.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Snapshot>> + '_ {
        let all = self.chunks.iter().flat_map(|chunk| {
            let mut before: Option<Arc<Snapshot>> = None;
            chunk.frames.iter().map(move |frame| {
                let mut reader = Reader(&frame.bytes);
                let snapshot = code(&mut reader, &chunk.shape, before.as_deref(), None, frame.gpus.clone());
                let snapshot = Arc::new(snapshot);
                before = Some(Arc::clone(&snapshot));
                snapshot
            })
        });
        all.skip(self.hidden)
    }
}

impl std::fmt::Debug for SnapshotHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SnapshotHistory({} snapshots in {} bytes)", self.len, self.bytes)
    }
}
