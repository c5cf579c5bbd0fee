//! Which kernels hang: those whose heartbeat does not move.
//!
//! Every block of a kernel writes the device's time into a word of its own when it has handled a message, and regularly
//! while it waits; and with each place that it comes to, since when it is there. The newer of the two is its sign of life: a
//! block that moves lives, one that stays where it is does not by that. When a kernel is first read, the age of that word tells how long it has been silent. From then on only
//! movement counts, because the two clocks are not the same: whether the word changed between two readings, and how
//! long ago that was on the host's steady clock.

use std::sync::Arc;

use crate::reader::{BlockWords, ShardSums};
use crate::snapshot::{KernelState, Stall};

/// A pause is excused after the collector looked on for at least this part of the limit since the last one.
const LOOKED_ON: u64 = 10;

/// The moment of a reading, as the watchdog sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// The collector's steady clock.
    pub(super) now_ns: u64,
    /// What the device's clock reads at least, as far as the host knows.
    pub(super) device_ns: u64,
    /// How long before it blocks may not have run at all; silence of that time is not held against them.
    pub(super) excused_ns: u64,
    /// How long a block may be silent.
    pub(super) limit_ns: u64,
}

impl Look {
    /// How long the oldest sign of life of a kernel lies back at least. Its youngest one is a time of the device's own
    /// clock that has certainly passed.
    fn silence_ns(&self, sums: &ShardSums) -> u64 {
        let certainly = self.device_ns.max(sums.heartbeat_ns);
        certainly.saturating_sub(sums.oldest_heartbeat_ns)
    }
}

/// Tells a pause of the whole process (SIGSTOP, a frozen container, a machine that sleeps) from readings that are far apart.
#[derive(Debug)]
pub(super) struct Pauses {
    last_ns: Option<u64>,
    /// How long the collector looked on since it excused a pause.
    looked_on_ns: u64,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses { last_ns: None, looked_on_ns: u64::MAX }
    }
}

impl Pauses {
    /// Takes note of a reading at `now_ns`, where readings are planned every `planned_ns`, 0 being whenever somebody asks.
    /// Returns how much of the time since the reading before was a pause.
    ///
    /// A gap that is longer than the limit and far longer than planned may be a pause, in which blocks had no chance to
    /// give a sign of life. It may also be that nobody asked, and a kernel that hangs must be found then too: so a gap
    /// is excused once, and again only after the collector looked on for a while.
    pub(super) fn note(&mut self, now_ns: u64, limit_ns: u64, planned_ns: u64) -> u64 {
        let gap = self.last_ns.map_or(0, |last| now_ns.saturating_sub(last));
        self.last_ns = Some(now_ns);
        if gap <= limit_ns.max(planned_ns.saturating_mul(2)) {
            self.looked_on_ns = self.looked_on_ns.saturating_add(gap);
            return 0;
        }
        if self.looked_on_ns < limit_ns / LOOKED_ON {
            return 0;
        }
        self.looked_on_ns = 0;
        gap
    }
}

/// What is known of one kernel's signs of life.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The oldest last sign of life of the blocks that run, as of the last reading. While it stands still, one block at
    /// least is silent, however lively the others are. 0 is none: it has not started yet, or has ended.
    heartbeat_ns: u64,
    /// Since when it has stood still, in nanoseconds of the collector's steady clock.
    since_ns: u64,
    /// The stall, as it was first told: what is told again does not waver with the clocks.
    told: Option<Told>,
}

impl Watch {
    /// Whether it stalled at the last reading.
    pub(super) fn stalls(&self) -> bool {
        self.told.is_some()
    }

    /// Takes note of a reading. Returns the stall if the kernel stalls; `stall` tells what is known of that block, and the words
    /// that say so.
    ///
    /// A kernel that was told to stop, and does not, stalls as any other does.
    pub(super) fn look(
        &mut self,
        state: KernelState,
        sums: &ShardSums,
        look: &Look,
        stall: impl FnOnce(u32) -> Option<(Stall, BlockWords)>,
    ) -> Option<Arc<Stall>> {
        let word = sums.oldest_heartbeat_ns;
        if word == self.heartbeat_ns {
            self.since_ns = self.since_ns.saturating_add(look.excused_ns);
        } else {
            let by_age = self.heartbeat_ns == 0 && look.excused_ns == 0;
            let silence = if by_age { look.silence_ns(sums) } else { 0 };
            (self.heartbeat_ns, self.since_ns) = (word, look.now_ns.saturating_sub(silence));
        }
        let runs = word != 0 && !state.has_ended();
        let stalls = runs && look.now_ns.saturating_sub(self.since_ns) > look.limit_ns;
        self.told = match self.told.take() {
            _ if !stalls => None,
            None => stall(sums.oldest_block).map(|(stall, words)| Told { stall: Arc::new(stall), words }),
            Some(told) => Some(told.again(stall)),
        };
        self.told.as_ref().map(|told| Arc::clone(&told.stall))
    }
}

/// A stall as it was told.
#[derive(Debug)]
struct Told {
    stall: Arc<Stall>,
    words: BlockWords,
}

impl Told {
    /// Told again: since when stays; what the block waits for may be seen better now than at first.
    fn again(self, now: impl FnOnce(u32) -> Option<(Stall, BlockWords)>) -> Self {
        let (since, block) = (self.stall.since, self.stall.block);
        match now(block) {
            Some((stall, words)) if words != self.words => Told { stall: Arc::new(Stall { since, ..stall }), words },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::BlockStatus;
    use KernelState::{Active, Deactivated, Failed, Launched, Terminated, Terminating};
    use proptest::prelude::*;
    use std::time::SystemTime;

    const LIMIT: u64 = 100;

    fn look(now_ns: u64, excused_ns: u64) -> Look {
        // The device's clock at its zero: no word is old.
        Look { now_ns, device_ns: 0, excused_ns, limit_ns: LIMIT }
    }

    fn sums(oldest_heartbeat_ns: u64) -> ShardSums {
        ShardSums { oldest_heartbeat_ns, heartbeat_ns: oldest_heartbeat_ns, ..ShardSums::default() }
    }

    fn stall(block: u32) -> Option<(Stall, BlockWords)> {
        Some((Stall::new(SystemTime::UNIX_EPOCH, BlockStatus::unknown(block)), BlockWords::default()))
    }

    impl Watch {
        fn stalls_at(&mut self, state: KernelState, word: u64, look: &Look) -> bool {
            self.look(state, &sums(word), look, stall).is_some()
        }
    }

    #[test]
    fn what_has_not_started_or_has_ended_does_not_stall() {
        for (state, word) in [(Launched, 0), (Active, 0), (Terminating, 0), (Terminated, 7), (Failed, 7)] {
            let mut watch = Watch::default();
            assert!((0..10).all(|n| !watch.stalls_at(state, word, &look(n * 1000, 0))), "{state}");
        }
        let mut watch = Watch::default();
        watch.stalls_at(Active, 7, &look(0, 0));
        assert!(!watch.stalls_at(Active, 7, &look(100, 0)), "the limit itself is not longer than it");
        assert!(watch.stalls_at(Active, 7, &look(101, 0)));
        assert!(!watch.stalls_at(Active, 0, &look(202, 0)), "its blocks have ended");
    }

    #[test]
    fn a_kernel_that_hangs_stalls_whatever_it_is_told_until_it_has_ended() {
        let mut watch = Watch::default();
        watch.stalls_at(Active, 7, &look(0, 0));
        for (n, state) in [Active, Deactivated, Terminating, Terminating].into_iter().enumerate() {
            assert!(watch.stalls_at(state, 7, &look(101 + n as u64, 0)), "{state}");
        }
        assert!(!watch.stalls_at(Terminated, 0, &look(110, 0)));
        // One that is silent only since it was told to stop.
        let mut watch = Watch::default();
        watch.stalls_at(Terminating, 7, &look(0, 0));
        assert!(watch.stalls_at(Terminating, 7, &look(101, 0)));
        assert!(!watch.stalls_at(Terminating, 8, &look(102, 0)), "it works on");
    }

    #[test]
    fn the_first_reading_judges_by_age_and_the_later_ones_by_movement() {
        let first = |now_ns, device_ns, oldest, newest| {
            let sums = ShardSums { oldest_heartbeat_ns: oldest, heartbeat_ns: newest, ..ShardSums::default() };
            let look = Look { now_ns, device_ns, excused_ns: 0, limit_ns: LIMIT };
            Watch::default().look(Active, &sums, &look, stall).is_some()
        };
        assert!(first(1000, 5101, 5000, 5000));
        assert!(!first(1000, 5100, 5000, 5000));
        assert!(!first(1000, 4000, 5000, 5000), "a device clock that is behind says nothing");
        assert!(first(1000, 4000, 5000, 5101), "another block's word is a time that has passed");
        assert!(!first(99, 9999, 5000, 5000), "no kernel is silent for longer than its collector lives");
        // A word that moved is young, however old it looks.
        let mut watch = Watch::default();
        let at = |now_ns, device_ns| Look { now_ns, device_ns, excused_ns: 0, limit_ns: LIMIT };
        assert!(!watch.stalls_at(Active, 5000, &at(1000, 5000)));
        assert!(!watch.stalls_at(Active, 5001, &at(1001, 9000)));
        assert!(watch.stalls_at(Active, 5001, &at(1102, 9000)));
    }

    /// A kernel and the collector's pauses, read at some moments.
    #[derive(Default)]
    struct Reader {
        now_ns: u64,
        pauses: Pauses,
        watch: Watch,
    }

    impl Reader {
        fn after(&mut self, gap: u64, word: u64) -> (bool, u64) {
            self.now_ns += gap;
            let excused = self.pauses.note(self.now_ns, LIMIT, 0);
            (self.watch.stalls_at(Active, word, &look(self.now_ns, excused)), excused)
        }
    }

    #[test]
    fn a_pause_of_the_whole_process_is_not_a_stall_and_rare_readings_find_one() {
        let mut reader = Reader::default();
        (0..5).for_each(|_| assert!(!reader.after(10, 7).0));
        assert!(!reader.after(60_000, 7).0, "paused: 40 ns of silence before it, and a fresh chance");
        (0..6).for_each(|_| assert!(!reader.after(10, 7).0));
        assert!(reader.after(10, 7).0, "the chance is over");
        assert!(reader.after(60_000, 7).0, "a pause does not end a stall");
        assert!(!reader.after(10, 8).0);
        // Nobody asks but once in a while, or twice in a row.
        for gaps in [[1000, 1000], [1000, 1]] {
            let mut reader = Reader::default();
            let stalls = |_| gaps.map(|gap| reader.after(gap, 7).0);
            assert_eq!((0..3).flat_map(stalls).last(), Some(true), "{gaps:?}");
        }
        // A plan is kept: a gap that was meant to be is no pause.
        let mut pauses = Pauses::default();
        assert_eq!([0, 150, 350, 551].map(|now| pauses.note(now, LIMIT, 100)), [0, 0, 0, 201]);
    }

    proptest! {
        /// Against the definition: the last reading at which the word was another than before.
        #[test]
        fn stalls_exactly_while_the_word_stands_still_for_longer_than_the_limit(
            readings in prop::collection::vec((1u64..4, 0u64..80), 1..60)
        ) {
            let (mut watch, mut now, mut moved, mut last) = (Watch::default(), 0, 0, 0);
            for (word, later) in readings {
                now += later;
                if word != last {
                    (moved, last) = (now, word);
                }
                let stalls = watch.stalls_at(KernelState::Active, word, &look(now, 0));
                prop_assert_eq!(stalls, now - moved > 100);
            }
        }

        /// With pauses: what counts is the time since the last movement, but for the pauses in it.
        #[test]
        fn pauses_do_not_count(readings in prop::collection::vec((1u64..3, prop_oneof![9 => 0u64..40, 1 => 101u64..9999]), 1..80)) {
            let mut reader = Reader::default();
            let (mut silence, mut last) = (0, 0);
            for (word, gap) in readings {
                let (stalls, excused) = reader.after(gap, word);
                prop_assert!(excused == 0 || excused == gap && gap > LIMIT);
                silence = if word == last { silence + gap - excused } else { 0 };
                last = word;
                prop_assert_eq!(stalls, silence > LIMIT);
            }
        }

        /// Whatever the readings' rhythm, a kernel that hangs is found: after a dozen long gaps, or the limit of short ones.
        #[test]
        fn a_hung_kernel_is_found_in_any_rhythm(gaps in prop::collection::vec(prop_oneof![0u64..40, 101u64..9999], 1..80)) {
            let mut reader = Reader::default();
            reader.after(0, 7);
            let (mut long, mut short) = (0, 0);
            for gap in gaps {
                if gap > LIMIT { long += 1 } else { short += gap }
                let (stalls, _) = reader.after(gap, 7);
                prop_assert!(stalls || long <= 12 && short <= LIMIT);
            }
        }

        /// Whatever the clocks, a living kernel does not stall at the first reading, and no number overflows.
        #[test]
        fn a_young_word_does_not_stall_at_the_first_reading(
            now in 0u64..u64::MAX, unknown in 0u64..u64::MAX / 4, age in 0u64..=LIMIT, device in 1u64..u64::MAX
        ) {
            let device_ns = device.saturating_add(age).saturating_sub(unknown);
            let look = Look { now_ns: now, device_ns, excused_ns: 0, limit_ns: LIMIT };
            prop_assert!(!Watch::default().stalls_at(Active, device, &look));
        }
    }
}
