//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device; and their black boxes.

mod black_box;
mod filter;
mod place;
mod record;

pub use black_box::{BlackBox, BoxRecord, BoxRecordKind, LastWords};
pub use filter::{FilterError, TraceFilter};
pub use place::{AwaitedValue, Place};
pub use record::{DeviceRecord, RecordKind, SampleValue};
