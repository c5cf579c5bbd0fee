//! A recording read from its file.

use std::path::Path;

use ringscope::recording::{Reader, RecordingError};

use super::run::Past;

/// What was read, who recorded it, and where it was damaged.
#[derive(Debug)]
pub struct Read {
    pub past: Past,
    /// A name and what it is, such as the machine.
    pub facts: Vec<(String, String)>,
    pub damage: Vec<String>,
}

/// Reads the recording once, into so many columns at most.
///
/// # Errors
/// [`RecordingError`], where it cannot be read at all; a damaged one is read up to its damage.
pub fn read(path: &Path, most_columns: usize) -> Result<Read, RecordingError> {
    let mut reader = Reader::open(path)?;
    let mut past = Past::new(most_columns);
    for moment in reader.by_ref() {
        past.take(&moment);
    }
    past.end();
    let mut facts = Vec::new();
    if let Some(source) = reader.source() {
        let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
        if !source.host.is_empty() {
            fact("Machine", source.host.to_string());
        }
        fact("Recorded by", format!("{}, process {}", source.program, source.pid));
    }
    let damage = reader.damage().iter().map(ToString::to_string).collect();
    Ok(Read { past, facts, damage })
}

/// What is wrong with a recording, after its name.
pub fn named(path: &str, error: &RecordingError) -> String {
    match error {
        RecordingError::File { reason, .. } => format!("{path}: cannot be read: {reason}"),
        other => format!("{path}: {other}"),
    }
}
