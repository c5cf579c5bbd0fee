//! The files to stream, and what can be wrong with them.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::OFlags;

use crate::cli::term::text;
use crate::cli::workload::system;

/// When a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// When the input does.
    OnePass,
    /// After so many messages.
    Messages(u64),
    /// After so long.
    Time(Duration),
    /// When somebody ends it, or a pipe does.
    Never,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// There is no such file.
    #[error("{path}: no such file: {}", missing(path))]
    Missing { path: String },
    /// A directory has no bytes to stream.
    #[error("{path}: is a directory: name the files in it, such as {path}/*")]
    Directory { path: String },
    /// The system refuses.
    #[error("{path}: cannot be read: {source}{}", system::remedy(source))]
    Unreadable { path: String, source: std::io::Error },
    /// Nothing cannot be repeated.
    #[error("{path}: is empty: --messages, --duration and serve repeat the input, so name a file that has bytes")]
    NothingToRepeat { path: String },
    /// A pipe gives its bytes once.
    #[error("{path}: is a pipe or a device and cannot be read twice: leave --messages or --duration out")]
    ReadOnce { path: String },
    /// The file became shorter than it was when it was opened.
    #[error(
        "{path}: had {was} bytes when it was opened and has {now}: it was truncated meanwhile; stream a copy of it"
    )]
    Truncated { path: String, was: u64, now: u64 },
    /// Something else lies where a file was: a pipe, say, which could keep its reader waiting for ever.
    #[error("{path}: is not a regular file any more: it was replaced meanwhile; start again with what is there now")]
    Replaced { path: String },
    /// The input is read by a thread of its own.
    #[error("no thread to read the input with: {0}{remedy}", remedy = system::remedy(.0))]
    NoThread(std::io::Error),
    /// The program does not know where it lies itself.
    #[error("this program's own executable cannot be found ({0}): name a file")]
    NoExecutable(std::io::Error),
}

fn missing(path: &str) -> &'static str {
    match path {
        "-" => "for standard input use /dev/stdin",
        _ => "check the spelling, or leave the files out to stream ringscope's own executable",
    }
}

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// Its size when it was found; `None` of what has no size beforehand, such as a pipe.
    pub bytes: Option<u64>,
    /// Open, where it is kept open.
    file: Option<Arc<File>>,
}

impl Source {
    /// For tests of what is shown: a file that is not there.
    #[cfg(test)]
    pub fn named(path: PathBuf, bytes: u64) -> Source {
        Source { path, bytes: Some(bytes), file: None }
    }

    fn find(path: PathBuf, keep: bool) -> Result<Source, InputError> {
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, e))?;
        if metadata.is_dir() {
            return Err(InputError::Directory { path: shown(&path) });
        }
        // A pipe is opened only once, by who may wait for its writer: a writer would see the end of a first reader.
        if !metadata.is_file() {
            return Ok(Source { path, bytes: None, file: None });
        }
        let (file, bytes) = open_regular(&path)?;
        Ok(Source { path, bytes: Some(bytes), file: keep.then(|| Arc::new(file)) })
    }

    /// Opens it, unless it is open. Of a pipe this waits for a writer.
    ///
    /// # Errors
    /// [`InputError::Unreadable`] and its like, [`InputError::Replaced`].
    pub fn open(&self) -> Result<Arc<File>, InputError> {
        match (&self.file, self.bytes) {
            (Some(file), _) => Ok(Arc::clone(file)),
            (None, Some(_)) => open_regular(&self.path).map(|(file, _)| Arc::new(file)),
            (None, None) => File::open(&self.path).map(Arc::new).map_err(|e| unreadable(&self.path, e)),
        }
    }
}

/// Opens a regular file, never waiting for a writer of the pipe that may lie there meanwhile; returns its size, too.
fn open_regular(path: &Path) -> Result<(File, u64), InputError> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(|e| unreadable(path, e))?;
    let metadata = file.metadata().map_err(|e| unreadable(path, e))?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(InputError::Replaced { path: shown(path) }),
    }
}

/// Returns a path for a person, whatever its bytes.
pub fn shown(path: &Path) -> String {
    text::escaped(&path.to_string_lossy())
}

/// Returns what `source`, an error with the file at `path`, means.
pub fn unreadable(path: &Path, source: std::io::Error) -> InputError {
    let path = shown(path);
    match source.kind() {
        ErrorKind::NotFound => InputError::Missing { path },
        ErrorKind::IsADirectory => InputError::Directory { path },
        _ => InputError::Unreadable { path, source },
    }
}

/// The files, to be streamed one after the other, once or again and again.
///
/// The first [`KEPT_OPEN`] of them, fewer under a low limit of open files, stay open from the start to the end: they are
/// streamed as they were then, whatever is put in their place, and need no file descriptor later. Each pass reads a file
/// to the end that it then has.
#[derive(Debug)]
pub struct Input {
    sources: Vec<Source>,
    repeat: bool,
}

/// Files that stay open. More than these are opened again for each pass, so that there may be any number of them.
pub const KEPT_OPEN: usize = 256;

impl Input {
    /// Checks that the files can be read; with none, takes the program's own executable.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be.
    pub fn new(paths: &[PathBuf], limit: Limit) -> Result<Input, InputError> {
        let own = || Ok(vec![std::env::current_exe().map_err(InputError::NoExecutable)?]);
        let paths = if paths.is_empty() { own()? } else { paths.to_vec() };
        // The rest of the program needs some, too.
        let kept = KEPT_OPEN.min(system::raise_open_files() / 4);
        let sources = paths.into_iter().enumerate().map(|(i, path)| Source::find(path, i < kept));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let repeat = match limit {
            Limit::OnePass => false,
            Limit::Never => sources.iter().all(|s| s.bytes.is_some()),
            Limit::Messages(_) | Limit::Time(_) => true,
        };
        Ok(Input { sources, repeat })
    }

    /// Returns the files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Returns whether they are streamed again and again.
    pub fn repeats(&self) -> bool {
        self.repeat
    }

    /// Returns the bytes of all files together, if that is known beforehand.
    pub fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(|s| s.bytes).sum()
    }
}
