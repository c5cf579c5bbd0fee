//! A snapshot as what is new in it: a few bytes for each number that changed since the snapshot before.
//!
//! Every number of a snapshot is a 64-bit word, and a word is written as its difference from the same word of the
//! snapshot before. Counts and times move little from one to the next. Both directions run through the same functions, so
//! that they cannot differ in the order.

#[cfg(feature = "recording")]
mod blocks;
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

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "recording")]
pub(crate) use blocks::{blocks, canonical};
#[cfg(feature = "recording")]
pub(crate) use gpus::gpus;
#[cfg(feature = "recording")]
pub(crate) use shape::{WholeShape, shape};
pub(crate) use varint::{Reader, Writer};
pub(crate) use whole::{Shape, code};

/// Writes differences, or reads them.
pub(crate) trait Coder {
    /// The word, which is `now` for a writer, and for a reader what was written.
    fn word(&mut self, before: u64, now: impl FnOnce() -> u64) -> u64;
    /// A text; as with words.
    fn text(&mut self, now: impl FnOnce() -> Arc<str>) -> Arc<str>;
    /// How many things follow, each of which is at least a word. A reader never says more than there can be.
    fn count(&mut self, before: usize, now: impl FnOnce() -> usize) -> usize;
}

/// Words of which few change: which ones, then those.
pub(super) fn words<const N: usize>(coder: &mut impl Coder, before: &[u64; N], now: Option<&[u64; N]>) -> [u64; N] {
    const { assert!(N <= 64) };
    let changed = coder.word(0, || {
        let now = now.unwrap_or(before);
        (0..N).filter(|i| before[*i] != now[*i]).fold(0, |bits, i| bits | 1 << i)
    });
    let mut words = *before;
    for (i, word) in words.iter_mut().enumerate().filter(|(i, _)| changed >> i & 1 == 1) {
        *word = coder.word(*word, || now.map_or(0, |now| now[i]));
    }
    words
}

/// 0 is never: 1970 is before any kernel.
pub(crate) fn time_word(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

pub(crate) fn time_of(word: u64) -> Option<SystemTime> {
    (word != 0).then(|| UNIX_EPOCH + Duration::from_nanos(word))
}

/// As before, none, or another.
pub(super) fn text(
    coder: &mut impl Coder,
    before: Option<&Option<Arc<str>>>,
    now: Option<&Option<Arc<str>>>,
) -> Option<Arc<str>> {
    let before = before.and_then(Option::as_ref);
    let now = now.and_then(Option::as_ref);
    let what = coder.word(0, || match now {
        now if now == before => 0,
        None => 1,
        Some(_) => 2,
    });
    match what {
        0 => before.cloned(),
        1 => None,
        _ => Some(coder.text(|| now.cloned().unwrap_or_default())),
    }
}
