//! What is compared.

use crate::cli::term::units;

/// One number of a kernel in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    Throughput,
    ErrorRate,
    P50,
    P90,
    P99,
    Max,
    /// How far the distributions of the latencies are from each other.
    Shape,
    WaitingP50,
    WaitingP90,
    WaitingP99,
    WaitingMax,
    Queue,
    Busy,
}

/// What its values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    PerSecond,
    /// A part of 1.
    Part,
    Messages,
}

impl Metric {
    /// All of them, in the order of the table.
    pub const ALL: [Metric; 13] = [
        Metric::Throughput,
        Metric::ErrorRate,
        Metric::P50,
        Metric::P90,
        Metric::P99,
        Metric::Max,
        Metric::Shape,
        Metric::WaitingP50,
        Metric::WaitingP90,
        Metric::WaitingP99,
        Metric::WaitingMax,
        Metric::Queue,
        Metric::Busy,
    ];

    /// Returns the name, as conditions and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Throughput => "throughput",
            Metric::ErrorRate => "error_rate",
            Metric::P50 => "p50",
            Metric::P90 => "p90",
            Metric::P99 => "p99",
            Metric::Max => "max",
            Metric::Shape => "shape",
            Metric::WaitingP50 => "waiting_p50",
            Metric::WaitingP90 => "waiting_p90",
            Metric::WaitingP99 => "waiting_p99",
            Metric::WaitingMax => "waiting_max",
            Metric::Queue => "queue",
            Metric::Busy => "busy",
        }
    }

    /// Returns what its values are.
    pub fn unit(self) -> Unit {
        match self {
            Metric::Throughput => Unit::PerSecond,
            Metric::ErrorRate | Metric::Busy | Metric::Shape => Unit::Part,
            Metric::Queue => Unit::Messages,
            _ => Unit::Nanoseconds,
        }
    }

    /// Returns whether more of it is worse; `None` where it is neither.
    pub fn more_is_worse(self) -> Option<bool> {
        match self {
            Metric::Throughput => Some(false),
            Metric::Busy | Metric::Shape => None,
            _ => Some(true),
        }
    }

    /// A value in words.
    pub fn shown(self, value: f64) -> String {
        match self.unit() {
            Unit::Nanoseconds => units::latency(value),
            Unit::PerSecond => format!("{}/s", units::rate(value)),
            Unit::Part => format!("{:.2} %", value * 100.0),
            Unit::Messages => units::rate(value),
        }
    }
}
