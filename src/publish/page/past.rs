//! Answers about the past, made on a thread of their own: decoding a history takes its time.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::oneshot;

use super::history::{Question, history};
use crate::collector::TelemetryCollector;
use crate::snapshot::Snapshot;

/// Who waits in line, at most.
const LINE: usize = 256;
/// How long an answer is good for.
const GOOD: Duration = Duration::from_secs(1);
/// Snapshots of a replay that are kept.
const REPLAYED: usize = 600;
/// Answers that are kept.
const KEPT: usize = 16;

/// Where snapshots of the past come from.
#[derive(Clone)]
pub enum Source {
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

/// A thread that decodes and writes. It ends with this.
pub struct Past {
    questions: SyncSender<Asked>,
}

struct Asked {
    question: Question,
    answer: oneshot::Sender<Bytes>,
}

struct Known {
    question: Question,
    at: Instant,
    answer: Bytes,
}

impl Past {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(source: Source) -> std::io::Result<Past> {
        let (questions, asked) = sync_channel(LINE);
        std::thread::Builder::new().name("history".into()).spawn(move || answer(&source, &asked))?;
        Ok(Past { questions })
    }

    /// Returns the answer; `None` where too many ask already.
    pub async fn ask(&self, question: Question) -> Option<Bytes> {
        let (answer, answered) = oneshot::channel();
        match self.questions.try_send(Asked { question, answer }) {
            Ok(()) => answered.await.ok(),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

fn answer(source: &Source, asked: &Receiver<Asked>) {
    let mut known: Vec<Known> = Vec::new();
    while let Ok(Asked { question, answer }) = asked.recv() {
        // Whoever asked is gone.
        if answer.is_closed() {
            continue;
        }
        known.retain(|known| known.at.elapsed() < GOOD);
        let bytes = match known.iter().find(|known| known.question == question) {
            Some(known) => known.answer.clone(),
            None => {
                let bytes = write(source, &question);
                if known.len() >= KEPT {
                    known.remove(0);
                }
                known.push(Known { question, at: Instant::now(), answer: bytes.clone() });
                bytes
            }
        };
        // Whoever asked may be gone by now.
        let _ = answer.send(bytes);
    }
}

fn write(source: &Source, question: &Question) -> Bytes {
    let span = |first: Option<&Arc<Snapshot>>, last: Option<&Arc<Snapshot>>| {
        first.zip(last).and_then(|(first, last)| last.time.duration_since(first.time).ok()).unwrap_or_default()
    };
    let document = match source {
        Source::Collector(collector) => {
            let past = collector.history();
            let span = span(past.iter().next().as_ref(), collector.latest().as_ref());
            history(past.iter(), past.len(), span, question)
        }
        Source::Replay(kept) => {
            let kept = kept.all();
            let (count, span) = (kept.len(), span(kept.front(), kept.back()));
            history(kept, count, span, question)
        }
    };
    // Numbers and names are always JSON.
    serde_json::to_vec(&document).unwrap_or_default().into()
}
