//! Why nothing is recorded.

use std::path::PathBuf;

use crate::feed::FeedError;

/// Why a recording was not started, or what is wrong with one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There is something already.
    #[error("{} exists: choose another name, append to it, or say that it is to be overwritten", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// What is to be appended to is no recording that this program can go on with.
    #[error("cannot append to {}: {reason}", path.display())]
    NotAppendable {
        /// Where.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// Another process records there.
    #[error("another recording is being written to {}: give each a file of its own", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the recording {}: {reason}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A bound cannot be kept.
    #[error("{setting} {remedy}")]
    BadSetting {
        /// Which one.
        setting: &'static str,
        /// What it must be.
        remedy: &'static str,
    },
    /// There is nothing to record.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The system gives no thread.
    #[error("no thread to record with: {reason}; raise the limit of threads (ulimit -u)")]
    NoThread {
        /// What the system says.
        reason: String,
    },
}
