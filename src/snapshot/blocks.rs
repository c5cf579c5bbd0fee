//! One block of a kernel: where it is, since when, and what it waits for.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::abi::{at, block_state, ring_place, wait};
use crate::reader::BlockWords;
use crate::trace::KernelNames;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BlockState {
    /// It has not begun. A shard that nobody owns never does.
    NotStarted,
    /// It is resident, and was told to take no messages.
    Held,
    /// It runs.
    Active,
    /// It has returned.
    Ended,
}

/// A place of a ring kernel's own, which needs no waypoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RingPlace {
    /// It waits for a message.
    Message,
    /// It handles one.
    Handler,
    /// It waits for room for its reply: nobody takes the replies, or not as fast as they come.
    Room,
    /// It makes its reply visible.
    Publish,
}

/// Where a block is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Place {
    /// At no waypoint so far; or it has ended.
    Nowhere,
    /// At a waypoint of its author's: `rec.at(…)`, `rec.waiting(…)`, `spin_until(…)`.
    Waypoint {
        /// Its name, as given by [`waypoints`](crate::collector::KernelRegistration::waypoints) or `RINGSCOPE_NAMES`; `#7`
        /// where it was given none.
        name: Arc<str>,
        /// Its number.
        index: u32,
    },
    /// At a place of the ring.
    Ring(RingPlace),
}

/// What a block waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum WaitsFor {
    /// Work: it may for ever.
    Work,
    /// Something that is due: it hangs if that does not come.
    Due {
        /// Which barrier, stage or flag, as its author numbers them; 0 where there is but one.
        resource: u32,
        /// The low 32 bits of the value that it is to have.
        expected: u32,
        /// The low 32 bits of the value that it had when the block last looked.
        seen: u32,
    },
    /// Something that is due; the block was just writing what.
    Something,
}

/// One block of a kernel, or one role of a block, at the moment of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BlockStatus {
    /// Its index in the kernel: the block's, or where roles have shards of their own the shard's.
    pub block: u32,
    /// What it says of itself.
    pub state: BlockState,
    /// The multiprocessor that it is on; on the host device the processor that its thread began on. `None` before it has
    /// begun.
    pub multiprocessor: Option<u32>,
    /// Where it is.
    pub place: Place,
    /// Since when it is there, or waits there.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub since: Option<SystemTime>,
    /// Number of the message in hand, from 0; `None` without one, and for kernels that no ring feeds.
    pub message: Option<u64>,
    /// What it waits for.
    pub waits_for: Option<WaitsFor>,
    /// Its last sign of life, or when it came to its place if that is later; `None` before it has begun.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::optional_unix_seconds"))]
    pub last_sign_of_life: Option<SystemTime>,
    /// Whether it has been silent for longer than the
    /// [`stall_limit`](crate::collector::TelemetryConfig::stall_limit).
    pub silent: bool,
}

impl BlockStatus {
    /// Of these words, with times of the device's clock as `time` says.
    pub(crate) fn new(
        block: u32,
        words: &BlockWords,
        names: &KernelNames,
        time: impl Fn(u64) -> Option<SystemTime>,
        silent: bool,
    ) -> Self {
        BlockStatus {
            block,
            state: match u64::from(words.state) {
                block_state::NONE => BlockState::NotStarted,
                block_state::HELD => BlockState::Held,
                block_state::ACTIVE => BlockState::Active,
                _ => BlockState::Ended,
            },
            multiprocessor: words.multiprocessor.checked_sub(1),
            place: place(words.at, names),
            since: time(words.at_ns),
            message: words.message.checked_sub(1),
            waits_for: waits_for(words),
            last_sign_of_life: time(words.sign_of_life_ns()),
            silent,
        }
    }

    /// One of which nothing is known.
    #[cfg(test)]
    pub(crate) fn unknown(block: u32) -> Self {
        BlockStatus::new(block, &BlockWords::default(), &KernelNames::default(), |_| None, true)
    }

    /// Writes what is known beyond its place, after `before`: `resource 2, expected 4, seen 3, message 81213`.
    pub(super) fn write_details(&self, before: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = details(self.waits_for, self.message);
        if details.is_empty() { Ok(()) } else { write!(f, "{before}{details}") }
    }
}

/// What is known of a block beyond its place: `resource 2, expected 4, seen 3, message 81213`.
pub(super) fn details(waits_for: Option<WaitsFor>, message: Option<u64>) -> String {
    let due = match waits_for {
        Some(WaitsFor::Due { resource: 0, expected, seen }) => Some(format!("expected {expected}, seen {seen}")),
        Some(WaitsFor::Due { resource, expected, seen }) => {
            Some(format!("resource {resource}, expected {expected}, seen {seen}"))
        }
        _ => None,
    };
    let message = message.map(|number| format!("message {number}"));
    [due, message].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// As in a sentence: `block 17 (SM 4) at "wait_barrier": expected 4, seen 3, message 81213`.
impl fmt::Display for BlockStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.block)?;
        if let Some(multiprocessor) = self.multiprocessor {
            write!(f, " (SM {multiprocessor})")?;
        }
        match self.state {
            BlockState::NotStarted => return f.write_str(" has not begun"),
            BlockState::Ended => return f.write_str(" has ended"),
            BlockState::Held | BlockState::Active => write!(f, " {}", self.place)?,
        }
        self.write_details(": ", f)
    }
}

/// As in a sentence: `at "load"`, `in the handler`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Nowhere => f.write_str("at no waypoint"),
            Place::Waypoint { name, .. } => write!(f, "at \"{name}\""),
            Place::Ring(RingPlace::Message) => f.write_str("waiting for a message"),
            Place::Ring(RingPlace::Handler) => f.write_str("in the handler"),
            Place::Ring(RingPlace::Room) => f.write_str("waiting for room for its reply"),
            Place::Ring(RingPlace::Publish) => f.write_str("publishing its reply"),
        }
    }
}

pub(super) fn place(word: u64, names: &KernelNames) -> Place {
    let index = word >> at::TIME_BITS & at::NAME_MASK;
    match word >> (at::TIME_BITS + at::NAME_BITS) {
        at::WAYPOINT | at::WAIT | at::IDLE => Place::Waypoint { name: names.name(index as u32), index: index as u32 },
        at::RING => match index {
            ring_place::TAKE => Place::Ring(RingPlace::Message),
            ring_place::HANDLER => Place::Ring(RingPlace::Handler),
            ring_place::ROOM => Place::Ring(RingPlace::Room),
            ring_place::PUBLISH => Place::Ring(RingPlace::Publish),
            _ => Place::Nowhere,
        },
        _ => Place::Nowhere,
    }
}

pub(super) fn waits_for(words: &BlockWords) -> Option<WaitsFor> {
    match words.at >> (at::TIME_BITS + at::NAME_BITS) {
        at::WAIT => Some(due(words)),
        at::IDLE => Some(WaitsFor::Work),
        at::RING if words.at >> at::TIME_BITS & at::NAME_MASK == ring_place::TAKE => Some(WaitsFor::Work),
        _ => None,
    }
}

/// Nothing orders the three words for who copies them: they are of one wait where their stamps say so.
fn due(words: &BlockWords) -> WaitsFor {
    let stamp = |word: u64| word & ((1 << wait::STAMP_BITS) - 1);
    let of_this_wait = |word: u64| stamp(word >> wait::VALUE_BITS) == stamp(words.at);
    if !of_this_wait(words.expected) || !of_this_wait(words.seen) {
        return WaitsFor::Something;
    }
    let resource = (words.expected >> (wait::VALUE_BITS + wait::STAMP_BITS)) as u32;
    WaitsFor::Due { resource, expected: words.expected as u32, seen: words.seen as u32 }
}
