//! What can be looked at.

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// All kernels.
    Kernels,
    /// One kernel over time.
    Kernel,
    /// The blocks of one kernel.
    Blocks,
    /// What happened.
    Log,
    /// GPUs, processors, memory.
    Machine,
    /// Alerts.
    Alerts,
    /// What telemetry costs and what it lost.
    Telemetry,
}

impl Page {
    /// All pages, in the order of their keys.
    pub const ALL: [Page; 7] =
        [Page::Kernels, Page::Kernel, Page::Blocks, Page::Log, Page::Machine, Page::Alerts, Page::Telemetry];

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Page::Kernels => "kernels",
            Page::Kernel => "kernel",
            Page::Blocks => "blocks",
            Page::Log => "log",
            Page::Machine => "machine",
            Page::Alerts => "alerts",
            Page::Telemetry => "telemetry",
        }
    }

    /// Returns the page so many places further, around the end.
    pub fn further(self, places: isize) -> Page {
        let at = Page::ALL.iter().position(|page| *page == self).unwrap_or(0);
        let at = (at as isize + places).rem_euclid(Page::ALL.len() as isize);
        Page::ALL[at as usize]
    }
}
