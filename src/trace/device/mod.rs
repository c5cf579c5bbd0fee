//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device.

mod filter;
mod record;

pub use filter::{FilterError, TraceFilter};
pub use record::{DeviceRecord, RecordKind, SampleValue};
