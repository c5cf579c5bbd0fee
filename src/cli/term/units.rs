//! Numbers for people.

use std::time::Duration;

/// What unknown or missing numbers look like.
pub const NONE: &str = "-";

/// 999, 12.3 k, 4.5 M.
pub fn count(n: u64) -> String {
    if n < 1000 { n.to_string() } else { scaled(n as f64, &["", " k", " M", " G", " T", " P", " E"]) }
}

/// All digits, in groups of three.
pub fn exact(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate per second: 0.5, 12, 12.3 k.
pub fn rate(per_second: f64) -> String {
    match per_second {
        0.0 => "0".to_owned(),
        r if r < 9.95 => format!("{r:.1}"),
        r if r < 999.5 => format!("{r:.0}"),
        // Without decimals this would be 1000.
        r if r < 1000.0 => scaled(1000.0, &["", " k"]),
        r => scaled(r, &["", " k", " M", " G", " T"]),
    }
}

/// 512 B, 12.3 kB, 1.5 GB.
pub fn bytes(n: u64) -> String {
    if n < 1000 { format!("{n} B") } else { scaled(n as f64, &[" B", " kB", " MB", " GB", " TB", " PB", " EB"]) }
}

/// Millions of bytes per second, without the unit.
pub fn megabytes(per_second: f64) -> String {
    format!("{:.1}", per_second / 1e6)
}

/// 420 ns, 1.2 µs, 3.4 ms, 5.6 s.
pub fn latency(ns: f64) -> String {
    if ns < 999.5 { format!("{ns:.0} ns") } else { scaled(ns, &[" ns", " µs", " ms", " s"]) }
}

/// 500 ms, 59.9 s, 3:05 min, 1:02:03 h.
pub fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if time < Duration::from_micros(999_500) => format!("{:.0} ms", time.as_secs_f64() * 1e3),
        _ if time.as_secs_f64() < 59.95 => format!("{:.1} s", time.as_secs_f64()),
        ..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02} h", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// Time that is left, of which only the seconds are worth telling.
pub fn remaining(seconds: f64) -> String {
    match seconds.ceil() {
        s if s < 60.0 => format!("{s:.0} s"),
        s => elapsed(Duration::from_secs(s as u64)),
    }
}

/// A part of 1 as 0 % to 100 %; what is short of all never rounds to 100.
pub fn percent(part: f64) -> String {
    let whole = (part * 100.0).round();
    let shown = if part < 1.0 { whole.min(99.0) } else { whole };
    format!("{shown:.0} %")
}

/// The value in the first unit that leaves it under 1000, with one decimal.
fn scaled(value: f64, units: &[&str]) -> String {
    let (mut value, mut unit) = (value, 0);
    // 999.95 would be shown as 1000.0.
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(["0", "999", "1.0 k", "12.3 k"].map(String::from), [0, 999, 1000, 12_345].map(count));
        assert_eq!((count(999_949), count(999_950)), ("999.9 k".into(), "1.0 M".into()));
        assert_eq!(count(u64::MAX), "18.4 E");
        assert_eq!(["0", "999", "1,000", "1,234,567"].map(String::from), [0, 999, 1000, 1_234_567].map(exact));
        assert_eq!(
            ["0", "0.5", "9.9", "10", "999", "1.0 k"].map(String::from),
            [0.0, 0.5, 9.94, 9.96, 999.4, 999.6].map(rate)
        );
        assert_eq!(["0 B", "999 B", "4.1 kB", "200.0 MB"].map(String::from), [0, 999, 4096, 200_000_000].map(bytes));
        assert_eq!(megabytes(1_260_000.0), "1.3");
        assert_eq!(
            ["420 ns", "1.2 µs", "3.4 ms", "12000.0 s"].map(String::from),
            [420.0, 1200.0, 3.4e6, 1.2e13].map(latency)
        );
        assert_eq!(["0 %", "99 %", "100 %"].map(String::from), [0.0, 0.9999, 1.0].map(percent));
        let times = [9, 59_940, 59_960, 185_000, 3_723_000].map(|ms| elapsed(Duration::from_millis(ms)));
        assert_eq!(times, ["9 ms", "59.9 s", "0:59 min", "3:05 min", "1:02:03 h"]);
    }
}
