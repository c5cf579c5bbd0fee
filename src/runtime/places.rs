//! Rings of kernels that have ended, for those that come.

use std::sync::{Arc, PoisonError};

use super::error::RuntimeError;
use super::handle::Inner;
use super::kernel::RingKernel;
use super::on_device::Spent;
use crate::device::IdleRing;

impl Inner {
    /// Whether a kernel of that id runs, or has not ended yet.
    pub(super) fn is_there(&self, id: &str) -> bool {
        let kernels = self.kernels.read().unwrap_or_else(PoisonError::into_inner);
        kernels.get(id).is_some_and(|kernel| !kernel.has_left())
    }

    /// Takes note of kernels that have ended since somebody looked, and gives rings of launches that failed to who comes.
    pub(super) fn note_ends(&self) {
        self.all_kernels().iter().for_each(RingKernel::note_end);
        for on in &self.devices {
            let mut spent = on.spent.lock().unwrap_or_else(PoisonError::into_inner);
            let has_left = |spent: &mut Spent| spent.launch.as_ref().is_some_and(|launch| launch.has_left());
            for spent in spent.extract_if(.., has_left) {
                spent.life.iter().for_each(|life| self.collector.set_left(life));
                on.give_back(spent.place);
            }
        }
    }

    /// Whether a kernel may find rings on a device.
    pub(super) fn has_ring(&self, device: usize) -> bool {
        let spares = self.devices[device].spares.lock().unwrap_or_else(PoisonError::into_inner);
        !spares.is_empty() || self.oldest(device).is_some()
    }

    /// The rings for a kernel of that id on a device: those of its life before, of nobody, or of the kernel that ended first,
    /// which the runtime forgets.
    pub(super) fn ring_for(&self, id: &str, device: usize) -> Result<IdleRing, RuntimeError> {
        let on = &self.devices[device];
        // To the device that it was on, which may be another.
        self.leave(id);
        let mut place = on.spare();
        if place.is_none() {
            self.oldest(device).into_iter().for_each(|oldest| {
                self.leave(&oldest);
                self.forget(&oldest);
            });
            place = on.spare();
        }
        let mut place = place.ok_or(RuntimeError::TooManyKernels { limit: self.max_kernels })?;
        let cleaned = place.clean(&mut on.words.lock().unwrap_or_else(PoisonError::into_inner), self.copy_limit);
        match cleaned {
            Ok(()) => Ok(place.open()),
            Err(error) => {
                on.give_back(place);
                Err(error.into())
            }
        }
    }

    /// Takes the rings of a kernel that has left.
    fn leave(&self, id: &str) {
        let kernel = self.kernels.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let place = kernel.and_then(|kernel| kernel.leave());
        place.zip(self.device_of(id)).into_iter().for_each(|(place, device)| self.devices[device].give_back(place));
    }

    /// The kernel that ended first of those of a device whose rings are still its own.
    fn oldest(&self, device: usize) -> Option<Arc<str>> {
        let kernels = self.all_kernels().into_iter().filter(|kernel| self.device_of(kernel.id()) == Some(device));
        let spare = kernels.filter(RingKernel::has_spare_rings);
        let ended = spare.filter_map(|kernel| Some((kernel.left_at()?, kernel.id().into())));
        ended.min().map(|(_, id)| id)
    }

    /// Of kernels whose rings are another's, or nobody's since a launch under their id was refused: forgets those that ended
    /// first, until there are no more kernels than rings.
    pub(super) fn forget_beyond_rings(&self) {
        let kernels = self.kernels.read().unwrap_or_else(PoisonError::into_inner).len();
        let beyond = kernels.saturating_sub(self.max_kernels * self.devices.len());
        if beyond == 0 {
            return;
        }
        let kernels = self.all_kernels();
        let gone = kernels.iter().filter(|kernel| !kernel.has_spare_rings());
        let mut gone: Vec<_> = gone.filter_map(|kernel| Some((kernel.left_at()?, kernel.id()))).collect();
        gone.sort_unstable();
        gone.iter().take(beyond).for_each(|(_, id)| self.forget(id));
    }

    fn forget(&self, id: &str) {
        self.kernels.write().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.placed.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// The device that a kernel of that id was launched on last.
    fn device_of(&self, id: &str) -> Option<usize> {
        Some(self.placed.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.device)
    }
}
