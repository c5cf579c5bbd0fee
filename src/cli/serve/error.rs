//! Why nothing is served, and what to do about it.

use std::io::ErrorKind;

use ringscope::publish;
use ringscope::publish::serving::ListenError;

use crate::cli::workload::system;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[error("{0}{remedy}", remedy = remedy(.0))]
pub struct ServeError(#[from] publish::ServeError);

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
