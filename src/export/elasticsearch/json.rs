//! Documents as JSON, field by field: names with dots in them are fields of objects to Elasticsearch.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// The most of a text that a document has, in bytes: one text makes no document that nobody takes.
const MOST_TEXT: usize = 16 << 10;
/// The most of a name that nobody has checked.
const MOST_NAME: usize = 255;
/// The largest whole number of Elasticsearch's type `long`.
const MOST_LONG: u64 = i64::MAX as u64;

/// The fields of one document, between its braces.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) bytes: Vec<u8>,
}

impl Fields {
    /// Begins a field of that name, in parts.
    pub(super) fn name(&mut self, parts: &[&str]) {
        if !self.bytes.is_empty() {
            self.bytes.push(b',');
        }
        self.bytes.push(b'"');
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part.as_bytes()));
        self.bytes.extend_from_slice(b"\":");
    }

    pub(super) fn text(&mut self, parts: &[&str], text: &str) {
        self.name(parts);
        push(&mut self.bytes, start_of(text));
    }

    /// A whole number, as `long` has it: what is larger is the largest.
    pub(super) fn count(&mut self, parts: &[&str], count: u64) {
        self.name(parts);
        push(&mut self.bytes, &count.min(MOST_LONG));
    }

    /// Any number, with a decimal point, so that it is a `double` in the first document too. One that is not finite is no
    /// number to JSON, and left out.
    pub(super) fn real(&mut self, parts: &[&str], value: f64) {
        if value.is_finite() {
            self.name(parts);
            push(&mut self.bytes, &value);
        }
    }

    pub(super) fn time(&mut self, parts: &[&str], time: SystemTime) {
        self.name(parts);
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(date_nanos(time).as_bytes());
        self.bytes.push(b'"');
    }

    /// A field of type `histogram`: values, which ascend, and how many there are of each.
    pub(super) fn histogram(
        &mut self,
        parts: &[&str],
        values: impl Iterator<Item = f64>,
        counts: impl Iterator<Item = u64>,
    ) {
        self.name(parts);
        self.list(b"{\"values\":[", values);
        self.list(b"],\"counts\":[", counts.map(|count| count.min(MOST_LONG)));
        self.bytes.extend_from_slice(b"]}");
    }

    fn list<T: Serialize>(&mut self, before: &[u8], items: impl Iterator<Item = T>) {
        self.bytes.extend_from_slice(before);
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.bytes.push(b',');
            }
            push(&mut self.bytes, &item);
        }
    }

    /// Texts by names that may be any: `prefix` and what is left of the name when it has neither dots nor anything else
    /// that means something in a field's name.
    pub(super) fn named<'a>(&mut self, prefix: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut taken: Vec<String> = Vec::new();
        for (name, value) in pairs {
            let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
            let mut plain: String = plain.take(MOST_NAME).collect();
            while plain.is_empty() || taken.contains(&plain) {
                plain.push('_');
            }
            self.text(&[prefix, &plain], value);
            taken.push(plain);
        }
    }

    /// A field of type `flattened`: texts by names that may be any, all of them in one field.
    pub(super) fn flattened<'a>(&mut self, parts: &[&str], pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        self.name(parts);
        self.bytes.push(b'{');
        for (i, (name, value)) in pairs.enumerate() {
            if i > 0 {
                self.bytes.push(b',');
            }
            push(&mut self.bytes, name);
            self.bytes.push(b':');
            push(&mut self.bytes, start_of(value));
        }
        self.bytes.push(b'}');
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn push<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    // Numbers and texts can be written, and a Vec takes all.
    let _ = serde_json::to_writer(bytes, value);
}

fn start_of(text: &str) -> &str {
    let end = (0..=text.len().min(MOST_TEXT)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// `2026-11-22T03:04:05.000000006Z`; the type `date_nanos` begins in 1970 and ends in 2262.
pub(super) fn date_nanos(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(i64::MAX as u64 / 1_000_000_000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let nanos = since.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// The Gregorian date that many days after the first of January 1970. Years begin in March here, so that a leap day is the
/// last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since the first of March of the year 0
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153; // 0 is March
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month < 3), month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_dates_to_the_nanosecond() {
        for (seconds, nanos, date) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_399, 5, "2000-02-28T23:59:59.000000005Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000000000Z"),
            (1_795_316_645, 123_456_789, "2026-11-22T03:04:05.123456789Z"),
            (4_102_444_799, 0, "2099-12-31T23:59:59.000000000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(date_nanos(UNIX_EPOCH + Duration::new(seconds, nanos)), date);
        }
        assert_eq!(date_nanos(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn any_name_and_any_text_make_one_line_of_json_that_says_the_same() {
        let mut fields = Fields::default();
        let pairs = [("a.b", "1\n2"), ("a_b", "\"\u{0}\u{2028}"), ("..", "ü"), ("", "none")];
        fields.named("labels.", pairs.into_iter());
        fields.flattened(&["all"], pairs.into_iter());
        fields.real(&["nan"], f64::NAN);
        fields.real(&["one"], 1.0);
        fields.count(&["most"], u64::MAX);
        fields.text(&["long"], &"€".repeat(MOST_TEXT));
        let text = format!("{{{}}}", String::from_utf8(fields.bytes).expect("UTF-8"));
        assert!(!text.contains('\n'));
        assert!(text.contains("\"one\":1.0,"), "a double in every document: {text:.200}");
        let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read["labels.a_b"], "1\n2");
        assert_eq!(read["labels.a_b_"], "\"\u{0}\u{2028}");
        assert_eq!((&read["labels.__"], &read["labels._"]), (&"ü".into(), &"none".into()));
        assert_eq!(read["all"]["a.b"], "1\n2");
        assert_eq!(read["most"], i64::MAX);
        assert_eq!(read.get("nan"), None);
        assert_eq!(read["long"].as_str().map(str::len), Some(MOST_TEXT / 3 * 3));
    }
}
