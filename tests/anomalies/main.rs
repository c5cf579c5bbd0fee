//! What is unusual: in runs of which it is known what went wrong, in files, and in numbers that nobody expects.
#![cfg(all(feature = "cli", feature = "host"))]

mod command;
mod generator;
mod numbers;
#[path = "../program/mod.rs"]
mod program;
mod runs;
mod watching;
