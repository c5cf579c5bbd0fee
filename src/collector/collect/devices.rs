//! The devices of a collector, read side by side: one that hangs takes its own copy limit, and one that is dead nothing of
//! the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::error::TelemetryError;
use super::super::registry::{Entry, LastNumbers};
use crate::abi::KernelRef;
use crate::device::{ClockSample, DeviceError, DeviceInfo, Memory, ShardRange, SlabLayout, SlabRange};
use crate::metrics::Registry as MetricRegistry;
use crate::reader::{BlockWords, KernelSums, Reader, Reading};
use crate::snapshot::{DeviceClock, DevicePlaces, DeviceSummary, KernelPlaces, ReadClock};

/// One device, and what was read of it last.
pub(in crate::collector) struct OneDevice {
    summary: DeviceSummary,
    reader: Reader,
    /// Its kernels that have shards, in whose order the reader has them.
    read: Vec<Arc<Entry>>,
    ranges: Vec<SlabRange>,
    /// How many of the slab's shards they reach to.
    used: usize,
    /// The blocks of those that gave back their shards, behind these.
    last_blocks: Vec<BlockWords>,
    /// The last that was good.
    reading: Reading,
    /// Why the last one was not.
    error: Option<TelemetryError>,
}

impl OneDevice {
    pub(in crate::collector) fn new(index: usize, info: &DeviceInfo, reader: Reader) -> Self {
        let reading = Reading::at(&ClockSample::of_unix(0));
        OneDevice {
            summary: DeviceSummary::new(index, info),
            reader,
            read: Vec::new(),
            ranges: Vec::new(),
            used: 0,
            last_blocks: Vec::new(),
            reading,
            error: None,
        }
    }

    /// Of its slab.
    pub(super) fn layout(&self) -> SlabLayout {
        self.reader.layout()
    }

    /// The memory that kernels write to.
    pub(super) fn slab(&self) -> Memory {
        self.reader.slab()
    }

    /// What a kernel needs to record in that range of its slab.
    pub(super) fn kernel_ref(&self, range: SlabRange) -> KernelRef {
        self.reader.kernel_ref(range)
    }

    /// The last good reading.
    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Why it could not be read just now.
    pub(super) fn error(&self) -> Option<&TelemetryError> {
        self.error.as_ref()
    }

    /// Whether it will not be read any more.
    pub(super) fn is_dead(&self) -> bool {
        self.error().is_some_and(|error| !error.is_late_copy())
    }

    pub(super) fn blocks(&self) -> &[BlockWords] {
        &self.reader.blocks()[..]
    }

    /// What its clock reads at least.
    pub(super) fn certain_ns(&self) -> u64 {
        self.reading.device_ns.saturating_sub(self.reading.device_uncertainty_ns)
    }

    /// Makes a part of its slab zero that nobody writes.
    pub(super) fn clean(&mut self, range: SlabRange) -> Result<(), DeviceError> {
        self.reader.clean(range)
    }

    /// All that is known of one of its kernels, of the last good reading, but for its black boxes.
    pub(super) fn last_of(&self, entry: &Arc<Entry>) -> Option<LastNumbers> {
        let shards = entry.shards()?;
        let sums = self.reader.totals().get(self.read.iter().position(|read| Arc::ptr_eq(read, entry))?)?.clone();
        // Of shards that no reading came to, nothing is known: zeros.
        let blocks = shards.all().map(|shard| self.blocks().get(shard as usize).copied().unwrap_or_default()).collect();
        Some(LastNumbers { sums, blocks, boxes: None })
    }

    /// Tells the reader whose shards it reads: those of `all` that are on the device of that index.
    fn rearrange(&mut self, index: usize, all: &[Arc<Entry>]) {
        let here = all.iter().filter(|entry| entry.device() == Some(index));
        let read: Vec<Arc<Entry>> = here.filter(|entry| entry.shards().is_some()).cloned().collect();
        let before: HashMap<*const Entry, usize> = (0..).zip(&self.read).map(|(i, e)| (Arc::as_ptr(e), i)).collect();
        let from: Vec<Option<usize>> = read.iter().map(|entry| before.get(&Arc::as_ptr(entry)).copied()).collect();
        self.reader.rearrange(&from);
        self.read = read;
        self.ranges = self.read.iter().filter_map(|entry| entry.slab_range()).collect();
        self.used = self.ranges.iter().map(|range| range.shards.all().end as usize).max().unwrap_or(0);
        self.last_blocks.clear();
    }

    /// Where a snapshot has the blocks of one of its kernels.
    fn blocks_of(&mut self, entry: &Entry) -> Option<ShardRange> {
        entry.shards().or_else(|| {
            let (first, last) = ((self.used + self.last_blocks.len()) as u32, entry.last()?);
            self.last_blocks.extend_from_slice(&last.blocks);
            Some(ShardRange { first, count: last.blocks.len() as u32 })
        })
    }

    /// The words of all blocks, as snapshots have them.
    fn words(&self) -> Arc<[BlockWords]> {
        let read = self.reader.blocks();
        if self.last_blocks.is_empty() {
            return Arc::clone(read);
        }
        // Fewer, or more, before those were read that are there now.
        let unread = std::iter::repeat_n(BlockWords::default(), self.used.saturating_sub(read.len()));
        let read = read.iter().take(self.used).copied();
        read.chain(unread).chain(self.last_blocks.iter().copied()).collect()
    }

    fn read(&mut self, metrics: &MetricRegistry) {
        let mut read = || -> Result<Reading, TelemetryError> {
            let reading = self.reader.read(&self.ranges)?;
            let copied_bytes = reading.copied_bytes + metrics.read_device(self.summary.index as usize)?;
            Ok(Reading { copied_bytes, copy_duration: reading.at.elapsed(), ..reading })
        };
        self.error = match read() {
            Ok(reading) => {
                self.reading = reading;
                None
            }
            Err(error) => Some(error),
        };
    }

    fn summary(&self) -> DeviceSummary {
        let read = &self.reading;
        DeviceSummary {
            clock: clock_of(read),
            copied_bytes: if self.error.is_some() { 0 } else { read.copied_bytes },
            copy_duration: if self.error.is_some() { Duration::ZERO } else { read.copy_duration },
            error: self.error.as_ref().map(|error| error.to_string().into()),
            ..self.summary.clone()
        }
    }

    fn places(&self, excused_ns: u64) -> DevicePlaces {
        let read = &self.reading;
        DevicePlaces {
            words: self.words(),
            clock: ReadClock {
                device_ns: read.device_ns,
                unix_ns: read.unix_ns,
                certain_ns: self.certain_ns().saturating_sub(excused_ns),
                timeline: read.timeline.clone(),
            },
        }
    }
}

/// All of them, in the order in which the collector was given them.
pub(super) struct Devices {
    all: Vec<OneDevice>,
    /// What is known of a kernel that was not read yet.
    nothing: KernelSums,
}

impl Devices {
    pub(super) fn new(all: Vec<OneDevice>, nothing: KernelSums) -> Self {
        Devices { all, nothing }
    }

    pub(super) fn get(&self, index: usize) -> Option<&OneDevice> {
        self.all.get(index)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut OneDevice> {
        self.all.get_mut(index)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, OneDevice> {
        self.all.iter()
    }

    /// The device that a kernel is on.
    pub(super) fn of(&self, entry: &Entry) -> Option<&OneDevice> {
        self.all.get(entry.device()?)
    }

    /// Why a kernel could not be read just now.
    pub(super) fn error_of(&self, entry: &Entry) -> Option<&TelemetryError> {
        self.of(entry)?.error()
    }

    /// What the device of a kernel died of.
    pub(super) fn death_of(&self, entry: &Entry) -> Option<&TelemetryError> {
        self.of(entry).filter(|device| device.is_dead())?.error()
    }

    /// Takes note of which kernels there are. Returns what snapshots know of them beside their blocks' words.
    pub(super) fn catch_up(&mut self, entries: &[Arc<Entry>]) -> Arc<[KernelPlaces]> {
        self.all.iter_mut().enumerate().for_each(|(index, device)| device.rearrange(index, entries));
        let place = |entry: &Arc<Entry>| {
            let (id, names, device) = (Arc::clone(&entry.id), entry.names.clone(), entry.device()?);
            Some(KernelPlaces { id, names, device, blocks: self.all.get_mut(device)?.blocks_of(entry)? })
        };
        entries.iter().filter_map(place).collect()
    }

    /// Reads all of them, each on a thread of its own. What one that fails had counted stays as it was.
    ///
    /// # Errors
    /// Why none of them can be read, where there are some.
    pub(super) fn read(&mut self, metrics: &MetricRegistry) -> Result<Reading, TelemetryError> {
        match &mut self.all[..] {
            [] => return Ok(without_device()),
            [only] => only.read(metrics),
            all => read_side_by_side(all, metrics),
        }
        let (good, failed): (Vec<_>, Vec<_>) = self.all.iter().partition(|device| device.error.is_none());
        match good[..] {
            [] => {
                let errors = || failed.iter().filter_map(|device| device.error.as_ref());
                let worst = errors().find(|error| !error.is_late_copy()).or_else(|| errors().next());
                worst.map_or_else(|| Ok(without_device()), |error| Err(error.clone()))
            }
            [only] if failed.is_empty() => Ok(only.reading.clone()),
            _ => Ok(self.together(&good)),
        }
    }

    /// One reading of what was read of these.
    fn together(&self, good: &[&OneDevice]) -> Reading {
        let readings = || good.iter().map(|device| &device.reading);
        let first = readings().min_by_key(|read| read.at).cloned().unwrap_or_else(without_device);
        let worst = readings().max_by_key(|read| read.device_uncertainty_ns);
        let ends = readings().filter_map(|read| read.at.checked_add(read.copy_duration)).max();
        Reading {
            copy_duration: ends.map_or(Duration::ZERO, |end: Instant| end.saturating_duration_since(first.at)),
            copied_bytes: readings().map(|read| read.copied_bytes).sum(),
            device_uncertainty_ns: worst.map_or(0, |read| read.device_uncertainty_ns),
            device_drift_ppb: worst.map_or(0, |read| read.device_drift_ppb),
            // Of all of them, so that they never become less.
            device_clock_restarts: self.all.iter().map(|device| device.reading.device_clock_restarts).sum(),
            lookup_misses: self.all.iter().map(|device| device.reading.lookup_misses).sum(),
            role_misses: self.all.iter().map(|device| device.reading.role_misses).sum(),
            ..first
        }
    }

    /// The sums of the entries that are on a device or, of `actors`, of the host: in their order.
    pub(super) fn sums<'a>(
        &'a self,
        entries: &'a [Arc<Entry>],
        actors: &'a [KernelSums],
    ) -> impl Iterator<Item = (&'a Arc<Entry>, &'a KernelSums)> + Clone {
        let mut of_devices: Vec<_> = self.all.iter().map(|device| device.reader.totals().iter()).collect();
        let mut of_actors = actors.iter();
        entries.iter().map(move |entry| {
            let sums = match entry.device() {
                Some(_) if entry.last().is_some() => entry.last().map(|last| &last.sums),
                Some(device) => of_devices.get_mut(device).and_then(Iterator::next),
                None => of_actors.next(),
            };
            (entry, sums.unwrap_or(&self.nothing))
        })
    }

    pub(super) fn summaries(&self) -> Arc<[DeviceSummary]> {
        self.all.iter().map(OneDevice::summary).collect()
    }

    pub(super) fn places(&self, excused_ns: u64) -> Vec<DevicePlaces> {
        self.all.iter().map(|device| device.places(excused_ns)).collect()
    }
}

/// Each by whoever is free; where the system gives no thread, one after the other.
fn read_side_by_side(devices: &mut [OneDevice], metrics: &MetricRegistry) {
    let others = devices.len() - 1;
    let queue = Mutex::new(devices.iter_mut());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(device) = next() {
            device.read(metrics);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..others {
            let _ = std::thread::Builder::new().name("ringscope-read".into()).spawn_scoped(scope, work);
        }
        work();
    });
}

pub(super) fn clock_of(reading: &Reading) -> DeviceClock {
    DeviceClock {
        uncertainty: Duration::from_nanos(reading.device_uncertainty_ns),
        drift_ppb: reading.device_drift_ppb,
        restarts_total: reading.device_clock_restarts,
    }
}

/// A reading of a collector without a device.
fn without_device() -> Reading {
    let unix_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    Reading::at(&ClockSample::of_unix(unix_ns))
}
