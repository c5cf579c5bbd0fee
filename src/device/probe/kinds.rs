//! What can be asked for, and how the answers look.

use crate::abi::filter;

/// A way of recording a message whose cost can be asked for: ringscope's own, and what one might have written instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordStrategy {
    /// A loop that records nothing: what the others are measured from.
    Nothing,
    /// Ringscope's record by one warp: one instruction for all of it, into the block's own line.
    Warp,
    /// The same, with one line for all blocks.
    WarpOneLine,
    /// Ringscope's record by one thread: one atomic for each field.
    Thread,
    /// [`Warp`](RecordStrategy::Warp), and a fence at system scope after each record.
    Fenced,
    /// One atomic for each field, on memory of the host.
    MappedHost,
    /// [`Warp`](RecordStrategy::Warp), and a span (level 3) of a message that takes longer than 50 µs: none does.
    Slow,
    /// [`Warp`](RecordStrategy::Warp), and a span of one of 64 messages.
    Sampled,
    /// [`Warp`](RecordStrategy::Warp), and a span of each message.
    Everything,
    /// An event (level 3), and no message.
    Event,
    /// A span of one's own (level 3) that begins and ends, and no message.
    Span,
    /// A waypoint, and no message.
    Waypoint,
}

impl RecordStrategy {
    /// All of them.
    pub const ALL: &[RecordStrategy] = &[
        RecordStrategy::Nothing,
        RecordStrategy::Warp,
        RecordStrategy::WarpOneLine,
        RecordStrategy::Thread,
        RecordStrategy::Fenced,
        RecordStrategy::MappedHost,
        RecordStrategy::Slow,
        RecordStrategy::Sampled,
        RecordStrategy::Everything,
        RecordStrategy::Event,
        RecordStrategy::Span,
        RecordStrategy::Waypoint,
    ];

    pub(super) fn code(self) -> u64 {
        match self {
            RecordStrategy::Nothing => 16,
            RecordStrategy::Warp | RecordStrategy::WarpOneLine => 17,
            RecordStrategy::Slow | RecordStrategy::Sampled | RecordStrategy::Everything => 17,
            RecordStrategy::Thread => 18,
            RecordStrategy::Fenced => 19,
            RecordStrategy::MappedHost => 20,
            RecordStrategy::Event => 21,
            RecordStrategy::Span => 22,
            RecordStrategy::Waypoint => 23,
        }
    }

    /// Of which messages it leaves a span, as the device's word says that.
    pub(super) fn filter(self) -> u64 {
        const SLOW_NS: u64 = 50_000;
        let one_of = |power: u64| (power + 1) << filter::SLOW_BITS;
        match self {
            RecordStrategy::Slow => SLOW_NS,
            RecordStrategy::Sampled => one_of(6),
            RecordStrategy::Everything => one_of(0),
            _ => 0,
        }
    }
}

/// A way of counting in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMode {
    /// By single threads.
    One = 5,
    /// By warps, a value for each lane.
    Warp = 6,
    /// In shared memory first.
    Local = 7,
}

impl RecordMode {
    /// All of them.
    pub const ALL: &[RecordMode] = &[RecordMode::One, RecordMode::Warp, RecordMode::Local];
}

/// A change of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaugeChange {
    /// To the value.
    Set = 0,
    /// By the value.
    Add = 1,
    /// By the value, downwards.
    Sub = 2,
    /// To the value, if that is more.
    Max = 3,
    /// To the value, if that is less.
    Min = 4,
}

/// What one block spent on its rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// A round, in nanoseconds.
    pub ns: f64,
    /// A round, in cycles of the multiprocessor, or of the CPU's time stamp counter; `None` where neither is known.
    pub cycles: Option<f64>,
}

/// The steps of a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The smallest step between two looks.
    pub smallest_ns: u64,
    /// Steps that were seen.
    pub steps: u64,
}
