//! Recordings in files: a thread writes each moment as it comes.

mod builder;
mod error;
mod file;
mod handle;

pub use builder::RecordingBuilder;
pub use error::RecordError;
pub use handle::{Recording, RecordingStatus};
