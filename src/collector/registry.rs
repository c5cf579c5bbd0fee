//! Which kernels and host actors there are: ids, places in the slab, bounds.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::actor::Actor;
use super::clock::{CoarseClock, SteadyClock};
use super::error::TelemetryError;
use super::room::Slab;
use super::trace::Counted;
use crate::abi::block_state;
use crate::device::{ShardRange, SlabLayout, SlabRange};
use crate::reader::{BlockWords, KernelSums};
use crate::snapshot::{BlackBox, KernelState, KernelTelemetry};
use crate::trace::KernelNames;

/// Longest kernel id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

pub(super) struct Registry {
    max_kernels: usize,
    /// Scale of the actors' histograms.
    scale: u32,
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<Arc<str>, usize>,
    /// What of each device's slab is nobody's, by device; made with its first kernel.
    slabs: BTreeMap<usize, Slab>,
    /// Counts the changes of `entries`.
    version: u64,
    /// Counts the ends.
    ends: u64,
    /// What the newest registration took the place of.
    undo: Option<Undo>,
    /// The highest generation of the ids that were forgotten.
    forgotten: u64,
    steady: SteadyClock,
    /// Started with the first actor.
    coarse: Option<CoarseClock>,
}

/// What stood at the place of a new registration.
struct Undo {
    index: usize,
    was: Option<Arc<Entry>>,
}

/// One life of a kernel, or an actor.
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    /// Which life under this id it is.
    pub(super) generation: u64,
    pub(super) origin: Origin,
    /// Which end of all that were told its own was, from 1; 0 while its blocks may write.
    ended: AtomicU64,
    /// Whether it was read since.
    read: AtomicBool,
    /// Its last numbers, once its shards are not its own any more.
    last: OnceLock<LastNumbers>,
    /// What the lives before it had counted, as one.
    pub(super) earlier: OnceLock<Arc<KernelTelemetry>>,
    /// A [`KernelState`] that is known from the kernel's commands better than from its blocks, or [`FROM_BLOCKS`].
    state: AtomicU8,
    /// What it died of; the first is kept.
    failure: OnceLock<Arc<str>>,
    /// The state that was last told as an event.
    told: AtomicU8,
    /// Sends that found the queue full; its senders count them.
    pub(super) queue_full: Arc<AtomicU64>,
    /// Of its waypoints, events and spans.
    pub(super) names: KernelNames,
    /// What became of its records, where it has rings.
    pub(super) traced: OnceLock<Arc<Counted>>,
}

pub(super) enum Origin {
    /// On the device of that index.
    Device(usize, SlabRange),
    Host(Arc<Actor>),
}

/// All that is known of a kernel whose shards were given back.
pub(super) struct LastNumbers {
    pub(super) sums: KernelSums,
    pub(super) blocks: Box<[BlockWords]>,
    pub(super) boxes: Option<Vec<BlackBox>>,
}

const FROM_BLOCKS: u8 = u8::MAX;

/// Checks that `id` is neither empty nor too long.
pub(crate) fn check_id(id: &str) -> Result<(), TelemetryError> {
    if id.is_empty() {
        return Err(TelemetryError::EmptyId);
    }
    if id.len() > MAX_ID_BYTES {
        let start = id.chars().take(16).collect();
        return Err(TelemetryError::IdTooLong { start, bytes: id.len(), limit: MAX_ID_BYTES });
    }
    Ok(())
}

impl Registry {
    pub(super) fn new(max_kernels: usize, scale: u32, steady: SteadyClock) -> Self {
        let (entries, by_id, slabs) = (Vec::new(), HashMap::new(), BTreeMap::new());
        let (version, ends, forgotten) = (0, 0, 0);
        let (undo, coarse) = (None, None);
        Registry { max_kernels, scale, entries, by_id, slabs, version, ends, undo, forgotten, steady, coarse }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A number that is another after each change of the entries.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    pub(super) fn get(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(id).map(|index| &self.entries[*index])
    }

    pub(super) fn index_of(&self, id: &str) -> Result<usize, TelemetryError> {
        let unknown = || TelemetryError::UnknownKernel { id: id.to_owned(), registered: self.entries.len() };
        self.by_id.get(id).copied().ok_or_else(unknown)
    }

    /// The host actor of that name, if there is one.
    pub(super) fn actor(&self, id: &str) -> Result<Option<Arc<Actor>>, TelemetryError> {
        match self.get(id).map(|entry| &entry.origin) {
            Some(Origin::Host(actor)) => Ok(Some(Arc::clone(actor))),
            Some(Origin::Device(..)) => Err(TelemetryError::CountsForItself { id: id.to_owned() }),
            None => Ok(None),
        }
    }

    /// The host actor of that name, which is registered if it is new.
    pub(super) fn actor_or_new(&mut self, id: &str) -> Result<Arc<Actor>, TelemetryError> {
        if let Some(actor) = self.actor(id)? {
            return Ok(actor);
        }
        let place = self.place(id)?;
        let coarse = match &self.coarse {
            Some(clock) => clock.share(),
            None => self.coarse.insert(CoarseClock::start(self.steady)?).share(),
        };
        let actor = Arc::new(Actor::new(self.scale, self.steady.now_ns(), coarse));
        let origin = Origin::Host(Arc::clone(&actor));
        self.insert(place, id, origin, KernelState::Active as u8, KernelNames::default());
        Ok(actor)
    }

    /// Gives a kernel the first shards of a device's slab that are free, and rows. Returns them, and its place among all entries.
    /// What has to make room for it did: see [`in_the_way`](Self::in_the_way).
    pub(super) fn add_kernel(
        &mut self,
        id: &str,
        device: usize,
        blocks: u32,
        slab: SlabLayout,
        names: KernelNames,
    ) -> Result<(SlabRange, usize), TelemetryError> {
        let place = self.place(id)?;
        // Whoever else may come, and find no place given back.
        let here = |entry: &&Arc<Entry>| entry.device() == Some(device) && entry.shards().is_some();
        let others = self.entries.iter().filter(here).count();
        let to_come = self.max_kernels.saturating_sub(others + 1);
        let room = &mut self.slabs.entry(device).or_insert_with(|| Slab::new(slab)).room;
        let free = room.longest();
        if blocks > free {
            return Err(TelemetryError::TooManyBlocks { asked: blocks, free, limit: slab.shards() });
        }
        let full = || TelemetryError::NoBuckets { id: id.to_owned(), limit: slab.row_count() };
        let range = room.take(blocks, to_come).ok_or_else(full)?;
        Ok((range, self.insert(place, id, Origin::Device(device, range), FROM_BLOCKS, names)))
    }

    /// Checks that a kernel of that id and so many blocks may be registered on a device, should there be room.
    pub(super) fn check(&self, id: &str, device: usize, blocks: u32, slab: SlabLayout) -> Result<(), TelemetryError> {
        if blocks == 0 {
            return Err(TelemetryError::NoBlocks { id: id.to_owned() });
        }
        let limit = slab.shards();
        if blocks > limit {
            let free = self.slabs.get(&device).map_or(limit, |slab| slab.room.longest());
            return Err(TelemetryError::TooManyBlocks { asked: blocks, free, limit });
        }
        check_id(id)?;
        match self.get(id) {
            Some(old) if !old.has_left() => Err(TelemetryError::AlreadyRegistered { id: id.to_owned() }),
            _ => Ok(()),
        }
    }

    /// Which kernels have to give back their shards so that one of that id finds room for so many blocks on a device, or an actor
    /// that needs none: the one that had the id before, and of the others that have ended those that did first, as few as are
    /// enough.
    pub(super) fn in_the_way(&self, id: &str, on: Option<(usize, u32)>) -> Vec<Arc<Entry>> {
        // Before a device's first kernel nothing is in the way there.
        let slab = on.and_then(|(device, _)| self.slabs.get(&device));
        let mut room = slab.map(Slab::with_dirty);
        let mut ended: Vec<&Arc<Entry>> = self.entries.iter().filter(|entry| entry.has_left()).collect();
        ended.sort_unstable_by_key(|entry| (&*entry.id != id, entry.ended.load(Ordering::Relaxed)));
        let mut is_full = !self.by_id.contains_key(id) && self.entries.len() >= self.max_kernels;
        let mut leave = Vec::new();
        for entry in ended {
            let is_there = on.is_some_and(|(device, _)| entry.device() == Some(device));
            let has_room = on.zip(room.as_ref()).is_none_or(|((_, blocks), room)| room.longest() >= blocks);
            if &*entry.id == id || is_full || (is_there && !has_room) {
                is_full = false;
                room.iter_mut().zip(entry.slab_range().filter(|_| is_there)).for_each(|(room, of)| room.give_back(of));
                leave.push(Arc::clone(entry));
            }
        }
        leave
    }

    /// Takes note that no block of a kernel writes any more. Whether that is news.
    pub(super) fn note_end(&mut self, entry: &Entry) -> bool {
        let is_news = entry.shards().is_some() && !entry.has_left();
        if is_news {
            self.ends += 1;
            entry.ended.store(self.ends, Ordering::Relaxed);
            self.version += 1;
        }
        is_news
    }

    /// Takes a kernel's shards, whose last numbers these are. They are given out again once they are zero.
    pub(super) fn give_back(&mut self, entry: &Entry, last: LastNumbers) {
        let (slab, range) = (entry.device().and_then(|device| self.slabs.get_mut(&device)), entry.slab_range());
        if let Some((slab, range)) = slab.zip(range).filter(|_| entry.last.set(last).is_ok()) {
            slab.dirty.push(range);
            self.version += 1;
        }
    }

    /// What of a device's slab is to be zero next, before it is given out.
    pub(super) fn dirty(&self, device: usize) -> Option<SlabRange> {
        self.slabs.get(&device)?.dirty.last().copied()
    }

    /// Takes note that what was [`dirty`](Self::dirty) is zero.
    pub(super) fn cleaned(&mut self, device: usize) {
        let Some(slab) = self.slabs.get_mut(&device) else { return };
        slab.dirty.pop().into_iter().for_each(|range| slab.room.give_back(range));
    }

    /// Says that a kernel has rings.
    pub(super) fn set_traced(&self, index: usize, counted: Arc<Counted>) {
        // Once, when it is registered.
        let _ = self.entries[index].traced.set(counted);
    }

    /// The newest registration, and what it took the place of.
    pub(super) fn newest(&self) -> Option<(&Arc<Entry>, &Arc<Entry>)> {
        let undo = self.undo.as_ref()?;
        Some((self.entries.get(undo.index)?, undo.was.as_ref()?))
    }

    /// Takes the newest registration back, of which nothing was launched, if it is a device kernel of that name; what it took
    /// the place of is there again. Returns it.
    pub(super) fn remove_newest(&mut self, id: &str) -> Option<Arc<Entry>> {
        let newest = |undo: &mut Undo| self.entries.get(undo.index).is_some_and(|entry| &*entry.id == id);
        let Undo { index, was } = self.undo.take_if(newest)?;
        let entry = Arc::clone(&self.entries[index]);
        self.version += 1;
        self.by_id.remove(id);
        let slab = entry.device().and_then(|device| self.slabs.get_mut(&device));
        slab.into_iter().zip(entry.slab_range()).for_each(|(slab, range)| slab.room.give_back(range));
        match was {
            Some(was) => {
                self.by_id.insert(Arc::clone(&was.id), index);
                self.entries[index] = was;
            }
            // It is the last one: whatever came behind it would be newer.
            None => drop(self.entries.pop()),
        }
        Some(entry)
    }

    /// Where a new entry of that id goes: to the place of an earlier life, behind all others, or to the place of the kernel
    /// that ended first.
    fn place(&self, id: &str) -> Result<usize, TelemetryError> {
        check_id(id)?;
        let is_free = |index: &usize| self.entries[*index].last().is_some();
        match self.by_id.get(id) {
            Some(index) if is_free(index) => return Ok(*index),
            Some(_) => return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() }),
            None if self.entries.len() < self.max_kernels => return Ok(self.entries.len()),
            None => {}
        }
        let first =
            (0..self.entries.len()).filter(is_free).min_by_key(|i| self.entries[*i].ended.load(Ordering::Relaxed));
        first.ok_or(TelemetryError::TooManyKernels { limit: self.max_kernels })
    }

    fn insert(&mut self, index: usize, id: &str, origin: Origin, state: u8, names: KernelNames) -> usize {
        let was = self.entries.get(index).cloned();
        let generation = match &was {
            Some(earlier) if &*earlier.id == id => earlier.generation + 1,
            Some(other) => {
                self.by_id.remove(&other.id);
                self.forgotten = self.forgotten.max(other.generation);
                self.forgotten + 1
            }
            None => self.forgotten + 1,
        };
        let id: Arc<str> = id.into();
        self.by_id.insert(Arc::clone(&id), index);
        self.version += 1;
        let entry = Arc::new(Entry::new(id, generation, origin, state, names));
        match self.entries.get_mut(index) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        self.undo = Some(Undo { index, was });
        index
    }
}

impl Entry {
    fn new(id: Arc<str>, generation: u64, origin: Origin, state: u8, names: KernelNames) -> Self {
        let (failure, traced, queue_full) = (OnceLock::new(), OnceLock::new(), Arc::default());
        let (state, told) = (AtomicU8::new(state), AtomicU8::new(state));
        let (ended, read) = (AtomicU64::new(0), AtomicBool::new(false));
        let (last, earlier) = (OnceLock::new(), OnceLock::new());
        Entry { id, generation, origin, ended, read, last, earlier, state, failure, told, queue_full, names, traced }
    }

    /// The shards that are its own: none of a host actor, nor of a kernel that gave them back.
    pub(super) fn shards(&self) -> Option<ShardRange> {
        Some(self.slab_range()?.shards)
    }

    /// The index of the device that it is on.
    pub(super) fn device(&self) -> Option<usize> {
        match self.origin {
            Origin::Device(device, _) => Some(device),
            Origin::Host(_) => None,
        }
    }

    /// The shards that are its own, with its rows.
    pub(super) fn slab_range(&self) -> Option<SlabRange> {
        match self.origin {
            Origin::Device(_, range) if self.last().is_none() => Some(range),
            _ => None,
        }
    }

    /// Whether that is told of it.
    pub(super) fn is(&self, kernel: &KernelTelemetry) -> bool {
        kernel.generation == self.generation && kernel.kernel_id == self.id
    }

    /// How many shards it has, or had; 0 of a host actor.
    pub(super) fn blocks(&self) -> u32 {
        match self.origin {
            Origin::Device(_, range) => range.shards.count,
            Origin::Host(_) => 0,
        }
    }

    pub(super) fn is_kernel(&self) -> bool {
        matches!(self.origin, Origin::Device(..))
    }

    /// Whether it is known that no block of it writes any more.
    pub(super) fn has_left(&self) -> bool {
        self.ended.load(Ordering::Relaxed) != 0
    }

    /// Whether it has left and was not read since.
    pub(super) fn is_unread(&self) -> bool {
        self.has_left() && !self.read.load(Ordering::Relaxed)
    }

    /// Takes note that it was read after it had left.
    pub(super) fn note_read(&self) {
        self.read.store(true, Ordering::Relaxed);
    }

    /// Its last numbers, where its shards are not its own any more.
    pub(super) fn last(&self) -> Option<&LastNumbers> {
        self.last.get()
    }

    pub(super) fn actor(&self) -> Option<&Actor> {
        match &self.origin {
            Origin::Device(..) => None,
            Origin::Host(actor) => Some(actor),
        }
    }

    /// Notes the state that the kernel was commanded to, or was seen in.
    pub(super) fn set_state(&self, state: KernelState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Notes that the kernel is dead, and of what.
    pub(super) fn set_failed(&self, died_of: &str) {
        self.failure.get_or_init(|| died_of.into());
        self.set_state(KernelState::Failed);
    }

    /// What it died of.
    pub(super) fn failure(&self) -> Option<&Arc<str>> {
        self.failure.get()
    }

    /// Whether nobody commands it: its state is what its blocks say.
    pub(super) fn speaks_for_itself(&self) -> bool {
        self.state.load(Ordering::Relaxed) == FROM_BLOCKS
    }

    /// Whether `state` has not been told as an event yet. It counts as told from then on.
    pub(super) fn tell_once(&self, state: KernelState) -> bool {
        let state = state as u8;
        // Loaded first: with every snapshot it is asked of every kernel.
        self.told.load(Ordering::Relaxed) != state && self.told.swap(state, Ordering::Relaxed) != state
    }

    pub(super) fn state(&self, sums: &KernelSums) -> KernelState {
        if sums.lines.foreign_abi != 0 {
            return KernelState::Failed;
        }
        let known = KernelState::from_u8(self.state.load(Ordering::Relaxed));
        match known {
            Some(KernelState::Launched | KernelState::Active | KernelState::Deactivated) if self.has_ended(sums) => {
                // A ring kernel ends when it is told to, and its state then says so before it ends.
                self.set_failed("the kernel returned without being told to stop");
                KernelState::Failed
            }
            Some(known) => known,
            // Shards that nobody owns do not keep it from having ended.
            None if sums.lines.end_ns != 0 => KernelState::Terminated,
            None => state_of_blocks(&sums.lines.blocks_in_state),
        }
    }

    /// Whether all of its blocks have.
    fn has_ended(&self, sums: &KernelSums) -> bool {
        self.is_kernel() && sums.lines.blocks_in_state[block_state::ENDED as usize] == self.blocks()
    }

    /// What `kernel`, its last good numbers, is once nothing can be read any more. Its commander may have seen its end, or
    /// its death, since these were read.
    pub(super) fn fail(&self, kernel: &mut KernelTelemetry, died_of: impl FnOnce() -> Arc<str>) {
        let known = KernelState::from_u8(self.state.load(Ordering::Relaxed)).unwrap_or(kernel.state);
        kernel.stall = None;
        match known {
            KernelState::Terminated => kernel.state = known,
            _ => {
                kernel.state = KernelState::Failed;
                let known = self.failure.get().or(kernel.last_error.as_ref()).cloned();
                kernel.last_error = known.or_else(|| Some(died_of()));
            }
        }
    }

    /// The text of a host actor's last error.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.actor()?.last_error()
    }
}

fn state_of_blocks(blocks: &[u32; 4]) -> KernelState {
    let any = |state: u64| blocks[state as usize] > 0;
    if any(block_state::ACTIVE) || (any(block_state::ENDED) && any(block_state::NONE)) {
        KernelState::Active
    } else if any(block_state::HELD) || any(block_state::NONE) {
        KernelState::Launched
    } else {
        KernelState::Terminated
    }
}
