//! The history: the snapshots of periodic collection, small.
//!
//! A snapshot of a hundred busy kernels is a hundred kilobytes. Kept as what is new in it since the one before, it is
//! a tenth of that. Every so often one is kept whole, in a chunk of its own with those that follow, so that the
//! oldest can go.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::machine::GpuMetrics;
use crate::snapshot::Snapshot;
use crate::snapshot::coding::{Reader, Shape, Writer, code};

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
                bytes += chunk.shape.bytes() + ALLOCATION;
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
