//! [`Alerting`]: rules, and who is told, for a collector.

use std::fmt;

use super::document::External;
use super::file::AlertingFile;
use super::judge::AlertingJudge;
use super::notifier::Notifier;
use crate::alert::{Engine, EngineCounts, Rules};
use crate::collector::TelemetryCollector;
use crate::feed::{Feed, FeedError};
use crate::publish::error::PublishError;
use crate::trace::Source;

/// Finds alerts in every snapshot of a collector, and tells people. It ends when it and all clones of its [feed](Self::feed) are
/// dropped.
///
/// What becomes of the notifications is in every snapshot, in [`publishers`](crate::Snapshot::publishers), and as
/// `telemetry_publish_*` on every page.
///
/// ```
/// use std::time::Duration;
/// use ringscope::alert::{Rule, Rules};
/// use ringscope::publish::{Alerting, Notifier};
///
/// let telemetry = ringscope::TelemetryCollector::new(true);
/// let (tell, told) = std::sync::mpsc::channel();
/// telemetry.record_receive("parser")?;
/// telemetry.start_collection(Duration::from_millis(20))?;
/// let alerting = Alerting::builder(&telemetry)
///     .rules(Rules::ready_made().rule(Rule::absent("printer").named("NoPrinter")))
///     .notify(Notifier::call(move |notification| Ok(tell.send(notification.alerts[0].alert.summary.to_string()).unwrap_or(()))))
///     .start()?;
/// assert_eq!(told.recv()?, "no kernel printer runs");
/// # drop(alerting);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Alerting {
    feed: Feed,
    counts: EngineCounts,
}

/// Why nobody is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlertingError {
    /// Something of a [`Notifier`] makes no sense, or the system gives no thread.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// There is no feed of snapshots.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// Sets up an [`Alerting`].
#[must_use]
pub struct AlertingBuilder {
    collector: TelemetryCollector,
    rules: Option<Rules>,
    notifiers: Vec<Notifier>,
    external: External,
    source: Source,
}

impl Alerting {
    /// Sets one up for a collector.
    pub fn builder(collector: &TelemetryCollector) -> AlertingBuilder {
        AlertingBuilder {
            collector: collector.clone(),
            rules: None,
            notifiers: Vec::new(),
            external: Vec::new(),
            source: Source::this_process("ringscope"),
        }
    }

    /// Returns the feed of moments, which has the alerts in it.
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }

    /// Returns where the counts of alerts are.
    pub fn counts(&self) -> EngineCounts {
        self.counts.clone()
    }
}

impl AlertingBuilder {
    /// Sets the rules. Default: [`Rules::ready_made`].
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = Some(rules);
        self
    }

    /// Adds somebody who is told.
    pub fn notify(mut self, notifier: Notifier) -> Self {
        self.notifiers.push(notifier);
        self
    }

    /// Sets rules, adds those who are told, and labels, as a file has them.
    pub fn file(mut self, file: AlertingFile) -> Self {
        self.rules = Some(file.rules);
        self.notifiers.extend(file.notifiers);
        self.external.extend(file.labels);
        self
    }

    /// Adds a label to every alert that leaves the process and has none of that name, such as `instance`.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.external.push((name.into(), value.into()));
        self
    }

    /// Starts it with a feed of its own, which it reads every second where nobody has started collection.
    ///
    /// # Errors
    /// [`AlertingError`].
    pub fn start(self) -> Result<Alerting, AlertingError> {
        let collector = self.collector.clone();
        let (judge, counts) = self.judge()?;
        let feed = Feed::start(&collector, Some(Box::new(judge)))?;
        Ok(Alerting { feed, counts })
    }

    /// Makes the judge alone, for a feed that somebody else starts.
    ///
    /// # Errors
    /// What is wrong with those who are told.
    pub fn judge(self) -> Result<(AlertingJudge, EngineCounts), PublishError> {
        let engine = Engine::new(self.rules.unwrap_or_else(Rules::ready_made));
        let start = |notifier: Notifier| {
            let target = notifier.start(engine.rules(), &self.external)?;
            target.outbox.attach(&self.collector);
            Ok(target)
        };
        let targets: Result<Vec<_>, PublishError> = self.notifiers.into_iter().map(start).collect();
        let (targets, counts) = (targets?, engine.counts());
        Ok((AlertingJudge::new(engine, targets, self.source, self.collector.started()), counts))
    }
}

impl fmt::Debug for AlertingBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlertingBuilder").field("notifiers", &self.notifiers).finish_non_exhaustive()
    }
}
