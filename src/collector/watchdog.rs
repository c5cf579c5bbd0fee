//! Which kernels hang: those whose heartbeat does not move.
//!
//! Every block of a kernel writes the device's time into a word of its own when it has handled a message, and every so
//! often while it waits. The word says nothing by its value here, because the two clocks are not the same: what counts
//! is whether it changed between two readings, and how long ago that was on the host's steady clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::reader::ShardSums;
use crate::snapshot::{KernelState, Stall};

/// What is known of one kernel's signs of life.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The oldest last sign of life of the blocks that run, as of the last reading. While it stands still, one block at
    /// least is silent, however lively the others are.
    heartbeat_ns: u64,
    /// When a reading first found it so, in nanoseconds of the collector's steady clock.
    since_ns: u64,
    /// That it stalls, as it was first told: what is told again does not waver with the clocks.
    told: Option<Arc<Stall>>,
}

impl Watch {
    /// Whether it stalled at the last reading.
    pub(super) fn stalls(&self) -> bool {
        self.told.is_some()
    }

    /// Takes note of a reading at `now_ns`. Whether the kernel stalls, and since when, which `time` makes of the device's
    /// time.
    pub(super) fn look(
        &mut self,
        state: KernelState,
        lines: &ShardSums,
        now_ns: u64,
        limit: Duration,
        time: impl FnOnce(u64) -> Option<SystemTime>,
    ) -> Option<Arc<Stall>> {
        use KernelState::{Active, Deactivated, Launched};
        if lines.oldest_heartbeat_ns != self.heartbeat_ns {
            (self.heartbeat_ns, self.since_ns) = (lines.oldest_heartbeat_ns, now_ns);
        }
        // No block runs: it has not started yet, or has ended.
        let runs = self.heartbeat_ns != 0 && matches!(state, Launched | Active | Deactivated);
        let stalls = runs && u128::from(now_ns.saturating_sub(self.since_ns)) > limit.as_nanos();
        if stalls != self.told.is_some() {
            let told = |since| Arc::new(Stall { since, block: lines.oldest_block });
            self.told = if stalls { time(self.heartbeat_ns).map(told) } else { None };
        }
        self.told.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Duration = Duration::from_nanos(100);

    impl Watch {
        fn stalls_at(&mut self, state: KernelState, heartbeat: u64, now_ns: u64) -> bool {
            self.look(state, &lines(heartbeat), now_ns, LIMIT, |_| Some(SystemTime::UNIX_EPOCH)).is_some()
        }
    }

    fn lines(oldest_heartbeat_ns: u64) -> ShardSums {
        ShardSums { oldest_heartbeat_ns, ..ShardSums::default() }
    }

    #[test]
    fn what_has_not_started_has_ended_or_is_ending_does_not_stall() {
        use KernelState::{Active, Failed, Launched, Terminated, Terminating};
        for (state, heartbeat) in [(Launched, 0), (Active, 0), (Terminating, 7), (Terminated, 7), (Failed, 7)] {
            let mut watch = Watch::default();
            assert!((0..10).all(|n| !watch.stalls_at(state, heartbeat, n * 1000)), "{state}");
        }
        let mut watch = Watch::default();
        watch.stalls_at(Active, 7, 0);
        assert!(!watch.stalls_at(Active, 7, 100), "the limit itself is not longer than it");
        assert!(watch.stalls_at(Active, 7, 101));
        assert!(!watch.stalls_at(Active, 0, 202), "its blocks have ended");
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
                let stalls = watch.stalls_at(KernelState::Active, word, now);
                prop_assert_eq!(stalls, now - moved > 100);
            }
        }
    }
}
