//! Where the blocks find messages, and which of the two places is the faster one.

use std::time::{Duration, Instant};

use super::error::RuntimeError;
use super::limit::RunLimit;
use super::wait;
use crate::abi::KernelRef;
use crate::device::{
    Builtin, Carveout, Command, Device, DeviceError, IdleRing, InputMemory, Kernel, KernelArgs, KernelSource, Launch,
    Level, RingLaunch, RingPlace, RingShape, RingWords,
};

/// Where the blocks of a kernel find messages. Replies are in mapped memory in any case.
///
/// The protocol is the same, and so is what can be counted on: see `docs/rings.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputRing {
    /// In pinned memory of the host's, which blocks read over the link: each look of a waiting block is a trip, and so is each
    /// message. The default: how the other kind does on a GPU has not been measured by this project yet.
    #[default]
    Mapped,
    /// In device memory, to which the host copies messages, at least 64 KiB at a time where they are there, and posts them behind
    /// the copy, both in a stream of the kernel's own. Blocks then read memory of their own, and the link is used
    /// by large copies; a message alone waits for a copy to start. Needs a driver of CUDA 11.7 or later and a GPU
    /// that can write words in the order of a stream.
    DeviceMemory,
    /// The kind that is the faster one on each device, as [`build`](super::RuntimeBuilder::build) measures it, in some 20 ms:
    /// with a block of the built-in `echo` and a backlog of messages of the runtime's slot size (at most 1 MiB), several
    /// times with each in turn; the larger median wins. What came of it is told by
    /// [`RingKernelRuntime::input_ring`](super::RingKernelRuntime::input_ring), and nowhere else. Where a device has no
    /// rings in device memory, or no room for the two blocks, that is [`Mapped`](Self::Mapped). Where a block gets no room
    /// all the same, since another program fills the GPU, `build` waits for seconds and fails: choose one of the others there.
    Fastest,
}

impl InputRing {
    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            InputRing::Mapped => "mapped",
            InputRing::DeviceMemory => "device-memory",
            InputRing::Fastest => "fastest",
        }
    }

    /// The kind that takes the most memory of those that it may be.
    pub(super) fn largest(self) -> InputMemory {
        match self {
            InputRing::Mapped => InputMemory::Mapped,
            InputRing::DeviceMemory | InputRing::Fastest => InputMemory::Device,
        }
    }
}

/// Where the blocks of a device find messages, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeasuredInputRing {
    /// Where that is: never [`InputRing::Fastest`].
    pub ring: InputRing,
    /// Messages a second through a mapped ring, the median of several passes; `None` where that was not measured.
    pub mapped: Option<f64>,
    /// The same through a ring in device memory.
    pub device_memory: Option<f64>,
}

impl MeasuredInputRing {
    fn unmeasured(ring: InputRing) -> Self {
        MeasuredInputRing { ring, mapped: None, device_memory: None }
    }

    pub(super) fn memory(&self) -> InputMemory {
        self.ring.largest()
    }
}

/// The kind that a device's kernels are to have.
pub(super) fn choose(
    asked: InputRing,
    device: &dyn Device,
    shape: RingShape,
    level: Level,
) -> Result<MeasuredInputRing, RuntimeError> {
    if asked != InputRing::Fastest {
        return Ok(MeasuredInputRing::unmeasured(asked));
    }
    match measure(device, shape, level) {
        Ok([mapped, device_memory]) => {
            let ring = if device_memory > mapped { InputRing::DeviceMemory } else { InputRing::Mapped };
            Ok(MeasuredInputRing { ring, mapped: Some(mapped), device_memory: Some(device_memory) })
        }
        Err(DeviceError::Unsupported { .. } | DeviceError::TooManyBlocks { .. }) => {
            Ok(MeasuredInputRing::unmeasured(InputRing::Mapped))
        }
        Err(error) => Err(error.into()),
    }
}

/// Passes of each kind: an odd number, of which one is the median.
const PASSES: usize = 5;
/// How long messages are sent in a pass.
const PASS: Duration = Duration::from_millis(2);
/// The longest message, and how much the ring of messages is to take, unless two slots are more.
const LONGEST: u32 = 1 << 20;
const RING_BYTES: u32 = 1 << 20;
/// How long a reply, or the end, is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Messages a second of a mapped ring and of one in device memory.
fn measure(device: &dyn Device, shape: RingShape, level: Level) -> Result<[f64; 2], DeviceError> {
    let slot_bytes = shape.slot_bytes.min(LONGEST);
    let fit = (RING_BYTES / slot_bytes.max(1)).max(2);
    let shape = RingShape { slots: shape.slots.min(1 << fit.ilog2()), slot_bytes };
    let kernel = device.load(&KernelSource::Builtin(Builtin::Echo), level)?;
    let words = RingWords::new(device, 2)?;
    let place = |input, number| RingPlace::new(device, (shape, input), &words, number, false);
    let rings = [place(InputMemory::Mapped, 0)?.open(), place(InputMemory::Device, 1)?.open()];
    // Of both, so that no launch comes between two passes.
    let mut kinds = Vec::new();
    let start = |ring| Echo::start(ring, &*kernel).map(|echo| kinds.push(echo));
    let started = rings.into_iter().try_for_each(start);
    let rates = started.and_then(|()| alternate(&mut kinds, &vec![0x5a; slot_bytes as usize]));
    // In any case, and then waited for: what the runtime allocates next may wait for whatever runs.
    kinds.iter_mut().for_each(|echo| echo.ring.producer.command(Command::Stop));
    let ended = kinds.iter().try_for_each(Echo::wait_for_end);
    let rates = rates?;
    ended.map(|()| rates)
}

fn alternate(kinds: &mut [Echo], message: &[u8]) -> Result<[f64; 2], DeviceError> {
    let mut rates = [[0.0; PASSES]; 2];
    // The first pass of each is a warm-up.
    for pass in 0..=PASSES {
        for (echo, rates) in kinds.iter_mut().zip(&mut rates) {
            let rate = echo.pass(message)?;
            pass.checked_sub(1).into_iter().for_each(|pass| rates[pass] = rate);
        }
    }
    Ok(rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[PASSES / 2]
    }))
}

/// A block of the built-in `echo`, of which nobody is told.
struct Echo {
    ring: IdleRing,
    launch: Box<dyn Launch>,
    reply: Vec<u8>,
}

impl Echo {
    fn start(mut ring: IdleRing, kernel: &dyn Kernel) -> Result<Self, DeviceError> {
        let (args, carveout) = (KernelArgs::default(), Carveout::default());
        let how = RingLaunch { blocks: 1, shared_bytes: 0, carveout, refuse_below: 0, args: &args };
        let launch = ring.launch(kernel, KernelRef::default(), Vec::new(), how)?;
        ring.producer.command(Command::Run);
        Ok(Echo { ring, launch, reply: Vec::new() })
    }

    /// Keeps the ring of messages full for a while, and receives all replies; replies a second.
    fn pass(&mut self, message: &[u8]) -> Result<f64, DeviceError> {
        let start = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while sent == 0 || start.elapsed() < PASS {
            sent += self.send(message);
            // A reply may be there before its message's slot is free: then nothing was sent, and nothing comes.
            if received < sent {
                received += self.receive_some()?;
            }
        }
        while received < sent {
            received += self.receive_some()?;
        }
        Ok(received as f64 / start.elapsed().as_secs_f64())
    }

    fn send(&mut self, message: &[u8]) -> u64 {
        let mut batch = self.ring.producer.batch();
        let mut sent = 0;
        while batch.put(message).is_some() {
            sent += 1;
        }
        sent
    }

    /// Takes the replies that are there; waits for the first.
    fn receive_some(&mut self) -> Result<u64, DeviceError> {
        let Echo { ring, launch, reply } = self;
        let mut limit = RunLimit::new(ANSWER_LIMIT);
        let first = wait::blocking(&mut limit, || match ring.consumer.is_ready() {
            true => Ok(Some(())),
            // It does not end by itself; a dead device says so.
            false => launch.ended().map(|_| None),
        })?;
        first.ok_or(DeviceError::NoAnswer { waited: ANSWER_LIMIT })?;
        let mut received = 0;
        while let Some(arrived) = ring.consumer.next(false) {
            reply.clear();
            ring.consumer.take(arrived, reply);
            received += 1;
        }
        ring.consumer.release();
        Ok(received)
    }

    fn wait_for_end(&self) -> Result<(), DeviceError> {
        let ended = || self.launch.ended().map(|ended| ended.then_some(()));
        let ended = wait::blocking(&mut RunLimit::new(ANSWER_LIMIT), ended)?;
        ended.ok_or(DeviceError::NoAnswer { waited: ANSWER_LIMIT })
    }
}
