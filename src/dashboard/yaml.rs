//! YAML, as much of it as configurations and rules need: block style, comments, texts of several lines. What is not plainly a
//! text is quoted as in JSON, which is YAML too.

/// A node of a document.
pub(super) enum Yaml {
    Text(String),
    Bool(bool),
    /// `[a, b]`
    Flow(Vec<String>),
    List(Vec<Line>),
    Map(Vec<Line>),
}

/// A line of a list or a map, or what stands between two of them.
pub(super) enum Line {
    Item(Yaml),
    Pair(String, Yaml),
    /// Lines of a comment, without `#`.
    Comment(&'static str),
    Gap,
}

use Line::{Comment, Gap, Item, Pair};

impl From<&str> for Yaml {
    fn from(text: &str) -> Yaml {
        Yaml::Text(text.to_owned())
    }
}

impl From<String> for Yaml {
    fn from(text: String) -> Yaml {
        Yaml::Text(text)
    }
}

impl From<Vec<Line>> for Yaml {
    fn from(lines: Vec<Line>) -> Yaml {
        match lines.iter().any(|line| matches!(line, Item(_))) {
            true => Yaml::List(lines),
            false => Yaml::Map(lines),
        }
    }
}

/// `key: value`
pub(super) fn pair(key: &str, value: impl Into<Yaml>) -> Line {
    Pair(key.to_owned(), value.into())
}

/// `- value`
pub(super) fn item(value: impl Into<Yaml>) -> Line {
    Item(value.into())
}

/// `[a, b]`
pub(super) fn flow<T: Into<String>>(values: impl IntoIterator<Item = T>) -> Yaml {
    Yaml::Flow(values.into_iter().map(Into::into).collect())
}

/// The whole document.
pub(super) fn document(lines: Vec<Line>) -> String {
    let mut out = String::new();
    block(&lines, 0, &mut out);
    out
}

fn block(lines: &[Line], indent: usize, out: &mut String) {
    for line in lines {
        match line {
            Gap => out.push('\n'),
            Comment(text) => text.lines().for_each(|text| {
                out.push_str(format!("{:indent$}# {text}", "").trim_end());
                out.push('\n');
            }),
            Pair(key, value) => {
                out.push_str(&format!("{:indent$}{}:", "", scalar(key, true)));
                behind(value, indent, out);
            }
            Item(Yaml::Map(pairs)) => {
                let mut inside = String::new();
                block(pairs, indent + 2, &mut inside);
                out.push_str(&format!("{:indent$}- {}", "", inside.trim_start()));
            }
            Item(value) => {
                out.push_str(&format!("{:indent$}-", ""));
                behind(value, indent, out);
            }
        }
    }
}

/// What stands behind a key or a dash.
fn behind(value: &Yaml, indent: usize, out: &mut String) {
    match value {
        Yaml::Text(text) if text.contains('\n') && !text.starts_with(' ') => {
            out.push_str(" |-\n");
            let indent = indent + 2;
            text.lines().for_each(|line| out.push_str(&format!("{:indent$}{line}\n", "")));
        }
        Yaml::Text(text) => out.push_str(&format!(" {}\n", scalar(text, false))),
        Yaml::Bool(is) => out.push_str(&format!(" {is}\n")),
        Yaml::Flow(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| scalar(text, true)).collect();
            out.push_str(&format!(" [{}]\n", texts.join(", ")));
        }
        Yaml::List(lines) | Yaml::Map(lines) => {
            out.push('\n');
            block(lines, indent + 2, out);
        }
    }
}

/// Quoted unless nobody could take it for anything else.
fn scalar(text: &str, is_inside: bool) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || "_/.".contains(c) || c.is_ascii_digit());
    let is_number = text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o");
    let is_word = WORDS.contains(&text.to_lowercase().as_str());
    let has_marks = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let is_odd = text.chars().any(|c| c.is_control() || !c.is_ascii())
        || (is_inside && text.contains([',', '[', ']', '{', '}', ':', '#', '"']));
    match starts_well && !is_number && !is_word && !has_marks && !is_odd {
        true => text.to_owned(),
        false => serde_json::Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_something_else_is_quoted() {
        for plain in ["15s", "1m", "rules.yml", "sum by (job) (rate(a[5m])) > 0", "/etc/x", "a:b"] {
            assert_eq!(scalar(plain, false), plain);
        }
        for other in ["", "1.5", "0x1", "No", "a: b", "a #b", "{{ $value }}", "-", "- a", "*", "&a", "a:", "ü", "a\tb"]
        {
            assert_eq!(scalar(other, false), serde_json::Value::from(other).to_string());
        }
        assert_eq!(scalar("application:9464", true), "\"application:9464\"");
    }

    #[test]
    fn blocks_comments_and_texts_of_several_lines() {
        let list = vec![
            Comment("what\nthis is"),
            item(vec![pair("a", "1 + 1"), pair("b", "x\n  or y")]),
            Gap,
            item(vec![pair("c", flow(["x", "y:1"])), pair("d", vec![item("e"), item(vec![pair("f", "g")])])]),
        ];
        let expected = "top:\n  # what\n  # this is\n  - a: 1 + 1\n    b: |-\n      x\n        or y\n\n  - c: [x, \"y:1\"]\n    \
                        d:\n      - e\n      - f: g\nnine: \"2\"\nis: true\n";
        let top = vec![pair("top", list), pair("nine", "2"), pair("is", Yaml::Bool(true))];
        assert_eq!(document(top), expected);
    }
}
