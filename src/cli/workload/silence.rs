//! How long nothing has happened, in time during which this process ran.

use std::time::{Duration, Instant};

/// The longest time between two looks that counts. Looks are microseconds or milliseconds apart; where hundreds of blocks take
/// turns on a few cores, a tenth of a second or several. A longer time is one in which the process was stopped or frozen.
const LONGEST_STEP: Duration = Duration::from_millis(400);

/// Measures silence. A process that is stopped, or whose container is frozen, does not age meanwhile: neither do the
/// kernels on CPU threads, which stand still with it.
#[derive(Debug)]
pub struct Silence {
    looked: Instant,
    lasts: Duration,
}

impl Silence {
    /// Begins to measure at `now`.
    pub fn since(now: Instant) -> Silence {
        Silence { looked: now, lasts: Duration::ZERO }
    }

    /// Adds the time since the last look, at most [`LONGEST_STEP`], and returns how long it has lasted.
    pub fn look(&mut self, now: Instant) -> Duration {
        self.lasts += now.saturating_duration_since(self.looked).min(LONGEST_STEP);
        self.looked = now;
        self.lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_time_in_which_the_process_ran_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut silence = Silence::since(start);
        assert_eq!(silence.look(at(1)), Duration::from_millis(1));
        assert_eq!(silence.look(at(61)), Duration::from_millis(61));
        // An hour's pause is one step.
        assert_eq!(silence.look(at(3_600_061)), Duration::from_millis(461));
        assert_eq!(silence.look(at(3_600_062)), Duration::from_millis(462));
        // A clock that stands still, or goes back, adds nothing.
        assert_eq!(silence.look(at(3_600_062)), Duration::from_millis(462));
        assert_eq!(silence.look(at(3_600_000)), Duration::from_millis(462));
    }

    #[test]
    fn a_long_silence_of_small_steps_adds_up() {
        let start = Instant::now();
        let mut silence = Silence::since(start);
        let lasts = (1..=300).map(|step| silence.look(start + step * LONGEST_STEP)).last();
        assert_eq!(lasts, Some(300 * LONGEST_STEP));
    }
}
