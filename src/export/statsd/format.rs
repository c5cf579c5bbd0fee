//! What all lines of a destination have in common, and tags.

/// Longest tag and longest name of a metric that Datadog takes.
pub(super) const MOST_CHARS: usize = 200;

/// What all lines of a destination have in common.
#[derive(Clone, Debug)]
pub(crate) struct Format {
    /// Longest packet, in bytes.
    pub(crate) packet_bytes: usize,
    /// What histograms are sent as: `d`, `h` or `ms`.
    pub(crate) histograms: &'static str,
    /// Tags of every line, `key:value`.
    pub(crate) tags: Vec<String>,
    /// What follows the tags of every line, such as `|e:…`, or nothing.
    pub(crate) tail: String,
}

/// A tag as `key:value`, without what ends it: commas, bars and line ends are underscores. Datadog cuts tags at 200 characters.
pub(crate) fn tag(name: &str, value: &str) -> String {
    let mut text = String::new();
    push_tag(&mut text, name, value);
    text
}

pub(super) fn push_tag(text: &mut String, name: &str, value: &str) {
    let chars = name.chars().chain([':']).chain(value.chars());
    text.extend(chars.take(MOST_CHARS).map(|c| if matches!(c, ',' | '|') || c.is_control() { '_' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_cannot_end_their_line() {
        assert_eq!(tag("peer", "a,b|c\nd:80"), "peer:a_b_c_d:80");
        assert_eq!(tag("long", &"ü".repeat(300)).chars().count(), 200);
    }
}
