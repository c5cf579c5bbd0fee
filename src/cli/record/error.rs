//! Why nothing was recorded.

use ringscope::publish::RecordError;
use ringscope::recording::RecordingError;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RecordCommandError {
    #[error("{path} exists: --append goes on with it, --overwrite begins anew, --output names another file")]
    Exists { path: String },
    #[error(transparent)]
    Recording(RecordError),
    #[error("cannot read the token file {path}: {source}")]
    Token { path: String, source: std::io::Error },
    #[error("cannot reach {address}: {reason}; is the program that serves its telemetry there, and is the port right?")]
    Unreachable { address: String, reason: String },
    #[error("{address} answers {status}: {remedy}")]
    Refused { address: String, status: u16, remedy: &'static str },
    #[error("{address} sends no recording: {source}")]
    NoRecording { address: String, source: RecordingError },
}

impl From<RecordError> for RecordCommandError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Exists { path } => RecordCommandError::Exists { path: path.display().to_string() },
            error => RecordCommandError::Recording(error),
        }
    }
}
