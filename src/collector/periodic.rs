//! Reading every so often, on a thread of its own.

use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::{Inner, TelemetryError};

/// A running periodic reading; dropping it stops it.
pub(super) struct Periodic {
    interval: Sender<Duration>,
}

const SHORTEST: Duration = Duration::from_micros(100);
/// A year: far from where a clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

impl Periodic {
    pub(super) fn start(collector: Weak<Inner>, interval: Duration) -> Result<Self, TelemetryError> {
        let (sender, receiver) = channel::<Duration>();
        let body = move || {
            let mut interval = interval.clamp(SHORTEST, LONGEST);
            let mut next = Instant::now();
            loop {
                match receiver.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(other) => {
                        interval = other.clamp(SHORTEST, LONGEST);
                        next = Instant::now() + interval;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        let Some(inner) = Weak::upgrade(&collector) else { return };
                        let _range = crate::nvtx::range("ringscope: tick");
                        // A failure is in `latest` for whoever looks; a late copy is tried again.
                        if let Ok(snapshot) = inner.snapshot() {
                            inner.remember(&snapshot);
                        }
                        // If the user's last clone went meanwhile, this drops the collector; nothing waits for that.
                        drop(inner);
                        // From the tick, not from now: no drift; but no burst after a pause either.
                        next = (next + interval).max(Instant::now());
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("ringscope-reader".into())
            .spawn(body)
            .map_err(|e| TelemetryError::NoThread { what: "the periodic reader", message: e.to_string() })?;
        Ok(Periodic { interval: sender })
    }

    pub(super) fn set_interval(&self, interval: Duration) {
        // The thread ends only with this sender, or with the collector.
        let _ = self.interval.send(interval);
    }
}
