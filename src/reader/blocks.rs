//! What each block said of itself last: where it is, what it waits for, when it gave a sign of life.

use std::sync::Arc;

use crate::abi::{Shard, Where, Word, at, block_state};

/// How far ahead of the host's idea of the device's clock a time may be that a block has read from it.
const AHEAD_NS: u64 = 1 << 40;

/// One block's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockWords {
    /// A [`block_state`].
    pub state: u32,
    /// 1 + the multiprocessor that it is on.
    pub multiprocessor: u32,
    /// [`Where::At`].
    pub at: u64,
    /// Its time, all of it; 0 where it is nowhere.
    pub at_ns: u64,
    /// [`Where::Message`].
    pub message: u64,
    /// [`Where::Expected`].
    pub expected: u64,
    /// [`Where::Seen`].
    pub seen: u64,
    /// [`Word::HeartbeatNs`].
    pub heartbeat_ns: u64,
}

impl BlockWords {
    /// A block's words in a copy of its shard, as `before` were those of the copy before, at that time of the device's clock.
    pub(super) fn of(shard: &Shard, before: &BlockWords, device_ns: u64) -> Self {
        let (word, place) = (|w: Word| shard.words[w as usize], |w: Where| shard.places[w as usize]);
        let at = place(Where::At);
        // A block that stays where it is for days is still there since then, though the time's low bits come again.
        let at_ns = match at {
            _ if at == before.at => before.at_ns,
            _ if at >> (at::TIME_BITS + at::NAME_BITS) == at::NOWHERE => 0,
            _ => whole_time(at, device_ns),
        };
        BlockWords {
            state: word(Word::State).min(block_state::ENDED) as u32,
            multiprocessor: place(Where::Sm) as u32,
            at,
            at_ns,
            message: place(Where::Message),
            expected: place(Where::Expected),
            seen: place(Where::Seen),
            heartbeat_ns: word(Word::HeartbeatNs),
        }
    }

    /// The youngest sign of life, device clock. Whoever comes to another place lives; whoever stays there does not by that.
    pub fn sign_of_life_ns(&self) -> u64 {
        self.heartbeat_ns.max(self.at_ns)
    }

    /// Whether it has started, and has not ended.
    pub fn runs(&self) -> bool {
        let state = u64::from(self.state);
        state != block_state::NONE && state != block_state::ENDED
    }
}

/// The newest time with these low bits that the device's clock, which reads about `device_ns`, can have read.
fn whole_time(low_bits: u64, device_ns: u64) -> u64 {
    let newest = device_ns.saturating_add(AHEAD_NS);
    newest.saturating_sub(newest.wrapping_sub(low_bits) & at::TIME_MASK)
}

/// The blocks of all kernels by their places in the slab. What a snapshot holds of them stays as it is; where nobody holds
/// the ones before the last, their memory is used again.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    now: Arc<[BlockWords]>,
    before: Arc<[BlockWords]>,
}

impl Blocks {
    /// Begins a reading of `count` blocks at that time of the device's clock: what the last one was is what was before.
    pub(super) fn turn(&mut self, count: usize, device_ns: u64) -> Turn<'_> {
        std::mem::swap(&mut self.now, &mut self.before);
        if self.now.len() != count || Arc::get_mut(&mut self.now).is_none() {
            self.now = vec![BlockWords::default(); count].into();
        }
        let now = Arc::get_mut(&mut self.now).unwrap_or_default();
        Turn { now, before: &self.before, device_ns }
    }

    pub(super) fn share(&self) -> &Arc<[BlockWords]> {
        &self.now
    }
}

/// The blocks of one reading, as they are noted.
pub(super) struct Turn<'a> {
    now: &'a mut [BlockWords],
    before: &'a [BlockWords],
    device_ns: u64,
}

impl Turn<'_> {
    /// Takes note of a block.
    pub(super) fn note(&mut self, index: u32, shard: &Shard) -> BlockWords {
        let index = index as usize;
        let before = self.before.get(index).copied().unwrap_or_default();
        let words = BlockWords::of(shard, &before, self.device_ns);
        if let Some(place) = self.now.get_mut(index) {
            *place = words;
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(kind: u64, waypoint: u64, time: u64) -> u64 {
        (kind << at::NAME_BITS | waypoint) << at::TIME_BITS | (time & at::TIME_MASK)
    }

    fn shard(at: u64) -> Shard {
        let mut shard = Shard::default();
        shard.places[Where::At as usize] = at;
        shard
    }

    proptest! {
        /// Of a clock that reads Unix time or the time since a boot, and a host that knows it to within a quarter of an hour.
        #[test]
        fn the_time_of_a_place_is_known_whole(
            now in 1u64 << 49..1 << 62, ago in 0u64..3 * 86_400_000_000_000, off in -900_000_000_000i64..900_000_000_000
        ) {
            let time = now - ago;
            let words = BlockWords::of(&shard(at(at::WAYPOINT, 7, time)), &BlockWords::default(), now.saturating_add_signed(off));
            prop_assert_eq!(words.at_ns, time);
        }
    }

    #[test]
    fn a_block_that_hangs_for_a_week_has_been_there_for_a_week() {
        const DAY: u64 = 86_400_000_000_000;
        let begun = 20_000 * DAY;
        let shard = shard(at(at::WAIT, 3, begun));
        let mut words = BlockWords::default();
        for day in 0..7 {
            words = BlockWords::of(&shard, &words, begun + day * DAY);
            assert_eq!(words.at_ns, begun, "day {day}");
        }
        assert_eq!(BlockWords::of(&self::shard(0), &words, begun + 7 * DAY).at_ns, 0, "nowhere");
    }

    #[test]
    fn memory_that_nobody_holds_is_used_again() {
        let mut blocks = Blocks::default();
        blocks.turn(2, 0);
        let first = Arc::as_ptr(blocks.share());
        let held = Arc::clone(blocks.share());
        blocks.turn(2, 0);
        drop(held);
        blocks.turn(2, 0);
        assert_eq!(Arc::as_ptr(blocks.share()), first);
        let held = Arc::clone(blocks.share());
        blocks.turn(2, 0);
        blocks.turn(2, 0);
        assert_ne!(Arc::as_ptr(blocks.share()), Arc::as_ptr(&held), "it is somebody's");
        blocks.turn(3, 0);
        assert_eq!(blocks.share().len(), 3);
    }
}
