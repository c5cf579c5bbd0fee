//! What a kernel says of its arguments: compared at a launch, and named in its error.

use std::fmt;

/// Size and alignment of a kernel's arguments; 0 bytes where it takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArgsLayout {
    /// Size in bytes.
    pub bytes: usize,
    /// Alignment in bytes.
    pub align: usize,
}

impl fmt::Display for ArgsLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            0 => f.write_str("no arguments"),
            bytes => write!(f, "{bytes} bytes aligned to {}", self.align),
        }
    }
}
