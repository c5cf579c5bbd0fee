//! `ringscope check` of a file of rules.

use std::path::Path;

use ringscope::alert::is_rules_file;
use ringscope::config::{Problem, parse};
use ringscope::publish::AlertingFile;
use serde::Serialize;

use crate::cli::publish::plan;
use crate::cli::term::terminal::{self, OutputError};
use crate::cli::term::text::{Style, Text, plain, styled};

/// `--json`.
#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    file: String,
    rules: Vec<Rule>,
    silences: usize,
    notify: Vec<String>,
    problems: &'a [Problem],
}

#[derive(Serialize)]
struct Rule {
    name: String,
    severity: &'static str,
    when: String,
}

/// Whether the file is one of rules, and not one of destinations; one that cannot be read is none.
pub fn is_of_rules(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    is_rules_file(&parse(&text, &mut Vec::new()))
}

/// Whether it can be used; says what is wrong with it, or what it would do.
pub fn check(path: &Path, json: bool) -> Result<bool, OutputError> {
    let read = super::read(path);
    let (file, problems) = match &read {
        Ok(file) => (Some(file), &[][..]),
        Err(error) => (None, error.problems()),
    };
    if json {
        terminal::print_json(&document(path, file, problems))?;
    } else if let Some(file) = file {
        terminal::print_lines(&good(file))?;
    } else {
        plan::lines(Some(path), problems).iter().for_each(|line| terminal::say_error(line));
    }
    Ok(file.is_some())
}

fn rules(file: &AlertingFile) -> impl Iterator<Item = Rule> + '_ {
    let rule = |rule: &ringscope::alert::Rule| Rule {
        name: rule.name().to_owned(),
        severity: rule.severity_of().name(),
        when: rule.to_string(),
    };
    file.rules.iter().map(rule)
}

fn notified(file: &AlertingFile) -> Vec<String> {
    let logs = file.logs.iter().map(|_| "alerts-log".to_owned());
    file.notifiers.iter().map(|notifier| notifier.name().to_owned()).chain(logs).collect()
}

fn document<'a>(path: &Path, file: Option<&AlertingFile>, problems: &'a [Problem]) -> Document<'a> {
    Document {
        ok: file.is_some(),
        file: path.display().to_string(),
        rules: file.into_iter().flat_map(rules).collect(),
        silences: file.map_or(0, |file| file.rules.silences().len()),
        notify: file.map(notified).unwrap_or_default(),
        problems,
    }
}

fn good(file: &AlertingFile) -> Vec<Text> {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (count, silences) = (file.rules.iter().count(), file.rules.silences().len());
    let told = match notified(file) {
        names if names.is_empty() => "nobody is notified".to_owned(),
        names => format!("notified: {}", names.join(", ")),
    };
    let first = format!("{}, {}; {told}", counted(count, "rule"), counted(silences, "silence"));
    let mut lines = vec![Text::from(vec![styled(Style::Good, "ok: "), plain(&first)])];
    for rule in rules(file) {
        let when = format!(" ({}): {}", rule.severity, rule.when);
        lines.push(Text::from(vec![styled(Style::Bold, &rule.name), plain(&when)]));
    }
    lines
}
