//! How far a file is whole, without decoding it.

use std::io::{self, Read};

use super::decoder::check_mark;
use super::error::RecordingError;
use super::frame::{self, Found, MARK};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// How much of a file is a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Up to the end of the last whole frame; 0 of a file without even a begin.
    pub(crate) whole_bytes: u64,
}

impl Extent {
    /// Reads a file from its begin to where it is damaged.
    pub(crate) fn of(file: &mut impl Read) -> io::Result<Result<Extent, RecordingError>> {
        let mut bytes = Vec::new();
        let mut extent = Extent { whole_bytes: 0 };
        loop {
            let before = bytes.len();
            file.take(CHUNK as u64).read_to_end(&mut bytes)?;
            let is_end = bytes.len() == before;
            let mut at = 0;
            if extent.whole_bytes == 0 {
                match bytes.first_chunk() {
                    Some(mark) => match check_mark(mark) {
                        Ok(()) => at = MARK.len(),
                        Err(error) => return Ok(Err(error)),
                    },
                    None if is_end && MARK.starts_with(&bytes) => return Ok(Ok(extent)),
                    None if is_end => return Ok(Err(RecordingError::NotARecording)),
                    None => continue,
                }
            }
            while let Found::Frame { bytes: length, .. } = frame::find(&bytes[at..]) {
                at += length;
            }
            extent.whole_bytes += at as u64;
            let is_damaged = matches!(frame::find(&bytes[at..]), Found::Damaged(_));
            bytes.drain(..at);
            if is_end || is_damaged {
                return Ok(Ok(extent));
            }
        }
    }
}
