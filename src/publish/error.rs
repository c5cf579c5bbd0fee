//! Why something could not be published, and whether trying again can help.

use std::time::Duration;

/// Why a destination did not take what it was sent.
///
/// Each says what to do next: what is [permanent](Self::is_permanent) would fail again just the same and is dropped and
/// counted; everything else is tried again, not before [`retry_after`](Self::retry_after). No text in it has a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// No connection, or it broke: refused, reset, no such host, a certificate that is not trusted.
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable {
        /// Host and port, or the path of a socket.
        peer: String,
        /// What the system said.
        reason: String,
    },
    /// No answer in time.
    #[error("{peer} did not answer within {limit:?}")]
    TimedOut {
        /// Host and port, or the path of a socket.
        peer: String,
        /// How long was waited.
        limit: Duration,
    },
    /// It wants less, or cannot now: HTTP 408, 429 and 500 to 599, and their like elsewhere.
    #[error("{peer} is busy or broken ({status}): {said}")]
    Unavailable {
        /// Host and port, or the path of a socket.
        peer: String,
        /// Status of the answer, such as `429` or `UNAVAILABLE`.
        status: String,
        /// Begin of what it said.
        said: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It does not take this, and never will: a wrong address, key or format.
    #[error("{peer} refused it ({status}): {said}")]
    Refused {
        /// Host and port, or the path of a socket.
        peer: String,
        /// Status of the answer, such as `401`.
        status: String,
        /// Begin of what it said.
        said: String,
    },
    /// It answered something else than its protocol has.
    #[error("the answer of {peer} is not what was expected: {reason}")]
    Malformed {
        /// Host and port, or the path of a socket.
        peer: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file, or the spool, cannot be written or read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// It cannot be written in the destination's format.
    #[error("it cannot be written as {format}: {reason}")]
    Unwritable {
        /// The format.
        format: String,
        /// Why.
        reason: String,
    },
    /// What was set makes no sense.
    #[error("{setting} is wrong: {remedy}")]
    BadSetting {
        /// Which setting.
        setting: String,
        /// What would be right.
        remedy: String,
    },
    /// The system gives no thread.
    #[error("no thread for {what}: {reason}")]
    NoThread {
        /// What it was for.
        what: String,
        /// What the system said.
        reason: String,
    },
    /// What a publisher of one's own has to say.
    #[error("{reason}")]
    Other {
        /// What is wrong.
        reason: String,
        /// Whether trying again is of no use.
        permanent: bool,
    },
}

impl PublishError {
    /// Makes the error of a publisher of one's own that may go away.
    pub fn transient(reason: impl std::fmt::Display) -> Self {
        PublishError::Other { reason: reason.to_string(), permanent: false }
    }

    /// Makes the error of a publisher of one's own that stays: what it was about is dropped.
    pub fn permanent(reason: impl std::fmt::Display) -> Self {
        PublishError::Other { reason: reason.to_string(), permanent: true }
    }

    /// Returns whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        match self {
            PublishError::Refused { .. } | PublishError::Unwritable { .. } | PublishError::BadSetting { .. } => true,
            PublishError::Other { permanent, .. } => *permanent,
            _ => false,
        }
    }

    /// Returns how long the destination wants to be left alone, if it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            PublishError::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Returns one word for the kind of failure, the field `reason` of the `tracing` event.
    pub fn reason(&self) -> &'static str {
        match self {
            PublishError::Unreachable { .. } => "unreachable",
            PublishError::TimedOut { .. } => "timeout",
            PublishError::Unavailable { .. } => "unavailable",
            PublishError::Refused { .. } => "refused",
            PublishError::Malformed { .. } => "malformed",
            PublishError::File { .. } => "file",
            PublishError::Unwritable { .. } => "unwritable",
            PublishError::BadSetting { .. } => "setting",
            PublishError::NoThread { .. } => "thread",
            PublishError::Other { .. } => "other",
        }
    }
}
