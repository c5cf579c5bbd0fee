//! Recordings: what goes in comes out, on disk and in a stream, whatever happens to it.
#![cfg(all(feature = "host", feature = "recording"))]
#![allow(unsafe_code)]

mod files;
mod roundtrip;
mod traffic;
