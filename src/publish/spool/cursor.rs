//! How far a spool was sent: a file of its own, written beside and renamed, so that it is always a whole one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

const NAME: &str = "cursor";
const NEW: &str = "cursor.new";

/// Everything before this place was sent, or dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Number of the segment.
    pub(super) segment: u64,
    /// Bytes in it.
    pub(super) offset: u64,
}

impl Cursor {
    /// Reads it; the beginning, if there is none. One that is no whole one is none: then something is sent again.
    pub(super) fn read(folder: &Path) -> Cursor {
        let bytes = fs::read(folder.join(NAME)).unwrap_or_default();
        let number = |i: usize| Some(u64::from_le_bytes(bytes.get(8 * i..8 * i + 8)?.try_into().ok()?));
        let whole = bytes.get(16..20) == Some(&crc32c::crc32c(bytes.get(..16).unwrap_or_default()).to_le_bytes());
        let cursor = || Some(Cursor { segment: number(0)?, offset: number(1)? });
        cursor().filter(|_| whole).unwrap_or_default()
    }

    pub(super) fn write(self, folder: &Path, sync: bool) -> io::Result<()> {
        let mut bytes = [self.segment.to_le_bytes(), self.offset.to_le_bytes()].concat();
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        let new = folder.join(NEW);
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(new, folder.join(NAME))
    }
}
