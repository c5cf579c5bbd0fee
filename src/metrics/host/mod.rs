//! Metrics that host threads count in: each thread adds to words of its own, and a reader adds the words up.

mod counter;
mod explicit;
mod exponential;
mod gauge;
mod histogram;
mod page;
mod shard;
mod sync;
mod thread;

pub use counter::Counter;
pub(crate) use counter::Counters;
pub use gauge::Gauge;
pub use histogram::{Histogram, Observation};
