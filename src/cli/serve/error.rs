//! Why nothing is served, and what to do about it.

use std::io::{self, ErrorKind};

use ringscope::publish::serving::ListenError;

use crate::cli::workload::system;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be had.
    #[error("{0}{remedy}", remedy = remedy(.0))]
    Listen(#[from] ListenError),
    /// A thread or an event queue is missing.
    #[error("cannot serve: {0}{remedy}", remedy = system::remedy(.0))]
    System(#[from] io::Error),
}

fn remedy(error: &ListenError) -> &'static str {
    match error {
        ListenError::Taken { source, .. } => match source.kind() {
            ErrorKind::AddrInUse => ": choose another with --listen, port 0 for any that is free",
            ErrorKind::PermissionDenied => ": choose a port from 1024 up with --listen",
            ErrorKind::AddrNotAvailable => ": --listen takes an address of this machine, such as 127.0.0.1:9464",
            _ => system::remedy(source),
        },
        ListenError::System(source) => system::remedy(source),
        // It says what to do itself.
        _ => "",
    }
}
