//! Numbers as text, into a buffer that is there: as Prometheus writes them, and without the formatting machinery where
//! a page has thousands of them.

use std::fmt::Write as _;

/// `00` to `99`.
const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324252627282930313233343536373839\
40414243444546474849505152535455565758596061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// The last digits of `n` at the end of `digits`; where they begin. u64::MAX has 20.
fn digits_of(mut n: u64, digits: &mut [u8; 20]) -> usize {
    let mut at = digits.len();
    while n >= 100 {
        let pair = (n % 100) as usize * 2;
        n /= 100;
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[pair..pair + 2]);
    }
    if n >= 10 {
        at -= 2;
        digits[at..].as_mut()[..2].copy_from_slice(&PAIRS[n as usize * 2..n as usize * 2 + 2]);
    } else {
        at -= 1;
        digits[at] = b'0' + n as u8;
    }
    at
}

/// Digits are ASCII; there is no other text here.
fn push_ascii(out: &mut String, ascii: &[u8]) {
    out.push_str(std::str::from_utf8(ascii).unwrap_or_default());
}

/// A whole number.
pub(in crate::export) fn push_u64(out: &mut String, n: u64) {
    let mut digits = [0; 20];
    let at = digits_of(n, &mut digits);
    push_ascii(out, &digits[at..]);
}

/// Nanoseconds as seconds, every digit of them.
pub(in crate::export) fn push_nanos(out: &mut String, ns: u64) {
    push_u64(out, ns / 1_000_000_000);
    let fraction = ns % 1_000_000_000;
    if fraction > 0 {
        let mut digits = [b'0'; 20];
        digits_of(fraction, &mut digits);
        let last = digits.iter().rposition(|d| *d != b'0').unwrap_or(11);
        out.push('.');
        push_ascii(out, &digits[11..=last]);
    }
}

/// A double, which every parser reads back as the same one. The standard library's formatting takes three times as long.
pub(in crate::export) fn push_f64(out: &mut String, value: f64) {
    // Most gauges hold whole numbers, and below 2^53 these are exact. Minus zero keeps its sign.
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < 1 << 53 && (whole != 0 || value.to_bits() == 0) {
        if whole < 0 {
            out.push('-');
        }
        push_u64(out, whole.unsigned_abs());
    } else if value.is_finite() {
        out.push_str(zmij::Buffer::new().format_finite(value));
    } else {
        push_canonical(out, value);
    }
}

/// A double as Go's `%g` writes the shortest that reads back the same, so that a bucket's bound has the same text
/// whether Prometheus read it or wrote it.
pub(super) fn push_canonical(out: &mut String, value: f64) {
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        });
        return;
    }
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-4..1e6).contains(&magnitude) {
        // Writing to a String does not fail, here and below.
        let _ = write!(out, "{value}");
        return;
    }
    let start = out.len();
    let _ = write!(out, "{value:e}");
    // Rust writes 1e6 and 1e-7, Go 1e+06 and 1e-07.
    let Some(e) = out[start..].find('e').map(|at| start + at + 1) else { return };
    let (sign, digits) = match out[e..].strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', &out[e..]),
    };
    let exponent = format!("{sign}{digits:0>2}");
    out.truncate(e);
    out.push_str(&exponent);
}

/// As [`push_canonical`], and with a fraction where OpenMetrics wants one: `1.0`.
pub(in crate::export) fn push_openmetrics_bound(out: &mut String, value: f64) {
    let start = out.len();
    push_canonical(out, value);
    if value.is_finite() && !out[start..].contains(['.', 'e']) {
        out.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut String)) -> String {
        let mut out = String::from("x ");
        push(&mut out);
        out.split_off(2)
    }

    #[test]
    fn whole_numbers() {
        let mut n = 1u64;
        let powers = std::iter::from_fn(|| {
            n = n.checked_mul(10)?;
            Some(n)
        });
        for n in powers.flat_map(|n| [n - 1, n, n + 1]).chain([0, 1, u64::MAX]) {
            assert_eq!(text(|out| push_u64(out, n)), n.to_string());
        }
    }

    #[test]
    fn nanoseconds_keep_every_digit() {
        for (ns, seconds) in [
            (0, "0"),
            (1, "0.000000001"),
            (10, "0.00000001"),
            (1_500_000_000, "1.5"),
            (2_000_000_000, "2"),
            (1_700_000_000_123_456_789, "1700000000.123456789"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(text(|out| push_nanos(out, ns)), seconds);
        }
    }

    #[test]
    fn doubles_as_go_writes_them() {
        for (value, canonical, bound) in [
            (0.0, "0", "0.0"),
            (1.0, "1", "1.0"),
            (-2.5, "-2.5", "-2.5"),
            (0.0001, "0.0001", "0.0001"),
            (0.00001, "1e-05", "1e-05"),
            (256.0 / 1e9, "2.56e-07", "2.56e-07"),
            (999_999.0, "999999", "999999.0"),
            (1e6, "1e+06", "1e+06"),
            (1_048_576.0, "1.048576e+06", "1.048576e+06"),
            (1e300, "1e+300", "1e+300"),
            (-1e-300, "-1e-300", "-1e-300"),
            (f64::INFINITY, "+Inf", "+Inf"),
            (f64::NEG_INFINITY, "-Inf", "-Inf"),
            (f64::NAN, "NaN", "NaN"),
        ] {
            assert_eq!(text(|out| push_canonical(out, value)), canonical);
            assert_eq!(text(|out| push_openmetrics_bound(out, value)), bound);
        }
    }

    #[test]
    fn gauges_read_back_as_they_were() {
        for value in [0.0, -0.0, 5.0, -5.0, 1e6, 123_456_789.0, 9.1e15, 1e22, 0.1, 1.0 / 3.0, 1e-9, f64::MAX, 5e-324] {
            let written = text(|out| push_f64(out, value));
            assert_eq!(written.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{written}");
        }
        assert_eq!(text(|out| push_f64(out, 123_456_789.0)), "123456789");
    }
}
