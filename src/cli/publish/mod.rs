//! Publishing from the program: what flags and a file ask for (`plan`), checking a file (`check`), doing it (`sending`), and what
//! is said of it (`report`).

pub mod args;
pub mod check;
mod file;
mod headers;
pub mod plan;
pub mod report;
mod resource;
pub mod sending;
mod settings;
pub mod teller;
#[cfg(test)]
mod tests;
