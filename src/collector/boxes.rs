//! The black boxes of a device's kernels. Nothing here asks the device: it may be dead.

use std::sync::Arc;

use super::registry::Entry;
use crate::abi::KernelRef;
use crate::abi::at::TIME_MASK;
use crate::device::{BlackBoxes, ClockSample, DeviceError, Internal, Memory, ShardRange, SharedDevice, Timekeeper};
use crate::snapshot::BlackBox;
use crate::trace::Time;

/// How far a time of a block may lie behind what the host takes for now, in nanoseconds.
const AHEAD: u64 = 1 << 32;

/// The black boxes of all shards.
pub(super) struct Boxes {
    boxes: BlackBoxes,
    clock: Arc<Timekeeper>,
}

impl Boxes {
    /// Allocates boxes of `records` records.
    pub(super) fn new(device: &SharedDevice, shards: u32, records: u32) -> Result<Self, DeviceError> {
        let memory = device.allocate_mapped(BlackBoxes::bytes(shards, records))?;
        Ok(Boxes { boxes: BlackBoxes::new(memory, records), clock: device.timekeeper(Internal(()))? })
    }

    /// What kernels write to.
    pub(super) fn memory(&self) -> Memory {
        self.boxes.memory().clone()
    }

    /// Tells a kernel where its boxes are.
    pub(super) fn tell(&self, of: ShardRange, to: &mut KernelRef) {
        self.boxes.tell(of, to);
    }

    /// Makes the boxes of shards zero that nobody writes.
    pub(super) fn clean(&self, shards: ShardRange) {
        shards.all().for_each(|shard| self.boxes.clear(shard));
    }

    /// The boxes of a kernel's shards that have begun; `None` of a host actor.
    pub(super) fn read(&self, entry: &Entry) -> Option<Vec<BlackBox>> {
        if let Some(last) = entry.last() {
            return last.boxes.clone();
        }
        let shards = entry.shards()?;
        let now = self.clock.sample();
        let decode = |shard| {
            let words = self.boxes.read(shards.first + shard);
            BlackBox::decode(&words, &entry.id, shard, &entry.names, |low| time(&now, low))
        };
        Some((0..shards.count).filter_map(decode).collect())
    }
}

/// The last time before now with these low bits.
fn time(now: &ClockSample, low: u64) -> Time {
    let latest = now.device_ns.saturating_add(AHEAD);
    let device_ns = latest.checked_sub(latest.wrapping_sub(low) & TIME_MASK).unwrap_or(low);
    let unix_ns = now.unix_ns.saturating_add(device_ns).saturating_sub(now.device_ns);
    Time::device(device_ns, unix_ns, now.uncertainty_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_last_before_now_with_their_low_bits() {
        let at = |device_ns, low| {
            let now = ClockSample { device_ns, unix_ns: 1 << 60, ..ClockSample::default() };
            let time = time(&now, low);
            (time.device_ns.expect("it is"), time.unix_ns as i64 - (1 << 60))
        };
        assert_eq!(at(1000, 900), (900, -100));
        assert_eq!(at(1000, 1100), (1100, 100), "the clocks are not the same to the nanosecond");
        let day = (7 << 48) + 5;
        assert_eq!(at(day, 3), ((7 << 48) + 3, -2));
        assert_eq!(at(day, TIME_MASK), ((7 << 48) - 1, -6));
        assert_eq!(at(5, TIME_MASK).0, TIME_MASK, "none is before the clock's zero");
    }
}
