//! Where in its code a block is, as it says.

use std::fmt;
use std::sync::Arc;

use crate::abi::at::{IDLE, NAME_BITS, NAME_MASK, RING, TIME_BITS, TIME_MASK, WAIT, WAYPOINT};
use crate::abi::ring_place::{HANDLER, PUBLISH, ROOM, TAKE};
use crate::abi::wait::{STAMP_BITS, VALUE_BITS};
use crate::trace::names::KernelNames;

/// Where in its code a block is: a waypoint of its author's, or a place of the ring.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// At a waypoint, by the kernel's names.
    Waypoint(Arc<str>),
    /// At a waypoint, where it waits for something that is due.
    Waits(Arc<str>),
    /// At a waypoint, where it waits for work.
    Idle(Arc<str>),
    /// Waits for a message.
    WaitsForMessage,
    /// In the handler of a message.
    Handler,
    /// Waits for room for its reply.
    WaitsForRoom,
    /// Makes its reply visible.
    Publishes,
}

impl Place {
    /// Of a kind and a waypoint of abi.h; `None` where they are none.
    pub(crate) fn new(kind: u64, waypoint: u64, names: &KernelNames) -> Option<Self> {
        let name = || names.name(waypoint as u32);
        match (kind, waypoint) {
            (WAYPOINT, ..=NAME_MASK) => Some(Place::Waypoint(name())),
            (WAIT, ..=NAME_MASK) => Some(Place::Waits(name())),
            (IDLE, ..=NAME_MASK) => Some(Place::Idle(name())),
            (RING, TAKE) => Some(Place::WaitsForMessage),
            (RING, HANDLER) => Some(Place::Handler),
            (RING, ROOM) => Some(Place::WaitsForRoom),
            (RING, PUBLISH) => Some(Place::Publishes),
            _ => None,
        }
    }

    /// Of a word of abi.h, with the time since when: the low bits of the device's clock.
    pub(crate) fn of_word(at: u64, names: &KernelNames) -> Option<(Self, u64)> {
        let place = Place::new(at >> (TIME_BITS + NAME_BITS), at >> TIME_BITS & NAME_MASK, names)?;
        Some((place, at & TIME_MASK))
    }

    /// Whether the block has nothing to do there.
    pub fn is_idle(&self) -> bool {
        matches!(self, Place::Idle(_) | Place::WaitsForMessage)
    }
}

/// As a part of a sentence: `at "mma"`, `in the handler`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Waypoint(name) | Place::Waits(name) => write!(f, "at \"{name}\""),
            Place::Idle(name) => write!(f, "at \"{name}\", waiting for work"),
            Place::WaitsForMessage => f.write_str("waiting for a message"),
            Place::Handler => f.write_str("in the handler"),
            Place::WaitsForRoom => f.write_str("waiting for room for its reply"),
            Place::Publishes => f.write_str("making its reply visible"),
        }
    }
}

/// What a block waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AwaitedValue {
    /// Which barrier, stage or flag: a number of the author's; 65,535 stands for all from there on.
    pub resource: u16,
    /// The value that it is to have, its low 32 bits.
    pub expected: u32,
    /// The value that it had when the block last wrote it, its low 32 bits.
    pub seen: u32,
}

impl AwaitedValue {
    /// Of the words of abi.h; `None` unless both are of the wait that `at` says.
    pub(crate) fn of_words(at: u64, expected: u64, seen: u64) -> Option<Self> {
        let stamp = |word: u64| word >> VALUE_BITS & ((1 << STAMP_BITS) - 1);
        let resource = |word: u64| (word >> (VALUE_BITS + STAMP_BITS)) as u16;
        let waits = at >> (TIME_BITS + NAME_BITS) == WAIT;
        let of_it = |word| stamp(word) == at & ((1 << STAMP_BITS) - 1) && resource(word) == resource(expected);
        let value = AwaitedValue { resource: resource(expected), expected: expected as u32, seen: seen as u32 };
        (waits && of_it(expected) && of_it(seen)).then_some(value)
    }
}

/// As a part of a sentence: `expected 4, seen 3`; the resource where it is not 0.
impl fmt::Display for AwaitedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.resource != 0 {
            write!(f, "resource {}, ", self.resource)?;
        }
        write!(f, "expected {}, seen {}", self.expected, self.seen)
    }
}
