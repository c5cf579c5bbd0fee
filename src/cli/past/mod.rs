//! What a recording tells, read once and kept in bounded memory: what each kernel did in columns of time, and what happened.

mod column;
mod hangs;
mod happened;
mod happening;
mod kernel;
mod open;
mod run;

pub use column::{Column, Sums, merge};
pub use happening::{Happening, What};
pub use kernel::KernelPast;
pub use open::{named, read};
pub use run::{GpuColumn, MachineColumn, Past};
