//! Recordings in files.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::decoder::Decoder;
use super::error::{Damage, RecordingError};
use super::source::Source;
use crate::feed::Moment;

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Reads a recording: the parts that were rotated, in their order, and then the file itself. It iterates over the moments; a part
/// that is damaged is read up to its damage.
#[derive(Debug)]
pub struct Reader {
    parts: VecDeque<PathBuf>,
    part: Option<Part>,
    source: Option<Source>,
    damage: Vec<Damage>,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    decoder: Decoder,
    is_at_end: bool,
}

impl Reader {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// [`RecordingError::File`] where the file cannot be read, [`RecordingError::NotARecording`] and
    /// [`RecordingError::UnknownVersion`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        let mut parts: VecDeque<PathBuf> = parts(path).into_iter().map(|(_, part)| part).collect();
        parts.push_back(path.to_owned());
        let mut reader = Reader { parts, part: None, source: None, damage: Vec::new() };
        // Whether it is a recording at all is known at once.
        Part::open(path)?;
        reader.part = reader.next_part()?;
        Ok(reader)
    }

    /// Returns who recorded the newest moment that was read, or the first one.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Returns where files were cut so far, because what follows is damaged. What a program was just writing when it was killed
    /// is damage as well.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    fn next_part(&mut self) -> Result<Option<Part>, RecordingError> {
        let Some(path) = self.parts.pop_front() else { return Ok(None) };
        let part = Part::open(&path)?;
        self.source = part.decoder.source().cloned().or(self.source.take());
        Ok(Some(part))
    }
}

impl Iterator for Reader {
    type Item = Moment;

    fn next(&mut self) -> Option<Moment> {
        loop {
            let part = self.part.as_mut()?;
            match part.next() {
                Ok(Some(moment)) => {
                    if self.source.as_ref() != part.decoder.source() {
                        self.source = part.decoder.source().cloned();
                    }
                    return Some(moment);
                }
                Ok(None) => {}
                Err(reason) => self.damage.push(part.damage(reason)),
            }
            // One that is gone meanwhile was rotated away.
            self.part = loop {
                match self.next_part() {
                    Ok(part) => break part,
                    Err(_) => continue,
                }
            };
        }
    }
}

impl Part {
    fn open(path: &Path) -> Result<Part, RecordingError> {
        let failed = |error: io::Error| RecordingError::File { path: path.to_owned(), reason: error.to_string() };
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut part = Part { path: path.to_owned(), file, length, decoder: Decoder::new(), is_at_end: false };
        part.fill();
        match part.decoder.check() {
            Err(error @ (RecordingError::NotARecording | RecordingError::UnknownVersion { .. })) => Err(error),
            _ => Ok(part),
        }
    }

    fn next(&mut self) -> Result<Option<Moment>, &'static str> {
        loop {
            match self.decoder.next() {
                Ok(Some(moment)) => return Ok(Some(moment)),
                Ok(None) if !self.is_at_end => self.fill(),
                Ok(None) if self.decoder.has_rest() => return Err("its last frame is not whole"),
                Ok(None) => return Ok(None),
                Err(RecordingError::Damaged { reason, .. }) => return Err(reason),
                Err(_) => return Err("it does not begin as a recording"),
            }
        }
    }

    fn fill(&mut self) {
        let mut chunk = vec![0; CHUNK];
        match self.file.read(&mut chunk) {
            Ok(0) | Err(_) => self.is_at_end = true,
            Ok(bytes) => self.decoder.push(&chunk[..bytes]),
        }
    }

    fn damage(&self, reason: &'static str) -> Damage {
        let offset = self.decoder.offset();
        Damage { path: self.path.clone(), offset, lost_bytes: self.length.saturating_sub(offset), reason }
    }
}

/// The parts of a recording that were rotated, the oldest first: `run.rscope.2` is older than `run.rscope.1`, and that than
/// `run.rscope`.
pub(crate) fn parts(path: &Path) -> Vec<(u64, PathBuf)> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Vec::new() };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let number = |file: &str| file.strip_prefix(name)?.strip_prefix('.')?.parse::<u64>().ok();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut parts: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    parts.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    parts
}
