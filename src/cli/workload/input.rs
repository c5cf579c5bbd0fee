//! The bytes to stream: files cut into messages, with the host's own CRC-32C of each.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::term::text;

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
    #[error("{path}: no such file: check the spelling, or leave the files out to stream ringscope's own executable")]
    Missing { path: String },
    /// A directory has no bytes to stream.
    #[error("{path}: is a directory: name the files in it, such as {path}/*")]
    Directory { path: String },
    /// The system refuses.
    #[error("{path}: cannot be read: {source}{remedy}", remedy = match source.kind() {
        ErrorKind::PermissionDenied => ": allow it with chmod, or run as its owner",
        _ => "",
    })]
    Unreadable { path: String, source: std::io::Error },
    /// Nothing cannot be repeated.
    #[error("{path}: is empty: --messages, --duration and serve repeat the input, so name a file that has bytes")]
    NothingToRepeat { path: String },
    /// A pipe gives its bytes once.
    #[error("{path}: is not a regular file and ended, and cannot be read again: leave --messages or --duration out")]
    ReadOnce { path: String },
    /// A pipe is read by a thread of its own.
    #[error("no thread to read the input with: {0}; end other threads or raise the limit (ulimit -u)")]
    NoThread(std::io::Error),
    /// The program does not know where it lies itself.
    #[error("this program's own executable cannot be found ({0}): name a file")]
    NoExecutable(std::io::Error),
}

/// One file.
#[derive(Clone, Debug)]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// Its size, if it has one beforehand.
    pub bytes: Option<u64>,
}

impl Source {
    fn find(path: PathBuf) -> Result<Source, InputError> {
        let metadata = std::fs::metadata(&path).map_err(|e| unreadable(&path, e))?;
        if metadata.is_dir() {
            return Err(InputError::Directory { path: shown(&path) });
        }
        // A pipe is opened only once: whoever writes it would see the end of the first reader.
        let bytes = metadata.is_file().then_some(metadata.len());
        if bytes.is_some() {
            File::open(&path).map_err(|e| unreadable(&path, e))?;
        }
        Ok(Source { path, bytes })
    }
}

/// A path for a person, whatever its bytes.
pub fn shown(path: &Path) -> String {
    text::escaped(&path.to_string_lossy())
}

fn unreadable(path: &Path, source: std::io::Error) -> InputError {
    let path = shown(path);
    match source.kind() {
        ErrorKind::NotFound => InputError::Missing { path },
        ErrorKind::IsADirectory => InputError::Directory { path },
        _ => InputError::Unreadable { path, source },
    }
}

/// The next thing in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message, which is in the caller's buffer.
    Message {
        /// Index of its file.
        file: usize,
        /// Where in the file it begins.
        offset: u64,
    },
    /// A file was read to its end.
    FileEnd {
        /// Its index.
        file: usize,
        /// How much of it there was.
        bytes: u64,
        /// The CRC-32C of that.
        crc: u32,
    },
}

/// Reads the files one after the other, once or again and again. Holds one buffer, whatever their size.
pub struct Input {
    sources: Vec<Source>,
    message_bytes: usize,
    repeat: bool,
    next: usize,
    open: Option<Open>,
    bytes_in_pass: u64,
}

struct Open {
    file: usize,
    reader: BufReader<File>,
    offset: u64,
    crc: u32,
}

impl Input {
    /// Checks that the files can be read; with none, takes the program's own executable.
    ///
    /// # Errors
    /// What is wrong with the first that cannot be.
    pub fn new(paths: &[PathBuf], message_bytes: u32, limit: Limit) -> Result<Input, InputError> {
        let own = || Ok(vec![std::env::current_exe().map_err(InputError::NoExecutable)?]);
        let paths = if paths.is_empty() { own()? } else { paths.to_vec() };
        let sources = paths.into_iter().map(Source::find).collect::<Result<Vec<_>, _>>()?;
        let message_bytes = message_bytes as usize;
        let repeat = match limit {
            Limit::OnePass => false,
            Limit::Never => sources.iter().all(|s| s.bytes.is_some()),
            Limit::Messages(_) | Limit::Time(_) => true,
        };
        Ok(Input { sources, message_bytes, repeat, next: 0, open: None, bytes_in_pass: 0 })
    }

    /// The files.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Bytes of all files together, if that is known beforehand.
    pub fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(|s| s.bytes).sum()
    }

    /// The next part, a message in `message`; `None` at the end.
    ///
    /// # Errors
    /// A file that cannot be read, or not again.
    pub fn next(&mut self, message: &mut Vec<u8>) -> Result<Option<Part>, InputError> {
        if self.open.is_none() && !self.open_next()? {
            return Ok(None);
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        message.clear();
        let read = (&mut open.reader).take(self.message_bytes as u64).read_to_end(message);
        read.map_err(|e| unreadable(&self.sources[open.file].path, e))?;
        let (file, offset) = (open.file, open.offset);
        if message.is_empty() {
            let crc = open.crc;
            self.open = None;
            return Ok(Some(Part::FileEnd { file, bytes: offset, crc }));
        }
        open.crc = crc32c::crc32c_append(open.crc, message);
        open.offset += message.len() as u64;
        self.bytes_in_pass += message.len() as u64;
        Ok(Some(Part::Message { file, offset }))
    }

    /// Opens the next file, from the first again where the input repeats; `false` at the end.
    fn open_next(&mut self) -> Result<bool, InputError> {
        if self.next == self.sources.len() {
            if !self.repeat {
                return Ok(false);
            }
            self.rewind()?;
        }
        let path = &self.sources[self.next].path;
        let file = File::open(path).map_err(|e| unreadable(path, e))?;
        // Many small messages must not be many small reads.
        let reader = BufReader::with_capacity(1 << 18, file);
        self.open = Some(Open { file: self.next, reader, offset: 0, crc: 0 });
        self.next += 1;
        Ok(true)
    }

    fn rewind(&mut self) -> Result<(), InputError> {
        if let Some(once) = self.sources.iter().find(|s| s.bytes.is_none()) {
            return Err(InputError::ReadOnce { path: shown(&once.path) });
        }
        if self.bytes_in_pass == 0 {
            return Err(InputError::NothingToRepeat { path: shown(&self.sources[0].path) });
        }
        (self.next, self.bytes_in_pass) = (0, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(input: &mut Input, most: usize) -> Vec<(Part, Vec<u8>)> {
        let mut message = Vec::new();
        std::iter::from_fn(|| input.next(&mut message).unwrap().map(|part| (part, message.clone())))
            .take(most)
            .collect()
    }

    #[test]
    fn files_are_cut_at_their_ends() {
        let dir = std::env::temp_dir().join(format!("ringscope-input-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let paths: Vec<PathBuf> = ["abcde", "", "fg"]
            .iter()
            .map(|text| {
                let path = dir.join(format!("of-{}-bytes", text.len()));
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let end = |file, text: &str| {
            (Part::FileEnd { file, bytes: text.len() as u64, crc: crc32c::crc32c(text.as_bytes()) }, vec![])
        };
        let message = |file, offset, text: &str| (Part::Message { file, offset }, text.as_bytes().to_vec());
        let pass =
            [message(0, 0, "abcd"), message(0, 4, "e"), end(0, "abcde"), end(1, ""), message(2, 0, "fg"), end(2, "fg")];
        let mut once = Input::new(&paths, 4, Limit::OnePass).unwrap();
        assert_eq!(once.bytes(), Some(7));
        assert_eq!(parts(&mut once, 100), pass);
        let mut again = Input::new(&paths, 4, Limit::Messages(9)).unwrap();
        assert_eq!(parts(&mut again, 12), [&pass[..], &pass[..]].concat());
        let mut nothing = Input::new(&paths[1..2], 4, Limit::Messages(9)).unwrap();
        assert_eq!(nothing.next(&mut Vec::new()).unwrap(), Some(end(0, "").0));
        assert!(matches!(nothing.next(&mut Vec::new()), Err(InputError::NothingToRepeat { .. })));
        assert!(matches!(Input::new(std::slice::from_ref(&dir), 4, Limit::OnePass), Err(InputError::Directory { .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
