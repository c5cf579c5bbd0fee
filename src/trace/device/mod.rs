//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device.

mod decode;
mod filter;
mod record;
mod stream;

#[doc(hidden)] // for the tests of what a copy may show
pub use decode::{Cursor, Decoded, RingCopy, What};
pub use filter::{FilterError, TraceFilter};
pub use record::{DeviceRecord, RecordKind, SampleValue};
pub(crate) use stream::{Batch, Queue, TracedKernel};
pub use stream::{Stream, StreamConfig, StreamEnd};
