//! Saved objects.

/// NDJSON.
pub(super) fn saved_objects(_prefix: &str) -> String {
    String::new()
}
