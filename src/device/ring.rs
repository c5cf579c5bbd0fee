//! The host's two ends of a ring: who writes what is in `kernels/include/ringscope/abi.h`.

use std::mem::{offset_of, size_of};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::args::KernelArgs;
use super::carveout::Carveout;
use super::command_word::{Command, CommandWord};
use super::error::DeviceError;
use super::level::Level;
use super::memory::Memory;
use super::ring_words::RingWords;
use super::sealed::Internal;
use super::timekeeper::Timekeeper;
use super::traits::{Device, Kernel, Launch};
use crate::abi::{KernelRef, LINE_BYTES, RingArgs, RingHost, SLOT_HEADER, SlotIn, SlotOut};

/// Sizes of a kernel's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingShape {
    /// Slots of each ring, a power of two.
    pub slots: u32,
    /// Bytes of the largest payload.
    pub slot_bytes: u32,
}

impl RingShape {
    /// Bytes from one slot to the next: no two slots share a line.
    pub fn slot_stride(self) -> u32 {
        (SLOT_HEADER as u32 + self.slot_bytes).next_multiple_of(LINE_BYTES as u32)
    }

    fn ring_bytes(self) -> usize {
        self.slots as usize * self.slot_stride() as usize
    }

    /// Mapped memory of one kernel in bytes: the host's words, the messages, the replies.
    pub(crate) fn mapped_bytes(self) -> usize {
        size_of::<RingHost>() + 2 * self.ring_bytes()
    }
}

/// A kernel's reply to one message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// Number of the message that it answers: a kernel's messages count from 0 in the order of sending.
    pub seq: u64,
    /// 0, or the code with which the handler refused the message ([`abi::status`](crate::abi::status)).
    pub status: u32,
    /// What the handler answered; empty where it refused.
    pub payload: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Rings {
    mapped: Memory,
    shape: RingShape,
}

impl Rings {
    fn slot(&self, ring: usize, n: u64) -> usize {
        let index = (n & u64::from(self.shape.slots - 1)) as usize;
        size_of::<RingHost>() + ring * self.shape.ring_bytes() + index * self.shape.slot_stride() as usize
    }
    fn in_slot(&self, n: u64) -> usize {
        self.slot(0, n)
    }
    fn out_slot(&self, n: u64) -> usize {
        self.slot(1, n)
    }
}

/// When messages were sent, on the host's clock: what the replies' times are compared with. A slot for each of the ring's.
#[derive(Debug)]
struct SentTimes {
    slots: Box<[SentTime]>,
}

#[derive(Debug, Default)]
struct SentTime {
    /// 1 + the number of the message; 0 while it is being written.
    message: AtomicU64,
    host: AtomicU64,
}

impl SentTimes {
    fn new(slots: u32) -> Self {
        SentTimes { slots: (0..slots).map(|_| SentTime::default()).collect() }
    }

    fn slot(&self, n: u64) -> &SentTime {
        &self.slots[(n as usize) & (self.slots.len() - 1)]
    }

    /// By the sender alone.
    fn note(&self, n: u64, host: i64) {
        let slot = self.slot(n);
        slot.message.store(0, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.host.store(host as u64, Ordering::Relaxed);
        slot.message.store(n + 1, Ordering::Release);
    }

    /// Of that message, unless another has taken its slot.
    fn of(&self, n: u64) -> Option<i64> {
        let slot = self.slot(n);
        let is_its = |order| slot.message.load(order) == n.wrapping_add(1);
        let host = is_its(Ordering::Acquire).then(|| slot.host.load(Ordering::Relaxed))?;
        fence(Ordering::Acquire);
        is_its(Ordering::Relaxed).then_some(host as i64)
    }
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
}

/// The receiving end: the only writer of the ring's out_head.
#[derive(Debug)]
pub(crate) struct Consumer {
    rings: Rings,
    head: u64,
    time: Arc<Timekeeper>,
    sent: Option<Arc<SentTimes>>,
    /// Whether the last look was in vain: what is found then came a moment ago.
    looked: bool,
}

/// A kernel's rings before its launch.
#[derive(Debug)]
pub(crate) struct IdleRing {
    pub(crate) producer: Producer,
    pub(crate) consumer: Consumer,
    /// Which of the [`RingWords`] are its own.
    pub(crate) number: usize,
    args: RingArgs,
    memory: Vec<Memory>,
}

/// How a kernel is launched on its rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingLaunch<'a> {
    pub(crate) blocks: u32,
    pub(crate) carveout: Carveout,
    /// Messages whose hash is below are refused.
    pub(crate) refuse_below: u64,
    /// The author's arguments, of the layout that the kernel takes: the caller checks, with the kernel's name.
    pub(crate) args: &'a KernelArgs,
}

impl IdleRing {
    /// Makes the rings with that number of these words. Messages say when they were sent, if they are to be stamped.
    pub(crate) fn new(
        device: &dyn Device,
        shape: RingShape,
        words: &RingWords,
        number: usize,
        stamps: bool,
    ) -> Result<Self, DeviceError> {
        debug_assert!(shape.slots.is_power_of_two());
        let mapped = device.allocate_mapped(shape.mapped_bytes())?;
        let rings = Rings { mapped: mapped.clone(), shape };
        let args = RingArgs {
            host: mapped.device_address(),
            device: words.address(number),
            input: mapped.device_address() + rings.in_slot(0) as u64,
            output: mapped.device_address() + rings.out_slot(0) as u64,
            slots: shape.slots,
            slot_stride: shape.slot_stride(),
            slot_bytes: shape.slot_bytes,
            ..RingArgs::default()
        };
        let time = device.timekeeper(Internal(()))?;
        let sent = (stamps && time.takes_bounds()).then(|| Arc::new(SentTimes::new(shape.slots)));
        let word = Arc::new(CommandWord::new(mapped.clone()));
        let consumer =
            Consumer { rings: rings.clone(), head: 0, time: Arc::clone(&time), sent: sent.clone(), looked: false };
        let producer = Producer { rings, tail: 0, word, time, stamps, sent };
        Ok(IdleRing { producer, consumer, number, args, memory: vec![mapped, words.memory().clone()] })
    }

    /// Starts a kernel on them. `telemetry` is of the memory given with it, or null.
    pub(crate) fn launch(
        &self,
        kernel: &dyn Kernel,
        telemetry: KernelRef,
        memory: Vec<Memory>,
        how: RingLaunch<'_>,
    ) -> Result<Box<dyn Launch>, DeviceError> {
        let _range = crate::nvtx::range("ringscope: launch");
        let own = how.args;
        own.check("it", kernel.args_layout())?;
        let args = RingArgs { telemetry, refuse_below: how.refuse_below, ..self.args };
        let keep = self.memory.iter().chain(own.memory()).cloned().chain(memory).collect();
        let parameters = [bytemuck::bytes_of(&args), own.bytes()];
        let count = if own.bytes().is_empty() { 1 } else { 2 };
        // SAFETY: a kernel takes one RingArgs, and its author's arguments of this layout where it has any. The addresses
        // in the first are those of this ring's memory, sized in `new`, and of the collector's; all of it is in `keep`.
        // The host's side of it is the two ends and the reader. For the second, who made the kernel's source answers.
        let launch = unsafe { kernel.launch_with(how.blocks, how.carveout, &parameters[..count], keep) }?;
        if telemetry.shards != 0 && kernel.level() != Some(Level::Off) {
            self.producer.time.may_ask(&self.producer.word);
        }
        Ok(launch)
    }
}

impl Producer {
    /// Sends a message of at most `slot_bytes` bytes, and returns its number; `None` if the ring is full.
    ///
    /// # Panics
    /// If the payload is larger than a slot: the caller checks, with a better message.
    pub fn send(&mut self, payload: &[u8]) -> Option<u64> {
        assert!(payload.len() <= self.rings.shape.slot_bytes as usize, "a payload larger than a slot");
        if !self.has_room() {
            return None;
        }
        let n = self.tail;
        let slot = self.rings.in_slot(n);
        let mapped = &self.rings.mapped;
        let to = mapped.span(slot + SLOT_HEADER, payload.len());
        // SAFETY: the slot is the host's until the tail is published: the device is done with its last
        // message (above) and takes none from `tail` on. In bounds by span.
        unsafe { std::ptr::copy_nonoverlapping(payload.as_ptr(), to.as_ptr(), payload.len()) };
        mapped.word(slot + offset_of!(SlotIn, seq)).store(n, Ordering::Relaxed);
        mapped.word(slot + offset_of!(SlotIn, bytes)).store(payload.len() as u64, Ordering::Relaxed);
        if self.stamps {
            let host = self.time.host_now();
            mapped.word(slot + offset_of!(SlotIn, sent_ns)).store(self.time.device_at(host), Ordering::Relaxed);
            if let Some(sent) = &self.sent {
                sent.note(n, host);
            }
        }
        self.tail = n + 1;
        mapped.word(offset_of!(RingHost, tail)).store(self.tail, Ordering::Release);
        Some(n)
    }

    /// Whether the next message has a slot.
    pub(crate) fn has_room(&self) -> bool {
        let slots = u64::from(self.rings.shape.slots);
        let slot = self.rings.in_slot(self.tail);
        // Acquire: the device has read the slot's last message before it said so.
        let done = || self.rings.mapped.word(slot + offset_of!(SlotIn, done)).load(Ordering::Acquire);
        self.tail < slots || done() == self.tail - slots + 1
    }

    /// Tells the kernel what to do from now on.
    pub fn command(&mut self, next: Command) {
        self.word.set(next);
    }

    /// Messages sent so far.
    pub fn sent(&self) -> u64 {
        self.tail
    }
}

impl Consumer {
    /// Whether the next reply is there.
    pub(crate) fn is_ready(&mut self) -> bool {
        let ready = self.rings.out_slot(self.head) + offset_of!(SlotOut, ready);
        let is_ready = self.rings.mapped.word(ready).load(Ordering::Acquire) == self.head + 1;
        self.looked |= !is_ready;
        is_ready
    }

    /// The next reply, if it is there.
    pub fn receive(&mut self) -> Option<Reply> {
        self.at(self.head)
    }

    /// The next reply of a kernel that has ended: skips the places that a stopped block gave up.
    pub fn receive_after_end(&mut self) -> Option<Reply> {
        (0..u64::from(self.rings.shape.slots)).find_map(|skip| self.at(self.head + skip))
    }

    fn at(&mut self, n: u64) -> Option<Reply> {
        let slot = self.rings.out_slot(n);
        let mapped = &self.rings.mapped;
        // Acquire: the reply was written before it was said to be ready.
        if mapped.word(slot + offset_of!(SlotOut, ready)).load(Ordering::Acquire) != n + 1 {
            self.looked = true;
            return None;
        }
        let fresh = std::mem::take(&mut self.looked) && self.time.takes_bounds();
        let seen = if fresh { self.time.host_now() } else { 0 };
        let seq = mapped.word(slot + offset_of!(SlotOut, seq)).load(Ordering::Relaxed);
        let sizes = mapped.word(slot + offset_of!(SlotOut, bytes)).load(Ordering::Relaxed);
        let time_ns = mapped.word(slot + offset_of!(SlotOut, time_ns)).load(Ordering::Relaxed);
        // A device that writes nonsense must not make the host read outside of the slot.
        let len = (sizes as u32).min(self.rings.shape.slot_bytes) as usize;
        let from = mapped.span(slot + SLOT_HEADER, len);
        let mut payload = Vec::with_capacity(len);
        // SAFETY: the slot is the host's from `ready` until out_head passes it. In bounds by span, and the
        // vector has the capacity; its bytes are initialized by the copy.
        unsafe {
            std::ptr::copy_nonoverlapping(from.as_ptr(), payload.as_mut_ptr(), len);
            payload.set_len(len);
        }
        self.head = n + 1;
        mapped.word(offset_of!(RingHost, out_head)).store(self.head, Ordering::Release);
        if fresh && time_ns != 0 {
            self.time.heard(self.sent.as_ref().and_then(|sent| sent.of(seq)), seen, time_ns);
        }
        Some(Reply { seq, status: (sizes >> 32) as u32, payload })
    }
}
