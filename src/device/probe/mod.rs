//! Questions to a device, answered by a kernel of their own (`kernels/probe/probe.cu`): what its clock does, whether its
//! words are whole, what a record costs there. `ringscope doctor --deep` and `ringscope bench` ask them.

mod args;
mod ask;
mod entry;
mod kinds;
mod resident;

pub use args::ProbeArgs;
pub use ask::Probe;
pub use entry::Entry;
pub use kinds::{Cost, GaugeChange, RecordMode, RecordStrategy, Tick};
pub use resident::{ClockServer, Halves};
