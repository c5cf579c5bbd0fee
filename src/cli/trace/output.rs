//! The file that a trace is written to: known to be writable before anything is launched, and whole whenever it is read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::cli::workload::input::shown;
use crate::cli::workload::system;

/// Why a trace cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TraceFileError {
    /// The folder is not there.
    #[error(
        "{path}: there is no such folder to write the trace to: make it (mkdir -p), or name another file with --output"
    )]
    NoFolder { path: String },
    /// A directory cannot be written over.
    #[error("{path}: is a directory: name a file in it with --output, such as {path}/run.pftrace")]
    Directory { path: String },
    /// The system refuses.
    #[error("{path}: the trace cannot be written: {source}{}", remedy(source))]
    Unwritable { path: String, source: std::io::Error },
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => ": free some space, or name a file on another disk with --output",
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => ": name a file in a folder of yours with --output",
        Some(Errno::NAMETOOLONG) => ": name a shorter one with --output",
        _ => system::remedy(error),
    }
}

/// A file for a trace.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// A regular file is replaced by a whole one; what else there is, a pipe or a device, takes one trace, at the end.
    is_file: bool,
    /// It was not there before, and nothing was written to it yet.
    is_new: bool,
}

impl Output {
    /// Sees that the file can be written. One that is there keeps its contents until the first trace is.
    ///
    /// # Errors
    /// [`TraceFileError`].
    pub fn open(path: &Path) -> Result<Output, TraceFileError> {
        let fails = |source| unwritable(path, source);
        let found = match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(TraceFileError::Directory { path: shown(path) }),
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(fails(error)),
        };
        let is_file = found.as_ref().is_none_or(std::fs::Metadata::is_file);
        if is_file {
            // A pipe waits for its reader here; it is opened when there is something to read.
            OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(fails)?;
        }
        Ok(Output { path: path.to_owned(), is_file, is_new: found.is_none() })
    }

    /// Returns whether it may be written again and again.
    pub fn is_file(&self) -> bool {
        self.is_file
    }

    /// Writes a trace in place of what was there: beside it first, so that nobody reads a part of one.
    ///
    /// # Errors
    /// [`TraceFileError`].
    pub fn write(&mut self, contents: &[u8]) -> Result<(), TraceFileError> {
        let written = match self.is_file.then(|| self.beside()) {
            Some(beside) => match File::create(&beside) {
                Ok(file) => {
                    let done = fill(file, contents).and_then(|()| std::fs::rename(&beside, &self.path));
                    done.inspect_err(|_| drop(std::fs::remove_file(&beside)))
                }
                // The file may be written, its folder not.
                Err(_) => File::create(&self.path).and_then(|file| fill(file, contents)),
            },
            None => OpenOptions::new().write(true).open(&self.path).and_then(|file| fill(file, contents)),
        };
        written.map_err(|source| unwritable(&self.path, source))?;
        self.is_new = false;
        Ok(())
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        self.path.with_file_name(name)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_new {
            // Nothing was recorded: no empty file stays behind.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn fill(mut file: File, contents: &[u8]) -> std::io::Result<()> {
    file.write_all(contents)?;
    file.flush()
}

fn unwritable(path: &Path, source: std::io::Error) -> TraceFileError {
    let path = shown(path);
    match source.kind() {
        ErrorKind::NotFound => TraceFileError::NoFolder { path },
        ErrorKind::IsADirectory => TraceFileError::Directory { path },
        _ => TraceFileError::Unwritable { path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_an_unused_one_goes_again() {
        let folder = std::env::temp_dir().join(format!("ringscope-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("run.pftrace");
        drop(Output::open(&path).unwrap());
        assert!(!path.exists());
        let mut output = Output::open(&path).unwrap();
        output.write(b"first").unwrap();
        output.write(b"a second one").unwrap();
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"a second one");
        drop(Output::open(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"a second one");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        assert!(matches!(Output::open(&folder), Err(TraceFileError::Directory { .. })));
        let nowhere = Output::open(&folder.join("no/such/run.pftrace")).unwrap_err();
        assert!(matches!(nowhere, TraceFileError::NoFolder { .. }) && nowhere.to_string().contains("mkdir -p"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
