//! Where a file is, how it is written to, and what is said when that fails.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::publish::error::PublishError;
use crate::publish::publisher::Published;
use crate::publish::target::Target;

/// What files may be read by, unless set otherwise: everybody. Who reads them is often another user.
pub(super) const DEFAULT_MODE: u32 = 0o644;

/// Runs `write` where it may block. Dropping the future does not stop it: what was begun is written to its end.
pub(super) async fn blocking(
    write: impl FnOnce() -> Result<Published, PublishError> + Send + 'static,
) -> Result<Published, PublishError> {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return write() };
    let written = runtime.spawn_blocking(write).await;
    written.unwrap_or_else(|e| Err(PublishError::NoThread { what: "writing a file".to_owned(), reason: e.to_string() }))
}

/// Names the file, what the system said, and what to do about it.
pub(super) fn failed(path: &Path, error: &io::Error) -> PublishError {
    let remedy = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            ": make room there, or write elsewhere; what was written before is still whole"
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
            ": let the user of this process write into the folder, or write elsewhere"
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory => ": make the folder, or write elsewhere",
        _ => "",
    };
    PublishError::File { path: path.display().to_string(), reason: format!("{error}{remedy}") }
}

pub(super) fn wrong(setting: &str, remedy: &str) -> PublishError {
    PublishError::BadSetting { setting: setting.to_owned(), remedy: remedy.to_owned() }
}

/// A path that names a file.
pub(super) fn checked(path: PathBuf) -> Result<PathBuf, PublishError> {
    match path.file_name() {
        Some(_) if !path.as_os_str().as_encoded_bytes().ends_with(b"/") => Ok(path),
        _ => Err(wrong("the path", "it must end with the name of a file, such as telemetry.json")),
    }
}

/// Permissions that their owner can write with.
pub(super) fn checked_mode(mode: u32) -> Result<u32, PublishError> {
    match mode {
        0o600..=0o777 => Ok(mode),
        _ => Err(wrong("mode", "it must be from 600 to 777, in octal digits; 644 lets everybody read")),
    }
}

pub(super) fn take_mode(target: &mut Target) -> Result<u32, PublishError> {
    let Some(mode) = target.take("mode") else { return Ok(DEFAULT_MODE) };
    checked_mode(u32::from_str_radix(&mode, 8).unwrap_or(0))
}
