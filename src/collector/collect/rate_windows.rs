//! Enough of the past for rates over windows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::snapshot::WindowCounts;

/// Samples a window keeps: where readings are frequent, a rate's window is at most an eighth longer than asked for;
/// where they are rare, it is the time between two of them.
const SAMPLES: u32 = 8;

/// What all kernels had counted since their launches at some moments: about [`SAMPLES`] + 2 for each window, which
/// share those that fall together.
#[derive(Debug)]
pub(super) struct RateWindows {
    windows: Vec<Window>,
    /// A rate over less tells nothing.
    least: Duration,
}

#[derive(Debug)]
struct Window {
    length: Duration,
    samples: VecDeque<Sample>,
}

#[derive(Clone, Debug)]
struct Sample {
    at: Instant,
    counts: Arc<[WindowCounts]>,
    sums: Arc<[u64]>,
}

/// The moment that a window's rate reaches back to.
pub(super) struct Base {
    pub(super) window: Duration,
    pub(super) over: Duration,
    counts: Arc<[WindowCounts]>,
    /// Of each kernel's counts: of thousands that do nothing, this is all that is looked at.
    sums: Arc<[u64]>,
}

impl Base {
    /// What all kernels had counted then.
    pub(super) fn counts(&self) -> Arc<[WindowCounts]> {
        Arc::clone(&self.counts)
    }

    pub(super) fn sum_of(&self, kernel: usize) -> u64 {
        self.sums.get(kernel).copied().unwrap_or_default()
    }

    /// What a kernel had counted then; zeros for one that was not there.
    pub(super) fn counts_of(&self, kernel: usize) -> WindowCounts {
        self.counts.get(kernel).copied().unwrap_or_default()
    }
}

impl RateWindows {
    pub(super) fn new(windows: &[Duration]) -> Self {
        let least = windows.iter().min().copied().unwrap_or_default() / SAMPLES;
        let window = |length: &Duration| Window { length: *length, samples: VecDeque::new() };
        RateWindows { windows: windows.iter().map(window).collect(), least }
    }

    /// Where the rates at `now` reach back to, for each window in its order. None at all while the oldest sample is
    /// too young to tell a rate: then so it is for each window.
    pub(super) fn bases(&self, now: Instant) -> Vec<Base> {
        self.windows.iter().map_while(|window| window.base(now, self.least)).collect()
    }

    /// Whether it is time for another sample.
    pub(super) fn is_due(&self, at: Instant) -> bool {
        self.windows.iter().any(|window| window.is_due(at))
    }

    /// Another kernel has that place from now on, which had counted nothing before.
    pub(super) fn forget(&mut self, kernel: usize) {
        self.windows.iter_mut().for_each(|window| window.forget(kernel));
    }

    pub(super) fn push(&mut self, at: Instant, counts: Arc<[WindowCounts]>) {
        let sums: Arc<[u64]> = counts.iter().map(WindowCounts::sum).collect();
        for window in self.windows.iter_mut().filter(|window| window.is_due(at)) {
            window.push(Sample { at, counts: Arc::clone(&counts), sums: Arc::clone(&sums) });
        }
    }
}

impl Window {
    fn forget(&mut self, kernel: usize) {
        for sample in &mut self.samples {
            if sample.sums.get(kernel).is_some_and(|sum| *sum != 0) {
                Arc::make_mut(&mut sample.counts)[kernel] = WindowCounts::default();
                Arc::make_mut(&mut sample.sums)[kernel] = 0;
            }
        }
    }

    /// From the youngest sample of at least the window's age, else the oldest.
    fn base(&self, now: Instant, least: Duration) -> Option<Base> {
        let age = |s: &Sample| now.saturating_duration_since(s.at);
        let old = self.samples.iter().rev().find(|s| age(s) >= self.length).or(self.samples.front())?;
        let base = || Base {
            window: self.length,
            over: age(old),
            counts: Arc::clone(&old.counts),
            sums: Arc::clone(&old.sums),
        };
        (age(old) >= least).then(base)
    }

    fn is_due(&self, at: Instant) -> bool {
        let due = |s: &Sample| at.saturating_duration_since(s.at) >= self.length / SAMPLES;
        self.samples.back().is_none_or(due)
    }

    fn push(&mut self, sample: Sample) {
        // Keep one sample that is older than the window: rates reach back to it.
        let old = |s: Option<&Sample>| s.is_some_and(|s| sample.at.saturating_duration_since(s.at) >= self.length);
        while old(self.samples.get(1)) {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processed(n: u64) -> Arc<[WindowCounts]> {
        [WindowCounts { processed: n, ..WindowCounts::default() }].into()
    }

    #[test]
    fn reaches_back_one_window_and_stays_bounded() {
        let start = Instant::now();
        let mut rate_windows = RateWindows::new(&[Duration::from_secs(1), Duration::from_secs(10)]);
        assert!(rate_windows.bases(start).is_empty());
        for n in 0..1000u64 {
            let at = start + Duration::from_millis(130 * n);
            assert!(rate_windows.is_due(at), "a sample every 130 ms is less often than eight a second");
            rate_windows.push(at, processed(n));
        }
        let last = start + Duration::from_millis(130 * 999);
        assert!(!rate_windows.windows[0].is_due(last + Duration::from_millis(100)));
        let seen = rate_windows.bases(last);
        let seen: Vec<_> =
            seen.iter().map(|b| (b.window.as_secs(), b.over.as_millis(), b.counts_of(0).processed)).collect();
        assert_eq!(seen[0], (1, 1040, 991));
        // Every 1.3 s, the tenth reading after the last that is due.
        assert!(seen[1].0 == 10 && (10_000..=11_250).contains(&seen[1].1), "{seen:?}");
        assert_eq!(u128::from(999 - seen[1].2) * 130, seen[1].1);
        for window in &rate_windows.windows {
            assert!(window.samples.len() <= SAMPLES as usize + 2, "{}", window.samples.len());
        }
    }

    #[test]
    fn a_long_window_tells_a_rate_as_soon_as_a_short_one() {
        let start = Instant::now();
        let mut rate_windows = RateWindows::new(&[Duration::from_secs(1), Duration::from_secs(60)]);
        rate_windows.push(start, processed(0));
        assert!(rate_windows.bases(start + Duration::from_millis(124)).is_empty());
        let bases = rate_windows.bases(start + Duration::from_millis(125));
        assert_eq!(bases.iter().map(|b| b.over.as_millis()).collect::<Vec<_>>(), [125, 125]);
    }
}
