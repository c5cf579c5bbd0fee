//! Bytes as moments.

use super::error::RecordingError;
use super::frame::{self, Found, Kind, MARK, VERSION_AT};
use super::level::Level;
use super::moment::moment;
use super::packed::{Learned, Packed};
use super::range::Reader;
use super::source::Source;
use super::windows::Counted;
use crate::feed::Moment;
use crate::snapshot::coding::{self, WholeShape};

/// Makes moments of bytes as they come. After an error it stays at it.
#[derive(Default)]
pub struct Decoder {
    /// What was pushed and not read.
    bytes: Vec<u8>,
    /// How much of it was read.
    read: usize,
    /// Where in the recording `bytes` begins.
    offset: u64,
    has_begun: bool,
    source: Option<Source>,
    before: Option<Before>,
    failed: Option<RecordingError>,
}

/// What the next frame differs from.
struct Before {
    shape: WholeShape,
    moment: Moment,
    learned: Learned,
    counted: Counted,
}

impl Decoder {
    /// Makes one that expects the begin of a recording.
    pub fn new() -> Self {
        Decoder::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.bytes.drain(..std::mem::take(&mut self.read));
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Returns who recorded what is read now; `None` before that was read.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Returns how many bytes of the recording were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns whether there are bytes that are not a whole frame yet.
    pub fn has_rest(&self) -> bool {
        self.read < self.bytes.len()
    }

    /// Returns the next moment; `None` if its bytes are not all there yet.
    ///
    /// # Errors
    /// [`RecordingError::NotARecording`], [`RecordingError::UnknownVersion`] and [`RecordingError::Damaged`].
    #[allow(clippy::should_implement_trait)] // it is not over when there is none
    pub fn next(&mut self) -> Result<Option<Moment>, RecordingError> {
        match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self.read_next().inspect_err(|error| self.failed = Some(error.clone())),
        }
    }

    /// Looks whether this is a recording, and reads who recorded, as far as the bytes are there.
    pub(super) fn check(&mut self) -> Result<(), RecordingError> {
        if !self.has_begun {
            let Some(mark) = self.bytes.first_chunk() else { return self.check_begin_of_mark() };
            check_mark(mark)?;
            self.has_begun = true;
            self.advance(MARK.len());
        }
        while let Found::Frame { kind: Kind::Source, body, bytes } = frame::find(&self.bytes[self.read..]) {
            self.source = Some(Source::read(body));
            self.before = None;
            self.advance(bytes);
        }
        Ok(())
    }

    fn read_next(&mut self) -> Result<Option<Moment>, RecordingError> {
        self.check()?;
        if !self.has_begun {
            return Ok(None);
        }
        let damaged = |reason| RecordingError::Damaged { offset: self.offset, reason };
        let (kind, body, bytes) = match frame::find(&self.bytes[self.read..]) {
            Found::Frame { kind, body, bytes } => (kind, body, bytes),
            Found::More => return Ok(None),
            Found::Damaged(reason) => return Err(damaged(reason)),
        };
        let (shape, then, learned, mut counted) = match (kind, self.before.take()) {
            (Kind::Source, _) => return Ok(None),
            (Kind::Key, _) => (None, None, Learned::default(), Counted::default()),
            (Kind::Delta, Some(before)) => (Some(before.shape), Some(before.moment), before.learned, before.counted),
            (Kind::Delta, None) => return Err(damaged("it continues a frame that is not there")),
        };
        let mut packed = Packed::new(Reader::new(body), learned);
        let shape = shape.unwrap_or_else(|| coding::shape(&mut packed, None));
        // Whatever a shape says that is not there, nothing is made of it.
        let is_told = !packed.is_spent();
        let moment = is_told.then(|| moment(&mut packed, &shape, &mut counted, then.as_ref(), (Level::Full, None)));
        let Some(moment) = moment.filter(|_| !packed.is_spent()) else {
            return Err(damaged("it says more than it has"));
        };
        let (_, learned) = packed.finish();
        self.before = Some(Before { shape, moment: moment.clone(), learned, counted });
        self.advance(bytes);
        Ok(Some(moment))
    }

    fn advance(&mut self, bytes: usize) {
        self.read += bytes;
        self.offset += bytes as u64;
    }

    /// Says as soon as possible that it is none.
    fn check_begin_of_mark(&self) -> Result<(), RecordingError> {
        let can_be = self.bytes.iter().zip(&MARK[..VERSION_AT]).all(|(a, b)| a == b);
        if can_be { Ok(()) } else { Err(RecordingError::NotARecording) }
    }
}

pub(super) fn check_mark(mark: &[u8; MARK.len()]) -> Result<(), RecordingError> {
    if mark[..VERSION_AT] != MARK[..VERSION_AT] || mark[VERSION_AT + 1..] != MARK[VERSION_AT + 1..] {
        return Err(RecordingError::NotARecording);
    }
    match mark[VERSION_AT] {
        known if known == MARK[VERSION_AT] => Ok(()),
        version => Err(RecordingError::UnknownVersion { version, known: MARK[VERSION_AT] }),
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Decoder(at byte {})", self.offset)
    }
}
