//! On which of its devices a runtime launches a kernel.

use std::sync::PoisonError;

use super::error::RuntimeError;
use super::handle::Inner;
use super::options::LaunchOptions;

impl Inner {
    /// The device that a launch names, or the least busy one that answers: that on which the fewest blocks are of those that
    /// fit, and of several the first.
    pub(super) fn pick(&self, name: &str, options: &LaunchOptions) -> Result<usize, RuntimeError> {
        let devices = self.devices.len();
        match options.device {
            Some(device) if device >= devices => return Err(RuntimeError::UnknownDevice { device, devices }),
            Some(device) => return Ok(device),
            None if devices == 1 => return Ok(0),
            None => {}
        }
        let resident = self.resident_blocks();
        let busy = |device: usize| {
            let fits = self.devices[device].sources.get(name).map_or(1, |source| source.max_resident_blocks());
            resident[device] as f64 / f64::from(fits.max(1))
        };
        let mut order: Vec<usize> = (0..devices).collect();
        // Stable: of several that are as busy the first stays the first.
        order.sort_by(|a, b| busy(*a).total_cmp(&busy(*b)));
        let answers = order.iter().copied().find(|device| self.answers(*device));
        Ok(answers.unwrap_or(order[0]))
    }

    /// How many blocks of kernels that have not ended are on each device.
    fn resident_blocks(&self) -> Vec<u64> {
        let mut blocks = vec![0; self.devices.len()];
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        for kernel in self.all_kernels().iter().filter(|kernel| !kernel.state().has_ended()) {
            if let Some(place) = placed.get(kernel.id()) {
                blocks[place.device] += u64::from(place.blocks);
            }
        }
        blocks
    }

    /// Whether a word can be copied from a device.
    fn answers(&self, device: usize) -> bool {
        let mut words = self.devices[device].words.lock().unwrap_or_else(PoisonError::into_inner);
        words.started(0, self.copy_limit).is_ok()
    }
}
