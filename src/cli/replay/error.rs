//! Why nothing is replayed.

use ringscope::recording::RecordingError;

use crate::cli::past::named;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("{}", named(path, source))]
    Unreadable { path: String, source: RecordingError },
    #[error("{path}: the recording has a begin and no moment: it ended before the first reading")]
    Empty { path: String },
}
