//! Where a kernel's rings are, from one life to the next, and its launch on them.

use std::mem::{offset_of, size_of};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::args::KernelArgs;
use super::carveout::Carveout;
use super::error::DeviceError;
use super::feeder::Feed;
use super::level::Level;
use super::memory::Memory;
use super::ring::{Consumer, Producer};
use super::ring_shape::{InputMemory, POSTED_TAIL, RingShape, Rings};
use super::ring_words::RingWords;
use super::sealed::Internal;
use super::sent_times::SentTimes;
use super::timekeeper::Timekeeper;
use super::traits::{Device, Kernel, Launch};
use crate::abi::{KernelRef, RingArgs, RingHost, SLOT_HEADER};

/// A kernel's rings before its launch.
#[derive(Debug)]
pub(crate) struct IdleRing {
    pub(crate) producer: Producer,
    pub(crate) consumer: Consumer,
    pub(crate) place: RingPlace,
}

/// Where a kernel's rings are.
#[derive(Debug)]
pub(crate) struct RingPlace {
    /// Which of the [`RingWords`] are its own.
    pub(crate) number: usize,
    rings: Rings,
    args: RingArgs,
    /// The mapped memory, the words that blocks share, and the ring in device memory, if there is one.
    pub(super) memory: Vec<Memory>,
    /// Of messages in device memory.
    feed: Option<Arc<Feed>>,
    time: Arc<Timekeeper>,
    stamps: bool,
    /// Whether a kernel may have been here.
    used: bool,
}

/// How a kernel is launched on its rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingLaunch<'a> {
    pub(crate) blocks: u32,
    /// Bytes of shared memory for each block, beyond what the kernel declares.
    pub(crate) shared_bytes: u32,
    pub(crate) carveout: Carveout,
    /// Messages whose hash is below are refused.
    pub(crate) refuse_below: u64,
    /// The author's arguments, of the layout that the kernel takes: the caller checks, with the kernel's name.
    pub(crate) args: &'a KernelArgs,
}

impl RingPlace {
    /// Makes the rings with that number of these words. Messages say when they were sent, if they are to be stamped.
    pub(crate) fn new(
        device: &dyn Device,
        (shape, input): (RingShape, InputMemory),
        words: &RingWords,
        number: usize,
        stamps: bool,
    ) -> Result<Self, DeviceError> {
        debug_assert!(shape.slots.is_power_of_two());
        let mapped = device.allocate_mapped(shape.mapped_bytes(input))?;
        let rings = Rings { mapped: mapped.clone(), shape, input };
        let at = mapped.device_address();
        let mut args = RingArgs {
            host: at,
            posted: at + offset_of!(RingHost, tail) as u64,
            device: words.address(number),
            input: at + rings.in_slot(0) as u64,
            done: at + rings.done(0) as u64,
            done_stride: rings.done_stride(),
            output: at + rings.out_slot(0) as u64,
            slots: shape.slots,
            slot_stride: shape.slot_stride(),
            slot_bytes: shape.slot_bytes,
            ..RingArgs::default()
        };
        let mut memory = vec![mapped.clone(), words.memory().clone()];
        let mut feed = None;
        if input == InputMemory::Device {
            let ring = device.allocate(shape.device_bytes())?;
            args.posted = ring.device_address() + POSTED_TAIL as u64;
            args.input = ring.device_address() + rings.device_slot(0) as u64;
            feed = Some(Arc::new(Feed::new(device.feeder(Internal(()), &mapped, &ring)?)));
            memory.push(ring);
        }
        let time = device.timekeeper(Internal(()))?;
        Ok(RingPlace { number, rings, args, memory, feed, time, stamps, used: false })
    }

    /// Makes it as it was at first, for another life: nobody else has an end of the rings, and no block runs on them.
    pub(crate) fn clean(&mut self, words: &mut RingWords, limit: Duration) -> Result<(), DeviceError> {
        if !self.used {
            return Ok(());
        }
        words.clear(self.number, limit)?;
        self.feed.iter().try_for_each(|feed| feed.clear(limit))?;
        let (mapped, slots) = (&self.rings.mapped, u64::from(self.rings.shape.slots));
        let clear = |at: usize, bytes: usize| {
            (at..at + bytes).step_by(8).for_each(|at| mapped.word(at).store(0, Ordering::Relaxed));
        };
        clear(0, size_of::<RingHost>());
        for n in 0..slots {
            clear(self.rings.in_slot(n), SLOT_HEADER);
            clear(self.rings.done(n), size_of::<u64>());
            clear(self.rings.out_slot(n), SLOT_HEADER);
        }
        fence(Ordering::Release);
        self.used = false;
        Ok(())
    }

    /// What brings messages to device memory, where they are to be there.
    pub(crate) fn feed(&self) -> Option<Arc<Feed>> {
        self.feed.clone()
    }

    /// Gives it its two ends.
    pub(crate) fn open(self) -> IdleRing {
        let RingPlace { rings, feed, time, stamps, .. } = &self;
        let sent = (*stamps && time.takes_bounds()).then(|| Arc::new(SentTimes::new(rings.shape.slots)));
        let consumer = Consumer::new(rings.clone(), Arc::clone(time), sent.clone());
        let producer = Producer::new(rings.clone(), feed.clone(), (Arc::clone(time), *stamps), sent);
        IdleRing { producer, consumer, place: self }
    }
}

impl IdleRing {
    /// Starts a kernel on them. `telemetry` is of the memory given with it, or null.
    pub(crate) fn launch(
        &mut self,
        kernel: &dyn Kernel,
        telemetry: KernelRef,
        memory: Vec<Memory>,
        how: RingLaunch<'_>,
    ) -> Result<Box<dyn Launch>, DeviceError> {
        let _range = crate::nvtx::range("ringscope: launch");
        let own = how.args;
        own.check("it", kernel.args_layout())?;
        let args = RingArgs { telemetry, refuse_below: how.refuse_below, ..self.place.args };
        let keep = self.place.memory.iter().chain(own.memory()).cloned().chain(memory).collect();
        let parameters = [bytemuck::bytes_of(&args), own.bytes()];
        let count = if own.bytes().is_empty() { 1 } else { 2 };
        self.place.used = true;
        // SAFETY: a kernel takes one RingArgs, and its author's arguments of this layout where it has any. The addresses
        // in the first are those of this ring's memory, sized in `new`, and of the collector's; all of it is in `keep`.
        // The host's side of it is the two ends and the reader. For the second, who made the kernel's source answers.
        let launch =
            unsafe { kernel.launch_with(how.blocks, how.shared_bytes, how.carveout, &parameters[..count], keep) }?;
        if telemetry.shards != 0 && kernel.level() != Some(Level::Off) {
            self.producer.may_ask();
        }
        Ok(launch)
    }
}
