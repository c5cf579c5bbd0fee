//! Values of a file's keys.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Entry, Place, Problem, Value, parse_duration, unknown};

const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A table of a file.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) place: Option<Place>,
    pub(crate) entries: Vec<Entry>,
}

impl Read {
    /// The entry of that key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Where the value of that key stands, or the table.
    pub(crate) fn place_of(&self, key: &str) -> Option<Place> {
        self.get(key).map_or(self.place, |entry| entry.place)
    }

    /// What `read` makes of the key's value; what is wrong with it is a problem.
    pub(crate) fn take<'a, T>(
        &'a self,
        key: &str,
        problems: &mut Vec<Problem>,
        read: impl FnOnce(&'a Entry) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.get(key)?;
        match read(entry) {
            Ok(value) => Some(value),
            Err(message) => {
                problems.push(Problem::new(entry.place, format!("{key}: {message}")));
                None
            }
        }
    }

    /// Says of each key that is not among `known` which is meant.
    pub(crate) fn check_keys(&self, known: &[&str], problems: &mut Vec<Problem>) {
        let others = self.entries.iter().filter(|entry| !known.contains(&&*entry.key));
        problems.extend(others.map(|entry| Problem::new(entry.key_place, unknown(&entry.key, known))));
    }
}

/// The tables of `[[key]]`.
pub(super) fn list_of_tables(entry: &Entry, problems: &mut Vec<Problem>) -> Result<Vec<Read>, String> {
    let brackets = || entry.must_be(&format!("a list of tables: [[{}]] with two brackets", entry.key));
    let Value::List(list) = &entry.value else { return Err(brackets()) };
    let mut tables = Vec::new();
    for (place, value) in list {
        match value {
            Value::Table(entries) => tables.push(Read { place: Some(*place), entries: entries.clone() }),
            other => {
                let message = format!("{}: must be a table, and is {}", entry.key, other.what());
                problems.push(Problem::new(Some(*place), message));
            }
        }
    }
    Ok(tables)
}

/// A text; a number in its place is none.
pub(crate) fn text(entry: &Entry) -> Result<&str, String> {
    match &entry.value {
        Value::Text(text) => Ok(text),
        _ => Err(entry.must_be("a text")),
    }
}

pub(crate) fn truth(entry: &Entry) -> Result<bool, String> {
    match &entry.value {
        Value::Number(word) if word == "true" => Ok(true),
        Value::Number(word) if word == "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

pub(crate) fn whole(entry: &Entry, least: u64, most: u64) -> Result<u64, String> {
    let number = entry.value.scalar().and_then(|text| text.parse().ok());
    let says = || format!("must be a whole number from {least} to {most}");
    number.filter(|number| (least..=most).contains(number)).ok_or_else(says)
}

/// A finite number.
pub(super) fn number(entry: &Entry) -> Result<f64, String> {
    let number = entry.value.scalar().and_then(|text| text.replace('_', "").parse::<f64>().ok());
    number.filter(|number| number.is_finite()).ok_or_else(|| "must be a number".to_owned())
}

/// A time from 0 to 30 days.
pub(crate) fn time(entry: &Entry) -> Result<Duration, String> {
    let text = entry.value.scalar().ok_or_else(|| entry.must_be("a time such as \"2m\""))?;
    parse_duration(text, Duration::ZERO..=LONGEST, "must be at most 720h (30 days)")
}

pub(crate) fn texts(entry: &Entry) -> Result<Vec<Arc<str>>, String> {
    let Value::List(list) = &entry.value else { return Err(entry.must_be("a list of texts")) };
    let item = |(_, value): &(Place, Value)| match value {
        Value::Text(text) => Ok(text.as_str().into()),
        other => Err(format!("must be a list of texts, and {} is in it", other.what())),
    };
    list.iter().map(item).collect()
}

/// A name and its text.
pub(crate) type Pair = (Arc<str>, Arc<str>);

/// Names and texts, such as labels.
pub(crate) fn pairs(entry: &Entry) -> Result<Vec<Pair>, String> {
    let Value::Table(table) = &entry.value else {
        return Err(entry.must_be("a table such as { team = \"gpu\" }"));
    };
    let pair = |entry: &Entry| {
        let text = text(entry).map_err(|message| format!("{}: {message}", entry.key))?;
        Ok((entry.key.as_str().into(), text.into()))
    };
    table.iter().map(pair).collect()
}
