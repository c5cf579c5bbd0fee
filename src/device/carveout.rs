//! What a launch prefers to be shared memory, of that which is L1 cache else.

/// How a multiprocessor divides its memory between shared memory and L1 cache while blocks of a kernel are on it. Only CUDA
/// has that choice.
///
/// A multiprocessor changes it when it is idle. A ring kernel stays, and so what it came with is what every other kernel
/// finds beside it: one that needs more shared memory than is left waits until the ring kernel ends. That is why the default
/// is [`MaxShared`](Self::MaxShared). Its price is a small L1 cache, 28 KB of the 256 KB of an H100's multiprocessor: a
/// kernel that reads the same device memory again and again, and that no kernel with much shared memory is to run
/// beside, may gain by another choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Carveout {
    /// As much shared memory as there can be.
    #[default]
    MaxShared,
    /// As much L1 cache as there can be: other kernels find as little shared memory as this kernel's own blocks need.
    MaxL1,
    /// At least so many percent of the most shared memory that there can be, 0 to 100.
    Percent(u8),
    /// What the driver makes of the kernel's own need.
    Driver,
}

impl Carveout {
    /// Whether it leaves all of it shared.
    #[cfg(feature = "cuda")]
    pub(super) fn is_all(self) -> bool {
        matches!(self, Carveout::MaxShared | Carveout::Percent(100))
    }

    /// As the driver counts: percent, or -1.
    #[cfg(feature = "cuda")]
    pub(super) fn preference(self) -> i32 {
        match self {
            Carveout::MaxShared => 100,
            Carveout::MaxL1 => 0,
            Carveout::Percent(percent) => i32::from(percent.min(100)),
            Carveout::Driver => -1,
        }
    }
}
