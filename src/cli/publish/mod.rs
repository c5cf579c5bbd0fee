//! Publishing from the program: what flags and a file ask for (`plan`), checking a file (`check`).

pub mod args;
pub mod check;
mod file;
mod nearest;
pub mod plan;
mod resource;
mod settings;
