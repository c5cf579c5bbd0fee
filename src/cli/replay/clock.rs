//! When a moment is due.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::args::Speed;

/// How soon Ctrl-C is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// Time as it goes by in a replay.
pub struct Clock {
    speed: Speed,
    /// When it was begun, and with which moment.
    begun: Option<(Instant, Duration)>,
}

impl Clock {
    pub fn new(speed: Speed) -> Clock {
        Clock { speed, begun: None }
    }

    /// Waits until the moment that came so long after the recording's begin is due; whether nobody wants the end.
    pub fn wait(&mut self, at: Duration, stop: &AtomicBool) -> bool {
        let (begun, first) = *self.begun.get_or_insert((Instant::now(), at));
        let due = match self.speed {
            Speed::Max => Duration::ZERO,
            Speed::Times(times) => at.saturating_sub(first).div_f64(times),
        };
        loop {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            match due.saturating_sub(begun.elapsed()) {
                Duration::ZERO => return true,
                left => std::thread::sleep(left.min(LOOK)),
            }
        }
    }
}
