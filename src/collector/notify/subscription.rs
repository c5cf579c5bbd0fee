//! Snapshots as they come, for async code.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use super::super::counts::Counts;
use super::super::log::Message;
use crate::snapshot::Snapshot;

/// Where the newest snapshot lies for all subscribers.
#[derive(Default)]
pub(super) struct Channel {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    newest: Option<Arc<Snapshot>>,
    /// The number of each subscriber that waits, and how to wake it.
    waiting: Vec<(u64, Waker)>,
    next_subscriber: u64,
    closed: bool,
}

impl State {
    fn stop_waiting(&mut self, number: u64) -> Option<Waker> {
        let index = self.waiting.iter().position(|(of, _)| *of == number)?;
        Some(self.waiting.swap_remove(index).1)
    }
}

impl Channel {
    pub(super) fn publish(&self, snapshot: &Arc<Snapshot>) {
        self.wake(|state| state.newest = Some(Arc::clone(snapshot)));
    }

    /// Nothing will be published any more.
    pub(super) fn close(&self) {
        self.wake(|state| state.closed = true);
    }

    fn wake(&self, after: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        after(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        // What wakes may run at once, and look here.
        drop(state);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Snapshots as they come, as a [`Stream`] and by [`next`](Self::next). A slow subscriber skips to the newest snapshot:
/// nothing queues up, and the collector does not wait for it.
pub struct Subscription {
    channel: Arc<Channel>,
    counts: Arc<Counts>,
    number: u64,
    /// The last one that was given out.
    last: Option<Arc<Snapshot>>,
    missed: u64,
}

impl Subscription {
    pub(super) fn new(channel: Arc<Channel>, counts: Arc<Counts>) -> Self {
        let number = {
            let mut state = channel.lock();
            state.next_subscriber += 1;
            state.next_subscriber
        };
        Subscription { channel, counts, number, last: None, missed: 0 }
    }

    /// Waits for a snapshot that it has not returned yet, and returns the newest; `None` once the collector is gone.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: the next call returns what this one would have.
    pub async fn next(&mut self) -> Option<Arc<Snapshot>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Returns how many snapshots came and went between those that were returned.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<Snapshot>>> {
        let Some(snapshot) = std::task::ready!(self.poll_newest(context)) else { return Poll::Ready(None) };
        if let Some(last) = self.last.replace(Arc::clone(&snapshot)) {
            let skipped = snapshot.sequence.saturating_sub(last.sequence + 1);
            if skipped > 0 {
                self.missed += skipped;
                self.counts.dropped_subscribers.fetch_add(skipped, Ordering::Relaxed);
                self.counts.log.say(Message::SnapshotsSkipped { skipped });
            }
        }
        Poll::Ready(Some(snapshot))
    }

    /// The newest snapshot, if it is another than the last.
    fn poll_newest(&self, context: &mut Context<'_>) -> Poll<Option<Arc<Snapshot>>> {
        let mut state = self.channel.lock();
        let is_new = |newest: &&Arc<Snapshot>| self.last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, newest));
        if let Some(newest) = state.newest.as_ref().filter(is_new) {
            return Poll::Ready(Some(Arc::clone(newest)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        let before = state.stop_waiting(self.number);
        state.waiting.push((self.number, context.waker().clone()));
        drop(state);
        // A waker may be the last owner of a task, which may own subscriptions: it goes when the lock is free.
        drop(before);
        Poll::Pending
    }
}

impl Stream for Subscription {
    type Item = Arc<Snapshot>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Arc<Snapshot>>> {
        self.poll(context)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let waker = self.channel.lock().stop_waiting(self.number);
        // As above: the lock is free again.
        drop(waker);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({} missed)", self.missed)
    }
}
