//! Recordings: what goes in comes out, on disk and in a stream, whatever happens to it.
#![cfg(all(feature = "host", feature = "cli"))]
#![allow(unsafe_code)]

mod command;
mod damage;
mod files;
mod real;
mod roundtrip;
#[allow(dead_code)] // the benchmark uses more of it
mod sizes;
mod traffic;
