//! Copies to a ring in device memory that is the host's own.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::device::{DeviceError, Feeder, Memory, Staged};

#[derive(Debug)]
pub(super) struct HostFeeder {
    staging: Memory,
    ring: Memory,
}

impl HostFeeder {
    pub(super) fn new(staging: &Memory, ring: &Memory) -> Self {
        HostFeeder { staging: staging.clone(), ring: ring.clone() }
    }
}

impl Feeder for HostFeeder {
    fn has_room(&mut self) -> bool {
        true
    }

    fn feed(&mut self, pieces: &[Staged], at: usize, word: u64) -> Result<(), DeviceError> {
        for piece in pieces {
            for row in (0..piece.rows).map(|row| row * piece.pitch) {
                let from = self.staging.span(piece.from + row, piece.bytes);
                let to = self.ring.span(piece.to + row, piece.bytes);
                // SAFETY: in bounds of two allocations, by span. The sender has staged them and leaves them alone until their slots
                // are given back; no block looks at them before it acquires the word that is stored below.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), piece.bytes) };
            }
        }
        self.ring.word(at).store(word, Ordering::Release);
        Ok(())
    }

    fn settle(&mut self, _: Duration) -> Result<bool, DeviceError> {
        Ok(true)
    }
}
