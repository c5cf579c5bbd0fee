//! [`Periodic`]: publishes every so often, on a thread of its own, and once more at the end.

mod builder;
mod gather;
mod handle;

pub use builder::PeriodicBuilder;
pub use handle::Periodic;
