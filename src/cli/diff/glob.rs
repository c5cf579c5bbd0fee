//! Patterns for names: `*` is any text, `?` any character, all else is itself.

/// Whether the name is of that pattern. The time that it takes is at most the product of their lengths.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut in_name) = (0, 0);
    // The last star, and what of the name it stands for so far.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match &mut star {
                Some((star, until)) => {
                    *until += 1;
                    (at, in_name) = (*star + 1, *until);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, name, matching) in [
            ("worker_*", "worker_12", true),
            ("worker_*", "my worker_1", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "é", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("*_0", "worker_0", true),
            ("w[0]", "w[0]", true),
        ] {
            assert_eq!(matches(pattern, name), matching, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(30), &"a".repeat(29)), "and not in exponential time");
    }
}
