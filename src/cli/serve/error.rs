//! Why nothing is served, and what to do about it.

use std::io::ErrorKind;

use ringscope::publish;
use ringscope::publish::serving::ListenError;
use ringscope::recording::RecordingError;

use crate::cli::past::named;
use crate::cli::workload::system;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The server cannot be started.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Server(#[from] publish::ServeError),
    /// The token cannot be read.
    #[error("the token cannot be read: {0}: write it with `openssl rand -hex 16 >FILE`")]
    Token(publish::PublishError),
    /// Messages cannot be recorded.
    #[error("messages cannot be recorded for /trace.pftrace: {0}: --no-trace leaves it out")]
    Trace(ringscope::TelemetryError),
    /// The recording cannot be read.
    #[error("{}", named(path, source))]
    Recording {
        /// The file.
        path: String,
        /// Why not.
        source: RecordingError,
    },
}

fn remedy(error: &publish::ServeError) -> &'static str {
    match error {
        publish::ServeError::Listen(ListenError::Taken { source, .. }) => match source.kind() {
            ErrorKind::AddrInUse => ": choose another with --listen, port 0 for any that is free",
            ErrorKind::PermissionDenied => ": choose a port from 1024 up with --listen",
            ErrorKind::AddrNotAvailable => ": --listen takes an address of this machine, such as 127.0.0.1:9464",
            _ => system::remedy(source),
        },
        publish::ServeError::Listen(ListenError::System(source)) | publish::ServeError::System(source) => {
            system::remedy(source)
        }
        // It says what to do itself.
        _ => "",
    }
}
