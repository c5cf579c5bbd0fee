//! People are told of alerts: by commands, webhooks, Alertmanager, a line in a log.

mod alertmanager;
mod builder;
mod command;
mod document;
mod file;
mod hook;
mod judge;
mod notifier;
mod process;
mod webhook;

pub use builder::{Alerting, AlertingBuilder, AlertingError};
pub use file::{AlertingFile, LogWanted};
pub use judge::AlertingJudge;
pub use notifier::Notifier;
