//! Enough of the past for rates over a window.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples a window keeps: where readings are frequent, a rate's window is at most an eighth longer than asked for;
/// where they are rare, it is the time between two of them.
const SAMPLES: u32 = 8;

/// Processed counts of all kernels at some moments. Bounded: about [`SAMPLES`] + 2 samples.
#[derive(Debug)]
pub(super) struct History {
    window: Duration,
    samples: VecDeque<Sample>,
}

#[derive(Debug)]
struct Sample {
    at: Instant,
    processed: Vec<u64>,
}

impl History {
    pub(super) fn new(window: Duration) -> Self {
        History { window, samples: VecDeque::new() }
    }

    /// The moment that a rate at `now` reaches back to, and each kernel's count then: the youngest sample of at
    /// least the window's age, else the oldest. `None` while that is too young to tell a rate.
    pub(super) fn base(&self, now: Instant) -> Option<(Duration, &[u64])> {
        let age = |s: &Sample| now.saturating_duration_since(s.at);
        let old = self.samples.iter().rev().find(|s| age(s) >= self.window).or(self.samples.front())?;
        (age(old) >= self.window / SAMPLES).then(|| (age(old), &old.processed[..]))
    }

    /// Whether it is time for another sample.
    pub(super) fn is_due(&self, at: Instant) -> bool {
        let due = |s: &Sample| at.saturating_duration_since(s.at) >= self.window / SAMPLES;
        self.samples.back().is_none_or(due)
    }

    pub(super) fn push(&mut self, at: Instant, processed: Vec<u64>) {
        // Keep one sample that is older than the window: rates reach back to it.
        let old = |s: Option<&Sample>| s.is_some_and(|s| at.saturating_duration_since(s.at) >= self.window);
        while old(self.samples.get(1)) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at, processed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_back_one_window_and_stays_bounded() {
        let start = Instant::now();
        let mut history = History::new(Duration::from_secs(1));
        assert!(history.base(start).is_none());
        for n in 0..1000u64 {
            let at = start + Duration::from_millis(130 * n);
            assert!(history.is_due(at), "a sample every 130 ms is less often than eight a second");
            history.push(at, vec![n]);
        }
        let last = start + Duration::from_millis(130 * 999);
        assert!(!history.is_due(last + Duration::from_millis(100)));
        let (age, counts) = history.base(last).unwrap();
        assert_eq!((age.as_millis(), counts), (1040, &[991][..]));
        assert!(history.samples.len() <= SAMPLES as usize + 2, "{}", history.samples.len());
    }
}
