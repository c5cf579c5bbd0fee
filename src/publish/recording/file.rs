//! The file: appended to, rotated, and opened again where something was wrong with it.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::RecordError;
use crate::feed::Moment;
use crate::publish::delivery::SyncPolicy;
use crate::recording::{Encoder, Extent, parts};

/// Bounds of a recording.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) existing: Existing,
    pub(super) max_bytes: u64,
    pub(super) keep: u32,
    pub(super) sync: SyncPolicy,
    pub(super) bytes_per_day: Option<u64>,
}

/// What becomes of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Refuse,
    Append,
    Overwrite,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), RecordError> {
        let least = 1 << 16;
        match self.max_bytes >= least {
            true => Ok(()),
            false => Err(RecordError::BadSetting { setting: "max_bytes", remedy: "must be at least 65536" }),
        }
    }
}

#[derive(Debug)]
pub(super) struct RecordingFile {
    path: PathBuf,
    settings: Settings,
    encoder: Encoder,
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    /// Up to the end of its last whole frame.
    bytes: u64,
    /// Whether it has a moment.
    has_any: bool,
}

impl RecordingFile {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path, settings: Settings) -> Result<Self, RecordError> {
        let encoder = Encoder::new().bytes_per_day(settings.bytes_per_day);
        let mut recording = RecordingFile { path: path.to_owned(), settings, encoder, opened: None };
        let exists = path.symlink_metadata().is_ok();
        recording.opened = Some(match settings.existing {
            Existing::Refuse if exists => return Err(RecordError::Exists { path: path.to_owned() }),
            Existing::Append if exists => recording.append()?,
            Existing::Overwrite => recording.overwrite()?,
            _ => recording.create().map_err(|error| recording.failed(&error))?,
        });
        Ok(recording)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn failed(&self, error: &io::Error) -> RecordError {
        match error.kind() {
            ErrorKind::AlreadyExists => RecordError::Exists { path: self.path.clone() },
            _ => RecordError::File { path: self.path.clone(), reason: error.to_string() },
        }
    }

    /// A new one, with its begin.
    fn create(&mut self) -> io::Result<Opened> {
        let file = OpenOptions::new().append(true).create_new(true).open(&self.path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        self.begin(file)
    }

    fn begin(&mut self, mut file: File) -> io::Result<Opened> {
        let header = self.encoder.header();
        if let Err(error) = file.write_all(&header) {
            // Without its begin it would be no recording, and nothing could be appended.
            let _ = file.set_len(0);
            return Err(error);
        }
        Ok(Opened { file, bytes: header.len() as u64, has_any: false })
    }

    fn overwrite(&mut self) -> Result<Opened, RecordError> {
        let file = OpenOptions::new().append(true).create(true).open(&self.path);
        let file = file.map_err(|error| self.failed(&error))?;
        self.lock(&file)?;
        for (_, part) in parts(&self.path) {
            std::fs::remove_file(part).map_err(|error| self.failed(&error))?;
        }
        file.set_len(0).and_then(|()| self.begin(file)).map_err(|error| self.failed(&error))
    }

    fn append(&mut self) -> Result<Opened, RecordError> {
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let mut file = file.map_err(|error| self.failed(&error))?;
        self.lock(&file)?;
        let extent = Extent::of(&mut file).map_err(|error| self.failed(&error))?;
        let extent = extent
            .map_err(|error| RecordError::NotAppendable { path: self.path.clone(), reason: error.to_string() })?;
        let begun = || -> io::Result<Opened> {
            file.set_len(extent.whole_bytes)?;
            if extent.whole_bytes == 0 {
                return self.begin(file);
            }
            let source = self.encoder.source_frame();
            file.write_all(&source)?;
            Ok(Opened { file, bytes: extent.whole_bytes + source.len() as u64, has_any: true })
        };
        begun().map_err(|error| RecordError::File { path: self.path.clone(), reason: error.to_string() })
    }

    fn lock(&self, file: &File) -> Result<(), RecordError> {
        flock(file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| RecordError::InUse { path: self.path.clone() })
    }

    /// Appends a moment, or leaves the file as it was; how many bytes it took.
    pub(super) fn write(&mut self, moment: &Moment) -> Result<u64, RecordError> {
        let written = self.try_write(moment);
        written.map_err(|error| {
            // What comes next is opened anew, and begins with a key frame.
            if let Some(opened) = self.opened.take() {
                let _ = opened.file.set_len(opened.bytes);
            }
            self.failed(&error)
        })
    }

    fn try_write(&mut self, moment: &Moment) -> io::Result<u64> {
        if self.opened.as_ref().is_some_and(|opened| !opened.is_at(&self.path)) {
            self.opened = None;
        }
        let mut opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.reopen()?,
        };
        let mut frame = self.encoder.encode(moment);
        if opened.has_any && opened.bytes + frame.len() as u64 > self.settings.max_bytes {
            self.opened = Some(opened);
            self.rotate()?;
            opened = self.create()?;
            frame = self.encoder.encode(moment);
        }
        let written = opened.file.write_all(&frame).and_then(|()| match self.settings.sync {
            SyncPolicy::EachPublication => opened.file.sync_data(),
            SyncPolicy::AtTheEnd => Ok(()),
        });
        if written.is_ok() {
            opened.bytes += frame.len() as u64;
            opened.has_any = true;
        }
        self.opened = Some(opened);
        written.map(|()| frame.len() as u64)
    }

    /// After a failure: the same file, or a new one where it is gone.
    fn reopen(&mut self) -> io::Result<Opened> {
        match self.append() {
            Ok(opened) => Ok(opened),
            Err(_) if self.path.symlink_metadata().is_err() => self.create(),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        let path = |number: u64| {
            let mut name = OsString::from(&self.path);
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        // The oldest first: each makes room for the next.
        for (number, part) in parts(&self.path) {
            match number < u64::from(self.settings.keep) {
                true => std::fs::rename(&part, path(number + 1))?,
                false => std::fs::remove_file(&part)?,
            }
        }
        match self.settings.keep {
            0 => std::fs::remove_file(&self.path)?,
            _ => std::fs::rename(&self.path, path(1))?,
        }
        match self.opened.take() {
            Some(opened) if self.settings.keep > 0 => opened.file.sync_data(),
            _ => Ok(()),
        }
    }

    /// Makes what was written survive the machine's end.
    pub(super) fn end(&mut self) -> Result<(), RecordError> {
        match &self.opened {
            Some(opened) => opened.file.sync_all().map_err(|error| self.failed(&error)),
            None => Ok(()),
        }
    }
}

impl Opened {
    /// Whether it is still what the path leads to.
    fn is_at(&self, path: &Path) -> bool {
        match (self.file.metadata(), path.metadata()) {
            (Ok(own), Ok(there)) => (own.dev(), own.ino()) == (there.dev(), there.ino()),
            _ => false,
        }
    }
}
