//! Moments as bytes.

use std::sync::Arc;

use super::frame::{self, Kind, MARK};
use super::level::{Budget, Level};
use super::moment::moment;
use super::packed::{Learned, Packed};
use super::range::Writer;
use super::source::Source;
use super::windows::Counted;
use crate::feed::Moment;
use crate::snapshot::coding::{self, WholeShape, canonical};

/// Frames from a key frame to the next: what is damaged costs no more than these.
const KEY_EVERY: u32 = 600;

/// Makes frames of moments: the first is a key frame.
pub struct Encoder {
    source: Option<Source>,
    budget: Budget,
    before: Option<Before>,
}

/// What a decoder has read so far.
struct Before {
    shape: WholeShape,
    moment: Moment,
    learned: Learned,
    counted: Counted,
    /// Frames since the key frame.
    frames: u32,
}

impl Encoder {
    /// Default of [`bytes_per_day`](Self::bytes_per_day): 100 MB.
    pub const DEFAULT_BYTES_PER_DAY: u64 = 100_000_000;

    /// Makes one of this process.
    pub fn new() -> Self {
        Encoder { source: None, budget: Budget::new(Some(Encoder::DEFAULT_BYTES_PER_DAY)), before: None }
    }

    /// Makes one that says that the moments are of `source`.
    pub fn of(source: Source) -> Self {
        Encoder { source: Some(source), ..Encoder::new() }
    }

    /// Sets how many bytes a day may take before less is told of each moment; `None` tells everything of each. Default:
    /// [`DEFAULT_BYTES_PER_DAY`](Self::DEFAULT_BYTES_PER_DAY). docs/recordings.md says what is left out, and when.
    pub fn bytes_per_day(mut self, bytes: Option<u64>) -> Self {
        self.budget = Budget::new(bytes);
        self
    }

    /// Returns what a recording begins with. What is encoded next is a key frame.
    pub fn header(&mut self) -> Vec<u8> {
        [&MARK[..], &self.source_frame()].concat()
    }

    /// Returns what a recording goes on with that was begun by somebody else. What is encoded next is a key frame.
    pub fn source_frame(&mut self) -> Vec<u8> {
        self.before = None;
        let source = self.source.get_or_insert_with(Source::of_this_process);
        frame::write(Kind::Source, &source.write())
    }

    /// Returns a moment as a frame.
    pub fn encode(&mut self, now: &Moment) -> Vec<u8> {
        let mut now = now.clone();
        let snapshot = Arc::make_mut(&mut now.snapshot);
        snapshot.places = canonical(&snapshot.places);
        let goes_on = |before: &Before| before.frames + 1 < KEY_EVERY && before.shape.fits(&now.snapshot);
        let before = self.before.take().filter(goes_on);
        let level = self.budget.level(&now.snapshot);
        let (kind, level) = if before.is_some() { (Kind::Delta, level) } else { (Kind::Key, Level::Full) };
        let (shape, then, learned, mut counted, frames) = match before {
            Some(b) => (Some(b.shape), Some(b.moment), b.learned, b.counted, b.frames + 1),
            None => (None, None, Learned::default(), Counted::default(), 0),
        };
        let mut packed = Packed::new(Writer::new(), learned);
        let shape = shape.unwrap_or_else(|| {
            let whole = WholeShape::from_snapshot(&now.snapshot);
            coding::shape(&mut packed, Some(&whole));
            whole
        });
        let told = moment(&mut packed, &shape, &mut counted, then.as_ref(), (level, Some(&now)));
        let (bits, learned) = packed.finish();
        self.before = Some(Before { shape, moment: told, learned, counted, frames });
        let frame = frame::write(kind, &bits.finish());
        self.budget.used(level, frame.len(), now.snapshot.time);
        frame
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({:?})", self.source)
    }
}
