//! The input, cut into messages, with the host's own CRC-32C of each file, and without waiting for any of it.

use std::sync::mpsc::TryRecvError;

use crate::cli::workload::input::{Input, InputError};
use crate::cli::workload::reader::{Chunk, Reader, Waits};

/// What there is of the input at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A part; a message is in the caller's buffer.
    Part(Part),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    End,
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

/// An input that is read ahead. Holds some chunks of it, whatever its size.
#[derive(Debug)]
pub struct Feed {
    reader: Reader,
    message_bytes: usize,
    /// Whether all of it is known to come soon.
    regular: bool,
    /// What was read last, and how much of it is cut.
    chunk: Vec<u8>,
    cut: usize,
    /// The begin of a message whose rest is not there yet.
    begun: Vec<u8>,
    file: usize,
    /// Of the file, as far as it is cut into messages.
    offset: u64,
    crc: u32,
    /// The file's end is there, and not told yet.
    at_end: bool,
}

impl Feed {
    /// Starts to read `input`, which is cut into messages of at most `message_bytes`.
    ///
    /// # Errors
    /// [`InputError::NoThread`].
    pub fn new(input: Input, message_bytes: u32) -> Result<Feed, InputError> {
        let regular = input.bytes().is_some();
        Ok(Feed {
            reader: Reader::start(input)?,
            message_bytes: message_bytes as usize,
            regular,
            chunk: Vec::new(),
            cut: 0,
            begun: Vec::with_capacity(message_bytes as usize),
            file: 0,
            offset: 0,
            crc: 0,
            at_end: false,
        })
    }

    /// Returns whether there is no pipe or other such thing among the files, which may have nothing to say for long.
    pub fn is_regular(&self) -> bool {
        self.regular
    }

    /// Returns what the input waits for; `None` of regular files.
    pub fn waits(&self) -> Option<Waits> {
        self.reader.waits()
    }

    /// Returns what there is now; a message goes to `message`. After [`Next::End`] or an error there is nothing more.
    ///
    /// # Errors
    /// A file that cannot be read, or not again.
    pub fn next(&mut self, message: &mut Vec<u8>) -> Result<Next, InputError> {
        loop {
            let rest = &self.chunk[self.cut..];
            let taken = rest.len().min(self.message_bytes - self.begun.len());
            self.begun.extend_from_slice(&rest[..taken]);
            self.cut += taken;
            if self.begun.len() == self.message_bytes || (self.at_end && !self.begun.is_empty()) {
                return Ok(Next::Part(self.message(message)));
            }
            if self.at_end {
                return Ok(Next::Part(self.file_end()));
            }
            match self.reader.chunks.try_recv() {
                Err(TryRecvError::Empty) => return Ok(Next::Later),
                Err(TryRecvError::Disconnected) => return Ok(Next::End),
                Ok(chunk) => match chunk? {
                    Chunk::FileEnd { file } => (self.file, self.at_end) = (file, true),
                    Chunk::Bytes { file, bytes } => self.take(file, bytes),
                },
            }
        }
    }

    fn take(&mut self, file: usize, bytes: Vec<u8>) {
        let spent = std::mem::replace(&mut self.chunk, bytes);
        (self.file, self.cut) = (file, 0);
        // A reader that has ended needs no memory.
        let _ = self.reader.spent.send(spent);
    }

    fn message(&mut self, message: &mut Vec<u8>) -> Part {
        std::mem::swap(message, &mut self.begun);
        self.begun.clear();
        let part = Part::Message { file: self.file, offset: self.offset };
        self.crc = crc32c::crc32c_append(self.crc, message);
        self.offset += message.len() as u64;
        part
    }

    fn file_end(&mut self) -> Part {
        let part = Part::FileEnd { file: self.file, bytes: self.offset, crc: self.crc };
        (self.offset, self.crc, self.at_end) = (0, 0, false);
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::workload::input::{KEPT_OPEN, Limit};
    use std::path::{Path, PathBuf};

    /// A folder of a test's own, removed at its end.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let dir = std::env::temp_dir().join(format!("ringscope-feed-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&dir).unwrap();
            Dir(dir)
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn feed(paths: &[PathBuf], limit: Limit) -> Feed {
        Feed::new(Input::new(paths, limit).unwrap(), 4).unwrap()
    }

    /// The next part, waited for, with its message.
    fn next(feed: &mut Feed) -> Result<Option<(Part, Vec<u8>)>, InputError> {
        let mut message = Vec::new();
        loop {
            match feed.next(&mut message)? {
                Next::Later => std::thread::yield_now(),
                Next::End => return Ok(None),
                Next::Part(Part::Message { file, offset }) => {
                    return Ok(Some((Part::Message { file, offset }, message)));
                }
                Next::Part(end) => return Ok(Some((end, vec![]))),
            }
        }
    }

    fn parts(feed: &mut Feed, most: usize) -> Vec<(Part, Vec<u8>)> {
        std::iter::from_fn(|| next(feed).unwrap()).take(most).collect()
    }

    fn end(file: usize, text: &str) -> (Part, Vec<u8>) {
        (Part::FileEnd { file, bytes: text.len() as u64, crc: crc32c::crc32c(text.as_bytes()) }, vec![])
    }

    fn message(file: usize, offset: u64, text: &str) -> (Part, Vec<u8>) {
        (Part::Message { file, offset }, text.as_bytes().to_vec())
    }

    #[test]
    fn files_are_cut_at_their_ends() {
        let dir = Dir::new("cut");
        let paths = ["abcde", "", "fg", "hijk"].map(|text| dir.file(&format!("of-{}-bytes", text.len()), text));
        let pass = [
            message(0, 0, "abcd"),
            message(0, 4, "e"),
            end(0, "abcde"),
            end(1, ""),
            message(2, 0, "fg"),
            end(2, "fg"),
            message(3, 0, "hijk"),
            end(3, "hijk"),
        ];
        assert_eq!(Input::new(&paths, Limit::OnePass).unwrap().bytes(), Some(11));
        assert_eq!(parts(&mut feed(&paths, Limit::OnePass), 100), pass);
        assert_eq!(parts(&mut feed(&paths, Limit::Messages(9)), 16), [&pass[..], &pass[..]].concat());
        let mut nothing = feed(&paths[1..2], Limit::Messages(9));
        assert_eq!(next(&mut nothing).unwrap(), Some(end(0, "")));
        assert!(matches!(next(&mut nothing), Err(InputError::NothingToRepeat { .. })));
        let folder = Input::new(std::slice::from_ref(&dir.0), Limit::OnePass);
        assert!(matches!(folder, Err(InputError::Directory { .. })));
    }

    fn make_pipe(path: &Path) {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    #[test]
    fn what_is_put_in_the_place_of_a_file_changes_nothing() {
        let dir = Dir::new("replaced");
        let path = dir.file("file", "abcd");
        let mut feed = feed(std::slice::from_ref(&path), Limit::Never);
        std::fs::remove_file(&path).unwrap();
        make_pipe(&path);
        let pass = [message(0, 0, "abcd"), end(0, "abcd")];
        assert_eq!(parts(&mut feed, 200), pass.iter().cycle().take(200).cloned().collect::<Vec<_>>());
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_that_is_opened_again_is_an_error() {
        let dir = Dir::new("many");
        let paths: Vec<PathBuf> = (0..=KEPT_OPEN).map(|i| dir.file(&i.to_string(), "ab")).collect();
        let input = Input::new(&paths, Limit::Never).unwrap();
        std::fs::remove_file(&paths[KEPT_OPEN]).unwrap();
        make_pipe(&paths[KEPT_OPEN]);
        let mut feed = Feed::new(input, 4).unwrap();
        assert_eq!(parts(&mut feed, 2 * KEPT_OPEN).last(), Some(&end(KEPT_OPEN - 1, "ab")));
        assert!(matches!(next(&mut feed), Err(InputError::Replaced { .. })));
    }

    #[test]
    fn a_file_that_was_cut_is_an_error() {
        let dir = Dir::new("truncated");
        let path = dir.file("file", "abcdefgh");
        let input = Input::new(std::slice::from_ref(&path), Limit::Never).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(4).unwrap();
        let mut feed = Feed::new(input, 4).unwrap();
        assert_eq!(next(&mut feed).unwrap(), Some(message(0, 0, "abcd")));
        assert!(matches!(next(&mut feed), Err(InputError::Truncated { was: 8, now: 4, .. })));
    }

    #[test]
    fn a_pipe_without_a_writer_has_nothing_yet() {
        let dir = Dir::new("silent");
        let pipe = dir.0.join("pipe");
        make_pipe(&pipe);
        let mut feed = feed(std::slice::from_ref(&pipe), Limit::OnePass);
        assert!(!feed.is_regular());
        assert_eq!(feed.next(&mut Vec::new()).unwrap(), Next::Later);
        std::fs::write(&pipe, "abcde").unwrap();
        assert_eq!(parts(&mut feed, 9), [message(0, 0, "abcd"), message(0, 4, "e"), end(0, "abcde")]);
    }
}
