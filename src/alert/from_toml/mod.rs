//! Rules from TOML: everything that is wrong with a file, each thing with line, key and remedy.

mod read;
mod rule;
mod silence;
mod time;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rules::Rules;
use crate::config::{Entry, Problem, Value, parse, unknown};

pub(crate) use self::read::{Read, text, texts, time as duration, whole};
use self::read::{list_of_tables, truth};
pub(crate) use self::rule::severity;
pub(crate) use self::silence::matchers;

/// Keys of a file outside of its tables.
pub(crate) const TOP: &[&str] = &[
    "ready_made",
    "group_by",
    "group_wait",
    "group_interval",
    "repeat",
    "alerts_per_rule",
    "labels",
    "rule",
    "silence",
    "notify",
];
/// The most that a file may set.
const MOST_ALERTS: u64 = 100_000;
const MOST_RULES: usize = 1000;

/// What is wrong with a file of rules: each thing on a line of its own, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesError {
    file: Option<PathBuf>,
    problems: Vec<Problem>,
}

impl RulesError {
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        RulesError { file: None, problems }
    }

    /// Names the file in front of each line.
    pub fn of_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Returns a sentence for each thing that is wrong, `FILE:LINE:COLUMN: ` in front of it.
    pub fn lines(&self) -> Vec<String> {
        let file = self.file.as_ref().map(|file| format!("{}:", file.display())).unwrap_or_default();
        let line = |problem: &Problem| match problem.place {
            Some(place) => format!("{file}{}:{}: {}", place.line, place.column, problem.message),
            None if file.is_empty() => problem.message.clone(),
            None => format!("{file} {}", problem.message),
        };
        self.problems.iter().map(line).collect()
    }

    #[doc(hidden)]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for RulesError {}

impl Rules {
    /// Reads rules and silences from TOML. Tables `[[notify]]`, which say who is told, are read by
    /// [`Alerting`](crate::publish::Alerting) and passed over here.
    ///
    /// ```
    /// use ringscope::alert::Rules;
    ///
    /// let rules = Rules::from_toml(
    ///     r#"
    ///     [[rule]]
    ///     name = "SlowMessages"
    ///     kind = "p99"
    ///     kernel = "worker_*"
    ///     above = "100ms"
    ///     hold = "2m"
    ///     severity = "critical"
    ///     "#,
    /// )?;
    /// assert_eq!(rules.get("SlowMessages").unwrap().threshold(), 0.1);
    ///
    /// let error = Rules::from_toml("[[rule]]\nkind = \"p99\"\nabov = \"100ms\"").unwrap_err();
    /// assert_eq!(error.lines()[1], "3:1: there is no key abov: is above meant?");
    /// # Ok::<(), ringscope::alert::RulesError>(())
    /// ```
    ///
    /// # Errors
    /// [`RulesError`] with everything that is wrong.
    pub fn from_toml(text: &str) -> Result<Rules, RulesError> {
        let mut problems = Vec::new();
        let rules = read(text, &mut problems).rules;
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(rules) } else { Err(RulesError::new(problems)) }
    }

    /// Reads the file, as [`from_toml`](Self::from_toml) does its text.
    ///
    /// # Errors
    /// [`RulesError`] with everything that is wrong, or why it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Rules, RulesError> {
        let path = path.as_ref();
        let unreadable = |error| RulesError::new(vec![Problem::new(None, format!("cannot be read: {error}"))]);
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error).of_file(path))?;
        Rules::from_toml(&text).map_err(|error| error.of_file(path))
    }
}

/// What a file has.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) rules: Rules,
    /// Its tables `[[notify]]` as they are.
    pub(crate) notify: Vec<Read>,
    /// Labels of all alerts that leave the process.
    pub(crate) labels: Vec<(Arc<str>, Arc<str>)>,
}

/// Reads a file's text; what is wrong is in `problems`.
pub(crate) fn read(text: &str, problems: &mut Vec<Problem>) -> Contents {
    let mut contents = Contents::default();
    let Contents { rules, notify, labels } = &mut contents;
    let mut own = Vec::new();
    for entry in parse(text, problems) {
        let result = match entry.key.as_str() {
            "ready_made" => truth(&entry).map(|wanted| {
                if wanted {
                    *rules = std::mem::take(rules).with(Rules::ready_made());
                }
            }),
            "labels" => rule::labels(&entry).map(|read| *labels = read),
            "group_by" => texts(&entry).map(|labels| rules.telling.group_by = labels),
            "group_wait" => duration(&entry).map(|time| rules.telling.wait = time),
            "group_interval" => duration(&entry).map(|time| rules.telling.interval = time),
            "repeat" => duration(&entry).map(|time| rules.telling.repeat = time),
            "alerts_per_rule" => whole(&entry, 1, MOST_ALERTS).map(|most| rules.most_alerts = most as usize),
            "rule" => list_of_tables(&entry, problems).map(|tables| own = tables),
            "silence" => list_of_tables(&entry, problems).map(|tables| {
                rules.silences.extend(tables.iter().filter_map(|table| silence::silence(table, problems)));
            }),
            "notify" => list_of_tables(&entry, problems).map(|tables| *notify = tables),
            key => {
                problems.push(Problem::new(entry.key_place, unknown_at_the_top(key)));
                Ok(())
            }
        };
        if let Err(message) = result {
            problems.push(Problem::new(entry.place, format!("{}: {message}", entry.key)));
        }
    }
    if own.len() > MOST_RULES {
        let message =
            format!("there are {} rules, and at most {MOST_RULES} are taken: use patterns of names", own.len());
        problems.push(Problem::new(own[MOST_RULES].place, message));
        own.truncate(MOST_RULES);
    }
    for table in &own {
        if let Some(rule) = rule::rule(table, problems) {
            if rules.get(&rule.name).is_some() {
                let message = format!("there is another rule {}: name = \"…\" tells them apart", rule.name);
                problems.push(Problem::new(table.place_of("name"), message));
            }
            *rules = std::mem::take(rules).rule(rule);
        }
    }
    contents
}

/// Settings of a rule that stand before the first `[[rule]]` are a common mistake.
fn unknown_at_the_top(key: &str) -> String {
    match rule::KEYS.contains(&key) {
        true => format!("{key} is of a rule: put it below a line [[rule]]"),
        false => unknown(key, TOP),
    }
}

/// Whether a file is one of rules, and not one of destinations.
#[doc(hidden)]
pub fn is_rules_file(entries: &[Entry]) -> bool {
    let is_rules = |entry: &Entry| TOP.contains(&&*entry.key);
    entries.iter().any(is_rules)
        && !entries.iter().any(|entry| matches!((&*entry.key, &entry.value), ("publish", Value::List(_))))
}
