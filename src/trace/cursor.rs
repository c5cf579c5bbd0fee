//! How far somebody has read what is recorded, who leaves it to others as well.

use std::collections::HashMap;
use std::sync::Arc;

use super::time::Time;
use super::track::DeviceTrack;

/// How far a reader has read a trace: the next one has what ended since then. Each reader has one of its own, and takes nothing
/// from the others.
///
/// ```
/// use ringscope::trace::{TraceCursor, Tracer};
///
/// let tracer = Tracer::new("importer");
/// let mut cursor = TraceCursor::new();
/// tracer.span("first").start().end();
/// assert_eq!(tracer.trace_since(&mut cursor).spans.len(), 1);
/// tracer.span("second").start().end();
/// let since = tracer.trace_since(&mut cursor);
/// assert_eq!((since.spans.len(), &*since.spans[0].name, cursor.missed()), (1, "second", 0));
/// assert_eq!(tracer.spans().len(), 2); // they stay for others
/// ```
#[derive(Clone, Debug, Default)]
pub struct TraceCursor {
    pub(super) host: Option<HostCursor>,
    pub(super) devices: HashMap<Arc<DeviceTrack>, DeviceCursor>,
    pub(super) missed: u64,
}

/// Numbers of the next ones, from 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostCursor {
    pub(super) begin: Time,
    pub(super) spans: u64,
    pub(super) instants: u64,
    pub(super) counters: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct DeviceCursor {
    /// The number of the next record; `None` before the first look.
    pub(super) next: Option<u64>,
    /// Those that were left for the next look, since what is around them may not have ended.
    pub(super) left: Vec<u64>,
}

impl TraceCursor {
    /// Makes one that begins with the oldest that is kept.
    pub fn new() -> Self {
        TraceCursor::default()
    }

    /// Returns how many spans, instants, samples and records of kernels were gone before this reader came to them.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}
