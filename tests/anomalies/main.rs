//! What is unusual: in runs of which it is known what went wrong, in files, and in numbers that nobody expects.
#![cfg(all(feature = "cli", feature = "host"))]

mod command;
#[allow(dead_code)] // the example uses more of it
mod generator;
mod numbers;
#[path = "../program/mod.rs"]
mod program;
mod runs;
#[allow(dead_code)]
mod watching;
