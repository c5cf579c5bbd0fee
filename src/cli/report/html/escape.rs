//! Text in HTML: nothing that somebody named becomes a tag, an attribute or another line.

use crate::cli::term::text::escaped;

/// Text or an attribute's value. What nobody would see, or what would turn the text around, is written out.
pub fn text(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in escaped(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A name, whose direction of writing is its own.
pub fn name(name: &str) -> String {
    format!("<bdi>{}</bdi>", text(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out() {
        assert_eq!(
            text("<script>alert(\"1\")</script>&'"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;"
        );
        assert_eq!(text("a\u{202e}b\0\n"), "a\\u{202e}b\\u{0}\\n");
        assert_eq!(name("שלום 🚀"), "<bdi>שלום 🚀</bdi>");
    }
}
