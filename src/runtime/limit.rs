//! Limits of waiting: by the clock, and by the time in which this process looked.

use std::time::{Duration, Instant};

/// A limit of waiting.
pub(super) trait Limit {
    /// How much of it is left; zero when it is over. The waiting thread asks at every look.
    fn left(&mut self) -> Duration;
}

/// A moment of the clock; `None` is never.
impl Limit for Option<Instant> {
    fn left(&mut self) -> Duration {
        self.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

/// The longest time between two looks that counts. Looks are milliseconds apart; where hundreds of blocks take turns on a few
/// cores, a tenth of a second or several. A longer time is one in which the process was stopped or frozen, and the blocks on
/// its threads with it.
const LONGEST_STEP: Duration = Duration::from_millis(400);

/// A limit that counts only time in which this process ran: what a kernel does not do while nobody can see it do it, is not
/// held against it.
#[derive(Debug)]
pub(super) struct RunLimit {
    limit: Duration,
    looked: Instant,
    passed: Duration,
}

impl RunLimit {
    /// Begins now.
    pub(super) fn new(limit: Duration) -> Self {
        RunLimit { limit, looked: Instant::now(), passed: Duration::ZERO }
    }

    /// The whole limit.
    pub(super) fn whole(&self) -> Duration {
        self.limit
    }

    /// Adds the time since the last look, at most [`LONGEST_STEP`], and returns what is left.
    fn look(&mut self, now: Instant) -> Duration {
        let step = now.saturating_duration_since(self.looked).min(LONGEST_STEP);
        self.passed = self.passed.saturating_add(step);
        self.looked = now;
        self.limit.saturating_sub(self.passed)
    }
}

impl Limit for RunLimit {
    fn left(&mut self) -> Duration {
        self.look(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn time_in_which_the_process_stood_still_is_one_step() {
        let mut limit = RunLimit::new(SECOND);
        let start = limit.looked;
        assert_eq!(limit.look(start + LONGEST_STEP / 2), SECOND - LONGEST_STEP / 2);
        // An hour in which it was stopped.
        let later = start + 3600 * SECOND;
        assert_eq!(limit.look(later), SECOND - LONGEST_STEP * 3 / 2);
        assert_eq!(limit.look(later + LONGEST_STEP / 2), SECOND - LONGEST_STEP * 2);
        // A clock that goes back adds nothing.
        assert_eq!(limit.look(start), SECOND - LONGEST_STEP * 2);
    }

    #[test]
    fn small_steps_add_up_to_the_limit() {
        let mut limit = RunLimit::new(SECOND);
        let start = limit.looked;
        let step = Duration::from_millis(1);
        let left: Vec<Duration> = (1..=1001).map(|n| limit.look(start + n * step)).collect();
        assert_eq!((left[0], left[998], left[999], left[1000]), (SECOND - step, step, Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn no_limit_is_too_long_for_the_clock() {
        assert_eq!(None::<Instant>.left(), Duration::MAX);
        let mut limit = RunLimit::new(Duration::MAX);
        let now = limit.looked;
        assert!(limit.look(now + SECOND) > Duration::MAX - SECOND);
    }

    #[test]
    fn a_moment_that_has_come_leaves_nothing() {
        let mut deadline = Some(Instant::now());
        assert_eq!(deadline.left(), Duration::ZERO);
    }
}
