//! What stands behind the question mark of a request.

use std::ops::RangeInclusive;

/// The parameters of a request.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them.
    pub fn new(query: Option<&str>) -> Query {
        Query(url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect())
    }

    /// Returns the parameter of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// Returns the number of that name, or the default.
    ///
    /// # Errors
    /// It is no number, or too small or too large; the text says what would be right.
    pub fn number(&self, name: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize, String> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let wrong = || format!("{name}={text:?}: write a number from {} to {}\n", range.start(), range.end());
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(wrong)
    }
}
