//! The host's two ends of a ring: who writes what is in `kernels/include/ringscope/abi.h`.

use std::mem::offset_of;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::command_word::{Command, CommandWord};
use super::feeder::{Feed, Staged};
use super::ring_shape::Rings;
use super::sent_times::SentTimes;
use super::timekeeper::Timekeeper;
use crate::abi::{RingHost, SLOT_HEADER, SlotIn, SlotOut};

/// Bytes after which a batch is published in parts: a side that waits for them does not wait for the copy of megabytes.
const PART_BYTES: usize = 64 << 10;

/// Bytes of replies, with their headers, that are fetched while the one before is copied. Of shorter ones that is dearer than
/// what it saves; in longer ones the processor goes ahead by itself.
const FETCHED: RangeInclusive<usize> = 129..=2048;

/// A kernel's reply to one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Number of the message that it answers: a kernel's messages count from 0 in the order of sending.
    pub seq: u64,
    /// 0, or the code with which the handler refused the message ([`abi::status`](crate::abi::status)).
    pub status: u32,
    /// What the handler answered; empty where it refused.
    pub payload: Vec<u8>,
}

/// The sending end: the only writer of the ring's tail and command.
#[derive(Debug)]
pub(crate) struct Producer {
    rings: Rings,
    tail: u64,
    word: Arc<CommandWord>,
    time: Arc<Timekeeper>,
    /// Whether messages say when they were sent.
    stamps: bool,
    sent: Option<Arc<SentTimes>>,
    /// Of messages that go to device memory.
    fed: Option<Fed>,
}

/// How far the messages were brought to device memory.
#[derive(Debug)]
struct Fed {
    feed: Arc<Feed>,
    /// Messages that are there, or on their way.
    messages: u64,
    /// Bytes of the longest of those behind them, with its header.
    longest: usize,
}

/// Messages that the kernel sees when this is dropped: all at once, but for large ones.
pub(crate) struct Batch<'a> {
    producer: &'a mut Producer,
    /// Since the tail was published last.
    bytes: usize,
    time: Option<SendTime>,
}

/// When messages were sent.
#[derive(Clone, Copy)]
struct SendTime {
    device: u64,
    /// Where replies' times are compared with it.
    host: Option<i64>,
}

/// The receiving end: the only writer of the ring's out_head.
#[derive(Debug)]
pub(crate) struct Consumer {
    rings: Rings,
    head: u64,
    /// What the device was told of it.
    released: u64,
    /// Copied since then.
    bytes: usize,
    time: Arc<Timekeeper>,
    sent: Option<Arc<SentTimes>>,
    /// Whether the last look was in vain: what is found then came a moment ago.
    looked: bool,
}

/// A reply that lies in its slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    n: u64,
    pub(crate) seq: u64,
    pub(crate) status: u32,
    bytes: usize,
}

impl Producer {
    pub(super) fn new(
        rings: Rings,
        feed: Option<Arc<Feed>>,
        (time, stamps): (Arc<Timekeeper>, bool),
        sent: Option<Arc<SentTimes>>,
    ) -> Self {
        let word = Arc::new(CommandWord::new(rings.mapped.clone(), feed.clone()));
        let fed = feed.map(|feed| Fed { feed, messages: 0, longest: 0 });
        Producer { rings, tail: 0, word, time, stamps, sent, fed }
    }

    /// Lets the blocks be asked the time, which poll for commands from now on.
    pub(super) fn may_ask(&self) {
        self.time.may_ask(&self.word);
    }

    /// Sends a message of at most `slot_bytes` bytes, and returns its number; `None` if the ring is full.
    ///
    /// # Panics
    /// If the payload is larger than a slot: the caller checks, with a better message.
    pub fn send(&mut self, payload: &[u8]) -> Option<u64> {
        self.batch().put(payload)
    }

    /// Begins messages that are sent together.
    pub(crate) fn batch(&mut self) -> Batch<'_> {
        Batch { producer: self, bytes: 0, time: None }
    }

    fn now(&self) -> SendTime {
        match &self.sent {
            None => SendTime { device: self.time.device_now(), host: None },
            Some(_) => {
                let host = self.time.host_now();
                SendTime { device: self.time.device_at(host), host: Some(host) }
            }
        }
    }

    fn publish(&mut self) {
        match &mut self.fed {
            None => self.rings.mapped.word(offset_of!(RingHost, tail)).store(self.tail, Ordering::Release),
            Some(fed) => fed.publish(&self.rings, self.tail),
        }
    }

    /// Whether the next message has a slot.
    pub(crate) fn has_room(&self) -> bool {
        let slots = u64::from(self.rings.shape.slots);
        // Acquire: the device has read the slot's last message before it said so, and what was copied from there is behind it.
        let done = || self.rings.mapped.word(self.rings.done(self.tail)).load(Ordering::Acquire);
        let is_free = self.tail < slots || done() == self.tail - slots + 1;
        is_free && self.fed.as_ref().is_none_or(|fed| fed.feed.has_room())
    }

    /// Tells the kernel what to do from now on.
    pub fn command(&mut self, next: Command) {
        // What was sent comes first, or nobody would count it: bringing it there may have failed.
        if self.fed.as_ref().is_some_and(|fed| fed.messages < self.tail) {
            self.publish();
        }
        self.word.set(next);
    }

    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.tail
    }
}

impl Fed {
    /// Brings the messages up to `tail` to the device, in one copy, or two around the ring's end. What fails stays to be done by
    /// the next.
    fn publish(&mut self, rings: &Rings, tail: u64) {
        // A round number of words of 16 bytes; there is room behind the last payload, strides being so as well.
        let longest = self.longest.next_multiple_of(16);
        let first = (u64::from(rings.shape.slots) - rings.index(self.messages) as u64).min(tail - self.messages);
        let staged = [self.messages..self.messages + first, self.messages + first..tail]
            .map(|messages| staged(rings, messages, longest));
        let count = if staged[1].rows == 0 { 1 } else { 2 };
        if self.feed.messages(&staged[..count], tail) {
            (self.messages, self.longest) = (tail, 0);
        }
    }
}

/// Messages that lie behind one another, of at most so many bytes each.
fn staged(rings: &Rings, messages: Range<u64>, longest: usize) -> Staged {
    let (from, to) = (rings.in_slot(messages.start), rings.device_slot(messages.start));
    let (pitch, rows) = (rings.shape.slot_stride() as usize, (messages.end - messages.start) as usize);
    match rows {
        // Short ones in long slots: row by row, by one call. Else what is between them is less than what rows cost.
        2.. if 2 * longest > pitch => {
            let bytes = (rows - 1) * pitch + longest;
            Staged { from, to, bytes, pitch: bytes, rows: 1 }
        }
        _ => Staged { from, to, bytes: longest, pitch, rows },
    }
}

impl Batch<'_> {
    /// Whether the next message has a slot.
    pub(crate) fn has_room(&self) -> bool {
        self.producer.has_room()
    }

    /// The number of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.producer.tail
    }

    /// Puts a message of at most `slot_bytes` bytes behind the others, and returns its number; `None` if the ring is full.
    ///
    /// # Panics
    /// As [`Producer::send`].
    pub(crate) fn put(&mut self, payload: &[u8]) -> Option<u64> {
        let producer = &mut *self.producer;
        assert!(payload.len() <= producer.rings.shape.slot_bytes as usize, "a payload larger than a slot");
        if !producer.has_room() {
            return None;
        }
        let n = producer.tail;
        let slot = producer.rings.in_slot(n);
        let mapped = &producer.rings.mapped;
        let to = mapped.span(slot + SLOT_HEADER, payload.len());
        // SAFETY: the slot is the host's until the tail is published: the device is done with its last
        // message (above) and takes none from `tail` on. In bounds by span.
        unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), to.as_ptr(), payload.len()) };
        mapped.word(slot + offset_of!(SlotIn, seq)).store(n, Ordering::Relaxed);
        mapped.word(slot + offset_of!(SlotIn, bytes)).store(payload.len() as u64, Ordering::Relaxed);
        if producer.stamps {
            // Those that are sent together were sent at one time.
            let time = *self.time.get_or_insert_with(|| producer.now());
            mapped.word(slot + offset_of!(SlotIn, sent_ns)).store(time.device, Ordering::Relaxed);
            if let (Some(sent), Some(host)) = (&producer.sent, time.host) {
                sent.note(n, host);
            }
        }
        if let Some(fed) = &mut producer.fed {
            fed.longest = fed.longest.max(SLOT_HEADER + payload.len());
        }
        producer.tail = n + 1;
        self.bytes += SLOT_HEADER + payload.len();
        if self.bytes >= PART_BYTES {
            (self.bytes, self.time) = (0, None);
            producer.publish();
        }
        Some(n)
    }
}

/// Also where whoever gives the payloads panics between two: what was counted as sent is.
impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.producer.publish();
        }
    }
}

impl Consumer {
    pub(super) fn new(rings: Rings, time: Arc<Timekeeper>, sent: Option<Arc<SentTimes>>) -> Self {
        Consumer { rings, head: 0, released: 0, bytes: 0, time, sent, looked: false }
    }

    /// Whether the next reply is there.
    pub(crate) fn is_ready(&mut self) -> bool {
        let is_ready = self.is_at(self.head);
        self.looked |= !is_ready;
        is_ready
    }

    fn is_at(&self, n: u64) -> bool {
        let ready = self.rings.out_slot(n) + offset_of!(SlotOut, ready);
        // Acquire: the reply was written before it was said to be ready.
        self.rings.mapped.word(ready).load(Ordering::Acquire) == n + 1
    }

    /// The next reply, if it is there: to be [taken](Self::take). Of a kernel that has `ended` also one behind the places
    /// that a stopped block gave up.
    pub(crate) fn next(&mut self, ended: bool) -> Option<Arrived> {
        let places = if ended { u64::from(self.rings.shape.slots) } else { 1 };
        let n = (self.head..self.head + places).find(|n| self.is_at(*n));
        self.looked |= n.is_none();
        let n = n?;
        let (mapped, slot) = (&self.rings.mapped, self.rings.out_slot(n));
        let seq = mapped.word(slot + offset_of!(SlotOut, seq)).load(Ordering::Relaxed);
        let sizes = mapped.word(slot + offset_of!(SlotOut, bytes)).load(Ordering::Relaxed);
        if std::mem::take(&mut self.looked) && self.time.takes_bounds() {
            self.hear(seq, mapped.word(slot + offset_of!(SlotOut, time_ns)).load(Ordering::Relaxed));
        }
        // A device that writes nonsense must not make the host read outside of the slot.
        let bytes = (sizes as u32).min(self.rings.shape.slot_bytes) as usize;
        Some(Arrived { n, seq, status: (sizes >> 32) as u32, bytes })
    }

    /// A reply with that time came a moment ago.
    fn hear(&self, seq: u64, time_ns: u64) {
        if time_ns != 0 {
            self.time.heard(self.sent.as_ref().and_then(|sent| sent.of(seq)), self.time.host_now(), time_ns);
        }
    }

    /// Takes the [next](Self::next) reply, whose payload is put behind what is in `payload`. The device is told of it by
    /// [`release`](Self::release).
    pub(crate) fn take(&mut self, arrived: Arrived, payload: &mut Vec<u8>) {
        let Arrived { n, bytes, .. } = arrived;
        self.fetch(n + 1, SLOT_HEADER + bytes);
        let from = self.rings.mapped.span(self.rings.out_slot(n) + SLOT_HEADER, bytes);
        payload.reserve(bytes);
        let behind = payload.len();
        // SAFETY: the slot is the host's from `ready` until out_head passes it. In bounds by span, and the
        // vector has the capacity; its bytes are initialized by the copy.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), payload.as_mut_ptr().add(behind), bytes);
            payload.set_len(behind + bytes);
        }
        self.head = n + 1;
        self.bytes += SLOT_HEADER + bytes;
        if self.bytes >= PART_BYTES {
            self.release();
        }
    }

    /// Has the processor fetch reply `n`, if it is there, while another one is copied: what a device has written is far away.
    /// What is not there is left to the block that writes it.
    fn fetch(&self, n: u64, bytes: usize) {
        if FETCHED.contains(&bytes) && self.is_at(n) {
            self.rings.mapped.prefetch(self.rings.out_slot(n), bytes);
        }
    }

    /// Gives the device the slots of the replies that were taken.
    pub(crate) fn release(&mut self) {
        if self.released != self.head {
            (self.released, self.bytes) = (self.head, 0);
            self.rings.mapped.word(offset_of!(RingHost, out_head)).store(self.head, Ordering::Release);
        }
    }
}

#[cfg(all(test, feature = "host"))]
mod tests;
