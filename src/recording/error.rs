//! What is wrong with a recording.

use std::path::PathBuf;

/// Why a recording, or the rest of one, cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// It is something else.
    #[error("this is not a recording: it does not begin with the mark of one; `ringscope record` makes recordings")]
    NotARecording,
    /// Another version of ringscope wrote it.
    #[error(
        "the recording has version {version} of the format, and this program reads version {known}: use the ringscope that wrote it, or a newer one"
    )]
    UnknownVersion {
        /// That of the recording.
        version: u8,
        /// That of this program.
        known: u8,
    },
    /// A frame is not what was written.
    #[error("the recording is damaged at byte {offset}: {reason}; what comes before is whole")]
    Damaged {
        /// Where the damaged frame begins.
        offset: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Where a file was cut, because what follows is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Which file.
    pub path: PathBuf,
    /// Where the damaged frame begins.
    pub offset: u64,
    /// Bytes from there to the file's end.
    pub lost_bytes: u64,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { path, offset, lost_bytes, reason } = self;
        write!(f, "{} is damaged at byte {offset}: {reason}; its last {lost_bytes} bytes are left out", path.display())
    }
}
