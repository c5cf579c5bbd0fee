//! Names that a kernel's author gave to waypoints, events and spans, and patterns of log lines: devices write their numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::abi::at::NAME_BITS;

/// Most names of one kernel.
pub const MAX_NAMES: usize = 1 << NAME_BITS;
/// Longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest pattern of a log line, in bytes.
pub const MAX_PATTERN_BYTES: usize = 256;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// For who looks for a fault.
    Debug,
    /// What happens as it should.
    Info,
    /// What should not happen, and does no harm.
    Warn,
    /// What went wrong.
    Error,
}

impl Severity {
    /// Returns the name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error => "error",
        }
    }
}

/// A log line with places for up to two numbers, each `{}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    severity: Severity,
    text: Arc<str>,
}

/// Why a name or a pattern was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// A name without a letter.
    #[error("name {index} of kernel `{kernel}` is empty: give it a name, or leave it out at the end")]
    Empty {
        /// The kernel.
        kernel: String,
        /// Its number, from 0.
        index: usize,
    },
    /// A name that is too long.
    #[error("name {index} of kernel `{kernel}` has {bytes} bytes, at most {MAX_NAME_BYTES} are allowed: shorten it")]
    TooLong {
        /// The kernel.
        kernel: String,
        /// Its number, from 0.
        index: usize,
        /// Its length.
        bytes: usize,
    },
    /// More names than there are numbers.
    #[error(
        "kernel `{kernel}` has {names} names, at most {MAX_NAMES} are allowed: its records have {NAME_BITS} bits for one"
    )]
    TooMany {
        /// The kernel.
        kernel: String,
        /// How many.
        names: usize,
    },
    /// A pattern for a number that no record can have.
    #[error("the log pattern of name {index} of kernel `{kernel}`: names are 0 to {}", MAX_NAMES - 1)]
    NoSuchName {
        /// The kernel.
        kernel: String,
        /// The number.
        index: u32,
    },
    /// A pattern that cannot be filled in.
    #[error("the log pattern `{pattern}` of kernel `{kernel}` {why}")]
    BadPattern {
        /// The kernel.
        kernel: String,
        /// How it starts.
        pattern: String,
        /// What is wrong, and what would be right.
        why: &'static str,
    },
}

/// The names of one kernel. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelNames(Arc<Names>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Names {
    names: Vec<Arc<str>>,
    patterns: BTreeMap<u32, Pattern>,
}

impl KernelNames {
    /// Takes names in the order of the kernel's enum, from 0, and patterns by the number of their name.
    ///
    /// # Errors
    /// [`NameError`] for the first one that cannot be.
    pub(crate) fn new(kernel: &str, names: &[String], patterns: &[(u32, Severity, String)]) -> Result<Self, NameError> {
        let kernel = || kernel.to_owned();
        if names.len() > MAX_NAMES {
            return Err(NameError::TooMany { kernel: kernel(), names: names.len() });
        }
        for (index, name) in names.iter().enumerate() {
            match name.len() {
                0 => return Err(NameError::Empty { kernel: kernel(), index }),
                bytes if bytes > MAX_NAME_BYTES => return Err(NameError::TooLong { kernel: kernel(), index, bytes }),
                _ => {}
            }
        }
        let mut known = BTreeMap::new();
        for (index, severity, text) in patterns {
            if *index as usize >= MAX_NAMES {
                return Err(NameError::NoSuchName { kernel: kernel(), index: *index });
            }
            if let Some(why) = fault_of(text) {
                return Err(NameError::BadPattern { kernel: kernel(), pattern: text.chars().take(32).collect(), why });
            }
            known.insert(*index, Pattern { severity: *severity, text: text.as_str().into() });
        }
        let names = names.iter().map(|name| name.as_str().into()).collect();
        Ok(KernelNames(Arc::new(Names { names, patterns: known })))
    }

    /// Takes names that some kernel has, from 0.
    #[cfg(feature = "recording")]
    pub(crate) fn of(names: Vec<Arc<str>>) -> Self {
        KernelNames(Arc::new(Names { names, patterns: BTreeMap::new() }))
    }

    /// All names, from 0.
    #[cfg(feature = "recording")]
    pub(crate) fn all(&self) -> &[Arc<str>] {
        &self.0.names
    }

    /// Returns the name of that number; `#7` where it has none.
    pub fn name(&self, index: u32) -> Arc<str> {
        self.0.names.get(index as usize).cloned().unwrap_or_else(|| format!("#{index}").into())
    }

    /// Returns the number of that name.
    pub fn index_of(&self, name: &str) -> Option<u32> {
        self.0.names.iter().position(|known| &**known == name).map(|index| index as u32)
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.0.names.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.names.is_empty()
    }

    /// Returns a log line with its numbers filled in, and how much it matters. Without a pattern it is the name and the
    /// numbers.
    pub fn line(&self, index: u32, first: u64, second: Option<u64>) -> (Severity, String) {
        let numbers = [Some(first), second];
        match self.0.patterns.get(&index) {
            Some(pattern) => (pattern.severity, filled(&pattern.text, &numbers)),
            None => {
                let numbers: Vec<String> = numbers.into_iter().flatten().map(|n| n.to_string()).collect();
                (Severity::Info, format!("{} {}", self.name(index), numbers.join(" ")))
            }
        }
    }
}

/// What is wrong with a pattern.
fn fault_of(pattern: &str) -> Option<&'static str> {
    if pattern.is_empty() {
        return Some("is empty: write the line, with {} where a number stands");
    }
    if pattern.len() > MAX_PATTERN_BYTES {
        return Some("is over 256 bytes: shorten it");
    }
    (pattern.matches("{}").count() > 2).then_some("has more than two places for numbers: a record has two numbers")
}

fn filled(pattern: &str, numbers: &[Option<u64>]) -> String {
    let mut parts = pattern.split("{}");
    let mut line = parts.next().unwrap_or_default().to_owned();
    for (i, part) in parts.enumerate() {
        match numbers.get(i).copied().flatten() {
            Some(number) => line.push_str(&number.to_string()),
            None => line.push('?'),
        }
        line.push_str(part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str], patterns: &[(u32, &str)]) -> Result<KernelNames, NameError> {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let patterns: Vec<_> = patterns.iter().map(|&(index, text)| (index, Severity::Warn, text.into())).collect();
        KernelNames::new("w", &names, &patterns)
    }

    #[test]
    fn names_are_known_by_number_and_lines_are_filled_in() {
        let known = names(&["load", "mma"], &[(1, "{} of {} tiles late"), (7, "done")]).unwrap();
        assert_eq!([0, 1, 9].map(|i| known.name(i).to_string()), ["load", "mma", "#9"]);
        assert_eq!((known.index_of("mma"), known.index_of("store"), known.len()), (Some(1), None, 2));
        assert_eq!(known.line(1, 3, Some(4)), (Severity::Warn, "3 of 4 tiles late".into()));
        assert_eq!(known.line(1, 3, None).1, "3 of ? tiles late");
        assert_eq!(known.line(7, 3, None).1, "done");
        assert_eq!(known.line(0, 3, None), (Severity::Info, "load 3".into()));
        assert_eq!(known.line(9, 3, Some(8)).1, "#9 3 8");
    }

    #[test]
    fn what_cannot_be_a_name_or_a_pattern_is_refused() {
        assert!(matches!(names(&["a", ""], &[]), Err(NameError::Empty { index: 1, .. })));
        assert!(matches!(names(&["a".repeat(65).as_str()], &[]), Err(NameError::TooLong { bytes: 65, .. })));
        assert!(matches!(names(&["a"; MAX_NAMES + 1], &[]), Err(NameError::TooMany { .. })));
        assert!(names(&["a"; MAX_NAMES], &[]).is_ok());
        assert!(matches!(names(&[], &[(4096, "x")]), Err(NameError::NoSuchName { index: 4096, .. })));
        for pattern in ["", "{} {} {}", "x".repeat(257).as_str()] {
            let error = names(&[], &[(0, pattern)]).unwrap_err();
            assert!(matches!(error, NameError::BadPattern { .. }), "{error}");
        }
    }
}
