//! Why a command could not do its work, and what to do about it.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::cli::term::signals::SignalError;
use crate::cli::term::terminal::OutputError;
use crate::cli::workload::input::InputError;

/// Why a command could not do its work; the parts bring the remedy.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Runtime(#[from] ringscope::RuntimeError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot listen on {address}: {source}{}", remedy(source))]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("no thread to serve with: {0}; end other threads or raise the limit (ulimit -u)")]
    NoServer(std::io::Error),
    #[error(transparent)]
    Signal(#[from] SignalError),
}

/// What to do about an address that cannot be had.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => ": choose another with --listen, port 0 for any that is free",
        ErrorKind::PermissionDenied => ": choose a port from 1024 up with --listen",
        ErrorKind::AddrNotAvailable => ": --listen takes an address of this machine, such as 127.0.0.1:9464",
        _ => "",
    }
}
