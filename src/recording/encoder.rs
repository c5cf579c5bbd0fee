//! Moments as bytes.

use std::sync::Arc;

use super::frame::{self, Kind, MARK};
use super::moment::moment;
use super::source::Source;
use crate::feed::Moment;
use crate::snapshot::coding::{WholeShape, Writer, canonical, shape};

/// Frames from a key frame to the next: what is damaged costs no more than these.
const KEY_EVERY: u32 = 600;

/// Makes frames of moments: the first is a key frame.
#[derive(Default)]
pub struct Encoder {
    source: Option<Source>,
    before: Option<Before>,
}

/// What a decoder has read so far.
struct Before {
    shape: WholeShape,
    moment: Moment,
    /// Frames since the key frame.
    frames: u32,
}

impl Encoder {
    /// Makes one of this process.
    pub fn new() -> Self {
        Encoder::default()
    }

    /// Makes one that says that the moments are of `source`.
    pub fn of(source: Source) -> Self {
        Encoder { source: Some(source), before: None }
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
        let mut writer = Writer(Vec::new());
        let (kind, shape, before, frames) = match self.before.take().filter(goes_on) {
            Some(before) => (Kind::Delta, before.shape, Some(before.moment), before.frames + 1),
            None => {
                let whole = WholeShape::from_snapshot(&now.snapshot);
                shape(&mut writer, Some(&whole));
                (Kind::Key, whole, None, 0)
            }
        };
        let told = moment(&mut writer, &shape, before.as_ref(), Some(&now));
        self.before = Some(Before { shape, moment: told, frames });
        frame::write(kind, &writer.0)
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoder({:?})", self.source)
    }
}
