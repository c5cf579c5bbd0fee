//! The queue on disk: files of checksummed frames, and how far they were sent.
//!
//! A frame is written before it is sent, and the cursor moves when the destination has answered. So after a `kill -9` all that
//! was written whole is sent, in order; the one that was on its way is sent again, since nobody knows whether it arrived; a
//! frame that was just being written is cut off, counted, and never sent.

mod cursor;
mod frame;
mod segment;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use self::cursor::Cursor;
use self::segment::Segment;
use super::delivery::{Spool, SyncPolicy};
use super::error::PublishError;
use super::publisher::Payload;
use super::queue::{Entry, Found, Lost, Queue, Taken};

/// A spool is cut into so many files, of which the oldest goes where there is no room.
const SEGMENTS: u64 = 8;
const LARGEST_SEGMENT: u64 = 8 << 20;

/// Payloads in the files of a folder.
#[derive(Debug)]
pub(super) struct DiskQueue {
    folder: PathBuf,
    limit: u64,
    sync: SyncPolicy,
    segments: VecDeque<Segment>,
    /// The number of the next segment: none that was there has it.
    next: u64,
    /// Where the next frame is in the first segment.
    offset: u64,
    in_hand: Option<InHand>,
    found: Found,
    /// While it is open nobody else uses the folder.
    _lock: File,
}

#[derive(Clone, Copy, Debug)]
struct InHand {
    segment: u64,
    size: Lost,
    next: u64,
}

impl DiskQueue {
    /// Opens a folder, or makes it, and finds what waits there.
    pub(super) fn open(spool: &Spool) -> Result<DiskQueue, PublishError> {
        let failed = |error: io::Error| file_error(&spool.path, &error);
        fs::create_dir_all(&spool.path).map_err(failed)?;
        let lock = File::create(spool.path.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| PublishError::File {
            path: spool.path.display().to_string(),
            reason: "another destination or process uses this spool: give each a folder of its own".to_owned(),
        })?;
        let mut queue = DiskQueue {
            folder: spool.path.clone(),
            limit: spool.limit,
            sync: spool.sync,
            segments: VecDeque::new(),
            next: 1,
            offset: segment::BEGIN,
            in_hand: None,
            found: Found::default(),
            _lock: lock,
        };
        queue.find().map_err(failed)?;
        Ok(queue)
    }

    fn find(&mut self) -> io::Result<()> {
        let cursor = Cursor::read(&self.folder);
        for number in segment::numbers(&self.folder)? {
            self.next = number + 1;
            if number < cursor.segment {
                segment::remove(&self.folder, number)?;
                continue;
            }
            let offset = if number == cursor.segment { cursor.offset } else { segment::BEGIN };
            let (segment, is_cut) = Segment::open(&self.folder, number, offset)?;
            self.found.cut += u64::from(is_cut);
            if segment.waiting.entries == 0 {
                segment.remove()?;
                continue;
            }
            if self.segments.is_empty() {
                self.offset = offset.max(segment::BEGIN);
            }
            self.found.waiting += segment.waiting;
            self.segments.push_back(segment);
        }
        self.next = self.next.max(cursor.segment + 1);
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> PublishError {
        file_error(&self.folder, error)
    }

    fn syncs(&self) -> bool {
        self.sync == SyncPolicy::EachPublication
    }

    fn disk_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The segment that is written to, which may be a new one.
    fn writable(&mut self) -> io::Result<&mut Segment> {
        let largest = (self.limit / SEGMENTS).min(LARGEST_SEGMENT);
        if self.segments.back().is_none_or(|last| last.bytes >= largest) {
            let segment = Segment::create(&self.folder, self.next)?;
            if self.syncs() {
                self.segments.back().map_or(Ok(()), Segment::sync)?;
                // The name of the new one.
                File::open(&self.folder)?.sync_all()?;
            }
            self.next += 1;
            if self.segments.is_empty() {
                self.offset = segment::BEGIN;
            }
            self.segments.push_back(segment);
        }
        self.segments.back_mut().ok_or_else(|| io::Error::other("no segment"))
    }

    /// Takes the first segment away, and returns what was in it, without what is in hand.
    fn remove_first(&mut self) -> Option<Lost> {
        let first = self.segments.pop_front()?;
        let mut lost = first.waiting;
        if let Some(in_hand) = self.in_hand.take_if(|in_hand| in_hand.segment == first.number) {
            lost = lost.without(in_hand.size);
        }
        self.offset = segment::BEGIN;
        self.note(Cursor { segment: first.number + 1, offset: segment::BEGIN });
        // If it cannot be removed, the cursor is behind it all the same.
        let _ = first.remove();
        Some(lost)
    }

    fn note(&self, cursor: Cursor) {
        // If it cannot be written, something is sent twice after the next start, which is better than to stop here.
        let _ = cursor.write(&self.folder, self.syncs());
    }
}

fn file_error(path: &Path, error: &io::Error) -> PublishError {
    PublishError::File { path: path.display().to_string(), reason: error.to_string() }
}

impl Queue<Payload> for DiskQueue {
    fn fits(&self, bytes: &[u64]) -> bool {
        let frames = bytes.iter().fold(segment::BEGIN, |sum, bytes| sum.saturating_add(bytes + frame::OVERHEAD));
        self.disk_bytes().saturating_add(frames) <= self.limit
    }

    fn push(&mut self, entry: Entry<Payload>) -> Result<(), PublishError> {
        let frame = frame::write(&entry).ok_or_else(|| PublishError::Unwritable {
            format: "a frame of a spool".to_owned(),
            reason: "it is longer than 4 GiB".to_owned(),
        })?;
        let written = self.writable().and_then(|segment| segment.append(&frame, entry.size()));
        written.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    fn take(&mut self) -> Taken<Payload> {
        while let Some(first) = self.segments.front() {
            if first.waiting.entries == 0 {
                self.remove_first();
                continue;
            }
            let (number, read) = (first.number, first.read(self.offset));
            let error = match read {
                Ok(Some((entry, next))) => {
                    self.in_hand = Some(InHand { segment: number, size: entry.size(), next });
                    return Taken::Entry(entry);
                }
                Ok(None) => self.failed(&io::Error::other("what was written is not there any more")),
                Err(error) => self.failed(&error),
            };
            return Taken::Lost(self.remove_first().unwrap_or_default(), error);
        }
        Taken::Empty
    }

    fn settle(&mut self) {
        // `None`, if its segment went meanwhile.
        let Some(in_hand) = self.in_hand.take() else { return };
        let Some(first) = self.segments.front_mut() else { return };
        first.waiting = first.waiting.without(in_hand.size);
        self.offset = in_hand.next;
        if first.waiting.entries == 0 {
            self.remove_first();
        } else {
            self.note(Cursor { segment: in_hand.segment, offset: in_hand.next });
        }
    }

    fn drop_oldest(&mut self) -> Option<Lost> {
        self.remove_first()
    }

    fn commit(&mut self) -> Result<(), PublishError> {
        match self.segments.back() {
            Some(last) if self.syncs() => last.sync().map_err(|error| self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), PublishError> {
        let synced = self.segments.iter().try_for_each(Segment::sync);
        synced.and_then(|()| File::open(&self.folder)?.sync_all()).map_err(|error| self.failed(&error))
    }

    fn keeps(&self) -> bool {
        true
    }

    fn found(&self) -> Found {
        self.found
    }
}

#[cfg(test)]
mod tests;
