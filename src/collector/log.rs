//! What the collector says of itself: `tracing` events at fixed targets and levels, with the feature `tracing`, and
//! nothing without it. The table of them is in the [module's documentation](super).

use super::error::TelemetryError;

/// One thing to say.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "tracing"), allow(dead_code))]
pub(super) enum Message<'a> {
    CollectionFailed { error: &'a TelemetryError },
    DeviceFailed { error: &'a TelemetryError },
    KernelFailed { kernel_id: &'a str, reason: &'a str },
    UnknownKernel { kernel_id: &'a str },
    UnknownMetric { metric: &'a str },
    MetricNotFound { misses: u64 },
    RoleNotFound { misses: u64 },
    SeriesDropped { dropped: u64 },
    KernelStalled { kernel_id: &'a str, block: u32, stuck: &'a str },
    KernelRecovered { kernel_id: &'a str },
    HookPanicked { hook: u64, panic: &'a str },
    HookDisabled { hook: u64 },
    HookSlow { hook: u64, seconds: f64 },
    NotificationDropped { hook: u64 },
    SnapshotsSkipped { skipped: u64 },
    SnapshotsForgotten { dropped: u64 },
}

#[cfg(not(feature = "tracing"))]
#[derive(Debug, Default)]
pub(super) struct Log;

#[cfg(not(feature = "tracing"))]
impl Log {
    #[inline(always)]
    pub(super) fn say(&self, _: Message<'_>) {}
}

#[cfg(all(feature = "tracing", feature = "publish"))]
pub(crate) use with_tracing::Limits;
#[cfg(feature = "tracing")]
pub(super) use with_tracing::Log;

#[cfg(feature = "tracing")]
mod with_tracing {
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use tracing::{Level, event};

    use super::Message;

    const COLLECTOR: &str = "ringscope::collector";
    const METRICS: &str = "ringscope::metrics";
    const WATCHDOG: &str = "ringscope::watchdog";
    const HOOKS: &str = "ringscope::hooks";
    const SUBSCRIBERS: &str = "ringscope::subscribers";
    const HISTORY: &str = "ringscope::history";

    /// Most messages of one kind in each [`PERIOD`]; the next one says how many were suppressed.
    const MOST: u32 = 10;
    const PERIOD: Duration = Duration::from_secs(1);

    /// Says things, of each kind not too often.
    #[derive(Debug, Default)]
    pub(in crate::collector) struct Log {
        limits: Limits,
    }

    /// How often each kind may be said.
    #[derive(Debug, Default)]
    pub(crate) struct Limits(Mutex<Vec<(&'static str, Limit)>>);

    /// How often one kind was said lately.
    #[derive(Clone, Copy, Debug)]
    struct Limit {
        begun: Instant,
        said: u32,
        suppressed: u64,
    }

    impl Limit {
        fn new(now: Instant) -> Self {
            Limit { begun: now, said: 0, suppressed: 0 }
        }

        /// How many were suppressed since the last one that was said; `None` if this one is, too.
        fn pass(&mut self, now: Instant) -> Option<u64> {
            if now.saturating_duration_since(self.begun) >= PERIOD {
                (self.begun, self.said) = (now, 0);
            }
            if self.said >= MOST {
                self.suppressed += 1;
                return None;
            }
            self.said += 1;
            Some(std::mem::take(&mut self.suppressed))
        }
    }

    impl Log {
        /// Hands the message to the thread's subscriber, which is the user's code: hold no lock that it may want.
        pub(in crate::collector) fn say(&self, message: Message<'_>) {
            if let Some(suppressed) = self.pass(&message) {
                emit(message, suppressed);
            }
        }

        fn pass(&self, message: &Message<'_>) -> Option<u64> {
            self.limits.pass(text(message))
        }
    }

    impl Limits {
        /// How many of that kind were suppressed since the last one that was said; `None` if this one is, too.
        pub(crate) fn pass(&self, kind: &'static str) -> Option<u64> {
            let now = Instant::now();
            let mut limits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let index = limits.iter().position(|(of, _)| *of == kind).unwrap_or_else(|| {
                limits.push((kind, Limit::new(now)));
                limits.len() - 1
            });
            limits[index].1.pass(now)
        }
    }

    /// What the event says; also tells the kinds apart that are limited each by itself.
    fn text(message: &Message<'_>) -> &'static str {
        match message {
            Message::CollectionFailed { .. } => "collection failed",
            Message::DeviceFailed { .. } => "device failed",
            Message::KernelFailed { .. } => "kernel failed",
            Message::UnknownKernel { .. } => "unknown kernel",
            Message::UnknownMetric { .. } => "unknown metric",
            Message::MetricNotFound { .. } => "metric not found",
            Message::RoleNotFound { .. } => "role not found",
            Message::SeriesDropped { .. } => "series dropped",
            Message::KernelStalled { .. } => "kernel stalled",
            Message::KernelRecovered { .. } => "kernel recovered",
            Message::HookPanicked { .. } => "hook panicked",
            Message::HookDisabled { .. } => "hook disabled",
            Message::HookSlow { .. } => "hook slow",
            Message::NotificationDropped { .. } => "notification dropped",
            Message::SnapshotsSkipped { .. } => "snapshots skipped",
            Message::SnapshotsForgotten { .. } => "snapshots left the history",
        }
    }

    fn emit(message: Message<'_>, suppressed: u64) {
        let text = text(&message);
        match message {
            Message::CollectionFailed { error } => {
                event!(target: COLLECTOR, Level::WARN, %error, suppressed, "{text}");
            }
            Message::DeviceFailed { error } => {
                event!(target: COLLECTOR, Level::ERROR, %error, suppressed, "{text}");
            }
            Message::KernelFailed { kernel_id, reason } => {
                event!(target: COLLECTOR, Level::ERROR, kernel_id, reason, suppressed, "{text}");
            }
            Message::UnknownKernel { kernel_id } => {
                event!(target: COLLECTOR, Level::WARN, kernel_id, suppressed, "{text}");
            }
            Message::UnknownMetric { metric } => {
                event!(target: COLLECTOR, Level::WARN, metric, suppressed, "{text}");
            }
            Message::MetricNotFound { misses } => {
                event!(target: METRICS, Level::WARN, misses, suppressed, "{text}");
            }
            Message::RoleNotFound { misses } => {
                event!(target: COLLECTOR, Level::WARN, misses, suppressed, "{text}");
            }
            Message::SeriesDropped { dropped } => {
                event!(target: COLLECTOR, Level::WARN, dropped, suppressed, "{text}");
            }
            Message::KernelStalled { kernel_id, block, stuck } => {
                event!(target: WATCHDOG, Level::WARN, kernel_id, block, stuck, suppressed, "{text}");
            }
            Message::KernelRecovered { kernel_id } => {
                event!(target: WATCHDOG, Level::INFO, kernel_id, suppressed, "{text}");
            }
            Message::HookPanicked { hook, panic } => {
                event!(target: HOOKS, Level::ERROR, hook, panic, suppressed, "{text}");
            }
            Message::HookDisabled { hook } => {
                event!(target: HOOKS, Level::ERROR, hook, suppressed, "{text}");
            }
            Message::HookSlow { hook, seconds } => {
                event!(target: HOOKS, Level::WARN, hook, seconds, suppressed, "{text}");
            }
            Message::NotificationDropped { hook } => {
                event!(target: HOOKS, Level::WARN, hook, suppressed, "{text}");
            }
            Message::SnapshotsSkipped { skipped } => {
                event!(target: SUBSCRIBERS, Level::DEBUG, skipped, suppressed, "{text}");
            }
            Message::SnapshotsForgotten { dropped } => {
                event!(target: HISTORY, Level::DEBUG, dropped, suppressed, "{text}");
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_kind_is_said_ten_times_a_second_and_then_how_often_it_was_not() {
            let start = Instant::now();
            let mut limit = Limit::new(start);
            let said: Vec<_> = (0..25).map(|n| limit.pass(start + n * PERIOD / 25)).collect();
            assert_eq!(said[..10], [Some(0); 10]);
            assert_eq!(said[10..], [None; 15]);
            assert_eq!(limit.pass(start + PERIOD), Some(15));
            assert_eq!(limit.pass(start + PERIOD), Some(0));
        }

        #[test]
        fn kinds_do_not_suppress_each_other() {
            let log = Log::default();
            (0..100).for_each(|hook| log.say(Message::HookDisabled { hook }));
            assert_eq!(log.pass(&Message::HookDisabled { hook: 1 }), None);
            assert_eq!(log.pass(&Message::UnknownKernel { kernel_id: "a" }), Some(0));
        }
    }
}
