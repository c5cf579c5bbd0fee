//! Doing something every so often, on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::error::TelemetryError;

/// A thread that ticks; dropping this stops it.
pub(super) struct Periodic {
    interval: Sender<Duration>,
}

const SHORTEST: Duration = Duration::from_micros(100);
/// A year: far from where a clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// The interval that is kept for one that was asked for.
pub(super) fn kept_interval(asked: Duration) -> Duration {
    asked.clamp(SHORTEST, LONGEST)
}

impl Periodic {
    /// Calls `tick` every `interval`, the first time at once, until it returns false.
    pub(super) fn start(
        interval: Duration,
        mut tick: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Self, TelemetryError> {
        let (sender, receiver) = channel::<Duration>();
        let body = move || {
            let mut interval = kept_interval(interval);
            let mut next = Instant::now();
            loop {
                match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(other) => {
                        interval = kept_interval(other);
                        next = Instant::now() + interval;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        if !tick() {
                            return;
                        }
                        // From the tick, not from now: no drift; but no burst after a pause either.
                        next = (next + interval).max(Instant::now());
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("ringscope-reader".into())
            .spawn(body)
            .map_err(|e| TelemetryError::no_thread("the periodic reader", &e))?;
        Ok(Periodic { interval: sender })
    }

    pub(super) fn set_interval(&self, interval: Duration) {
        // The thread ends only with this sender, or when `tick` says so.
        let _ = self.interval.send(interval);
    }
}
