//! A snapshot as what is new in it: a few bytes for each number that changed since the snapshot before.
//!
//! Every number of a snapshot is a 64-bit word, and a word is written as its difference from the same word of the
//! snapshot before. Counts and times move little from one to the next. Both directions run through the same functions, so
//! that they cannot differ in the order.

#[cfg(feature = "recording")]
mod blocks;
mod coder;
mod devices;
#[cfg(feature = "recording")]
mod gpus;
mod histogram;
mod kernel;
mod operations;
mod publishers;
#[cfg(feature = "recording")]
mod shape;
mod stall;
mod telemetry;
mod varint;
mod whole;

#[cfg(feature = "recording")]
pub(crate) use blocks::{blocks, blocks_again, canonical};
#[cfg(feature = "recording")]
pub(crate) use coder::{Coder, text, time_of, time_word};
#[cfg(feature = "recording")]
pub(crate) use devices::devices;
#[cfg(feature = "recording")]
pub(crate) use gpus::gpus;
#[cfg(feature = "recording")]
pub(crate) use histogram::{histogram, value};
#[cfg(feature = "recording")]
pub(crate) use kernel::{KERNEL_WORDS, kernel_of, kernel_words, window_counts, word};
#[cfg(feature = "recording")]
pub(crate) use operations::operations;
#[cfg(feature = "recording")]
pub(crate) use publishers::publishers;
#[cfg(feature = "recording")]
pub(crate) use shape::{WholeShape, shape};
#[cfg(feature = "recording")]
pub(crate) use stall::stall;
#[cfg(feature = "recording")]
pub(crate) use telemetry::{self_metrics, system};
pub(crate) use varint::{Reader, Writer};
#[cfg(feature = "recording")]
pub(crate) use whole::windows;
pub(crate) use whole::{Shape, code};
