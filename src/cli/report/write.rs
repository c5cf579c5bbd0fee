//! The file that a report is written to.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::error::ReportError;
use crate::cli::workload::input::shown;

/// Sees that the report does not replace the recording.
pub fn check(recording: &Path, target: &Path) -> Result<(), ReportError> {
    let same = match (fs::canonicalize(recording), fs::canonicalize(target)) {
        (Ok(recording), Ok(target)) => recording == target,
        _ => false,
    };
    if same { Err(ReportError::Same { path: shown(target) }) } else { Ok(()) }
}

/// Writes the report in place of what was there: beside it first, so that nobody reads a part of one.
pub fn write(target: &Path, report: &str) -> Result<(), ReportError> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => ReportError::NoFolder { path: shown(target) },
        ErrorKind::IsADirectory => ReportError::Directory { path: shown(target) },
        _ => ReportError::Unwritable { path: shown(target), source },
    };
    if target.is_dir() {
        return Err(ReportError::Directory { path: shown(target) });
    }
    // A pipe or a device is written to as it is.
    if target.exists() && !target.is_file() {
        return fs::OpenOptions::new()
            .write(true)
            .open(target)
            .and_then(|mut file| file.write_all(report.as_bytes()))
            .map_err(failed);
    }
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let beside = target.with_file_name(name);
    let written = fs::write(&beside, report).and_then(|()| fs::rename(&beside, target));
    written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
}
