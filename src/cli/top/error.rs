//! Why nothing can be shown.

use crate::cli::past::named;

/// Why nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// Nothing can be drawn on it.
    #[error(
        "stdin and stdout are no terminal that can be drawn on (TERM is {term}): use `ringscope run` for lines on any terminal, \
         `ringscope serve` for a page in a browser"
    )]
    NoTerminal {
        /// What the terminal says that it is.
        term: String,
    },
    /// The recording cannot be read.
    #[error("{}", named(&path.display().to_string(), error))]
    Recording {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        error: ringscope::recording::RecordingError,
    },
    /// The token cannot be read.
    #[error("cannot read a token from {}: {reason}; the token stands alone in it", path.display())]
    Token {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// It cannot be taken.
    #[error("the terminal cannot be used: {0}; use `ringscope run` for lines on any terminal")]
    Terminal(#[source] std::io::Error),
    /// No moments.
    #[error(transparent)]
    Feed(#[from] ringscope::feed::FeedError),
    /// The system gives no thread.
    #[error("no thread for the source: {0}; raise the limit of threads (ulimit -u)")]
    NoThread(#[source] std::io::Error),
}
