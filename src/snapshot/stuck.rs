//! Which kernels hang, where, and why: as a value, and as a sentence.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::blocks::{BlockState, BlockStatus, Place, WaitsFor};
use super::kernel::Stall;

/// Most groups of blocks that the sentence tells of.
const MOST_TOLD: usize = 4;

/// A kernel that hangs: some of its blocks were silent for longer than the
/// [`stall_limit`](crate::collector::TelemetryConfig::stall_limit).
///
/// Its `Display` is a sentence:
/// `worker_1 hangs since 12.3 s: 131 blocks at "load"; block 17 (SM 4) at "wait_barrier": expected 4, seen 3, message 81213`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StuckKernel {
    /// Which kernel.
    pub kernel_id: Arc<str>,
    /// When the block that has been silent for the longest time gave its last sign of life.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::unix_seconds"))]
    pub since: SystemTime,
    /// How long before the snapshot that was.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub lasts: Duration,
    /// Its silent blocks by where they are and which resource they wait for. First those that wait for something that is due,
    /// for they are the cause more often than the others; among these and among the rest, the longest first.
    pub groups: Vec<StuckGroup>,
    /// Blocks that have begun and have not ended, and are not silent.
    pub others: u32,
}

/// Silent blocks at one place, of one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StuckGroup {
    /// Where they are.
    pub place: Place,
    /// How many they are.
    pub blocks: u32,
    /// The block to look at: the one that has been silent for the longest time.
    pub look_at: BlockStatus,
}

impl StuckGroup {
    fn of(status: BlockStatus) -> Self {
        StuckGroup { place: status.place.clone(), blocks: 1, look_at: status }
    }

    fn takes(&self, status: &BlockStatus) -> bool {
        self.place == status.place && cause(&self.look_at) == cause(status)
    }

    fn add(&mut self, status: BlockStatus) {
        self.blocks += 1;
        if status.last_sign_of_life < self.look_at.last_sign_of_life {
            self.look_at = status;
        }
    }

    fn is_due(&self) -> bool {
        cause(&self.look_at).is_some()
    }
}

/// What a block waits for, where that is due: which resource. Values of one resource may be others for each block.
fn cause(status: &BlockStatus) -> Option<Option<u32>> {
    match status.waits_for {
        Some(WaitsFor::Due { resource, .. }) => Some(Some(resource)),
        Some(WaitsFor::Something) => Some(None),
        Some(WaitsFor::Work) | None => None,
    }
}

impl StuckKernel {
    pub(super) fn new(kernel_id: &Arc<str>, stall: &Stall, at: SystemTime, blocks: Vec<BlockStatus>) -> Self {
        let mut groups: Vec<StuckGroup> = Vec::new();
        let mut others = 0;
        for status in blocks {
            match groups.iter_mut().find(|group| group.takes(&status)) {
                _ if !status.silent => {
                    others += u32::from(matches!(status.state, BlockState::Held | BlockState::Active));
                }
                Some(group) => group.add(status),
                None => groups.push(StuckGroup::of(status)),
            }
        }
        groups.sort_by_key(|group| (!group.is_due(), group.look_at.last_sign_of_life));
        let (kernel_id, since) = (Arc::clone(kernel_id), stall.since);
        StuckKernel { kernel_id, since, lasts: at.duration_since(since).unwrap_or_default(), groups, others }
    }

    /// Returns the block to look at first; `None` where the snapshot has no blocks.
    pub fn look_at(&self) -> Option<&BlockStatus> {
        Some(&self.groups.first()?.look_at)
    }
}

impl fmt::Display for StuckKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hangs since {:.1} s", self.kernel_id, self.lasts.as_secs_f64())?;
        // The consequence first, then the cause.
        let (told, left) = self.groups.split_at(self.groups.len().min(MOST_TOLD));
        let mut between = ": ";
        if !left.is_empty() {
            let blocks: u32 = left.iter().map(|group| group.blocks).sum();
            match (blocks, left.len()) {
                (1, _) => write!(f, "{between}1 block at another place")?,
                (_, 1) => write!(f, "{between}{blocks} blocks at another place")?,
                (_, places) => write!(f, "{between}{blocks} blocks at {places} other places")?,
            }
            between = "; ";
        }
        for group in told.iter().rev() {
            write!(f, "{between}{group}")?;
            between = "; ";
        }
        match self.others {
            0 => Ok(()),
            1 => f.write_str("; 1 other block lives"),
            others => write!(f, "; {others} other blocks live"),
        }
    }
}

/// As in a sentence: `131 blocks at "load"`, or the one block.
impl fmt::Display for StuckGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.blocks == 1 {
            return self.look_at.fmt(f);
        }
        write!(f, "{} blocks {}", self.blocks, self.place)?;
        if !self.is_due() {
            return Ok(());
        }
        write!(f, " (the first of them block {}", self.look_at.block)?;
        self.look_at.write_details(": ", f)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::RingPlace;
    use std::time::UNIX_EPOCH;

    fn at(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    fn block(block: u32, name: &str, since_ms: u64) -> BlockStatus {
        BlockStatus {
            block,
            state: BlockState::Active,
            multiprocessor: Some(block / 4),
            place: Place::Waypoint { name: name.into(), index: 0 },
            since: Some(at(since_ms)),
            message: None,
            waits_for: None,
            last_sign_of_life: Some(at(since_ms)),
            silent: true,
        }
    }

    fn waiting(block: BlockStatus, resource: u32, expected: u32, seen: u32) -> BlockStatus {
        BlockStatus { waits_for: Some(WaitsFor::Due { resource, expected, seen }), ..block }
    }

    fn stuck(blocks: Vec<BlockStatus>) -> StuckKernel {
        let stall = Stall::new(at(1000), block(0, "", 1000));
        StuckKernel::new(&"worker_1".into(), &stall, at(13_300), blocks)
    }

    #[test]
    fn a_kernel_that_hangs_is_told_in_a_sentence() {
        let mut blocks: Vec<_> = (0..132).filter(|n| *n != 17).map(|n| block(n, "load", 2000)).collect();
        let cause = BlockStatus { message: Some(81_213), ..waiting(block(17, "wait_barrier", 3000), 0, 4, 3) };
        blocks.push(cause.clone());
        let told = stuck(blocks);
        assert_eq!(
            told.to_string(),
            "worker_1 hangs since 12.3 s: 131 blocks at \"load\"; block 17 (SM 4) at \"wait_barrier\": expected 4, seen 3, \
             message 81213"
        );
        assert_eq!((told.look_at(), told.others, told.lasts), (Some(&cause), 0, Duration::from_millis(12_300)));
    }

    #[test]
    fn groups_are_of_one_place_and_one_resource_and_the_longest_silence_comes_first() {
        let mut blocks: Vec<_> = (0..3).map(|n| waiting(block(n, "full", 2000 - u64::from(n)), 5, 8 + n, n)).collect();
        blocks.extend([waiting(block(3, "full", 1500), 6, 1, 0), block(4, "store", 1000), block(5, "load", 1100)]);
        let held = BlockStatus { state: BlockState::Held, silent: false, ..block(6, "load", 1) };
        let ended = BlockStatus { state: BlockState::Ended, silent: false, ..block(7, "load", 1) };
        blocks.extend([held, ended]);
        let told = stuck(blocks);
        let groups: Vec<_> = told.groups.iter().map(|g| (g.blocks, g.look_at.block)).collect();
        assert_eq!((&groups[..], told.others), (&[(1, 3), (3, 2), (1, 4), (1, 5)][..], 1));
        assert_eq!(
            told.to_string(),
            "worker_1 hangs since 12.3 s: block 5 (SM 1) at \"load\"; block 4 (SM 1) at \"store\"; \
             3 blocks at \"full\" (the first of them block 2: resource 5, expected 10, seen 2); \
             block 3 (SM 0) at \"full\": resource 6, expected 1, seen 0; 1 other block lives"
        );
    }

    #[test]
    fn a_sentence_has_an_end() {
        let blocks = (0..4096).map(|n| block(n, &format!("#{n}"), u64::from(n))).collect();
        let told = stuck(blocks).to_string();
        assert!(told.starts_with("worker_1 hangs since 12.3 s: 4092 blocks at 4092 other places; block 3"), "{told}");
        assert!(told.len() < 300);
        let told = stuck((0..5).map(|n| block(n, &format!("#{n}"), u64::from(n))).collect()).to_string();
        assert!(told.starts_with("worker_1 hangs since 12.3 s: 1 block at another place; block 3"), "{told}");
    }

    #[test]
    fn the_places_of_a_ring_are_words() {
        let ring = |place| BlockStatus { place: Place::Ring(place), message: Some(3), ..block(1, "", 0) };
        let told = |status: BlockStatus| status.to_string();
        assert_eq!(told(ring(RingPlace::Handler)), "block 1 (SM 0) in the handler: message 3");
        assert_eq!(told(ring(RingPlace::Room)), "block 1 (SM 0) waiting for room for its reply: message 3");
        let nowhere = BlockStatus { place: Place::Nowhere, multiprocessor: None, ..block(1, "", 0) };
        assert_eq!(told(nowhere.clone()), "block 1 at no waypoint");
        assert_eq!(told(BlockStatus { state: BlockState::NotStarted, ..nowhere }), "block 1 has not begun");
        assert_eq!(stuck(Vec::new()).to_string(), "worker_1 hangs since 12.3 s");
    }
}
