//! One `[[silence]]`.

use super::read::{Read, pairs, text};
use super::time;
use crate::alert::pattern::Matcher;
use crate::alert::silence::Silence;
use crate::config::{Entry, Problem};

const KEYS: &[&str] = &["match", "from", "until", "comment"];

/// Reads one; `None`, where something is wrong with it.
pub(super) fn silence(table: &Read, problems: &mut Vec<Problem>) -> Option<Silence> {
    table.check_keys(KEYS, problems);
    let before = problems.len();
    let mut silence = Silence::new(table.take("comment", problems, text).unwrap_or_default());
    silence.matchers = table.take("match", problems, matchers).unwrap_or_default();
    silence.from = table.take("from", problems, time::time);
    silence.until = table.take("until", problems, time::time);
    if let (Some(from), Some(until)) = (silence.from, silence.until)
        && until <= from
    {
        problems.push(Problem::new(table.place_of("until"), "until: must be later than from"));
    }
    if table.get("match").is_none() && table.get("until").is_none() {
        let message = "this silence is of all alerts for ever: add match = { rule = \"…\" }, or until";
        problems.push(Problem::new(table.place, message));
    }
    (problems.len() == before).then_some(silence)
}

/// Labels with patterns.
pub(crate) fn matchers(entry: &Entry) -> Result<Vec<Matcher>, String> {
    Ok(pairs(entry)?.into_iter().map(|(name, value)| Matcher::new(name, value)).collect())
}
