//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device.

mod assemble;
mod decode;
mod filter;
mod in_hand;
mod kept;
mod record;
mod stream;

#[doc(hidden)] // for the tests of what a copy may show
pub use decode::{Cursor, Decoded, RingCopy, What};
pub use filter::{FilterError, TraceFilter};
pub(crate) use in_hand::InHand;
pub use kept::{DeviceTrace, KernelRecords};
pub use record::{DeviceRecord, RecordKind, SampleValue};
pub(crate) use stream::{Batch, Queue, TracedKernel};
pub use stream::{Stream, StreamConfig, StreamEnd};
