//! Notifications to a command, and what it finds in its environment.

use std::sync::Arc;

use super::document::{self, External};
use super::process::Run;
use crate::alert::Notification;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published};

const PREFIX: &str = "RINGSCOPE_ALERT";
/// The most bytes of a variable: the system bounds all of them together.
const MOST: usize = 4096;

/// Runs a command for each notification, with the webhook's JSON at its stdin and the most important of it as variables.
#[derive(Debug)]
pub(super) struct CommandDestination {
    pub(super) name: String,
    pub(super) run: Run,
    pub(super) external: External,
}

impl Destination for CommandDestination {
    fn name(&self) -> &str {
        &self.name
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let payload = |notification| {
            let document = document::webhook(notification, &self.name, &self.external);
            let unwritable = |error: serde_json::Error| PublishError::Unwritable {
                format: "JSON".to_owned(),
                reason: error.to_string(),
            };
            let bytes = serde_json::to_vec(&(variables(notification), document)).map_err(unwritable)?;
            Ok(Payload::new(0, 1, publication.snapshot.time, bytes))
        };
        publication.notifications.iter().map(payload).collect()
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let (run, bytes) = (self.run.clone(), Arc::clone(&payload.bytes));
        // It ends by its own limit, also when nobody waits for it any more.
        let running = tokio::task::spawn_blocking(move || {
            let (variables, document): (Vec<(String, String)>, serde_json::Value) =
                serde_json::from_slice(&bytes).map_err(PublishError::permanent)?;
            run.once(document.to_string().as_bytes(), &variables)
        });
        running.await.map_err(PublishError::transient)??;
        Ok(Published::all(payload.items))
    }
}

/// Variables that say what the notification says: status, severity, count, summary, value, and the labels that all alerts share.
fn variables(notification: &Notification) -> Vec<(String, String)> {
    let shown = notification.alerts.iter().find(|told| told.alert.state == notification.state());
    let fixed = [
        ("STATUS", notification.state().name().to_owned()),
        ("SEVERITY", notification.severity().name().to_owned()),
        ("COUNT", notification.alerts.len().to_string()),
        ("SUMMARY", shown.map(|told| told.alert.summary.to_string()).unwrap_or_default()),
        ("VALUE", shown.map(|told| told.alert.value.to_string()).unwrap_or_default()),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (format!("{PREFIX}_{name}"), value));
    let labels = notification.common_labels().into_iter().filter(|(name, _)| *name != "severity");
    let labels = labels.map(|(name, value)| match name {
        "rule" => (format!("{PREFIX}_RULE"), value.to_owned()),
        name => (format!("{PREFIX}_LABEL_{}", upper(name)), value.to_owned()),
    });
    fixed.chain(labels).map(|(name, value)| (name, bounded(&value))).collect()
}

fn upper(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Without what no variable may have.
fn bounded(value: &str) -> String {
    let mut end = value.len().min(MOST);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].replace('\0', "\u{fffd}")
}
