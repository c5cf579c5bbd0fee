//! What comes in as text: checked where the caller chose it, cut off where nobody did.

use std::fmt::{Display, Write};
use std::sync::Arc;

use super::error::OperationError;
use crate::metrics::{Labels, MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};

/// Most bytes that are kept of the text of an error; a longer one is cut off there, with `…` at its end.
pub const MAX_ERROR_BYTES: usize = 512;
/// Most bytes of an event's metadata, names and values together.
pub const MAX_METADATA_BYTES: usize = 8192;

/// Checks a name, which must be neither empty nor too long.
pub(super) fn check_name(what: &'static str, name: &str) -> Result<(), OperationError> {
    if name.is_empty() {
        return Err(OperationError::Empty { what });
    }
    check_length(what, name, name.len(), MAX_NAME_BYTES)
}

fn check_length(what: &'static str, text: &str, bytes: usize, limit: usize) -> Result<(), OperationError> {
    if bytes > limit {
        return Err(OperationError::TooLong { what, start: start_of(text), bytes, limit });
    }
    Ok(())
}

/// The beginning of a text that may be long, for a message.
fn start_of(text: &str) -> String {
    text.chars().take(16).collect()
}

/// A text as it is displayed, no more of it than fits.
struct Bounded {
    text: String,
    /// Of the whole text.
    bytes: usize,
    limit: usize,
    /// Whether the rest need not even be counted.
    stops: bool,
}

impl Bounded {
    /// Runs the caller's `Display`: no lock is held.
    fn new(text: impl Display, limit: usize, stops: bool) -> Self {
        let mut bounded = Bounded { text: String::new(), bytes: 0, limit, stops };
        // What a `Display` that fails wrote so far is as good as anything.
        let _ = write!(bounded, "{text}");
        bounded
    }
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        // Nothing comes after what was cut off.
        let room = if self.bytes > self.text.len() { 0 } else { self.limit - self.text.len() };
        let fits = (0..=room.min(part.len())).rev().find(|end| part.is_char_boundary(*end)).unwrap_or(0);
        self.text.push_str(&part[..fits]);
        self.bytes += part.len();
        if self.stops && fits < part.len() { Err(std::fmt::Error) } else { Ok(()) }
    }
}

/// The text of an error, cut off at [`MAX_ERROR_BYTES`].
pub(super) fn error_text(error: impl Display) -> Arc<str> {
    let mut bounded = Bounded::new(error, MAX_ERROR_BYTES, true);
    if bounded.bytes > bounded.text.len() {
        const MARK: &str = "…";
        let end = bounded.text.len().min(MAX_ERROR_BYTES - MARK.len());
        let end = (0..=end).rev().find(|end| bounded.text.is_char_boundary(*end)).unwrap_or(0);
        bounded.text.truncate(end);
        bounded.text.push_str(MARK);
    }
    bounded.text.into()
}

/// A text that the caller chose.
pub(super) fn chosen_text(what: &'static str, text: impl Display, limit: usize) -> Result<String, OperationError> {
    let bounded = Bounded::new(text, limit, false);
    check_length(what, &bounded.text, bounded.bytes, limit)?;
    Ok(bounded.text)
}

/// What pairs of texts are, for messages.
pub(super) struct Pairs {
    one: &'static str,
    many: &'static str,
    name: &'static str,
    value: &'static str,
    value_limit: usize,
}

pub(super) const LABELS: Pairs = Pairs {
    one: "label",
    many: "labels",
    name: "label name",
    value: "label value",
    value_limit: MAX_LABEL_VALUE_BYTES,
};

pub(super) const METADATA: Pairs = Pairs {
    one: "entry of metadata",
    many: "entries of metadata",
    name: "name in the metadata",
    value: "value in the metadata",
    value_limit: MAX_METADATA_BYTES,
};

impl Pairs {
    /// The value of one of them.
    pub(super) fn value(&self, value: impl Display) -> Result<String, OperationError> {
        chosen_text(self.value, value, self.value_limit)
    }

    /// Pairs as a label set, which is sorted by name; `None` if there are none.
    pub(super) fn check<T: AsRef<str>>(&self, pairs: &[(T, T)]) -> Result<Option<Labels>, OperationError> {
        if pairs.is_empty() {
            return Ok(None);
        }
        if pairs.len() > MAX_LABELS {
            return Err(OperationError::TooMany { what: self.many, count: pairs.len(), limit: MAX_LABELS });
        }
        let mut sorted: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_ref(), v.as_ref())).collect();
        sorted.sort_unstable();
        for (name, value) in &sorted {
            check_name(self.name, name)?;
            check_length(self.value, value, value.len(), self.value_limit)?;
        }
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(OperationError::Twice { what: self.one, name: pair[0].0.to_owned() });
        }
        Ok(Some(Labels::from_sorted(sorted)))
    }
}

/// Checks an event's metadata, which is bounded as a whole too.
pub(super) fn check_metadata(metadata: &[(&str, &str)]) -> Result<Option<Labels>, OperationError> {
    let checked = METADATA.check(metadata)?;
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    let start = metadata.first().map_or("", |(name, _)| name);
    check_length("metadata", start, bytes, MAX_METADATA_BYTES)?;
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_cut_off_between_characters() {
        assert_eq!(&*error_text("short"), "short");
        assert_eq!(error_text("x".repeat(MAX_ERROR_BYTES)).len(), MAX_ERROR_BYTES);
        for text in ["x".repeat(MAX_ERROR_BYTES + 1), "ü".repeat(MAX_ERROR_BYTES), "€".repeat(100_000)] {
            let kept = error_text(&text);
            assert!(kept.len() <= MAX_ERROR_BYTES && kept.len() > MAX_ERROR_BYTES - 8, "{} bytes", kept.len());
            assert!(kept.ends_with('…') && text.starts_with(kept.trim_end_matches('…')), "{kept}");
        }
    }

    /// A text that never ends is not formatted to its end.
    #[test]
    fn formatting_stops_where_nothing_is_kept() {
        struct Endless;
        impl Display for Endless {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                loop {
                    f.write_str("again and ")?;
                }
            }
        }
        assert!(error_text(Endless).ends_with("…"));
    }
}
