//! Who the kernels are: ids, places in the slab, bounds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::actor::{Actor, CoarseClock};
use super::{TelemetryConfig, TelemetryError};
use crate::abi::block_state;
use crate::reader::{KernelSums, ShardRange};
use crate::snapshot::{KernelState, KernelTelemetry};

/// Longest kernel id, in bytes.
pub const MAX_ID_BYTES: usize = 128;

#[derive(Default)]
pub(super) struct Registry {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) by_id: HashMap<Arc<str>, usize>,
    pub(super) used_blocks: u32,
    /// Counts the changes of `entries`.
    pub(super) version: u64,
    pub(super) clock: Option<CoarseClock>,
}

/// One kernel or actor.
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) origin: Origin,
    /// A [`KernelState`] that whoever commands the kernel knows better than its blocks, or [`FROM_BLOCKS`].
    pub(super) state: AtomicU8,
    /// What it died of; the first is kept.
    pub(super) failure: OnceLock<Arc<str>>,
    /// The state that was told last as an [event](super::event).
    pub(super) told: AtomicU8,
    /// Sends that found the queue full; counted by whoever sends.
    pub(super) queue_full: Arc<AtomicU64>,
}

pub(super) enum Origin {
    Device(ShardRange),
    Host(Arc<Actor>),
}

pub(super) const FROM_BLOCKS: u8 = u8::MAX;

/// Whether `id` may be a name at all.
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
    /// The host actor of that name, if there is one.
    pub(super) fn actor(&self, id: &str) -> Result<Option<Arc<Actor>>, TelemetryError> {
        match self.by_id.get(id).map(|i| &self.entries[*i].origin) {
            Some(Origin::Host(actor)) => Ok(Some(Arc::clone(actor))),
            Some(Origin::Device(_)) => Err(TelemetryError::CountsForItself { id: id.to_owned() }),
            None => Ok(None),
        }
    }

    /// Whether `id` may be registered.
    pub(super) fn check(&self, id: &str, config: &TelemetryConfig) -> Result<(), TelemetryError> {
        check_id(id)?;
        if self.by_id.contains_key(id) {
            return Err(TelemetryError::AlreadyRegistered { id: id.to_owned() });
        }
        if self.entries.len() >= config.max_kernels {
            return Err(TelemetryError::TooManyKernels { limit: config.max_kernels });
        }
        Ok(())
    }

    pub(super) fn insert(
        &mut self,
        id: &str,
        origin: Origin,
        state: u8,
        config: &TelemetryConfig,
    ) -> Result<(), TelemetryError> {
        self.check(id, config)?;
        let id: Arc<str> = id.into();
        self.by_id.insert(Arc::clone(&id), self.entries.len());
        self.version += 1;
        let (failure, told) = (OnceLock::new(), AtomicU8::new(state));
        let queue_full = Arc::default();
        self.entries.push(Arc::new(Entry { id, origin, state: AtomicU8::new(state), failure, told, queue_full }));
        Ok(())
    }
}

impl Entry {
    pub(super) fn span(&self) -> Option<ShardRange> {
        match self.origin {
            Origin::Device(span) => Some(span),
            Origin::Host(_) => None,
        }
    }

    pub(super) fn actor(&self) -> Option<&Actor> {
        match &self.origin {
            Origin::Device(_) => None,
            Origin::Host(actor) => Some(actor),
        }
    }

    pub(super) fn state(&self, totals: &KernelSums) -> KernelState {
        if totals.lines.foreign_abi != 0 {
            return KernelState::Failed;
        }
        let known = KernelState::from_u8(self.state.load(Ordering::Relaxed));
        match known {
            Some(KernelState::Launched | KernelState::Active | KernelState::Deactivated) if self.has_ended(totals) => {
                // A ring kernel ends when it is told to, and whoever tells it says so first.
                self.failure.get_or_init(|| "the kernel returned without being told to stop".into());
                self.state.store(KernelState::Failed as u8, Ordering::Relaxed);
                KernelState::Failed
            }
            Some(known) => known,
            None => state_of_blocks(&totals.lines.blocks_in_state),
        }
    }

    /// Whether all of its blocks have.
    fn has_ended(&self, totals: &KernelSums) -> bool {
        self.span().is_some_and(|span| totals.lines.blocks_in_state[block_state::ENDED as usize] == span.count)
    }

    /// What `kernel`, its last good numbers, is once nothing can be read any more. Whoever commands it may have seen its
    /// end, or its death, since these were read.
    pub(super) fn fail(&self, kernel: &mut KernelTelemetry, died_of: &Arc<str>) {
        let known = KernelState::from_u8(self.state.load(Ordering::Relaxed)).unwrap_or(kernel.state);
        match known {
            KernelState::Terminated => kernel.state = known,
            _ => {
                kernel.state = KernelState::Failed;
                kernel.stall = None;
                kernel.last_error = self.failure.get().or(kernel.last_error.as_ref()).or(Some(died_of)).cloned();
            }
        }
    }

    /// The text of a host actor's last error.
    pub(super) fn last_error(&self) -> Option<Arc<str>> {
        self.actor()?.last_error()
    }
}

pub(super) fn state_of_blocks(blocks: &[u32; 4]) -> KernelState {
    let any = |state: u64| blocks[state as usize] > 0;
    if any(block_state::ACTIVE) || (any(block_state::ENDED) && any(block_state::NONE)) {
        KernelState::Active
    } else if any(block_state::HELD) || any(block_state::NONE) {
        KernelState::Launched
    } else {
        KernelState::Terminated
    }
}
