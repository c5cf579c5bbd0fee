//! A configuration file that is read.

use std::path::Path;

pub use ringscope::config::{Entry, Place, Problem, Value, parse};

/// Reads the file; what cannot be read of it is in `problems`, each with its place, and the rest is returned.
pub fn read(path: &Path, problems: &mut Vec<Problem>) -> Vec<Entry> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, problems),
        Err(error) => {
            problems.push(Problem::new(None, format!("cannot be read: {error}")));
            Vec::new()
        }
    }
}
