//! Files that people write: TOML as a tree of values that know where they stand, what somebody meant who wrote a name that there
//! is not, times and sizes.

mod nearest;
mod tree;
mod units;

pub use nearest::{nearest, unknown};
pub use tree::{Entry, Place, Problem, Value, parse};
pub use units::{parse_bytes, parse_duration};
