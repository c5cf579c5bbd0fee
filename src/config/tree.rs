//! A configuration file as a tree of values that know where they stand.

use serde::Serialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where something stands in a file: line and column, in characters, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// What is wrong with what was asked for, and what would be right. No value is quoted that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where it stands; `None` for a flag, or the file as a whole.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl Problem {
    /// Makes one.
    pub fn new(place: Option<Place>, message: impl Into<String>) -> Problem {
        Problem { place, message: message.into() }
    }
}

/// A key, its value, and where they stand; nowhere, if they come from a flag.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_place: Option<Place>,
    /// Where the value stands.
    pub place: Option<Place>,
    /// The value.
    pub value: Value,
}

impl Entry {
    /// A text; a number in its place gets the remedy of who needs it.
    pub fn text(&self) -> Result<&str, String> {
        self.value.scalar().ok_or_else(|| self.must_be("a text"))
    }

    /// What is wrong with a value of another kind.
    pub fn must_be(&self, what: &str) -> String {
        format!("must be {what}, and is {}", self.value.what())
    }
}

/// A value. Its `Debug` shows none: some are secrets.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number, or a truth value, as it is written.
    Number(String),
    /// Keys with values.
    Table(Vec<Entry>),
    /// Values.
    List(Vec<(Place, Value)>),
}

impl PartialEq for Entry {
    /// Wherever they stand.
    fn eq(&self, other: &Entry) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what())
    }
}

impl Value {
    /// What it is.
    pub fn what(&self) -> &'static str {
        match self {
            Value::Text(_) => "a text",
            Value::Number(_) => "a number or truth value",
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
        }
    }

    /// A text, number or truth value as an option's value.
    pub fn scalar(&self) -> Option<&str> {
        match self {
            Value::Text(text) | Value::Number(text) => Some(text),
            Value::Table(_) | Value::List(_) => None,
        }
    }
}

/// Reads a file's text; what cannot be read of it is in `problems`, each with its place, and the rest is returned.
pub fn parse(text: &str, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let (table, errors) = DeTable::parse_recoverable(text);
    // Its own text quotes the line.
    let problem = |error: &toml::de::Error| {
        let place = error.span().map(|span| place(text, span.start));
        Problem::new(place, format!("this is not TOML: {}", error.message()))
    };
    problems.extend(errors.iter().map(problem));
    entries(text, table.get_ref())
}

fn entries(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &Spanned<std::borrow::Cow<'_, str>> = key;
        Entry {
            key: key.get_ref().to_string(),
            key_place: Some(place(text, key.span().start)),
            place: Some(place(text, value.span().start)),
            value: self::value(text, value.get_ref()),
        }
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_place);
    entries
}

fn value(text: &str, value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix());
            Value::Number(decimal.map_or_else(|_| number.to_string(), |number| number.to_string()))
        }
        DeValue::Float(number) => Value::Number(number.to_string()),
        DeValue::Boolean(truth) => Value::Number(truth.to_string()),
        DeValue::Datetime(time) => Value::Number(time.to_string()),
        DeValue::Array(list) => {
            let item =
                |item: &Spanned<DeValue<'_>>| (place(text, item.span().start), self::value(text, item.get_ref()));
            Value::List(list.iter().map(item).collect())
        }
        DeValue::Table(table) => Value::Table(entries(text, table)),
    }
}

fn place(text: &str, at: usize) -> Place {
    let before = &text.as_bytes()[..at.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    Place { line, column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_where_it_stands() {
        let text = "service = \"ä\" \nother = [1,\n  true]\n[[publish]]\nurl = \"x\"\nspool = { path = 'p' }\n";
        let mut problems = Vec::new();
        let entries = parse(text, &mut problems);
        assert_eq!(problems, []);
        let keys: Vec<&str> = entries.iter().map(|entry| &*entry.key).collect();
        assert_eq!(keys, ["service", "other", "publish"], "in the order of the file");
        let at = |line, column| Some(Place { line, column });
        assert_eq!((entries[0].key_place, entries[0].place), (at(1, 1), at(1, 11)));
        let Value::List(list) = &entries[1].value else { panic!("{:?}", entries[1].value) };
        assert_eq!(list[1], (Place { line: 3, column: 3 }, Value::Number("true".into())));
        let Value::List(list) = &entries[2].value else { panic!("{:?}", entries[2].value) };
        let Value::Table(table) = &list[0].1 else { panic!("{list:?}") };
        let Value::Table(spool) = &table[1].value else { panic!("{table:?}") };
        assert_eq!((&*spool[0].key, spool[0].place), ("path", at(6, 18)));
    }

    #[test]
    fn each_error_of_the_syntax_has_its_place_and_quotes_nothing() {
        let mut problems = Vec::new();
        let entries = parse("a = hunter2\nb = \"x\"\nb = \"hunter2\"\nc = 7\n", &mut problems);
        assert!(problems.len() >= 2, "{problems:?}");
        assert_eq!(problems[0].place, Some(Place { line: 1, column: 5 }));
        assert!(problems.iter().any(|p| p.place.is_some_and(|place| place.line == 3)), "{problems:?}");
        assert!(!format!("{problems:?} {entries:?}").contains("hunter2"));
        assert!(entries.iter().any(|entry| entry.key == "c"), "the rest is read: {entries:?}");
    }
}
