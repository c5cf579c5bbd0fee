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
    /// The collector refused; ids are checked here too.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// No kernel of that id was launched.
    #[error("no kernel `{id}` was launched: launch it first, or check the spelling (launched: {})", if launched.is_empty() { "none" } else { launched })]
    UnknownKernel {
        /// The id asked for.
        id: String,
        /// Those there are.
        launched: String,
    },
    /// No source of that name.
    #[error(
        "there is no kernel source `{name}` (there are: {available}): add it to the builder with .source(\"{name}\", …)"
    )]
    UnknownSource {
        /// The name asked for.
        name: String,
        /// Those there are.
        available: String,
    },
    /// A size that cannot be.
    #[error("{what} is {value}, and must be {must}")]
    BadSize {
        /// What it is a size of.
        what: &'static str,
        /// What it was.
        value: u64,
        /// What it has to be.
        must: &'static str,
    },
    /// Rings are made before the first launch, so many of them.
    #[error("all {limit} kernels of this runtime are launched: raise .max_kernels(…) in its builder")]
    TooManyKernels {
        /// How many.
        limit: usize,
    },
    /// A message larger than the slot.
    #[error(
        "a message of {bytes} bytes does not fit the {slot_bytes}-byte slots of kernel `{id}`: split it, or raise .slot_bytes(…) in the runtime's builder"
    )]
    MessageTooLarge {
        /// The kernel.
        id: String,
        /// The message's size.
        bytes: usize,
        /// The slots' size.
        slot_bytes: usize,
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
    /// No reply came in time.
    #[error("no reply of kernel `{id}` within {waited:?}: send it a message first, or wait longer")]
    ReceiveTimedOut {
        /// The kernel.
        id: String,
        /// The time limit.
        waited: Duration,
    },
    /// The kernel has ended, and all of its replies were received.
    #[error("kernel `{id}` has ended and all of its replies were received")]
    Ended {
        /// The kernel.
        id: String,
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

fn not_active_remedy(state: KernelState) -> &'static str {
    match state {
        KernelState::Launched | KernelState::Deactivated => "activate it first",
        _ => "launch another under a new id",
    }
}
