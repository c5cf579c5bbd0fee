//! Something that happened: what, to what, from when to when, how bad.

use std::sync::Arc;
use std::time::SystemTime;

use ringscope::alert::Severity;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Hang,
    Failure,
    Alert,
    Gap,
    Restart,
    Reset,
    Lifecycle,
    Network,
    Operation,
    Event,
}

impl What {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            What::Hang => "hang",
            What::Failure => "failure",
            What::Alert => "alert",
            What::Gap => "gap",
            What::Restart => "restart",
            What::Reset => "reset",
            What::Lifecycle => "kernel",
            What::Network => "network",
            What::Operation => "operation",
            What::Event => "event",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    pub time: SystemTime,
    /// When it was over; `None` for what takes no time.
    pub until: Option<SystemTime>,
    /// It was not over at the end of the recording.
    pub lasts: bool,
    pub severity: Severity,
    pub what: What,
    /// The kernel, rule, operation, peer or event; empty where it is about the recording.
    pub subject: Arc<str>,
    pub text: String,
}

/// Makes one that takes no time.
pub fn at_once(time: SystemTime, severity: Severity, what: What, subject: Arc<str>, text: String) -> Happening {
    Happening { time, until: None, lasts: false, severity, what, subject, text }
}

/// Makes one of the recording itself, which takes some.
pub fn spanning(from: SystemTime, to: SystemTime, severity: Severity, what: What, text: String) -> Happening {
    Happening { until: Some(to), ..at_once(from, severity, what, "".into(), text) }
}
