//! Which lane of the [shards](super::shard) a thread owns.

use std::cell::Cell as NotSync;

use super::shard::{Cells, Change, LANES, Lanes};
use super::sync::AtomicU64;

static OWNED: Lanes = Lanes::new([const { AtomicU64::new(0) }; LANES / 64]);

/// Instead of a lane: the thread did not write yet.
const UNKNOWN: usize = usize::MAX;
/// Instead of a lane: it owns none.
const SHARED: usize = LANES;

thread_local! {
    // Two variables: one without a destructor costs one load to read, and can be read while a thread's others are
    // being destroyed.
    static LANE: NotSync<usize> = const { NotSync::new(UNKNOWN) };
    static LEAVE: Leave = const { Leave };
}

/// Gives the thread's lane back when the thread ends.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        // Destructors that still run after this one count on the shared page.
        let lane = LANE.replace(SHARED);
        if lane < LANES {
            OWNED.give_back(lane);
        }
    }
}

/// Changes words of `cells` that the calling thread owns until it ends, or else those that are shared.
#[inline(always)]
pub(super) fn write(cells: &Cells, change: impl Change) {
    let lane = LANE.get();
    if lane < LANES { cells.write(lane, change) } else { write_elsewhere(cells, change) }
}

#[cold]
fn write_elsewhere(cells: &Cells, change: impl Change) {
    match lane() {
        SHARED => cells.write_shared(change),
        lane => cells.write(lane, change),
    }
}

/// The calling thread's lane, or [`SHARED`].
fn lane() -> usize {
    if LANE.get() == UNKNOWN {
        // First what gives the lane back: a thread that is ending already would keep it for ever.
        let leaves = LEAVE.try_with(|_| ()).is_ok();
        let lane = if leaves { OWNED.claim() } else { None };
        LANE.set(lane.unwrap_or(SHARED));
    }
    LANE.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};

    /// One test counts on lanes that are free, the other takes them all.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn a_lane_has_one_owner_and_comes_back() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = lane();
        assert_eq!(lane(), mine);
        for _ in 0..3 * LANES {
            let theirs = std::thread::spawn(lane).join().expect("a lane");
            assert!(theirs != mine && theirs < LANES, "lanes of ended threads come back");
        }
    }

    #[test]
    fn more_threads_than_lanes_share() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let barrier = std::sync::Barrier::new(LANES + 8);
        let enter = || {
            let mine = lane();
            barrier.wait();
            assert_eq!(lane(), mine);
            mine
        };
        let mut lanes: Vec<usize> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..LANES + 8).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|t| t.join().expect("a lane")).collect()
        });
        assert!(lanes.iter().filter(|lane| **lane == SHARED).count() >= 8, "more threads than lanes share");
        lanes.retain(|lane| *lane != SHARED);
        lanes.sort_unstable();
        assert!(lanes.windows(2).all(|pair| pair[0] != pair[1]), "no lane twice: {lanes:?}");
        for _ in 0..3 * LANES {
            let theirs = std::thread::spawn(lane).join().expect("a lane");
            assert!(theirs < LANES, "lanes of ended threads come back");
        }
    }
}
