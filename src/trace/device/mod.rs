//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device; and their black boxes.

mod black_box;
mod decode;
mod filter;
mod place;
mod record;
mod stream;

pub use black_box::{BlackBox, BoxRecord, BoxRecordKind, LastWords};
#[doc(hidden)] // for the tests of what a copy may show
pub use decode::{Cursor, Decoded, RingCopy, What};
pub use filter::{FilterError, TraceFilter};
pub use place::{AwaitedValue, Place};
pub use record::{DeviceRecord, RecordKind, SampleValue};
pub(crate) use stream::{Batch, Queue, TracedKernel};
pub use stream::{Stream, StreamConfig, StreamEnd};
