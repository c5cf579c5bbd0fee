//! Answers that take their time, made on a thread of their own.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Who waits in line, at most.
const LINE: usize = 256;
/// How long somebody waits.
const WAIT: Duration = Duration::from_secs(20);
/// How long an answer is good for.
const GOOD: Duration = Duration::from_secs(1);
/// Answers that are kept.
const KEPT: usize = 16;

/// A thread that answers one question after the other. It ends with this, after the answer in hand; nobody waits for it.
#[derive(Debug)]
pub struct Worker<Q> {
    questions: SyncSender<Asked<Q>>,
}

#[derive(Debug)]
struct Asked<Q> {
    question: Q,
    answer: oneshot::Sender<Bytes>,
}

struct Known<Q> {
    question: Q,
    at: Instant,
    answer: Bytes,
}

impl<Q: PartialEq + Send + 'static> Worker<Q> {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(name: &str, answer: impl FnMut(&Q) -> Bytes + Send + 'static) -> std::io::Result<Self> {
        let (questions, asked) = sync_channel(LINE);
        std::thread::Builder::new().name(name.into()).spawn(move || work(&asked, answer))?;
        Ok(Worker { questions })
    }

    /// Returns the answer, which may be a second old; `None` where too many ask already, or it takes too long.
    pub async fn ask(&self, question: Q) -> Option<Bytes> {
        let (answer, answered) = oneshot::channel();
        self.questions.try_send(Asked { question, answer }).ok()?;
        timeout(WAIT, answered).await.ok()?.ok()
    }
}

fn work<Q: PartialEq>(asked: &Receiver<Asked<Q>>, mut make: impl FnMut(&Q) -> Bytes) {
    let mut known: Vec<Known<Q>> = Vec::new();
    while let Ok(Asked { question, answer }) = asked.recv() {
        // Whoever asked is gone.
        if answer.is_closed() {
            continue;
        }
        known.retain(|known| known.at.elapsed() < GOOD);
        let bytes = match known.iter().find(|known| known.question == question) {
            Some(known) => known.answer.clone(),
            None => {
                let bytes = make(&question);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, mpsc};

    use super::*;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn the_same_question_is_answered_once_and_a_line_that_is_full_takes_nobody() {
        let made = Arc::new(AtomicU32::new(0));
        let (go, gate) = mpsc::channel::<()>();
        let count = Arc::clone(&made);
        let worker = Worker::start("worker", move |question: &u32| {
            gate.recv().unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            Bytes::from(question.to_string())
        })
        .unwrap();
        block_on(async {
            let mut all: Vec<_> = (0..LINE + 8).map(|_| Box::pin(worker.ask(7))).collect();
            // The thread may have taken one from the line; all others that are too many know it at once.
            let mut refused = 0;
            std::future::poll_fn(|cx| {
                all.retain_mut(|ask| match ask.as_mut().poll(cx) {
                    std::task::Poll::Ready(answer) => {
                        assert!(answer.is_none());
                        refused += 1;
                        false
                    }
                    std::task::Poll::Pending => true,
                });
                std::task::Poll::Ready(())
            })
            .await;
            assert!(refused == 7 || refused == 8, "{refused}");
            // More than are needed, even if an answer is a second old meanwhile.
            (0..LINE + 8).for_each(|_| go.send(()).unwrap());
            for ask in all {
                assert_eq!(ask.await.unwrap(), "7");
            }
        });
        assert!((1..10).contains(&made.load(Ordering::Relaxed)));
    }
}
