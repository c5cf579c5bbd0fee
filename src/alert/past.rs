//! The snapshots that windows begin with.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::snapshot::Snapshot;

/// A window holds at most so many snapshots and one.
const PARTS: u32 = 8;

/// For each window that some rule has, the snapshots that it may begin with.
#[derive(Debug, Default)]
pub(super) struct Past {
    windows: Vec<(Duration, VecDeque<Arc<Snapshot>>)>,
    previous: Option<Arc<Snapshot>>,
}

impl Past {
    pub(super) fn new(windows: impl Iterator<Item = Duration>) -> Self {
        let mut all: Vec<Duration> = windows.collect();
        all.sort_unstable();
        all.dedup();
        Past { windows: all.into_iter().map(|window| (window, VecDeque::new())).collect(), previous: None }
    }

    /// Lets go of what is too old for the windows that end with `now`. Where the clock was set back, nothing is left.
    pub(super) fn advance(&mut self, now: &Snapshot) {
        if self.previous.as_ref().is_some_and(|previous| previous.time > now.time) {
            self.windows.iter_mut().for_each(|(_, marks)| marks.clear());
        }
        for (window, marks) in &mut self.windows {
            let age = |mark: &Arc<Snapshot>| now.time.duration_since(mark.time).unwrap_or_default();
            while marks.get(1).is_some_and(|second| age(second) >= *window) {
                marks.pop_front();
            }
        }
    }

    /// The snapshot that this window begins with: as old as the window or up to an eighth older, younger where there are no
    /// older ones; `None` of the first.
    pub(super) fn begin_of(&self, window: Duration) -> Option<&Arc<Snapshot>> {
        let at = self.windows.binary_search_by_key(&window, |(window, _)| *window).ok()?;
        self.windows[at].1.front()
    }

    pub(super) fn previous(&self) -> Option<&Arc<Snapshot>> {
        self.previous.as_ref()
    }

    pub(super) fn push(&mut self, now: &Arc<Snapshot>) {
        for (window, marks) in &mut self.windows {
            let far = |last: &Arc<Snapshot>| now.time.duration_since(last.time).unwrap_or_default() >= *window / PARTS;
            if marks.back().is_none_or(far) {
                marks.push_back(Arc::clone(now));
            }
        }
        self.previous = Some(Arc::clone(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    #[test]
    fn a_window_begins_with_a_snapshot_of_its_age_and_holds_few() {
        let first = crate::TelemetryCollector::new(true).snapshot().unwrap();
        let at = |ms: u64| Arc::new(Snapshot { time: UNIX_EPOCH + Duration::from_millis(ms), ..(*first).clone() });
        let window = Duration::from_secs(10);
        let mut past = Past::new([window, Duration::ZERO, window].into_iter());
        for ms in (0..100_000).step_by(70) {
            let now = at(ms);
            past.advance(&now);
            let age = |window| past.begin_of(window).map(|mark| now.time.duration_since(mark.time).unwrap());
            match ms {
                0 => assert_eq!(age(window), None),
                1..=10_000 => assert_eq!(age(window), Some(Duration::from_millis(ms))),
                _ => assert!(age(window).unwrap() >= window && age(window).unwrap() <= window * 9 / 8 + window / 50),
            }
            assert_eq!(age(Duration::ZERO), (ms > 0).then_some(Duration::from_millis(70)), "the one before");
            past.push(&now);
            assert!(past.windows.iter().all(|(_, marks)| marks.len() <= 10));
        }
        let set_back = at(5000);
        past.advance(&set_back);
        assert!(past.begin_of(window).is_none());
    }
}
