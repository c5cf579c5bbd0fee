//! What is known and what somebody looks at. Pure: nothing here knows of a terminal.

pub mod action;
pub mod app;
pub mod blocks;
pub mod history;
pub mod link;
pub mod log;
pub mod page;
pub mod point;
#[cfg(test)]
pub mod sample;
pub mod table;
