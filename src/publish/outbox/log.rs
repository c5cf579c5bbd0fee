//! What publishing says of itself: `tracing` events with the feature `tracing`, and nothing without it. The table of them is in
//! the documentation of [`publish`](crate::publish).

use crate::publish::error::PublishError;
use crate::snapshot::DropReason;

/// One thing to say.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "tracing"), allow(dead_code))]
pub(super) enum Message<'a> {
    AttemptFailed { error: &'a PublishError },
    ItemsDropped { reason: DropReason, items: u64 },
    PublicationSkipped { skipped: u64 },
    CircuitOpened,
    CircuitClosed,
}

#[cfg(not(feature = "tracing"))]
#[derive(Debug, Default)]
pub(super) struct Log;

#[cfg(not(feature = "tracing"))]
impl Log {
    #[inline(always)]
    pub(super) fn say(&self, _: &str, _: Message<'_>) {}
}

#[cfg(feature = "tracing")]
pub(super) use with_tracing::Log;

#[cfg(feature = "tracing")]
mod with_tracing {
    use tracing::{Level, event};

    use super::Message;
    use crate::collector::Limits;

    const TARGET: &str = "ringscope::publish";

    /// Says things of one destination, of each kind not too often.
    #[derive(Debug, Default)]
    pub(in crate::publish::outbox) struct Log(Limits);

    impl Log {
        /// Hands the message to the subscriber, which is the user's code: hold no lock that it may want.
        pub(in crate::publish::outbox) fn say(&self, destination: &str, message: Message<'_>) {
            match message {
                Message::AttemptFailed { error } => {
                    let text = "attempt failed";
                    let Some(suppressed) = self.0.pass(text) else { return };
                    let (reason, permanent) = (error.reason(), error.is_permanent());
                    event!(target: TARGET, Level::WARN, destination, %error, reason, permanent, suppressed, "{text}");
                }
                Message::ItemsDropped { reason, items } => {
                    let text = "items dropped";
                    let Some(suppressed) = self.0.pass(text) else { return };
                    event!(target: TARGET, Level::WARN, destination, reason = reason.name(), items, suppressed, "{text}");
                }
                Message::PublicationSkipped { skipped } => {
                    let text = "publication skipped";
                    let Some(suppressed) = self.0.pass(text) else { return };
                    event!(target: TARGET, Level::WARN, destination, skipped, suppressed, "{text}");
                }
                Message::CircuitOpened => event!(target: TARGET, Level::WARN, destination, "circuit opened"),
                Message::CircuitClosed => event!(target: TARGET, Level::INFO, destination, "circuit closed"),
            }
        }
    }
}
