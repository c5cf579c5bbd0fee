//! One launched kernel: its two ring ends, its launch, its state.

mod handle;
mod inbox;
mod life;
mod messages;
mod records;

pub use handle::RingKernel;
pub(super) use handle::records_nothing;
pub(super) use records::AwaitedRecords;
