//! What waits for a destination, the oldest first.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::error::PublishError;
use super::publisher::Payload;

/// What an entry takes beside its bytes.
const OVERHEAD: u64 = 64;

/// Something that waits.
#[derive(Debug)]
pub(super) struct Entry<I> {
    pub(super) item: I,
    pub(super) items: u64,
    pub(super) bytes: u64,
    /// Since when.
    pub(super) queued: SystemTime,
}

impl<I> Entry<I> {
    pub(super) fn new(item: I, items: u64, bytes: u64) -> Self {
        Entry { item, items, bytes, queued: SystemTime::UNIX_EPOCH }
    }

    pub(super) fn size(&self) -> Lost {
        Lost { entries: 1, items: self.items, bytes: self.bytes }
    }
}

impl Entry<Payload> {
    pub(super) fn of_payload(payload: Payload) -> Self {
        let (items, bytes) = (payload.items, payload.bytes.len() as u64);
        Entry::new(payload, items, bytes)
    }
}

/// How much of the queue is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) entries: u64,
    pub(super) items: u64,
    pub(super) bytes: u64,
}

impl std::ops::AddAssign for Lost {
    fn add_assign(&mut self, other: Lost) {
        self.entries += other.entries;
        self.items += other.items;
        self.bytes += other.bytes;
    }
}

impl Lost {
    pub(super) fn without(self, other: Lost) -> Lost {
        Lost {
            entries: self.entries.saturating_sub(other.entries),
            items: self.items.saturating_sub(other.items),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// What a queue had in it when it was opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) waiting: Lost,
    /// Ends of files that were no whole frames; what was in them nobody knows.
    pub(super) cut: u64,
}

/// What comes next.
#[derive(Debug)]
pub(super) enum Taken<I> {
    /// This; it counts as waiting until [`settle`](Queue::settle).
    Entry(Entry<I>),
    /// Nothing.
    Empty,
    /// Something was there and cannot be read any more.
    Lost(Lost, PublishError),
}

/// A bounded queue whose first entry is in somebody's hand.
pub(super) trait Queue<I>: Send {
    /// Whether entries of these bytes have room beside what is there.
    fn fits(&self, bytes: &[u64]) -> bool;

    fn push(&mut self, entry: Entry<I>) -> Result<(), PublishError>;

    /// Hands out the oldest. The one before was settled.
    fn take(&mut self) -> Taken<I>;

    /// What was taken is done with, for good or ill.
    fn settle(&mut self);

    /// Makes room by dropping the oldest, but not what is in hand; `None` if there is nothing else.
    fn drop_oldest(&mut self) -> Option<Lost>;

    /// A publication is pushed as a whole.
    fn commit(&mut self) -> Result<(), PublishError>;

    /// Nothing is pushed or settled any more.
    fn end(&mut self) -> Result<(), PublishError> {
        Ok(())
    }

    /// Whether what waits is there after the end.
    fn keeps(&self) -> bool;

    /// What waited there already.
    fn found(&self) -> Found {
        Found::default()
    }
}

/// A queue in memory.
#[derive(Debug)]
pub(super) struct Memory<I> {
    limit: u64,
    waiting: VecDeque<Entry<I>>,
    /// Bytes of all that waits, and of what is in hand.
    bytes: u64,
    in_hand: u64,
}

impl<I> Memory<I> {
    pub(super) fn new(limit: usize) -> Self {
        Memory { limit: limit as u64, waiting: VecDeque::new(), bytes: 0, in_hand: 0 }
    }
}

impl<I: Send> Queue<I> for Memory<I> {
    fn fits(&self, bytes: &[u64]) -> bool {
        let needed = bytes.iter().fold(0, |sum: u64, bytes| sum.saturating_add(bytes + OVERHEAD));
        // One that is allowed by its own bytes has room in an empty queue.
        let limit = self.limit.saturating_add(OVERHEAD);
        self.bytes.saturating_add(needed) <= limit
    }

    fn push(&mut self, entry: Entry<I>) -> Result<(), PublishError> {
        self.bytes += entry.bytes + OVERHEAD;
        self.waiting.push_back(entry);
        Ok(())
    }

    fn take(&mut self) -> Taken<I> {
        match self.waiting.pop_front() {
            None => Taken::Empty,
            Some(entry) => {
                self.in_hand = entry.bytes + OVERHEAD;
                Taken::Entry(entry)
            }
        }
    }

    fn settle(&mut self) {
        self.bytes -= std::mem::take(&mut self.in_hand);
    }

    fn drop_oldest(&mut self) -> Option<Lost> {
        let entry = self.waiting.pop_front()?;
        self.bytes -= entry.bytes + OVERHEAD;
        Some(entry.size())
    }

    fn commit(&mut self) -> Result<(), PublishError> {
        Ok(())
    }

    fn keeps(&self) -> bool {
        false
    }
}
