//! The collector's steady clock: nanoseconds that go on evenly whatever the wall clock is set to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::error::TelemetryError;

/// How often the coarse clock moves.
const TICK: Duration = Duration::from_millis(10);

/// Nanoseconds since the collector was made, plus one: 0 stays free to mean "never".
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyClock {
    epoch: Instant,
}

impl SteadyClock {
    pub(super) fn start() -> Self {
        SteadyClock { epoch: Instant::now() }
    }

    pub(super) fn now_ns(self) -> u64 {
        self.ns_at(Instant::now())
    }

    pub(super) fn ns_at(self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.epoch)).saturating_add(1)
    }
}

/// The steady clock as a word that a thread of its own keeps up to date, to within [`TICK`]: reading it costs one load.
pub(super) struct CoarseClock {
    now_ns: Arc<AtomicU64>,
}

impl CoarseClock {
    pub(super) fn start(clock: SteadyClock) -> Result<Self, TelemetryError> {
        let now_ns = Arc::new(AtomicU64::new(clock.now_ns()));
        let weak = Arc::downgrade(&now_ns);
        // The thread ends when nobody reads the clock any more.
        let tick = move || {
            while let Some(word) = weak.upgrade() {
                word.store(clock.now_ns(), Ordering::Relaxed);
                drop(word);
                std::thread::sleep(TICK);
            }
        };
        std::thread::Builder::new()
            .name("ringscope-clock".into())
            .spawn(tick)
            .map_err(|e| TelemetryError::no_thread("the coarse clock", &e))?;
        Ok(CoarseClock { now_ns })
    }

    pub(super) fn share(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.now_ns)
    }
}

/// A time in nanoseconds; one that is longer than a clock runs is `u64::MAX`.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
