//! What names and labels have to look like.

use std::fmt;
use std::sync::Arc;

use super::raised::Alert;

/// Names by a pattern: `*` is any text, also none, `?` any one character, everything else itself.
///
/// ```
/// use ringscope::alert::Pattern;
///
/// assert!(Pattern::new("worker_*").matches("worker_12"));
/// assert!(!Pattern::new("worker_?").matches("worker_12"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Makes one.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Pattern(text.into())
    }

    /// Makes one that every name matches.
    pub fn any() -> Self {
        Pattern::new("*")
    }

    /// Returns whether every name matches.
    pub fn is_any(&self) -> bool {
        &*self.0 == "*"
    }

    /// Returns the pattern's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0
    }

    /// Returns whether `name` as a whole looks like this. Takes time in proportion to both lengths at most.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.chars(), name.chars());
        // Behind the last star, and what it has not swallowed yet.
        let mut again = None;
        loop {
            let (mut after, mut left) = (pattern.clone(), rest.clone());
            match (after.next(), left.next()) {
                (None, None) => return true,
                (Some('*'), _) => {
                    again = Some((after.clone(), rest.clone()));
                    pattern = after;
                }
                (Some(wanted), Some(c)) if wanted == '?' || wanted == c => (pattern, rest) = (after, left),
                _ => {
                    let Some((behind, mut swallowed)) = again.take() else { return false };
                    if swallowed.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (behind.clone(), swallowed.clone());
                    again = Some((behind, swallowed));
                }
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<T: Into<Arc<str>>> From<T> for Pattern {
    fn from(text: T) -> Self {
        Pattern::new(text)
    }
}

/// A label that an alert has to have: `rule` and `severity` are among them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matcher {
    name: Arc<str>,
    value: Pattern,
}

impl Matcher {
    /// Makes one of a label whose value looks like `value`. A label that is not there has the empty value.
    pub fn new(name: impl Into<Arc<str>>, value: impl Into<Pattern>) -> Self {
        Matcher { name: name.into(), value: value.into() }
    }

    /// Returns whether the alert has such a label.
    pub fn matches(&self, alert: &Alert) -> bool {
        self.value.matches(label(alert, &self.name))
    }
}

/// The value of an alert's label, its rule and severity among them; empty where it has none.
pub(crate) fn label<'a>(alert: &'a Alert, name: &str) -> &'a str {
    match name {
        "rule" => &alert.rule,
        "severity" => alert.severity.name(),
        name => alert.label(name).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Severity;

    #[test]
    fn a_pattern_is_of_the_whole_name() {
        let matches = |pattern: &str, name| Pattern::new(pattern).matches(name);
        for (pattern, name) in [("", ""), ("*", ""), ("a*b", "axxb"), ("a*b*", "abab"), ("?ä?", "xäy"), ("**a", "ba")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a", ""), ("a*b", "axxbc"), ("?", ""), ("a?", "a"), ("*a", "ab")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        // What takes an exponential time where every star is tried anew.
        assert!(!matches(&"a*".repeat(40), &"a".repeat(39)));
    }

    #[test]
    fn a_label_that_is_not_there_is_empty() {
        let alert = Alert::pending("r", Severity::Critical, 1.0, std::time::UNIX_EPOCH);
        assert!(Matcher::new("rule", "r").matches(&alert) && Matcher::new("severity", "crit*").matches(&alert));
        assert!(Matcher::new("kernel", "").matches(&alert) && !Matcher::new("kernel", "?*").matches(&alert));
    }
}
