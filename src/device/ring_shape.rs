//! Where things lie in a kernel's rings, of which there are two kinds: see docs/rings.md.

use std::mem::{offset_of, size_of};

use super::memory::Memory;
use crate::abi::{LINE_BYTES, RingHost, SLOT_HEADER, SlotIn};

/// Where the blocks find messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputMemory {
    /// In pinned memory of the host's, over the link.
    Mapped,
    /// In memory of the device, where a [`Feeder`](super::feeder::Feeder) copies them to.
    Device,
}

/// Sizes of a kernel's rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingShape {
    /// Slots of each ring, a power of two.
    pub slots: u32,
    /// Bytes of the largest payload.
    pub slot_bytes: u32,
}

/// From one word `done` to the next, where they lie by themselves. Behind one another: the lanes of a warp that give back
/// neighbouring slots store to one line, and the host finds 16 of them in a line that it reads once.
const DONE_STRIDE: u32 = size_of::<u64>() as u32;

/// In the device memory of a ring: the words that the host posts have the first line, the slots lie behind it.
pub(super) const POSTED_TAIL: usize = 0;
pub(super) const POSTED_COMMAND: usize = size_of::<u64>();
const DEVICE_SLOTS: usize = LINE_BYTES;

impl RingShape {
    /// Bytes from one slot to the next: no two slots share a line.
    pub fn slot_stride(self) -> u32 {
        (SLOT_HEADER as u32 + self.slot_bytes).next_multiple_of(LINE_BYTES as u32)
    }

    fn ring_bytes(self) -> usize {
        self.slots as usize * self.slot_stride() as usize
    }

    /// Mapped memory of one kernel in bytes: the host's words, the messages, the replies, and the words `done`, where they
    /// are not in the messages' slots.
    pub(crate) fn mapped_bytes(self, input: InputMemory) -> usize {
        let done = match input {
            InputMemory::Mapped => 0,
            InputMemory::Device => self.slots as usize * DONE_STRIDE as usize,
        };
        size_of::<RingHost>() + 2 * self.ring_bytes() + done
    }

    /// Device memory of a ring of messages there, in bytes.
    pub(crate) fn device_bytes(self) -> usize {
        DEVICE_SLOTS + self.ring_bytes()
    }
}

/// The mapped memory of a kernel's rings. Messages that are to be in device memory are staged where those of the other kind lie.
#[derive(Clone, Debug)]
pub(super) struct Rings {
    pub(super) mapped: Memory,
    pub(super) shape: RingShape,
    pub(super) input: InputMemory,
}

impl Rings {
    /// The place of message or reply `n` in its ring.
    pub(super) fn index(&self, n: u64) -> usize {
        (n & u64::from(self.shape.slots - 1)) as usize
    }

    fn slot(&self, ring: usize, n: u64) -> usize {
        size_of::<RingHost>() + ring * self.shape.ring_bytes() + self.index(n) * self.shape.slot_stride() as usize
    }

    pub(super) fn in_slot(&self, n: u64) -> usize {
        self.slot(0, n)
    }

    pub(super) fn out_slot(&self, n: u64) -> usize {
        self.slot(1, n)
    }

    /// The word that says that message `n` was consumed.
    pub(super) fn done(&self, n: u64) -> usize {
        match self.input {
            InputMemory::Mapped => self.in_slot(n) + offset_of!(SlotIn, done),
            InputMemory::Device => self.shape.mapped_bytes(InputMemory::Mapped) + self.index(n) * DONE_STRIDE as usize,
        }
    }

    /// Bytes from one of these words to the next.
    pub(super) fn done_stride(&self) -> u32 {
        match self.input {
            InputMemory::Mapped => self.shape.slot_stride(),
            InputMemory::Device => DONE_STRIDE,
        }
    }

    /// The slot of message `n` in device memory.
    pub(super) fn device_slot(&self, n: u64) -> usize {
        DEVICE_SLOTS + self.index(n) * self.shape.slot_stride() as usize
    }
}
