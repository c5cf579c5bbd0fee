//! Why there is no report.

use ringscope::recording::RecordingError;

use crate::cli::past::named;
use crate::cli::workload::system;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error("{}", named(path, source))]
    Unreadable { path: String, source: RecordingError },
    #[error("{path}: the report would replace the recording: name another file with --output")]
    Same { path: String },
    #[error(
        "{path}: there is no such folder to write the report to: make it (mkdir -p), or name another file with --output"
    )]
    NoFolder { path: String },
    #[error("{path}: is a directory: name a file in it with --output, such as {path}/report.html")]
    Directory { path: String },
    #[error("{path}: the report cannot be written: {source}{}", system::remedy(source))]
    Unwritable { path: String, source: std::io::Error },
}
