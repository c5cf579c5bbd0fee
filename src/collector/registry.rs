//! Which kernels and host actors there are: ids, places in the slab, bounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::actor::Actor;
use super::clock::{CoarseClock, SteadyClock};
use super::error::TelemetryError;
use super::trace::Counted;
use crate::abi::block_state;
use crate::reader::{KernelSums, ShardRange};
use crate::snapshot::{KernelState, KernelTelemetry};
use crate::trace::KernelNames;

/// Longest kernel id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

pub(super) struct Registry {
    max_kernels: usize,
    /// Scale of the actors' histograms.
    scale: u32,
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<Arc<str>, usize>,
    used_blocks: u32,
    /// Counts the changes of `entries`.
    version: u64,
    steady: SteadyClock,
    /// Started with the first actor.
    coarse: Option<CoarseClock>,
}

/// One kernel or actor.
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) origin: Origin,
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
    Device(ShardRange),
    Host(Arc<Actor>),
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
        let (entries, by_id) = (Vec::new(), HashMap::new());
        Registry { max_kernels, scale, entries, by_id, used_blocks: 0, version: 0, steady, coarse: None }
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
            Some(Origin::Device(_)) => Err(TelemetryError::CountsForItself { id: id.to_owned() }),
            None => Ok(None),
        }
    }

    /// The host actor of that name, which is registered if it is new.
    pub(super) fn actor_or_new(&mut self, id: &str) -> Result<Arc<Actor>, TelemetryError> {
        if let Some(actor) = self.actor(id)? {
            return Ok(actor);
        }
        self.check(id)?;
        let coarse = match &self.coarse {
            Some(clock) => clock.share(),
            None => self.coarse.insert(CoarseClock::start(self.steady)?).share(),
        };
        let actor = Arc::new(Actor::new(self.scale, self.steady.now_ns(), coarse));
        self.insert(id, Origin::Host(Arc::clone(&actor)), KernelState::Active as u8, KernelNames::default());
        Ok(actor)
    }

    /// Gives a device kernel the next `blocks` of `all` shards. Returns them, and its place among all entries.
    pub(super) fn add_kernel(
        &mut self,
        id: &str,
        blocks: u32,
        all: u32,
        names: KernelNames,
    ) -> Result<(ShardRange, usize), TelemetryError> {
        if blocks == 0 {
            return Err(TelemetryError::NoBlocks { id: id.to_owned() });
        }
        let free = all - self.used_blocks;
        if blocks > free {
            return Err(TelemetryError::TooManyBlocks { asked: blocks, free, limit: all });
        }
        self.check(id)?;
        let shards = ShardRange { first: self.used_blocks, count: blocks };
        self.insert(id, Origin::Device(shards), FROM_BLOCKS, names);
        self.used_blocks += blocks;
        Ok((shards, self.entries.len() - 1))
    }

    /// Says that a kernel has rings.
    pub(super) fn set_traced(&self, index: usize, counted: Arc<Counted>) {
        // Once, when it is registered.
        let _ = self.entries[index].traced.set(counted);
    }

    /// Takes the newest registration back, if it is a device kernel of that name. Whether it was.
    pub(super) fn remove_newest(&mut self, id: &str) -> bool {
        let newest = self.entries.last().filter(|e| &*e.id == id).and_then(|e| e.shards());
        if let Some(shards) = newest {
            self.entries.pop();
            self.version += 1;
            self.by_id.remove(id);
            self.used_blocks -= shards.count;
        }
        newest.is_some()
    }

    /// Checks that `id` may be registered.
    fn check(&self, id: &str) -> Result<(), TelemetryError> {
        check_id(id)?;
        if self.by_id.contains_key(id) {
            return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() });
        }
        if self.entries.len() >= self.max_kernels {
            return Err(TelemetryError::TooManyKernels { limit: self.max_kernels });
        }
        Ok(())
    }

    fn insert(&mut self, id: &str, origin: Origin, state: u8, names: KernelNames) {
        let id: Arc<str> = id.into();
        self.by_id.insert(Arc::clone(&id), self.entries.len());
        self.version += 1;
        self.entries.push(Arc::new(Entry::new(id, origin, state, names)));
    }
}

impl Entry {
    fn new(id: Arc<str>, origin: Origin, state: u8, names: KernelNames) -> Self {
        let (failure, traced, queue_full) = (OnceLock::new(), OnceLock::new(), Arc::default());
        let (state, told) = (AtomicU8::new(state), AtomicU8::new(state));
        Entry { id, origin, state, failure, told, queue_full, names, traced }
    }

    pub(super) fn shards(&self) -> Option<ShardRange> {
        match self.origin {
            Origin::Device(shards) => Some(shards),
            Origin::Host(_) => None,
        }
    }

    pub(super) fn actor(&self) -> Option<&Actor> {
        match &self.origin {
            Origin::Device(_) => None,
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
        self.shards().is_some_and(|s| sums.lines.blocks_in_state[block_state::ENDED as usize] == s.count)
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
