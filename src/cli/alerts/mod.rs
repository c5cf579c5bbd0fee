//! Alerts, for `run`, `serve` and `top`: the rules of a file or those that are ready-made, and who is told.

pub mod args;
pub mod check;

use std::path::Path;
use std::time::Duration;

use ringscope::TelemetryCollector;
use ringscope::alert::{AlertState, Notification, Rules, RulesError};
use ringscope::feed::{Feed, FeedError};
use ringscope::publish::{Alerting, AlertingFile, AlertingJudge, Environment, Notifier, PublishError};

use crate::cli::alerts::args::AlertArgs;
use crate::cli::publish::plan::PlanError;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};

/// What a file asks for; read before anything is launched.
#[derive(Debug)]
pub struct Planned(Option<AlertingFile>);

/// Where lines about alerts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    /// To stderr.
    Stderr,
    /// Nowhere: what is shown has them already.
    Shown,
}

/// Why nobody is told.
#[derive(Debug, thiserror::Error)]
pub enum AlertsError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// Reads the file of rules.
///
/// # Errors
/// Everything that is wrong with it.
pub fn plan(args: &AlertArgs) -> Result<Planned, PlanError> {
    let read = |path: &std::path::PathBuf| read(path).map_err(|error| PlanError::of_file(path, error.problems()));
    Ok(Planned(args.rules.as_ref().map(read).transpose()?))
}

fn read(path: &Path) -> Result<AlertingFile, RulesError> {
    AlertingFile::read(path, &Environment::of_this_process())
}

/// Finds alerts by the file, where there is one, until it is dropped.
///
/// # Errors
/// What is wrong with those who are told.
pub fn feed_if(
    planned: Planned,
    collector: &TelemetryCollector,
    interval: Duration,
) -> Result<Option<Feed>, AlertsError> {
    if planned.0.is_none() {
        return Ok(None);
    }
    let judge = planned.judge(collector, Log::Stderr)?;
    collector.start_collection(interval).map_err(FeedError::from)?;
    Ok(Some(Feed::start(collector, Some(Box::new(judge)))?))
}

/// Has the feed judge what there is now, and returns when those who are told have been.
pub fn end_if(feed: Option<Feed>, collector: &TelemetryCollector) {
    if feed.is_some() {
        // Where it fails the summary fails as well, and says why.
        let _ = collector.snapshot();
    }
}

impl Planned {
    /// Makes the judge: of the file, or else of the ready-made rules, which notify nobody.
    ///
    /// # Errors
    /// What is wrong with those who are told.
    pub fn judge(self, collector: &TelemetryCollector, log: Log) -> Result<AlertingJudge, AlertsError> {
        let builder = Alerting::builder(collector);
        let builder = match self.0 {
            None => builder.rules(Rules::ready_made()),
            Some(mut file) => {
                let logs = std::mem::take(&mut file.logs);
                let builder = builder.file(file);
                let wanted = logs.into_iter().filter(|_| log == Log::Stderr);
                wanted.fold(builder, |builder, wanted| builder.notify(wanted.with(to_stderr())))
            }
        };
        Ok(builder.judge()?.0)
    }
}

fn to_stderr() -> Notifier {
    let say = |notification: &Notification| {
        for told in notification.alerts.iter().filter(|_| !notification.repeated) {
            let alert = &told.alert;
            let style = if alert.state == AlertState::Firing { Style::Warn } else { Style::Good };
            let what = format!("{} {} ({}): ", alert.state, alert.rule, alert.severity);
            terminal::say(&[styled(style, &what), plain(&alert.summary)]);
        }
        Ok(())
    };
    Notifier::call(say).named("alerts-log")
}
