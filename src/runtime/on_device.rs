//! What a runtime has on each of its devices.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::input_ring::MeasuredInputRing;
use crate::collector::Life;
use crate::device::{Kernel, Launch, RingPlace, RingWords, SharedDevice};

/// One device of a runtime.
pub(super) struct OnDevice {
    pub(super) device: SharedDevice,
    /// Which kind of rings its kernels have, and why.
    pub(super) input: MeasuredInputRing,
    pub(super) sources: HashMap<String, Box<dyn Kernel>>,
    /// Rings that are nobody's. Taken with the lock of launches.
    pub(super) spares: Mutex<Vec<RingPlace>>,
    /// Of launches that failed, until their blocks are known to have ended. Not dropped before the runtime is: freeing waits for
    /// kernels that nobody here knows, and one of them may be why a launch failed.
    pub(super) spent: Mutex<Vec<Spent>>,
    /// Of all rings, of launched kernels too.
    pub(super) words: Mutex<RingWords>,
}

impl OnDevice {
    /// Takes rings back that nobody uses any more.
    pub(super) fn give_back(&self, place: RingPlace) {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(place);
    }

    /// Rings that are nobody's.
    pub(super) fn spare(&self) -> Option<RingPlace> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// Where a kernel was launched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) device: usize,
    pub(super) blocks: u32,
}

impl Placed {
    pub(super) fn new(device: usize, blocks: u32) -> Self {
        Placed { device, blocks }
    }
}

/// A launch that failed.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) place: RingPlace,
    /// `None` where the device does not tell what became of it.
    pub(super) launch: Option<Box<dyn Launch>>,
    pub(super) life: Option<Life>,
}
