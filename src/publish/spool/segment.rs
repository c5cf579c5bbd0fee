//! A file of a spool: a mark, then frames.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame;
use crate::publish::publisher::Payload;
use crate::publish::queue::{Entry, Lost};

/// The begin of each, with the number of the format.
const MARK: &[u8; 8] = b"rs-spl\x01\n";
/// Where the first frame begins.
pub(super) const BEGIN: u64 = MARK.len() as u64;
const EXTENSION: &str = "segment";

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    path: PathBuf,
    file: File,
    /// As far as it has whole frames.
    pub(super) bytes: u64,
    /// What is in it that was neither sent nor dropped.
    pub(super) waiting: Lost,
}

/// The numbers of the segments in a folder, in their order.
pub(super) fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            numbers.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok()));
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:020}.{EXTENSION}"))
}

pub(super) fn remove(folder: &Path, number: u64) -> io::Result<()> {
    fs::remove_file(path(folder, number))
}

impl Segment {
    /// Begins a new one.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Segment> {
        let path = path(folder, number);
        let mut file = OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
        file.write_all(MARK)?;
        Ok(Segment { number, path, file, bytes: BEGIN, waiting: Lost::default() })
    }

    /// Opens one that is there, and finds what is in it from `offset` on. What is no frame, and what follows it, is cut off;
    /// whether there was such.
    pub(super) fn open(folder: &Path, number: u64, offset: u64) -> io::Result<(Segment, bool)> {
        let path = path(folder, number);
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut segment = Segment { number, path, file, bytes: length, waiting: Lost::default() };
        let mut mark = [0; MARK.len()];
        let is_ours = segment.file.read_exact_at(&mut mark, 0).is_ok() && mark == *MARK;
        let mut good = if is_ours { offset.max(BEGIN).min(length) } else { 0 };
        while is_ours && good < length {
            let Ok(Some((entry, next))) = segment.read(good) else { break };
            segment.waiting += entry.size();
            good = next;
        }
        if good < length {
            segment.file.set_len(good)?;
        }
        segment.bytes = good;
        Ok((segment, good < length))
    }

    /// The frame at `offset`, and where the next begins; `None`, if there is no whole one.
    pub(super) fn read(&self, offset: u64) -> io::Result<Option<(Entry<Payload>, u64)>> {
        let mut head = [0; frame::HEAD];
        let body_at = offset + frame::HEAD as u64;
        if body_at > self.bytes {
            return Ok(None);
        }
        self.file.read_exact_at(&mut head, offset)?;
        let (length, checksum) = frame::head(head);
        let next = body_at + length as u64;
        if next > self.bytes {
            return Ok(None);
        }
        let mut body = vec![0; length];
        self.file.read_exact_at(&mut body, body_at)?;
        Ok(frame::read(&body, checksum).map(|entry| (entry, next)))
    }

    /// Writes a frame at the end, or nothing.
    pub(super) fn append(&mut self, frame: &[u8], size: Lost) -> io::Result<()> {
        if let Err(error) = self.file.write_all(frame) {
            // What follows a half frame would be lost.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += frame.len() as u64;
        self.waiting += size;
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}
