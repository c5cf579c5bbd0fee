//! Notifications to a function, and to `tracing`.

use crate::alert::Notification;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::{Published, Publisher};

/// Called with each notification.
pub(super) type Call = Box<dyn Fn(&Notification) -> Result<(), PublishError> + Send + Sync>;

/// Hands notifications to a function, on the thread of its own queue.
pub(super) struct Hook {
    pub(super) name: String,
    pub(super) call: Call,
}

impl Publisher for Hook {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, publication: &Publication) -> Result<Published, PublishError> {
        publication.notifications.iter().try_for_each(&self.call)?;
        Ok(Published::all(publication.notifications.len() as u64))
    }
}

/// Says each alert of the notification as an event of its own.
#[cfg(feature = "tracing")]
pub(super) fn log(notification: &Notification) -> Result<(), PublishError> {
    use tracing::{Level, event};

    use crate::alert::{AlertState, Severity};

    const TARGET: &str = "ringscope::alert";
    for told in &*notification.alerts {
        let alert = &told.alert;
        let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (rule, state, labels, value) = (&*alert.rule, alert.state.name(), labels.join(" "), alert.value);
        let (severity, summary) = (alert.severity.name(), &*alert.summary);
        match (alert.state, alert.severity) {
            (AlertState::Firing, Severity::Critical) => {
                event!(target: TARGET, Level::ERROR, rule, state, severity, labels, value, "{summary}");
            }
            (AlertState::Firing, Severity::Warning) => {
                event!(target: TARGET, Level::WARN, rule, state, severity, labels, value, "{summary}");
            }
            _ => event!(target: TARGET, Level::INFO, rule, state, severity, labels, value, "{summary}"),
        }
    }
    Ok(())
}
