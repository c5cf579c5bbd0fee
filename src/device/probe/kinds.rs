//! What can be asked for, and how the answers look.

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
    ];

    pub(super) fn code(self) -> u64 {
        match self {
            RecordStrategy::Nothing => 16,
            RecordStrategy::Warp | RecordStrategy::WarpOneLine => 17,
            RecordStrategy::Thread => 18,
            RecordStrategy::Fenced => 19,
            RecordStrategy::MappedHost => 20,
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
