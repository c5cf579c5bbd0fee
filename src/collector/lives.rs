//! Lives begin and end: a kernel gets its place, and gives it back when none of its blocks writes any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::actor::Actor;
use super::collect::Collection;
use super::core::{Core, Outcome};
use super::counts::count;
use super::error::TelemetryError;
use super::handle::TelemetryCollector;
use super::registry::{Entry, Registry};
use super::trace::Drain;
use crate::abi::{KernelRef, block_state};
use crate::device::{DeviceError, Launch, SlabLayout};
use crate::snapshot::{KernelState, KernelTelemetry};
use crate::trace::{KernelNames, TraceFilter, TracedKernel};

/// One life of a kernel, for who commands it: what is said of it is said of none that came later under the same id.
#[derive(Clone)]
pub(crate) struct Life(Arc<Entry>);

impl Life {
    /// Where its senders count that its queue was full.
    pub(crate) fn queue_full(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.queue_full)
    }

    /// Which life under its id it is.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Life({} of {})", self.0.generation, self.0.id)
    }
}

impl TelemetryCollector {
    /// The life that a kernel of this id has now; `None` while telemetry is off.
    pub(crate) fn life(&self, id: &str) -> Option<Life> {
        self.core.registry().get(id).cloned().map(Life)
    }

    /// Says what state a kernel is in, as its commander knows it.
    pub(crate) fn set_state(&self, life: &Life, state: KernelState) {
        self.core.set_state(&life.0, state);
    }

    /// Says that a kernel is dead, and of what, which its telemetry carries from now on.
    pub(crate) fn set_failed(&self, life: &Life, died_of: &str) {
        self.core.set_failed(&life.0, died_of);
    }

    /// Says that no block of a kernel writes any more: its place is another's when one needs it.
    pub(crate) fn set_left(&self, life: &Life) {
        self.core.registry_mut().note_end(&life.0);
    }

    /// What a kernel died of, with what its black boxes say of it.
    pub(crate) fn quoted(&self, life: &Life, died_of: DeviceError) -> DeviceError {
        self.core.quoted(&life.0, died_of)
    }

    /// Takes back a registration of which nothing was launched. If something was registered since, it stays, and is a kernel
    /// that has left.
    pub(crate) fn forget(&self, life: &Life) {
        self.core.forget(&life.0);
    }

    /// Ends a kernel that was [registered](Self::register) and that this program launched itself: its last numbers stay
    /// readable, its id can be registered again, and its shards are another kernel's when one needs them. Call it when
    /// everything that was launched with its reference has ended on the device, its stream having been waited for. A second
    /// time it does nothing. Kernels of a [`RingKernelRuntime`](crate::RingKernelRuntime) need no such call.
    ///
    /// It reads everything now, as [`snapshot`](Self::snapshot) does.
    ///
    /// # Errors
    /// [`TelemetryError::StillRunning`] if a block of it has begun and has not said that it ended: then nothing changed. What
    /// cannot be known is whether a launch is yet to begin. [`TelemetryError::UnknownKernel`], also of a host actor; and as
    /// [`snapshot`](Self::snapshot).
    pub fn retire(&self, id: &str) -> Result<(), TelemetryError> {
        self.core.retire(id, None)
    }

    /// As [`retire`](Self::retire), of a kernel whose blocks may have died before they said that they ended: `launch`, which
    /// is all that was launched with its reference, says that none of them runs. What it died of is kept with its last numbers.
    ///
    /// # Errors
    /// As [`retire`](Self::retire), with [`TelemetryError::StillRunning`] while blocks of the launch run.
    pub fn retire_after(&self, id: &str, launch: &dyn Launch) -> Result<(), TelemetryError> {
        self.core.retire(id, Some(launch))
    }
}

impl Core {
    /// Registers a kernel on a device, and returns what it takes by value.
    pub(super) fn add_kernel(
        &self,
        (id, device): (&str, usize),
        shards: u32,
        names: KernelNames,
        filter: TraceFilter,
    ) -> Result<KernelRef, TelemetryError> {
        let filter = filter.word()?;
        if !self.enabled {
            return Ok(KernelRef::default());
        }
        let mut collection = self.collection();
        let slab = collection.layout(device).ok_or_else(|| match collection.slabs().count() {
            0 => TelemetryError::NoDevice,
            devices => TelemetryError::UnknownDevice { device, devices },
        })?;
        self.registry().check(id, device, shards, slab)?;
        let outcome = self.make_room(&mut collection, id, Some((device, shards)));
        let added = match &outcome {
            Ok(_) => self.add(&mut collection, (id, device), (shards, slab), names, filter),
            Err(error) => Err(error.clone()),
        };
        drop(collection);
        outcome.into_iter().flatten().for_each(|outcome| self.say(&outcome));
        added
    }

    fn add(
        &self,
        collection: &mut Collection,
        (id, device): (&str, usize),
        (blocks, slab): (u32, SlabLayout),
        names: KernelNames,
        filter: u64,
    ) -> Result<KernelRef, TelemetryError> {
        let mut registry = self.registry_mut();
        let (range, index) = registry.add_kernel(id, device, blocks, slab, names.clone())?;
        let shards = range.shards;
        let table = self.metrics.table(device);
        let (metrics, metric_count) = table.map_or((0, 0), |t| (t.memory.device_address(), t.places));
        let mut to = KernelRef { metrics, metric_count, ..collection.kernel_ref(device, range) };
        if let Some(drain) = self.drains.get(device) {
            let kernel = TracedKernel { id: id.into(), device: device as u32, names };
            match drain.add_kernel(kernel, (shards, index), filter, &mut to) {
                Ok(counted) => registry.set_traced(index, counted),
                Err(error) => {
                    registry.remove_newest(id);
                    return Err(error.into());
                }
            }
        }
        self.boxes.get(device).into_iter().for_each(|boxes| boxes.tell(shards, &mut to));
        self.succeed(&registry, collection);
        Ok(to)
    }

    /// What the one had counted whose place the newest registration took is known of its next life; or is forgotten with it.
    fn succeed(&self, registry: &Registry, collection: &mut Collection) {
        *collection.forgotten_before() = None;
        let Some((newest, was)) = registry.newest() else { return };
        let latest = self.latest();
        let last = latest.as_ref().and_then(|latest| latest.kernel(&was.id)).filter(|k| k.generation == was.generation);
        let all = last.map(KernelTelemetry::with_earlier);
        if newest.id == was.id {
            all.into_iter().for_each(|all| drop(newest.earlier.set(all)));
            return;
        }
        count(&self.counts.dropped_kernels);
        *collection.forgotten_before() = Some(collection.forgotten().clone());
        if let Some(all) = all {
            let mut sum = KernelTelemetry::clone(&all);
            collection.forgotten().iter().for_each(|forgotten| sum.add(forgotten));
            *collection.forgotten() = Some(Arc::new(sum));
        }
    }

    /// Takes back a registration of which nothing was launched, if it is the newest and nobody saw it.
    fn forget(&self, entry: &Arc<Entry>) {
        let mut collection = self.collection();
        let mut registry = self.registry_mut();
        let is_newest = !collection.has_seen(entry) && registry.get(&entry.id).is_some_and(|e| Arc::ptr_eq(e, entry));
        if is_newest && registry.remove_newest(&entry.id).is_some() {
            drop(registry);
            if let Some(before) = collection.forgotten_before().take() {
                *collection.forgotten() = before;
                self.counts.dropped_kernels.fetch_sub(1, Ordering::Relaxed);
            }
            entry.traced.get().zip(self.drain_of(entry)).into_iter().for_each(|(counted, drain)| drain.forget(counted));
        } else {
            registry.note_end(entry);
        }
    }

    pub(super) fn actor(&self, id: &str) -> Result<Arc<Actor>, TelemetryError> {
        if let Some(known) = self.registry().actor(id)? {
            return Ok(known);
        }
        let mut collection = self.collection();
        // Who had the lock before may have made it, and whose place it took is forgotten once.
        if let Some(known) = self.registry().actor(id)? {
            return Ok(known);
        }
        let outcome = self.make_room(&mut collection, id, None);
        let added = outcome.as_ref().map_err(Clone::clone).and_then(|_| {
            let mut registry = self.registry_mut();
            registry.actor_or_new(id).inspect(|_| self.succeed(&registry, &mut collection))
        });
        drop(collection);
        outcome.into_iter().flatten().for_each(|outcome| self.say(&outcome));
        added
    }

    fn retire(&self, id: &str, launch: Option<&dyn Launch>) -> Result<(), TelemetryError> {
        self.check_enabled()?;
        let unknown = || TelemetryError::UnknownKernel { id: id.to_owned(), registered: self.registry().len() };
        let entry = self.registry().get(id).filter(|entry| entry.is_kernel()).cloned().ok_or_else(unknown)?;
        if entry.has_left() {
            return Ok(());
        }
        let mut collection = self.collection();
        let outcome = self.collect(&mut collection);
        let retired = outcome.result.as_ref().map_err(Clone::clone).and_then(|_| {
            // What is known of a late device may be of before the launch.
            if let (None, Some(error)) = (launch, collection.late(&entry)) {
                return Err(error.clone());
            }
            let last = collection.last_of(&entry).ok_or_else(unknown)?;
            let [_, held, active, _] = last.sums.lines.blocks_in_state;
            const { assert!(block_state::HELD == 1 && block_state::ACTIVE == 2) };
            let has_left = launch.map_or(held + active == 0, |launch| launch.has_left());
            if !has_left {
                return Err(TelemetryError::StillRunning { id: id.to_owned(), blocks: held + active });
            }
            Ok(self.registry_mut().note_end(&entry))
        });
        drop(collection);
        self.say(&outcome);
        // Without the lock: whoever hears of it may collect.
        if let (Ok(true), Some(Err(error))) = (&retired, launch.map(|launch| launch.ended())) {
            self.set_failed(&entry, &self.quoted(&entry, error).to_string());
        }
        retired.map(drop)
    }

    /// Lets kernels that have ended give back what one of that id needs, after they were read: so many blocks of a device, or
    /// nothing but a place among all.
    fn make_room(
        &self,
        collection: &mut Collection,
        id: &str,
        on: Option<(usize, u32)>,
    ) -> Result<Option<Outcome>, TelemetryError> {
        let leave = self.registry().in_the_way(id, on);
        let mut outcome = None;
        if leave.iter().any(|entry| entry.is_unread()) {
            let read = outcome.insert(self.collect(collection));
            // Of a device that is dead the last good numbers are the last.
            let late = leave.iter().find_map(|entry| collection.unread(entry));
            if let Some(error) = late.or_else(|| read.result.as_ref().err().filter(|error| error.is_late_copy())) {
                return Err(error.clone());
            }
        }
        for entry in &leave {
            self.give_back(collection, entry)?;
        }
        on.map_or(Ok(()), |(device, _)| self.clean(collection, device))?;
        Ok(outcome)
    }

    fn give_back(&self, collection: &Collection, entry: &Arc<Entry>) -> Result<(), TelemetryError> {
        let Some(mut last) = collection.last_of(entry) else { return Ok(()) };
        last.boxes = self.boxes_of(entry);
        // Nobody reads its rings any more, of which nobody writes.
        entry.traced.get().zip(self.drain_of(entry)).map_or(Ok(()), |(counted, drain)| drain.retire(counted))?;
        self.registry_mut().give_back(entry, last);
        Ok(())
    }

    fn drain_of(&self, entry: &Entry) -> Option<&Drain> {
        self.drains.get(entry.device()?)
    }

    /// Makes the shards of a device that are nobody's zero: nobody writes them.
    fn clean(&self, collection: &mut Collection, device: usize) -> Result<(), TelemetryError> {
        let next = || self.registry().dirty(device);
        while let Some(range) = next() {
            collection.clean(device, range)?;
            let shards = range.shards;
            self.drains.get(device).map_or(Ok(()), |drain| drain.clean(shards))?;
            self.boxes.get(device).into_iter().for_each(|boxes| boxes.clean(shards));
            self.registry_mut().cleaned(device);
        }
        Ok(())
    }
}
