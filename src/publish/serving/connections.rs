//! Who is connected, and who gives way where there is no place left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Set in the key of a connection whose request is being answered: those come after the idle ones.
const BUSY: u64 = 1 << 62;
/// Set in the key of one whose answer is a stream: those come last. There are fewer of them than connections.
const STREAM: u64 = 1 << 63;

/// The connections, of which there are so many at most.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    /// Counts the changes, so that older ones have smaller keys.
    changes: u64,
    /// By when each was last idle or busy, the busy ones after the idle, and streams last. Dropping the sender ends the
    /// connection.
    by_age: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A connection's place. Dropping it gives the place back.
#[derive(Debug)]
pub struct Place {
    connections: Arc<Connections>,
    key: AtomicU64,
    /// When it had its last answer.
    answered: Mutex<Option<Instant>>,
}

impl Connections {
    /// Has place for `most` connections.
    pub fn new(most: usize) -> Connections {
        Connections { most, entries: Mutex::default() }
    }

    /// Takes a place for a new connection, which has to end when the receiver is closed. Where none is left, the
    /// connection that has been idle the longest ends; if none is idle, the one that has been answered the longest; and a
    /// stream only where all are streams.
    pub fn enter(self: &Arc<Self>) -> (Place, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        let mut entries = self.lock();
        while entries.by_age.len() >= self.most && entries.by_age.pop_first().is_some() {}
        let key = entries.insert(0, sender);
        (Place { connections: Arc::clone(self), key: AtomicU64::new(key), answered: Mutex::default() }, receiver)
    }

    /// Ends the connection that would be the next to give way.
    pub fn evict(&self) {
        self.lock().by_age.pop_first();
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn insert(&mut self, class: u64, sender: oneshot::Sender<()>) -> u64 {
        self.changes += 1;
        let key = class | self.changes;
        self.by_age.insert(key, sender);
        key
    }
}

impl Place {
    /// A request is there, and to be answered.
    pub fn busy(&self) {
        self.change(BUSY);
    }

    /// The answer is out.
    pub fn idle(&self) {
        self.change(0);
    }

    /// The answer is a stream, and the last one of this connection.
    pub fn stream(&self) {
        self.change(STREAM);
    }

    /// Whether its answer is a stream.
    pub fn is_stream(&self) -> bool {
        self.key.load(Ordering::Relaxed) & STREAM != 0
    }

    /// There is an answer, to be written.
    pub fn answered(&self) {
        *self.answered.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether there was an answer no longer than `time` ago.
    pub fn answered_within(&self, time: Duration) -> bool {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|last| last.elapsed() < time)
    }

    fn change(&self, class: u64) {
        let mut entries = self.connections.lock();
        let old = self.key.load(Ordering::Relaxed);
        if (class == 0 && old & BUSY == 0) || old & STREAM != 0 {
            return;
        }
        // One that had to give way is not there any more.
        if let Some(sender) = entries.by_age.remove(&old) {
            self.key.store(entries.insert(class, sender), Ordering::Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().by_age.remove(&self.key.load(Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::error::TryRecvError;

    #[test]
    fn the_longest_idle_gives_way_and_the_busy_last() {
        let connections = Arc::new(Connections::new(3));
        let ended = |receiver: &mut oneshot::Receiver<()>| receiver.try_recv() == Err(TryRecvError::Closed);
        let (a, mut a_end) = connections.enter();
        let (b, mut b_end) = connections.enter();
        let (c, mut c_end) = connections.enter();
        a.busy();
        let (_d, mut d_end) = connections.enter();
        assert_eq!([&mut a_end, &mut b_end, &mut c_end, &mut d_end].map(ended), [false, true, false, false]);
        // It does not know yet, and is out of it all the same.
        b.busy();
        b.idle();
        a.idle();
        let (e, mut e_end) = connections.enter();
        assert_eq!([&mut a_end, &mut c_end, &mut d_end, &mut e_end].map(ended), [false, true, false, false]);
        drop((b, c));
        a.busy();
        e.busy();
        connections.evict();
        connections.evict();
        assert_eq!([&mut d_end, &mut a_end, &mut e_end].map(ended), [true, true, false]);
        drop(e);
        assert_eq!(connections.lock().by_age.len(), 0);
    }
}
