//! `ringscope diff`: two recordings compared, kernel by kernel. What is compared (`metric`, `sample`), whether a difference is more
//! than noise (`compare`), whether conditions hold (`condition`, `judge`) are pure; `shown`, `shape` and `json` say it.

pub mod args;
mod command;
mod compare;
mod condition;
pub mod error;
mod glob;
pub mod help;
mod json;
mod judge;
mod metric;
mod sample;
mod shape;
mod shown;

pub use command::diff;
