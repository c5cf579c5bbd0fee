//! Records that kernels leave: events, spans, samples, log lines and messages, of their rings on the device.

mod assemble;
mod filter;
mod kept;
mod record;

pub use filter::{FilterError, TraceFilter};
pub use kept::{DeviceTrace, KernelRecords};
pub use record::{DeviceRecord, RecordKind, SampleValue};
