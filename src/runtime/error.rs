//! What a runtime refuses, with the remedy in the message.

use std::sync::Arc;
use std::time::Duration;

use crate::collector::TelemetryError;
use crate::device::DeviceError;
use crate::snapshot::KernelState;

/// Why a runtime did not do what it was asked. Nothing already counted is lost by any of these.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The device refused or failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The collector refused: an id that is bad or taken, a bound that is reached, telemetry that is off. What the device
    /// died of is a [`Device`](Self::Device) error, and an unknown id an [`UnknownKernel`](Self::UnknownKernel).
    #[error(transparent)]
    Telemetry(TelemetryError),
    /// No kernel of that id was launched.
    #[error("no kernel `{id}` was launched: launch it first, or check the spelling{}", if launched.is_empty() { String::new() } else { format!(" (launched: {launched})") })]
    UnknownKernel {
        /// The id asked for.
        id: String,
        /// The ids that were launched, separated by commas; empty where there are none, or where the error comes from the
        /// [collector](crate::RingKernelRuntime::collector), which does not say them.
        launched: String,
    },
    /// No device of that index.
    #[error(
        "this runtime has no device {device}, it has {devices}: they are counted from 0, in the order in which it was given them"
    )]
    UnknownDevice {
        /// The index asked for.
        device: usize,
        /// How many there are.
        devices: usize,
    },
    /// No source of that name.
    #[error(
        "there is no kernel source `{name}` (there are: {available}): add it to the builder with .source(\"{name}\", …)"
    )]
    UnknownSource {
        /// The name asked for.
        name: String,
        /// The names that there are, separated by commas.
        available: String,
    },
    /// A setting out of its range.
    #[error("{what} is {value}, and must be {must}")]
    BadValue {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// Its range.
        must: &'static str,
    },
    /// Two settings that exclude each other.
    #[error("{setting} contradicts {other}: {remedy}")]
    Contradiction {
        /// One setting.
        setting: &'static str,
        /// The other.
        other: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Blocks of a launch found no room in time. The kernel was told to stop, and ends when its blocks have had their turn.
    #[error(
        "{started} of {blocks} blocks of `{id}` started within {waited:?}: something that ringscope did not launch takes the room of the others; the kernel was told to stop; launch fewer blocks, launch before other kernels stay on the device, or raise .start_limit(…) in the runtime's builder if its handlers take that long to make"
    )]
    NotStarted {
        /// The kernel.
        id: String,
        /// Blocks that had started.
        started: u32,
        /// Blocks of the launch.
        blocks: u32,
        /// The runtime's [start limit](crate::RuntimeBuilder::start_limit).
        waited: Duration,
    },
    /// The rings of all kernels do not fit the memory that is free. See
    /// [`RuntimeBuilder::slot_bytes`](crate::RuntimeBuilder::slot_bytes) for what they take.
    #[error(
        "the rings of {kernels} kernels take {}, and {} of {limited_by} is free: each has 2 rings of {slots} slots for {slot_bytes} bytes; lower .max_kernels(…), .slots(…) or .slot_bytes(…) in the runtime's builder", size(*needed_bytes), size(*free_bytes)
    )]
    NotEnoughMemory {
        /// What they take, in bytes.
        needed_bytes: u64,
        /// What is free, in bytes.
        free_bytes: u64,
        /// What of: the machine's memory, or the limit of a cgroup.
        limited_by: String,
        /// Kernels that have rings: `max_kernels`.
        kernels: usize,
        /// Slots of a ring.
        slots: u32,
        /// Largest message and reply of a slot, in bytes.
        slot_bytes: u32,
    },
    /// Rings are made before the first launch, so many of them.
    #[error("all {limit} kernels of this runtime are launched: raise .max_kernels(…) in its builder")]
    TooManyKernels {
        /// How many.
        limit: usize,
    },
    /// A message larger than the slot.
    #[error(
        "{} of {bytes} bytes does not fit the {slot_bytes}-byte slots of kernel `{id}`: split it, or raise .slot_bytes(…) in the runtime's builder", message_at(*place)
    )]
    MessageTooLarge {
        /// The kernel.
        id: String,
        /// The message's size.
        bytes: usize,
        /// The slots' size.
        slot_bytes: usize,
        /// Its place in the batch, from 0; `None` where it was sent alone.
        place: Option<usize>,
    },
    /// The kernel took no more messages before all of a batch were sent. What was sent stays sent.
    #[error(
        "{sent} of {of} messages were sent to kernel `{id}`, the first with number {first}, and the others were not: {why}"
    )]
    BatchCut {
        /// The kernel.
        id: String,
        /// Number of the first message.
        first: u64,
        /// Messages sent: the first so many of the batch.
        sent: usize,
        /// Messages of the batch.
        of: usize,
        /// Why the next one was not sent.
        why: Box<RuntimeError>,
    },
    /// The kernel takes no messages in its state.
    #[error("kernel `{id}` is {state}, and takes messages when it is active: {remedy}", remedy = not_active_remedy(*state))]
    NotActive {
        /// The kernel.
        id: String,
        /// Its state.
        state: KernelState,
    },
    /// A change of state that the life cycle does not have.
    #[error("kernel `{id}` is {state} and cannot be {wanted}")]
    BadTransition {
        /// The kernel.
        id: String,
        /// Its state.
        state: KernelState,
        /// The state asked for.
        wanted: &'static str,
    },
    /// The input ring is full.
    #[error("the queue of kernel `{id}` is full ({slots} messages): receive its replies, or wait with send")]
    QueueFull {
        /// The kernel; shared, so that asking a full queue again and again allocates nothing.
        id: Arc<str>,
        /// Slots of the ring.
        slots: u32,
    },
    /// The input ring stayed full: the message was not sent.
    #[error(
        "the queue of kernel `{id}` stayed full ({slots} messages) for {waited:?}: receive its replies, without which nothing moves, or wait longer"
    )]
    SendTimedOut {
        /// The kernel.
        id: String,
        /// Slots of the ring.
        slots: u32,
        /// The time limit.
        waited: Duration,
    },
    /// No reply came in time.
    #[error(
        "no reply of kernel `{id}` within {waited:?}: wait longer, or check that the handler replies and that a message was sent"
    )]
    ReceiveTimedOut {
        /// The kernel.
        id: String,
        /// The time limit.
        waited: Duration,
    },
    /// The kernel was terminated, and all of its replies were received.
    #[error("kernel `{id}` has ended and all of its replies were received")]
    Ended {
        /// The kernel.
        id: String,
    },
    /// The kernel has failed: its blocks returned though nobody had told them to.
    #[error(
        "kernel `{id}` returned without being told to stop: a ring kernel runs until then, so look for what ends its entry; launch another under a new id"
    )]
    Returned {
        /// The kernel.
        id: String,
    },
    /// The kernel has no telemetry code: it replied, and never wrote its shard.
    #[error(
        "kernel `{id}` replied to {replies} messages and never wrote its telemetry: compile it with RINGSCOPE_LEVEL 1 or 2 and a Recorder on its arguments' telemetry, as RINGSCOPE_RING_KERNEL does, or build the runtime without .telemetry(true)"
    )]
    RecordsNothing {
        /// The kernel.
        id: String,
        /// Replies received from it.
        replies: u64,
    },
    /// The kernel did not stop.
    #[error(
        "kernel `{id}` did not end within {waited:?}: its handler does not return; it keeps its memory until it ends, or the process does"
    )]
    StopTimedOut {
        /// The kernel.
        id: String,
        /// The time limit.
        waited: Duration,
    },
}

impl From<TelemetryError> for RuntimeError {
    fn from(error: TelemetryError) -> Self {
        match error {
            TelemetryError::Device(error) => RuntimeError::Device(error),
            TelemetryError::UnknownKernel { id, .. } => RuntimeError::UnknownKernel { id, launched: String::new() },
            error => RuntimeError::Telemetry(error),
        }
    }
}

fn message_at(place: Option<usize>) -> String {
    place.map_or_else(|| "a message".to_owned(), |place| format!("message {place} of the batch (from 0),"))
}

fn not_active_remedy(state: KernelState) -> &'static str {
    match state {
        KernelState::Launched | KernelState::Deactivated => "activate it first",
        _ => "launch another under a new id",
    }
}

/// Bytes, in a unit that suits them.
fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = |i: usize| (bytes as f64 / 1024f64.powi(i as i32 + 1), units[i]);
    match (0..units.len()).rev().map(unit).find(|(n, _)| *n >= 1.0) {
        Some((n, unit)) => format!("{n:.1} {unit}"),
        None => format!("{bytes} bytes"),
    }
}
