//! One launched kernel: its two ring ends, its launch, its state.

mod batches;
mod handle;
mod inbox;
mod life;
mod messages;
mod records;
mod replies;

pub use batches::SentBatch;
pub use handle::RingKernel;
pub(super) use handle::{Watch, records_nothing};
pub(super) use records::AwaitedRecords;
pub use replies::{Replies, ReplyRef};
