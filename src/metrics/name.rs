//! What metrics and labels may be called: what is valid in Prometheus and in OpenTelemetry without translation.

use super::error::MetricError;
use super::kind::MetricKind;

/// Longest name of a metric, a unit or a label, in bytes: OpenTelemetry's limit for metrics.
pub const MAX_NAME_BYTES: usize = 255;
/// Longest value of a label, in bytes.
pub const MAX_LABEL_VALUE_BYTES: usize = 1024;
/// Most labels of a metric.
pub const MAX_LABELS: usize = 32;

/// What the names of ringscope's own families begin with on a page for Prometheus.
const OURS: [&str; 2] = ["ringscope_", "telemetry_"];

/// The families that ringscope itself exports under names without such a beginning: those of operations.
const OURS_BY_NAME: [(&str, MetricKind); 11] = [
    ("event", MetricKind::Counter),
    ("event_running", MetricKind::Gauge),
    ("event_retries", MetricKind::Counter),
    ("event_duration_seconds", MetricKind::Histogram),
    ("event_duration_nanoseconds", MetricKind::Histogram),
    ("network_operations", MetricKind::Counter),
    ("network_operations_running", MetricKind::Gauge),
    ("network_sent_bytes", MetricKind::Counter),
    ("network_received_bytes", MetricKind::Counter),
    ("network_latency_seconds", MetricKind::Histogram),
    ("network_latency_nanoseconds", MetricKind::Histogram),
];

/// The family of ringscope's own whose series have that name.
pub(super) fn ours_with_sample(name: &str) -> Option<&'static str> {
    let has = |(family, kind): &&(&'static str, MetricKind)| sample_names(family, *kind).iter().any(|own| own == name);
    OURS_BY_NAME.iter().find(has).map(|(family, _)| *family)
}

/// What a counter's series are called where they are exported ends so; its family is called without.
const TOTAL: &str = "_total";

/// The name of a counter's family, given that or its series' name.
pub(super) fn without_total(name: &str) -> &str {
    name.strip_suffix(TOTAL).unwrap_or(name)
}

/// The name that a metric is kept under.
pub(super) fn family_name(name: &str, kind: MetricKind) -> &str {
    if kind == MetricKind::Counter { without_total(name) } else { name }
}

/// Letters, digits and `_` after a letter: what Prometheus (`[a-zA-Z_:][a-zA-Z0-9_:]*`) and OpenTelemetry (a letter
/// first, then letters, digits and `_.-/`) both take.
pub(super) fn check_name(name: &str) -> Result<(), MetricError> {
    let why = match name.as_bytes() {
        [] => "is empty: use letters, digits and _, a letter first",
        [first, ..] if !first.is_ascii_alphabetic() => "does not begin with a letter: put a letter first",
        rest if !rest.iter().all(is_word) => "has other characters than letters, digits and _: replace them with _",
        long if long.len() > MAX_NAME_BYTES => "is longer than 255 bytes: shorten it",
        ours if OURS.iter().any(|prefix| ours.starts_with(prefix.as_bytes())) => {
            "begins with ringscope_ or telemetry_, as what ringscope itself exports does: choose another prefix"
        }
        _ => return Ok(()),
    };
    Err(MetricError::BadName { name: start_of(name), why })
}

/// OpenMetrics: a metric with a unit is called `…_<unit>`.
pub(super) fn check_unit(name: &str, unit: &str) -> Result<(), MetricError> {
    let bad = unit.is_empty() || !unit.bytes().all(|b| is_word(&b));
    if bad || !name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_')) {
        return Err(MetricError::BadUnit { metric: name.to_owned(), unit: start_of(unit) });
    }
    Ok(())
}

pub(super) fn check_label(metric: &str, label: &str, kind: MetricKind) -> Result<(), MetricError> {
    let why = match label.as_bytes() {
        [] => "is empty: use letters, digits and _, a letter first",
        [first, ..] if first.is_ascii_digit() => "begins with a digit: put a letter first",
        rest if !rest.iter().all(is_word) => "has other characters than letters, digits and _: replace them with _",
        [b'_', b'_', ..] => "begins with __, which Prometheus keeps to itself: choose another prefix",
        b"le" | b"quantile" if kind == MetricKind::Histogram => "is that of a histogram's own label: choose another",
        long if long.len() > MAX_NAME_BYTES => "is longer than 255 bytes: shorten it",
        _ => return Ok(()),
    };
    Err(MetricError::BadLabel { metric: metric.to_owned(), label: start_of(label), why })
}

pub(super) fn check_label_value(metric: &str, label: &str, value: &str) -> Result<(), MetricError> {
    if value.len() > MAX_LABEL_VALUE_BYTES {
        let (metric, label) = (metric.to_owned(), label.to_owned());
        let (bytes, limit) = (value.len(), MAX_LABEL_VALUE_BYTES);
        return Err(MetricError::LabelValueTooLong { metric, label, bytes, limit });
    }
    Ok(())
}

/// The names under which a metric appears in Prometheus's text: no other may have one of them.
pub(super) fn sample_names(family: &str, kind: MetricKind) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        MetricKind::Counter => &["", TOTAL, "_created"],
        MetricKind::Gauge => &[""],
        MetricKind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
    };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Enough of a name to know it by.
fn start_of(name: &str) -> String {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_both_worlds() {
        for good in ["a", "cache_hits", "A9__x_", &"n".repeat(255)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "_a",
            ":a",
            "a:b",
            "9a",
            "a.b",
            "a-b",
            "a b",
            "größe",
            "a\n",
            "ringscope_x",
            "telemetry_x",
            &"n".repeat(256),
        ] {
            assert!(matches!(check_name(bad), Err(MetricError::BadName { .. })), "{bad}");
        }
    }

    #[test]
    fn each_refusal_has_the_remedy_for_it() {
        let name = |name: &str| check_name(name).unwrap_err().to_string();
        let label = |label: &str| check_label("m", label, MetricKind::Histogram).unwrap_err().to_string();
        let long = "n".repeat(256);
        let texts = [
            (name(""), "is empty: use letters, digits and _, a letter first"),
            (name("9a"), "put a letter first"),
            (name("a-b"), "replace them with _"),
            (name("ringscope_x"), "choose another prefix"),
            (name(&long), "shorten it"),
            (label(""), "is empty: use letters, digits and _, a letter first"),
            (label("9"), "put a letter first"),
            (label("a-b"), "replace them with _"),
            (label("__a"), "choose another prefix"),
            (label("le"), "choose another"),
            (label(&long), "shorten it"),
        ];
        for (text, remedy) in texts {
            assert!(text.ends_with(remedy), "{text}");
        }
    }

    #[test]
    fn labels_keep_clear_of_prometheus_own() {
        for good in ["a", "_a", "table", "le9"] {
            assert_eq!(check_label("m", good, MetricKind::Histogram), Ok(()), "{good}");
        }
        assert_eq!(check_label("m", "le", MetricKind::Counter), Ok(()));
        for bad in ["", "__a", "9", "a:b", "a-b", "le", "quantile", "ü", &"n".repeat(256)] {
            assert!(matches!(check_label("m", bad, MetricKind::Histogram), Err(MetricError::BadLabel { .. })), "{bad}");
        }
    }

    #[test]
    fn a_unit_is_the_end_of_the_name() {
        assert_eq!(check_unit("wait_seconds", "seconds"), Ok(()));
        assert_eq!(check_unit("cache_hit_ratio", "hit_ratio"), Ok(()));
        for (name, unit) in
            [("wait", "seconds"), ("seconds", "seconds"), ("waitseconds", "seconds"), ("wait_", ""), ("a_%", "%")]
        {
            assert!(matches!(check_unit(name, unit), Err(MetricError::BadUnit { .. })), "{name} {unit}");
        }
    }

    #[test]
    fn a_counter_is_known_with_and_without_total() {
        assert_eq!(family_name("hits_total", MetricKind::Counter), "hits");
        assert_eq!(family_name("hits", MetricKind::Counter), "hits");
        assert_eq!(family_name("hits_total", MetricKind::Gauge), "hits_total");
    }
}
