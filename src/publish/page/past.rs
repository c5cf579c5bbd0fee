//! Where snapshots of the past come from.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;

use super::history::{Question, history};
use crate::collector::TelemetryCollector;
use crate::snapshot::Snapshot;

/// Snapshots of a replay that are kept.
const REPLAYED: usize = 600;

/// What there is of the past.
#[derive(Clone)]
pub enum Past {
    /// What the collector keeps.
    Collector(TelemetryCollector),
    /// The newest of a replay.
    Replay(Replayed),
}

/// The newest snapshots of a replay. Clones are the same.
#[derive(Clone, Default)]
pub struct Replayed(Arc<Mutex<VecDeque<Arc<Snapshot>>>>);

impl Replayed {
    /// Adds the next. One of an earlier time begins anew.
    pub fn add(&self, snapshot: &Arc<Snapshot>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.back().is_some_and(|last| last.time > snapshot.time) {
            kept.clear();
        }
        kept.push_back(Arc::clone(snapshot));
        let too_many = kept.len().saturating_sub(REPLAYED);
        kept.drain(..too_many);
    }

    fn all(&self) -> VecDeque<Arc<Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Past {
    /// Returns the collector; `None` of a replay.
    pub fn collector(&self) -> Option<&TelemetryCollector> {
        match self {
            Past::Collector(collector) => Some(collector),
            Past::Replay(_) => None,
        }
    }

    /// Returns the newest snapshot.
    pub fn newest(&self) -> Option<Arc<Snapshot>> {
        match self {
            Past::Collector(collector) => collector.latest(),
            Past::Replay(replayed) => replayed.all().back().cloned(),
        }
    }

    /// Looks at each snapshot, the oldest first.
    pub fn each(&self, look: impl FnMut(Arc<Snapshot>)) {
        match self {
            Past::Collector(collector) => collector.history().iter().for_each(look),
            Past::Replay(replayed) => replayed.all().into_iter().for_each(look),
        }
    }

    /// Writes the history.
    pub fn history(&self, question: &Question) -> Bytes {
        let document = match self {
            Past::Collector(collector) => {
                let past = collector.history();
                let span = span(past.iter().next().as_ref(), collector.latest().as_ref());
                history(past.iter(), past.len(), span, question)
            }
            Past::Replay(replayed) => {
                let kept = replayed.all();
                let (count, span) = (kept.len(), span(kept.front(), kept.back()));
                history(kept, count, span, question)
            }
        };
        // Numbers and names are always JSON.
        serde_json::to_vec(&document).unwrap_or_default().into()
    }
}

fn span(first: Option<&Arc<Snapshot>>, last: Option<&Arc<Snapshot>>) -> Duration {
    first.zip(last).and_then(|(first, last)| last.time.duration_since(first.time).ok()).unwrap_or_default()
}
