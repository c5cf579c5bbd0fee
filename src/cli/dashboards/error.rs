//! Why no dashboards are written, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::io::Errno;

use crate::cli::workload::input::shown;
use crate::cli::workload::system;

/// Why the files cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DashboardsError {
    /// Somebody may have changed them.
    #[error(
        "{}: there already, with other contents; nothing was written: --force writes over {}, or choose another folder with --out",
        .files.join(", "), if .files.len() == 1 { "it" } else { "them" }
    )]
    Changed { files: Vec<String> },
    /// The folder is none.
    #[error("{path}: is not a folder: name another with --out")]
    NoFolder { path: String },
    /// The system refuses.
    #[error("{path}: cannot be written: {source}{}", remedy(.source))]
    Unwritable { path: String, source: io::Error },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => ": free some space, or name a folder on another disk with --out",
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => ": name a folder of yours with --out",
        _ => system::remedy(error),
    }
}

/// What an error with a file means.
pub fn failed(path: &Path, source: io::Error) -> DashboardsError {
    match source.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            let file = path.ancestors().skip(1).find(|parent| parent.is_file()).unwrap_or(path);
            DashboardsError::NoFolder { path: shown(file) }
        }
        _ => DashboardsError::Unwritable { path: shown(path), source },
    }
}
