//! When the next attempt is made: pauses that grow, what a destination asks for, and a circuit that opens.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::publish::delivery::Delivery;
use crate::publish::error::PublishError;

/// The longest pause that a destination is believed to want.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Failures in a row, and how long they hold back the next attempt.
#[derive(Debug)]
pub(super) struct Retry {
    pauses: ExponentialBuilder,
    longest: Duration,
    circuit_failures: u32,
    circuit_pause: Duration,
    row: Option<ExponentialBackoff>,
    failures: u32,
    hold: Option<Hold>,
}

/// Nothing is sent before then.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Instant,
    /// The destination wants it so; else it is our own caution, and the end may cut it short.
    asked: bool,
}

impl Retry {
    pub(super) fn new(delivery: &Delivery) -> Self {
        // A pause is drawn between a delay and twice as much.
        let most = (delivery.retry_max / 2).max(delivery.retry_min);
        let pauses = ExponentialBuilder::new().with_min_delay(delivery.retry_min).with_max_delay(most);
        Retry {
            pauses: pauses.with_jitter().without_max_times(),
            longest: delivery.retry_max,
            circuit_failures: delivery.circuit_failures,
            circuit_pause: delivery.circuit_pause,
            row: None,
            failures: 0,
            hold: None,
        }
    }

    /// It answered: the next attempt is made at once.
    pub(super) fn answered(&mut self) {
        (self.row, self.failures, self.hold) = (None, 0, None);
    }

    /// It failed, and may not the next time.
    pub(super) fn failed(&mut self, error: &PublishError, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let row = self.row.get_or_insert_with(|| self.pauses.build());
        let mut pause = row.next().unwrap_or(self.longest).min(self.longest);
        if self.is_open() {
            pause = pause.max(self.circuit_pause);
        }
        let asked = error.retry_after().filter(|asked| !asked.is_zero()).map(|asked| asked.min(LONGEST));
        let until = now + asked.unwrap_or_default().max(pause);
        self.hold = Some(Hold { until, asked: asked.is_some() });
    }

    /// Whether only a single attempt is made now and then.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= self.circuit_failures
    }

    /// When the next attempt may be made; `None` is at once.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.hold.map(|hold| hold.until).filter(|until| *until > now)
    }

    /// One attempt need not wait, unless the destination asked for it.
    pub(super) fn hurry(&mut self) {
        self.hold = self.hold.filter(|hold| hold.asked);
    }
}
