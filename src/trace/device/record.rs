//! One record of a kernel, as the host hands it out.

use std::sync::Arc;

use crate::trace::time::Time;

/// Something that a kernel recorded, or how many of its records are missing in that place.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeviceRecord {
    /// The kernel's id.
    pub kernel: Arc<str>,
    /// The device that it ran on, as an index in [`Snapshot::devices`](crate::Snapshot::devices).
    pub device: u32,
    /// The shard whose ring it was in: the index of a block, or of a role of a block.
    pub shard: u32,
    /// The multiprocessor that the shard's block is on; `None` if the block did not say.
    pub sm: Option<u32>,
    /// Its number in its ring, from 0; of what is missing, that of the first.
    pub number: u64,
    /// When it was, or when it began; of what is missing, when the record before it was.
    pub time: Time,
    /// What it was.
    pub kind: RecordKind,
}

/// What a [`DeviceRecord`] is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RecordKind {
    /// Something happened.
    Event {
        /// What, by the kernel's names.
        name: Arc<str>,
        /// A number of the author's.
        value: u64,
    },
    /// Something took time.
    Span {
        /// What, by the kernel's names.
        name: Arc<str>,
        /// For how long.
        duration_ns: u64,
    },
    /// Something amounted to so much.
    Sample {
        /// What, by the kernel's names.
        name: Arc<str>,
        /// How much.
        value: SampleValue,
    },
    /// A line for people.
    Log {
        /// Its pattern's name.
        name: Arc<str>,
        /// How much it matters.
        severity: crate::trace::Severity,
        /// The line.
        text: String,
    },
    /// A message was handled.
    Message {
        /// Its number, where the kernel knows it.
        number: Option<u64>,
        /// How long it was handled.
        duration_ns: u64,
        /// What the handler returned; 0 is success.
        status: u32,
    },
    /// Records that were overwritten before they were read.
    Lost {
        /// How many.
        records: u64,
    },
}

/// What a sample amounted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SampleValue {
    /// A whole number.
    Whole(u64),
    /// Any number.
    Real(f64),
}

impl SampleValue {
    /// Returns it as a floating-point number, the nearest one.
    pub fn as_f64(self) -> f64 {
        match self {
            SampleValue::Whole(value) => value as f64,
            SampleValue::Real(value) => value,
        }
    }
}
