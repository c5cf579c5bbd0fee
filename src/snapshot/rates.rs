//! What a kernel did over the last second, the last ten, the last minute.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::convert::{rate, ratio};

/// What one kernel did over one window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct WindowRate {
    /// The window that was asked for.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub window: Duration,
    /// The time that the rates are over: the window or up to an eighth more where readings are frequent; the time
    /// between two of them where they are rare; less while there are no older readings.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::convert::seconds"))]
    pub over: Duration,
    /// Messages handled without error, per second.
    pub messages_per_second: f64,
    /// Messages refused, per second.
    pub errors_per_second: f64,
    /// Payload bytes received, per second.
    pub bytes_in_per_second: f64,
    /// Payload bytes of the replies, per second.
    pub bytes_out_per_second: f64,
}

impl WindowRate {
    /// Returns errors per message handled, 0 to 1; 0.0 without messages.
    pub fn error_rate(&self) -> f64 {
        ratio(self.errors_per_second, self.messages_per_second + self.errors_per_second)
    }
}

/// The rates of one kernel over the collector's windows. They are differences of what was counted since the launch: a
/// reset does not show in them.
#[derive(Clone, Default)]
pub struct Rates {
    /// Those of all kernels of the snapshot that did something; `None` for one that did nothing in any window.
    all: Option<Arc<All>>,
    /// The first of this kernel's counts.
    at: u32,
    /// This kernel's place.
    kernel: u32,
}

/// What was counted in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WindowCounts {
    pub(crate) processed: u64,
    pub(crate) errors: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

struct All {
    /// Each window, and the time that it really is.
    windows: Box<[(Duration, Duration)]>,
    /// Set once, when the last kernel was added.
    counts: OnceLock<Counts>,
}

enum Counts {
    /// Of each kernel what it had counted, and of each window what all kernels had counted at its start: what lies
    /// between is worked out when it is asked for.
    Since { now: Vec<WindowCounts>, starts: Box<[Arc<[WindowCounts]>]> },
    /// Of each kernel in turn, those of each window.
    Differences(Vec<WindowCounts>),
}

impl Rates {
    /// Iterates over the windows in the order of the collector's; empty for a kernel that did nothing in any of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = WindowRate> + '_ {
        self.windows().iter().enumerate().map(|(i, (window, over))| self.count(i).over(*window, *over))
    }

    /// Returns the rates over one of the collector's windows: all zero for a kernel that did nothing, and for a window
    /// that the collector does not have.
    pub fn over(&self, window: Duration) -> WindowRate {
        let found = self.iter().find(|rate| rate.window == window);
        found.unwrap_or(WindowRate { window, ..WindowRate::default() })
    }

    /// Whether it did nothing in any window, or there is no earlier reading.
    pub(crate) fn is_idle(&self) -> bool {
        self.all.is_none()
    }

    /// Returns what was counted in that window; zeros for one that is not there.
    pub(crate) fn count(&self, window: usize) -> WindowCounts {
        let counts = self.all.as_ref().and_then(|all| all.counts.get());
        let at = self.at as usize;
        match counts {
            Some(Counts::Since { now, starts }) => {
                let start = starts.get(window).and_then(|all| all.get(self.kernel as usize));
                now.get(at).map(|now| now.since(&start.copied().unwrap_or_default())).unwrap_or_default()
            }
            Some(Counts::Differences(counts)) => counts.get(at + window).copied().unwrap_or_default(),
            None => WindowCounts::default(),
        }
    }

    pub(crate) fn windows(&self) -> &[(Duration, Duration)] {
        self.all.as_ref().map_or(&[], |all| &all.windows)
    }
}

impl WindowCounts {
    fn over(&self, window: Duration, over: Duration) -> WindowRate {
        WindowRate {
            window,
            over,
            messages_per_second: rate(self.processed, over),
            errors_per_second: rate(self.errors, over),
            bytes_in_per_second: rate(self.bytes_in, over),
            bytes_out_per_second: rate(self.bytes_out, over),
        }
    }

    /// A number that is another whenever one of the counts rose.
    #[inline]
    pub(crate) fn sum(&self) -> u64 {
        let sum = self.processed.wrapping_add(self.errors);
        sum.wrapping_add(self.bytes_in).wrapping_add(self.bytes_out)
    }

    /// What was counted since `earlier`.
    pub(crate) fn since(&self, earlier: &WindowCounts) -> WindowCounts {
        WindowCounts {
            processed: self.processed.saturating_sub(earlier.processed),
            errors: self.errors.saturating_sub(earlier.errors),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
        }
    }
}

/// Makes the rates of one snapshot: one allocation for all kernels.
pub(crate) struct RatesBuilder {
    all: Arc<All>,
    counts: Vec<WindowCounts>,
    starts: Box<[Arc<[WindowCounts]>]>,
}

impl RatesBuilder {
    /// For [`add`](Self::add), without `starts`; or for [`add_now`](Self::add_now), with what each kernel had counted at
    /// the start of each window, and room for so many kernels.
    pub(crate) fn new(windows: Box<[(Duration, Duration)]>, starts: Box<[Arc<[WindowCounts]>]>, room: usize) -> Self {
        let all = Arc::new(All { windows, counts: OnceLock::new() });
        RatesBuilder { all, counts: Vec::with_capacity(room), starts }
    }

    /// The next kernel's differences, one for each window.
    pub(crate) fn add(&mut self, counts: impl IntoIterator<Item = WindowCounts>) -> Rates {
        let at = self.counts.len() as u32;
        self.counts.extend(counts);
        Rates { all: Some(Arc::clone(&self.all)), at, kernel: 0 }
    }

    /// What the kernel at that place has counted.
    pub(crate) fn add_now(&mut self, kernel: usize, now: WindowCounts) -> Rates {
        let at = self.counts.len() as u32;
        self.counts.push(now);
        Rates { all: Some(Arc::clone(&self.all)), at, kernel: kernel as u32 }
    }

    /// From now on they can be read. How many counts there are.
    pub(crate) fn finish(self) -> usize {
        let len = self.counts.len();
        let counts = match self.starts.is_empty() {
            true => Counts::Differences(self.counts),
            false => Counts::Since { now: self.counts, starts: self.starts },
        };
        // It is set here alone.
        let _ = self.all.counts.set(counts);
        len
    }
}

impl PartialEq for Rates {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl std::fmt::Debug for Rates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Rates {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
