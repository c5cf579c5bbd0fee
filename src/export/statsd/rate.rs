//! Weights of values, as sample rates that a receiver counts exactly.
//!
//! A receiver counts a value with the rate `r` as `trunc(1 / r)` values, in doubles. Of most counts `n` the nearest double to
//! `1 / n` gives `n` again; of others it gives a little less, and the double below it does. Near 2^53 there are counts for which
//! no double does: they are sent in parts.

use std::fmt::Write as _;

/// How many values a receiver counts for a rate.
#[cfg(test)]
fn counted(rate: f64) -> f64 {
    (1.0 / rate).trunc()
}

/// The rate that a receiver counts as `count`: where there is one, without cutting anything off.
fn exact_rate(count: u64) -> Option<f64> {
    let wanted = count as f64;
    if count == 0 || count > 1 << 53 {
        return None;
    }
    let nearest = 1.0 / wanted;
    let candidates = [nearest, nearest.next_down(), nearest.next_up()];
    let whole = candidates.into_iter().find(|rate| 1.0 / rate == wanted);
    whole.or_else(|| candidates.into_iter().find(|rate| (1.0 / rate).trunc() == wanted))
}

/// Rates that together are counted as `count`.
pub(super) fn weights(count: u64) -> impl Iterator<Item = f64> {
    let mut rest = vec![count];
    std::iter::from_fn(move || {
        loop {
            match rest.pop()? {
                0 => {}
                count => match exact_rate(count) {
                    Some(rate) => return Some(rate),
                    // Of 1 there is one, so that this ends.
                    None => rest.extend([count / 2, count - count / 2]),
                },
            }
        }
    })
}

/// Writes a rate in plain decimals, all digits of it: receivers have parsers that know no exponents.
pub(super) fn push_rate(line: &mut String, rate: f64) {
    // Writing to a String does not fail.
    let _ = write!(line, "{rate}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a receiver counts for the text of all weights.
    fn read_back(count: u64) -> (u64, usize) {
        let read = |rate: f64| {
            let mut text = String::new();
            push_rate(&mut text, rate);
            assert!(text.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{text}");
            let rate = text.parse::<f64>().expect("a number");
            assert!(rate > 0.0 && rate <= 1.0, "{text}");
            counted(rate) as u64
        };
        let counts: Vec<u64> = weights(count).map(read).collect();
        (counts.iter().sum(), counts.len())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_a_receiver_counts_is_what_was_counted(count in 0u64..=1 << 53, shift in 0u32..53) {
            for count in [count, count >> shift] {
                let (counted, parts) = read_back(count);
                prop_assert_eq!(counted, count);
                prop_assert!(parts <= 2, "{} parts of {}", parts, count);
            }
        }
    }

    #[test]
    fn counts_up_to_a_hundred_thousand_and_around_powers_of_two_are_one_line_each() {
        let around = (0..53).flat_map(|k| [(1u64 << k).saturating_sub(1).max(1), 1 << k, (1 << k) + 1]);
        for count in (1..=100_000).chain(around.filter(|n| *n < 1 << 51)) {
            assert_eq!(read_back(count), (count, 1), "{count}");
        }
        assert_eq!(read_back(0), (0, 0));
        assert_eq!(read_back(u64::MAX).0, u64::MAX);
    }

    #[test]
    fn the_nearest_double_alone_would_be_wrong() {
        let wrong = (1..1000u64).find(|n| counted(1.0 / *n as f64) != *n as f64).expect("one of them");
        assert_eq!((wrong, read_back(wrong).0), (93, 93));
    }
}
