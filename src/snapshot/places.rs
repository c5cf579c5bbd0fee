//! Where the blocks of all kernels were at the moment of a snapshot, as they were copied: most of it nobody asks for.

use std::sync::Arc;
use std::time::SystemTime;

use super::blocks::BlockStatus;
use super::convert::unix_time;
use super::kernel::Stall;
use super::stuck::StuckKernel;
use crate::device::Timeline;
use crate::reader::{BlockWords, ShardRange};
use crate::trace::KernelNames;

/// The blocks of a snapshot. Empty in one that comes out of the history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    pub(crate) devices: Vec<DevicePlaces>,
    pub(crate) kernels: Arc<[KernelPlaces]>,
    /// How long a block may be silent.
    pub(crate) limit_ns: u64,
    /// Of the kernels that stall: their places in `kernels`.
    pub(crate) stalled: Vec<(usize, Arc<Stall>)>,
}

/// The blocks of one device.
#[derive(Clone, Debug, Default)]
pub(crate) struct DevicePlaces {
    /// By their places in the slab.
    pub(crate) words: Arc<[BlockWords]>,
    pub(crate) clock: ReadClock,
}

/// Which of the blocks are a kernel's, and what it calls its waypoints.
#[derive(Clone, Debug)]
pub(crate) struct KernelPlaces {
    pub(crate) id: Arc<str>,
    pub(crate) names: KernelNames,
    /// The index of its device.
    pub(crate) device: usize,
    pub(crate) blocks: ShardRange,
}

/// A device's clock at the moment of a reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadClock {
    pub(crate) device_ns: u64,
    pub(crate) unix_ns: u64,
    /// What it reads at least, less the time in which blocks may not have run.
    pub(crate) certain_ns: u64,
    pub(crate) timeline: Option<Timeline>,
}

impl ReadClock {
    pub(crate) fn time(&self, ns: u64) -> Option<SystemTime> {
        unix_time(ns, self.device_ns, self.unix_ns, self.timeline.as_ref())
    }
}

impl Places {
    /// Each block of the kernel of that name.
    pub(super) fn of(&self, id: &str) -> Option<Vec<BlockStatus>> {
        let index = self.kernels.iter().position(|kernel| &*kernel.id == id)?;
        Some(self.blocks(index))
    }

    /// The kernels that stall, the longest first.
    pub(super) fn stuck(&self, at: SystemTime) -> Vec<StuckKernel> {
        let stuck = |(index, stall): &(usize, Arc<Stall>)| self.one_stuck(*index, stall, at);
        let mut stuck: Vec<StuckKernel> = self.stalled.iter().filter_map(stuck).collect();
        stuck.sort_by_key(|kernel| kernel.since);
        stuck
    }

    /// The kernel of that name, if it stalls.
    pub(super) fn stuck_kernel(&self, id: &str, at: SystemTime) -> Option<StuckKernel> {
        let named =
            |(index, _): &&(usize, Arc<Stall>)| self.kernels.get(*index).is_some_and(|kernel| &*kernel.id == id);
        let (index, stall) = self.stalled.iter().find(named)?;
        self.one_stuck(*index, stall, at)
    }

    fn one_stuck(&self, index: usize, stall: &Stall, at: SystemTime) -> Option<StuckKernel> {
        let kernel = self.kernels.get(index)?;
        Some(StuckKernel::new(&kernel.id, stall, at, self.blocks(index)))
    }

    /// Each block of the kernel at that place.
    pub(super) fn blocks(&self, index: usize) -> Vec<BlockStatus> {
        let Some(kernel) = self.kernels.get(index) else { return Vec::new() };
        let Some(DevicePlaces { words, clock }) = self.devices.get(kernel.device) else { return Vec::new() };
        let first = kernel.blocks.first as usize;
        let words = words.get(first..first + kernel.blocks.count as usize).unwrap_or_default();
        let stall = self.stalled.iter().find(|(of, _)| *of == index).map(|(_, stall)| &**stall);
        let longest_ns = stall.and_then(|stall| words.get(stall.block as usize)).map(BlockWords::sign_of_life_ns);
        let status = |(block, words): (usize, &BlockWords)| {
            // The block that the watchdog found, and others that are silent as long, or too long.
            let sign_ns = words.sign_of_life_ns();
            let is_silent =
                |longest_ns| sign_ns <= longest_ns || clock.certain_ns.saturating_sub(sign_ns) > self.limit_ns;
            let silent = words.runs() && longest_ns.is_some_and(is_silent);
            BlockStatus::new(block as u32, words, &kernel.names, |ns| clock.time(ns), silent)
        };
        words.iter().enumerate().map(status).collect()
    }
}

/// What is served as JSON: the kernels that hang, and the blocks of each by its id.
#[cfg(feature = "serde")]
impl serde::Serialize for Places {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        let now = |device: &DevicePlaces| device.clock.time(device.clock.device_ns);
        let at = self.devices.iter().find_map(now).unwrap_or(SystemTime::UNIX_EPOCH);
        map.serialize_entry("stuck", &self.stuck(at))?;
        let ids = self.kernels.iter().map(|kernel| &*kernel.id);
        let blocks = ids.enumerate().map(|(index, id)| (id, self.blocks(index)));
        map.serialize_entry("blocks", &blocks.collect::<std::collections::BTreeMap<_, _>>())?;
        map.end()
    }
}
