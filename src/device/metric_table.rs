//! Where the metrics of kernels are.

use super::memory::Memory;
use super::traits::SharedDevice;

/// The table in which kernels look metrics up, at the start of the memory that it speaks of.
#[derive(Clone, Debug)]
pub struct MetricTable {
    /// All addresses in the table are of this memory.
    pub(crate) memory: Memory,
    /// Whose memory that is.
    pub(crate) device: SharedDevice,
    /// Metrics that have room in it.
    pub(crate) places: u32,
}
