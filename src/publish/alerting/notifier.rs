//! Who is told: how, of which alerts, and what happens where that is slow or fails.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::alertmanager::Alertmanager;
use super::command::CommandDestination;
use super::document::External;
use super::hook::{Call, Hook};
use super::process::Run;
use super::webhook::{Webhook, url};
use crate::alert::{Manner, Matcher, Notification, Rules, Severity, Teller, Wanted};
use crate::publish::delivery::Delivery;
use crate::publish::error::PublishError;
use crate::publish::http::{HttpOptions, bad};
use crate::publish::outbox::Outbox;

/// How much longer than its command an attempt may take.
const GRACE: Duration = Duration::from_secs(5);

/// Somebody who is told of alerts. Each has a queue, retries and a thread of its own, bounded and counted as every destination is:
/// one that is slow or gone delays nobody else.
///
/// ```
/// use ringscope::alert::{Matcher, Severity};
/// use ringscope::publish::{HttpOptions, Notifier};
///
/// let pager = Notifier::webhook("http://localhost:8080/alert", HttpOptions::default())?
///     .named("pager")
///     .at_least(Severity::Critical)
///     .matching(Matcher::new("kernel", "worker_*"));
/// let desktop = Notifier::command(["notify-send", "ringscope"])?;
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
pub struct Notifier {
    name: String,
    way: Way,
    wanted: Wanted,
    delivery: Delivery,
}

enum Way {
    Webhook(Url, HttpOptions),
    Alertmanager(Url, HttpOptions, Duration),
    Command(Run),
    Call(Call),
}

/// What one of them knows, and the way there.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) teller: Teller,
    pub(super) outbox: Outbox,
}

impl Notifier {
    /// Default of [`resend`](Self::resend).
    pub const DEFAULT_RESEND: Duration = Duration::from_secs(60);
    /// Default of [`limit`](Self::limit).
    pub const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

    fn new(name: &str, way: Way) -> Self {
        let wanted = Wanted { matchers: Vec::new(), severity: Severity::Info };
        Notifier { name: name.to_owned(), way, wanted, delivery: Delivery::default() }
    }

    /// Makes one that posts each notification as JSON, in the form of Alertmanager's webhooks.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`], if that is no address.
    pub fn webhook(address: &str, options: HttpOptions) -> Result<Self, PublishError> {
        Ok(Notifier::new("alerts-webhook", Way::Webhook(url(address)?, options)))
    }

    /// Makes one that sends alerts to Alertmanager's API v2, which groups and silences them itself.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`], if that is no address.
    pub fn alertmanager(address: &str, options: HttpOptions) -> Result<Self, PublishError> {
        let way = Way::Alertmanager(url(address)?, options, Notifier::DEFAULT_RESEND);
        Ok(Notifier::new("alerts-alertmanager", way))
    }

    /// Makes one that runs a command for each notification, without a shell. It gets the webhook's JSON at its stdin, and as
    /// variables `RINGSCOPE_ALERT_STATUS`, `_RULE`, `_SEVERITY`, `_SUMMARY`, `_VALUE`, `_COUNT`, and `_LABEL_KERNEL` and such for
    /// labels that all its alerts share. What it writes is dropped, but for the begin of its stderr where it fails.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`], if there is no program in it.
    pub fn command<T: Into<String>>(argv: impl IntoIterator<Item = T>) -> Result<Self, PublishError> {
        let argv: Vec<String> = argv.into_iter().map(Into::into).collect();
        if argv.first().is_none_or(String::is_empty) || argv.iter().any(|word| word.contains('\0')) {
            return Err(bad("command", "it must be a program and its arguments, without NUL bytes"));
        }
        let run = Run { argv, limit: Notifier::DEFAULT_LIMIT };
        Ok(Notifier::new("alerts-command", Way::Command(run)))
    }

    /// Makes one that says each alert as a `tracing` event at the target `ringscope::alert`.
    #[cfg(feature = "tracing")]
    pub fn log() -> Self {
        Notifier::new("alerts-log", Way::Call(Box::new(super::hook::log)))
    }

    /// Makes one that calls a function with each notification, on a thread of its own; it may block. After an error that is not
    /// permanent it is called again.
    pub fn call(call: impl Fn(&Notification) -> Result<(), PublishError> + Send + Sync + 'static) -> Self {
        Notifier::new("alerts-call", Way::Call(Box::new(call)))
    }

    /// Sets the name that it is counted under, and the receiver's in what is sent. Default: `alerts-` and the way.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Restricts it to alerts that match; to be called for each of several labels.
    pub fn matching(mut self, matcher: Matcher) -> Self {
        self.wanted.matchers.push(matcher);
        self
    }

    /// Restricts it to alerts of this severity or higher.
    pub fn at_least(mut self, severity: Severity) -> Self {
        self.wanted.severity = severity;
        self
    }

    /// Sets queue, retries and time limits.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Sets after which time alerts that fire are sent to Alertmanager again. One that is not for four times as long counts as
    /// over there: so does everything of a program that died. Default: 1 min. Without effect on others.
    pub fn resend(mut self, time: Duration) -> Self {
        if let Way::Alertmanager(_, _, resend) = &mut self.way {
            *resend = time;
        }
        self
    }

    /// Sets the time after which a command is killed. Default: 10 s. Without effect on others.
    pub fn limit(mut self, time: Duration) -> Self {
        if let Way::Command(run) = &mut self.way {
            run.limit = time;
        }
        self
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts the way there.
    pub(super) fn start(self, rules: &Arc<Rules>, external: &External) -> Result<Target, PublishError> {
        let Notifier { name, way, wanted, mut delivery } = self;
        let manner = match &way {
            Way::Alertmanager(_, _, resend) => Manner::Resent(*resend),
            _ => Manner::Grouped,
        };
        let external = external.clone();
        let limited = |options: HttpOptions, delivery: &Delivery| HttpOptions {
            timeout: options.timeout.or(Some(delivery.timeout)),
            ..options
        };
        let outbox = match way {
            Way::Webhook(url, options) => {
                let destination = Webhook::new(&name, url, &limited(options, &delivery), external)?;
                Outbox::destination(destination, delivery)
            }
            Way::Alertmanager(url, options, resend) => {
                let destination = Alertmanager::new(&name, url, &limited(options, &delivery), external, resend)?;
                Outbox::destination(destination, delivery)
            }
            Way::Command(run) => {
                delivery.timeout = delivery.timeout.max(run.limit.saturating_add(GRACE));
                Outbox::destination(CommandDestination { name, run, external }, delivery)
            }
            Way::Call(call) => Outbox::publisher(Hook { name, call }, delivery),
        }?;
        Ok(Target { teller: Teller::new(Arc::clone(rules), wanted, manner), outbox })
    }
}

impl fmt::Debug for Notifier {
    /// Shows no address: it may have a key in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Webhook(..) => "webhook",
            Way::Alertmanager(..) => "alertmanager",
            Way::Command(_) => "command",
            Way::Call(_) => "call",
        };
        f.debug_struct("Notifier").field("name", &self.name).field("way", &way).finish_non_exhaustive()
    }
}
