//! Reading the files, on a thread of its own: a file may keep its reader waiting, in its opening or in a read, for ever,
//! and replies, the display, the end of `--duration` and Ctrl-C must not wait with it.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::workload::input::{Input, InputError, Source, shown, unreadable};
use crate::cli::workload::system;

/// Bytes of one read: many small messages must not be many small reads.
const CHUNK_BYTES: usize = 1 << 18;
/// Chunks that are read ahead.
const AHEAD: usize = 4;
/// After which a file is tried again that could not be opened because too many are open.
const AGAIN: Duration = Duration::from_millis(50);

/// A piece of the input.
#[derive(Debug)]
pub enum Chunk {
    /// The next bytes of a file, at least one.
    Bytes {
        /// Index of the file.
        file: usize,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file was read to its end.
    FileEnd {
        /// Its index.
        file: usize,
    },
}

/// What a reader waits for, of a pipe or another such thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// That somebody opens the file of this index for writing.
    ForWriter(usize),
    /// That somebody writes more to it, or closes it.
    ForBytes(usize),
}

/// A reader at work. Dropping it lets its thread end as soon as it can; nobody waits for that.
#[derive(Debug)]
pub struct Reader {
    /// The chunks in order. It is closed after the last, or after an error.
    pub chunks: Receiver<Result<Chunk, InputError>>,
    /// Takes back the memory of chunks that are used up.
    pub spent: Sender<Vec<u8>>,
    waits: Waiting,
}

impl Reader {
    /// Reads `input` from now on.
    ///
    /// # Errors
    /// [`InputError::NoThread`].
    pub fn start(input: Input) -> Result<Reader, InputError> {
        let (sender, chunks) = sync_channel(AHEAD);
        let (spent, returned) = channel();
        // Also before the thread runs.
        let first = input.sources().first().filter(|source| source.bytes.is_none());
        let waits: Waiting = Arc::new(Mutex::new(first.map(|_| Waits::ForWriter(0))));
        let waiting = Arc::clone(&waits);
        let body = move || {
            if let Err(error) = read_all(&input, &sender, &returned, &waiting) {
                // If nobody waits for it any more, it does not matter.
                let _ = sender.send(Err(error));
            }
        };
        std::thread::Builder::new().name("input".into()).spawn(body).map_err(InputError::NoThread)?;
        Ok(Reader { chunks, spent, waits })
    }

    /// Returns what it waits for; `None` of regular files.
    pub fn waits(&self) -> Option<Waits> {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Waiting = Arc<Mutex<Option<Waits>>>;
type Chunks = SyncSender<Result<Chunk, InputError>>;

/// Reads until the end, or until nobody wants more.
fn read_all(input: &Input, chunks: &Chunks, spent: &Receiver<Vec<u8>>, waits: &Waiting) -> Result<(), InputError> {
    loop {
        let mut bytes_in_pass = 0;
        for (index, source) in input.sources().iter().enumerate() {
            match read_file(index, source, chunks, spent, waits)? {
                Some(bytes) => bytes_in_pass += bytes,
                None => return Ok(()),
            }
        }
        if !input.repeats() {
            return Ok(());
        }
        if let Some(once) = input.sources().iter().find(|s| s.bytes.is_none()) {
            return Err(InputError::ReadOnce { path: shown(&once.path) });
        }
        if bytes_in_pass == 0 {
            return Err(InputError::NothingToRepeat { path: shown(&input.sources()[0].path) });
        }
    }
}

/// Reads a file from its begin to its end, and returns how many bytes that were; `None` if nobody wants more.
fn read_file(
    index: usize,
    source: &Source,
    chunks: &Chunks,
    spent: &Receiver<Vec<u8>>,
    waits: &Waiting,
) -> Result<Option<u64>, InputError> {
    let failed = |error| unreadable(&source.path, error);
    let wait = |what: Waits| {
        *waits.lock().unwrap_or_else(PoisonError::into_inner) = Some(what).filter(|_| source.bytes.is_none());
    };
    wait(Waits::ForWriter(index));
    let file = open(source)?;
    wait(Waits::ForBytes(index));
    let mut file: &File = &file;
    if source.bytes.is_some() {
        // It may have been read before.
        file.rewind().map_err(failed)?;
    }
    let mut all = 0;
    loop {
        let mut bytes = spent.try_recv().unwrap_or_default();
        bytes.resize(CHUNK_BYTES, 0);
        let read = match file.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(failed)?,
        };
        if read == 0 {
            check_length(source, file, all)?;
            return Ok(chunks.send(Ok(Chunk::FileEnd { file: index })).is_ok().then_some(all));
        }
        bytes.truncate(read);
        all += read as u64;
        if chunks.send(Ok(Chunk::Bytes { file: index, bytes })).is_err() {
            return Ok(None);
        }
    }
}

/// Opens it, as soon as there is a file descriptor for it: those that take them all give them back some time.
fn open(source: &Source) -> Result<Arc<File>, InputError> {
    loop {
        match source.open() {
            Err(InputError::Unreadable { source, .. }) if system::is_out_of_files(&source) => std::thread::sleep(AGAIN),
            opened => return opened,
        }
    }
}

/// Checks that a file which ended early did so because it has fewer bytes than it says, as some of the kernel's own do,
/// and not because somebody cut it.
fn check_length(source: &Source, file: &File, read: u64) -> Result<(), InputError> {
    let Some(was) = source.bytes.filter(|was| read < *was) else { return Ok(()) };
    let now = file.metadata().map_err(|e| unreadable(&source.path, e))?.len();
    match now < was {
        true => Err(InputError::Truncated { path: shown(&source.path), was, now }),
        false => Ok(()),
    }
}
