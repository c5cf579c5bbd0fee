//! What both directions run through.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::abi::buckets;
use crate::histogram::Histogram;

/// Writes differences, or reads them.
pub(crate) trait Coder {
    /// The word, which is `now` for a writer, and for a reader what was written.
    fn word(&mut self, before: u64, now: impl FnOnce() -> u64) -> u64;
    /// A text; as with words.
    fn text(&mut self, now: impl FnOnce() -> Arc<str>) -> Arc<str>;
    /// How many things follow, each of which is at least a word. A reader never says more than there can be.
    fn count(&mut self, before: usize, now: impl FnOnce() -> usize) -> usize;

    /// Words of which few change: which ones, then those.
    fn words<const N: usize>(&mut self, before: &[u64; N], now: Option<&[u64; N]>) -> [u64; N] {
        const { assert!(N <= 64) };
        let changed = self.word(0, || {
            let now = now.unwrap_or(before);
            (0..N).filter(|i| before[*i] != now[*i]).fold(0, |bits, i| bits | 1 << i)
        });
        let mut words = *before;
        for (i, word) in words.iter_mut().enumerate().filter(|(i, _)| changed >> i & 1 == 1) {
            *word = self.word(*word, || now.map_or(0, |now| now[i]));
        }
        words
    }

    /// The counts of all slots of a histogram of the same scale. Of those that changed: the distance from the one before, and the
    /// difference.
    fn slots(&mut self, before: &Histogram, now: Option<&Histogram>) -> Vec<u64> {
        let mut counts: Vec<u64> = (0..buckets(before.scale())).map(|slot| before.count_in(slot)).collect();
        let count_now = |slot: usize| now.map_or(counts[slot], |now| now.count_in(slot));
        let changed: Vec<usize> = (0..counts.len()).filter(|slot| count_now(*slot) != counts[*slot]).collect();
        let mut changed = changed.into_iter();
        let mut last = 0;
        for _ in 0..self.count(0, || changed.len()) {
            last = self.word(last, || changed.next().unwrap_or_default() as u64);
            let slot = last as usize;
            if let Some(count) = counts.get_mut(slot) {
                *count = self.word(*count, || now.map_or(0, |now| now.count_in(slot)));
            }
        }
        counts
    }
}

/// 0 is never: 1970 is before any kernel.
pub(crate) fn time_word(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64
}

pub(crate) fn time_of(word: u64) -> Option<SystemTime> {
    (word != 0).then(|| UNIX_EPOCH + Duration::from_nanos(word))
}

/// As before, none, or another.
pub(crate) fn text(
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
