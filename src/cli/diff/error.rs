//! Why two recordings cannot be compared.

use ringscope::recording::RecordingError;

use crate::cli::past::named;

/// What went wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    #[error("{}", named(path, source))]
    Unreadable { path: String, source: RecordingError },
    #[error("--fail-if '{condition}' is about no kernel that both recordings have; they have {both}")]
    NoKernel { condition: String, both: String },
    #[error(
        "--fail-if '{condition}': there is no {metric} to compare: {kernels} handled nothing in one of the recordings"
    )]
    NoValue { condition: String, kernels: String, metric: &'static str },
}
