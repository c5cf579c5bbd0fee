//! What somebody meant who wrote a name that there is not.

/// Says that there is no such key, and which is like it, or which there are.
pub fn unknown(key: &str, known: &[impl AsRef<str>]) -> String {
    match nearest(key, known) {
        Some(meant) => format!("there is no key {key}: is {meant} meant?"),
        None => {
            let all = known.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
            format!("there is no key {key}: there are {all}")
        }
    }
}

/// Returns the one of `known` that differs from `name` least, by a third of its letters at most.
pub fn nearest<'a>(name: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let all = known.iter().map(|known| (edits(name, known.as_ref()), known.as_ref()));
    let (edits, nearest) = all.min_by_key(|(edits, _)| *edits)?;
    (edits <= nearest.len().max(3) / 3).then_some(nearest)
}

/// Letters to insert, remove or exchange to make one of the other, as Levenshtein counts.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant_or_none() {
        let known = ["interval", "queue_bytes", "queue_age", "url"];
        assert_eq!(nearest("intervall", &known), Some("interval"));
        assert_eq!(nearest("queue-bytes", &known), Some("queue_bytes"));
        assert_eq!(nearest("uri", &known), Some("url"));
        assert_eq!(nearest("compression", &known), None);
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!((edits("", "ab"), edits("ab", "")), (2, 2));
        assert!(unknown("xyz", &known).ends_with("there are interval, queue_bytes, queue_age, url"));
    }
}
