//! The probe's entries, by their names.

/// The kernels of `kernels/probe/probe.cu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Clock, words, buckets, costs.
    Questions,
    /// Metrics of the kernel's author.
    Metrics,
}

impl Entry {
    /// All of them.
    pub const ALL: &[Entry] = &[Entry::Questions, Entry::Metrics];

    /// Its name, without the level.
    pub const fn name(self) -> &'static str {
        match self {
            Entry::Questions => "probe",
            Entry::Metrics => "probe_metrics",
        }
    }
}
