//! What a tracer keeps: bounded lists that count what they lose, and the spans that have not ended.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::trace::id::SpanId;
use crate::trace::record::{Lost, Span};
use crate::trace::time::Time;
use crate::trace::track::Track;

/// Locks of what no panic leaves half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest so many.
pub(super) struct Bounded<T> {
    kept: VecDeque<T>,
    most: usize,
    /// Ever.
    added: u64,
    /// Since the tracer was made.
    lost: u64,
    /// Since the last [`take`](Self::take), and when the last of them was.
    lost_here: Option<(u64, Time)>,
}

impl<T: Clone> Bounded<T> {
    pub(super) fn new(most: usize) -> Self {
        Bounded { kept: VecDeque::new(), most, added: 0, lost: 0, lost_here: None }
    }

    /// Keeps it; the oldest goes where there is no room. `time` tells when one was.
    pub(super) fn push(&mut self, item: T, time: impl Fn(&T) -> Time) {
        self.added += 1;
        self.kept.push_back(item);
        if self.kept.len() <= self.most {
            return;
        }
        let Some(oldest) = self.kept.pop_front() else { return };
        let (before, last) = self.lost_here.unwrap_or((0, time(&oldest)));
        self.lost += 1;
        self.lost_here = Some((before + 1, last.max(time(&oldest))));
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn lost_here(&self) -> Option<Lost> {
        self.lost_here.map(|(records, time)| Lost::new(Track::Process, time, records))
    }

    pub(super) fn copy(&self) -> Vec<T> {
        self.kept.iter().cloned().collect()
    }

    /// The number of the oldest that is kept, from 0.
    pub(super) fn first(&self) -> u64 {
        self.added - self.kept.len() as u64
    }

    /// Those from number `next` on; how many of them are gone is added to `missed`.
    pub(super) fn since(&self, next: &mut u64, missed: &mut u64) -> Vec<T> {
        let first = self.first();
        *missed += first.saturating_sub(*next);
        let begin = next.saturating_sub(first).min(self.kept.len() as u64) as usize;
        *next = self.added;
        self.kept.range(begin..).cloned().collect()
    }

    pub(super) fn take(&mut self) -> Vec<T> {
        self.lost_here = None;
        std::mem::take(&mut self.kept).into()
    }
}

const SHARDS: usize = 16;

/// One that goes on, of which its owner and who takes a trace know.
pub(super) type Open = Arc<Mutex<Span>>;

/// Spans that have not ended.
pub(super) struct OpenSpans {
    shards: [Mutex<HashMap<SpanId, Open>>; SHARDS],
    listed: AtomicUsize,
    most: usize,
}

impl OpenSpans {
    pub(super) fn new(most: usize) -> Self {
        OpenSpans { shards: Default::default(), listed: AtomicUsize::new(0), most }
    }

    fn shard(&self, id: SpanId) -> &Mutex<HashMap<SpanId, Open>> {
        &self.shards[u64::from(id) as usize % SHARDS]
    }

    /// Lists it, as long as there is room.
    pub(super) fn add(&self, id: SpanId, span: &Open) {
        if self.listed.fetch_add(1, Ordering::Relaxed) < self.most {
            lock(self.shard(id)).insert(id, Arc::clone(span));
        } else {
            self.listed.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, id: SpanId) {
        if lock(self.shard(id)).remove(&id).is_some() {
            self.listed.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn copy(&self) -> Vec<Arc<Span>> {
        let of = |shard: &Mutex<HashMap<SpanId, Open>>| -> Vec<Arc<Span>> {
            lock(shard).values().map(|open| Arc::new(lock(open).clone())).collect()
        };
        self.shards.iter().flat_map(of).collect()
    }
}
