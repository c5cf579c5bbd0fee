//! A stream of JSON documents, one a line, in a file that is rotated.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::place::{DEFAULT_MODE, blocking, checked, checked_mode, failed, take_mode, wrong};
use super::replace::{is_somebody_elses, is_under, lock, set_mode, sync_folder};
use crate::export::{Happened, json_line};
use crate::publish::environment::Environment;
use crate::publish::error::PublishError;
use crate::publish::publication::Publication;
use crate::publish::publisher::{Destination, Payload, Published};
use crate::publish::target::Target;

/// Appends a JSON document to a file with each publication, one a line: for programs that ship logs, and for reading later.
///
/// A document is that of [`Snapshot::export_json_metrics`](crate::Snapshot::export_json_metrics), and has besides what ended or
/// happened since the line before: `events`, `kernel_events`, `operations` and `network_operations`, each a list, and `missed`,
/// how many of those were gone before they could be written.
///
/// A file that would become longer than [`rotate_bytes`](Self::rotate_bytes) is renamed to its name and `.1`, the one that had
/// this name to `.2`, and so on, up to [`keep`](Self::keep) of them. Files of other programs that rotate (logrotate) are noticed:
/// if the file is no longer under its name, another one is begun. Each line is brought to the disk. Of a process that was killed
/// while it wrote, the part of a line at the end is cut off by the next that writes the file; a reader takes what ends with a
/// line feed. A write that takes longer than its [time limit](crate::publish::Delivery::timeout) is made again, and such a line may be there
/// twice.
///
/// The path may lead to something that is no regular file, such as `/dev/stdout`; nothing is rotated there.
///
/// ```
/// use ringscope::publish::{Environment, JsonLines, Target};
///
/// let lines = JsonLines::new("/var/log/ringscope.jsonl")?.rotate_bytes(16 << 20)?.keep(9);
/// # let same =
/// JsonLines::from_target(
///     Target::parse("json-lines:/var/log/ringscope.jsonl?rotate_bytes=16777216&keep=9")?,
///     &Environment::of_this_process(),
/// )?;
/// # assert_eq!(format!("{lines:?}"), format!("{same:?}"));
/// # Ok::<(), ringscope::publish::PublishError>(())
/// ```
#[derive(Clone, Debug)]
pub struct JsonLines {
    settings: Settings,
    file: Arc<Mutex<Option<Opened>>>,
}

#[derive(Clone, Debug)]
struct Settings {
    path: Arc<Path>,
    mode: u32,
    rotate_bytes: u64,
    keep: u32,
}

impl JsonLines {
    /// Default of [`rotate_bytes`](Self::rotate_bytes).
    pub const DEFAULT_ROTATE_BYTES: u64 = 64 << 20;
    /// Default of [`keep`](Self::keep).
    pub const DEFAULT_KEEP: u32 = 4;

    /// Takes the path of the file, whose folder exists when it is written.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for a path that names no file.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, PublishError> {
        let settings = Settings {
            path: checked(path.into())?.into(),
            mode: DEFAULT_MODE,
            rotate_bytes: JsonLines::DEFAULT_ROTATE_BYTES,
            keep: JsonLines::DEFAULT_KEEP,
        };
        Ok(JsonLines { settings, file: Arc::default() })
    }

    /// Sets how many bytes a file may have before another one is begun; one line may be more. Default: 64 MiB.
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for 0.
    pub fn rotate_bytes(mut self, bytes: u64) -> Result<Self, PublishError> {
        if bytes == 0 {
            return Err(wrong("rotate_bytes", "it must be at least 1"));
        }
        self.settings.rotate_bytes = bytes;
        Ok(self)
    }

    /// Sets how many files are kept beside the one that is written. Default: 4.
    pub fn keep(mut self, files: u32) -> Self {
        self.settings.keep = files;
        self
    }

    /// Sets the permissions of files that it makes. Default: `0o644`.
    ///
    /// # Errors
    /// As [`PrometheusFile::mode`](super::PrometheusFile::mode).
    pub fn mode(mut self, mode: u32) -> Result<Self, PublishError> {
        self.settings.mode = checked_mode(mode)?;
        Ok(self)
    }

    /// Makes one of `json-lines:PATH`, with the options `rotate_bytes`, `keep` and `mode` (octal digits).
    ///
    /// # Errors
    /// [`PublishError::BadSetting`] for what makes no sense.
    pub fn from_target(mut target: Target, _: &Environment) -> Result<Self, PublishError> {
        let mut lines = JsonLines::new(&target.address)?.mode(take_mode(&mut target)?)?;
        let number = |name: &str, text: String| {
            text.parse::<u64>().map_err(|_| wrong(name, &format!("{text} is no whole number")))
        };
        if let Some(bytes) = target.take("rotate_bytes") {
            lines = lines.rotate_bytes(number("rotate_bytes", bytes)?)?;
        }
        if let Some(files) = target.take("keep") {
            let files = number("keep", files)?;
            lines = lines.keep(u32::try_from(files).map_err(|_| wrong("keep", "so many files cannot be kept"))?);
        }
        target.finish(&["rotate_bytes", "keep", "mode"])?;
        Ok(lines)
    }
}

impl Destination for JsonLines {
    fn name(&self) -> &str {
        "json-lines"
    }

    fn encode(&self, publication: &Publication) -> Result<Vec<Payload>, PublishError> {
        let happened = Happened {
            events: &publication.events,
            kernel_events: &publication.kernel_events,
            operations: &publication.operations,
            network_operations: &publication.network_operations,
            missed: publication.missed,
        };
        let (mut line, items) = json_line(&publication.snapshot, publication.running, happened)
            .map_err(|e| PublishError::Unwritable { format: "JSON".to_owned(), reason: e.to_string() })?;
        line.push('\n');
        Ok(vec![Payload::new(0, items, publication.snapshot.time, line.into_bytes())])
    }

    async fn send(&self, payload: &Payload) -> Result<Published, PublishError> {
        let (lines, payload) = (self.clone(), payload.clone());
        blocking(move || {
            let mut file = lines.file.lock().unwrap_or_else(PoisonError::into_inner);
            append(&mut file, &lines.settings, &payload.bytes).map_err(|e| failed(&lines.settings.path, &e))?;
            Ok(Published::all(payload.items))
        })
        .await
    }
}

/// The file that is written.
#[derive(Debug)]
struct Opened {
    file: File,
    /// Where it is, without links; `None` of what is no regular file.
    path: Option<PathBuf>,
    /// Up to the end of its last whole line.
    bytes: u64,
}

/// Appends a line, or leaves the file as it was.
fn append(place: &mut Option<Opened>, settings: &Settings, line: &[u8]) -> io::Result<()> {
    let mut opened = match place.take() {
        Some(opened) if opened.is_in_its_place()? => opened,
        _ => Opened::open(settings)?,
    };
    if let Some(path) = &opened.path
        && opened.bytes > 0
        && opened.bytes + line.len() as u64 > settings.rotate_bytes
    {
        rotate(path, settings.keep)?;
        opened = Opened::open(settings)?;
    }
    opened.write(line)?;
    *place = Some(opened);
    Ok(())
}

impl Opened {
    fn open(settings: &Settings) -> io::Result<Opened> {
        // Another process may rotate it meanwhile.
        for _ in 0..8 {
            let (file, is_new) = open(&settings.path)?;
            if !file.metadata()?.is_file() {
                return Ok(Opened { file, path: None, bytes: 0 });
            }
            let path = settings.path.canonicalize()?;
            if !lock(&file)? {
                return Err(is_somebody_elses());
            }
            if is_under(&file, &path)? {
                if is_new {
                    set_mode(&file, settings.mode)?;
                    sync_folder(&path)?;
                }
                let bytes = cut_to_whole_lines(&file, &path)?;
                return Ok(Opened { file, path: Some(path), bytes });
            }
        }
        Err(is_somebody_elses())
    }

    fn is_in_its_place(&self) -> io::Result<bool> {
        self.path.as_ref().map_or(Ok(true), |path| is_under(&self.file, path))
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let is_file = self.path.is_some();
        let written = self.file.write_all(line).and_then(|()| if is_file { self.file.sync_data() } else { Ok(()) });
        match written {
            Ok(()) => self.bytes += line.len() as u64,
            // The part of it that is there already goes; if not even that can be done, when the file is opened next.
            Err(_) if is_file => drop(self.file.set_len(self.bytes)),
            Err(_) => {}
        }
        written
    }
}

/// Opens it for appending, and says whether it was made.
fn open(path: &Path) -> io::Result<(File, bool)> {
    match OpenOptions::new().append(true).open(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {}
        opened => return Ok((opened?, false)),
    }
    Ok((OpenOptions::new().append(true).create(true).open(path)?, true))
}

/// Cuts off what is after the last line feed, and returns how long the file is then.
fn cut_to_whole_lines(file: &File, path: &Path) -> io::Result<u64> {
    let length = file.metadata()?.len();
    let mut whole = length;
    let mut reader = File::open(path)?;
    let mut chunk = [0; 4096];
    while whole > 0 {
        let from = whole.saturating_sub(chunk.len() as u64);
        let chunk = &mut chunk[..(whole - from) as usize];
        reader.seek(SeekFrom::Start(from))?;
        reader.read_exact(chunk)?;
        if let Some(end) = chunk.iter().rposition(|byte| *byte == b'\n') {
            whole = from + end as u64 + 1;
            break;
        }
        whole = from;
    }
    if whole < length {
        file.set_len(whole)?;
    }
    Ok(whole)
}

/// Makes room under `path`: what is there gets the number 1, what has a number the next, and the last goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    let numbered = |number: u32| {
        let mut name = OsString::from(path);
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    if keep == 0 {
        return std::fs::remove_file(path);
    }
    // Up to a number that is free: files beyond it stay where they are.
    let free = (1..keep).find(|number| !numbered(*number).exists()).unwrap_or(keep);
    for number in (1..free).rev() {
        std::fs::rename(numbered(number), numbered(number + 1))?;
    }
    std::fs::rename(path, numbered(1))?;
    sync_folder(path)
}
