//! Numbers for people, and durations from them.

use std::ops::RangeInclusive;
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

/// Reads `500ms`, `10s`, `1.5m`, `2h`, or whatever else lies within `allowed`.
///
/// # Errors
/// What is wrong with `text`; `says` where it is not allowed.
pub fn parse_duration(text: &str, allowed: RangeInclusive<Duration>, says: &str) -> Result<Duration, String> {
    const SHAPE: &str = "must be a number and a unit, such as 500ms, 10s, 1.5m or 2h";
    let at = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: f64 = number.parse().map_err(|_| SHAPE.to_owned())?;
    let seconds = match unit.trim_start() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        // A unit does not help 0, where that is not allowed.
        "" if number > 0.0 || allowed.contains(&Duration::ZERO) => {
            return Err(format!("needs a unit: {text}ms, {text}s, {text}m or {text}h"));
        }
        "" => 0.0,
        _ => return Err(SHAPE.to_owned()),
    };
    let time = Duration::try_from_secs_f64(number * seconds).ok().filter(|time| allowed.contains(time));
    time.ok_or_else(|| says.to_owned())
}

/// Reads `512`, `64kB`, `16MiB`, `1.5 GB`: bytes, by powers of 1,000 or of 1,024.
///
/// # Errors
/// What is wrong with `text`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const SHAPE: &str = "must be a size such as 65536, 64kB, 16MiB or 1.5GB";
    let at = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(SHAPE.to_owned()),
    };
    let whole = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    let part = || number.parse::<f64>().ok().map(|number| (number * factor as f64).round() as u64);
    let bytes = whole.or_else(|| if number.contains('.') { part() } else { None });
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| SHAPE.to_owned())
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

    #[test]
    fn durations() {
        let allowed = Duration::from_micros(1)..=Duration::from_secs(24 * 3600);
        let parse = |text| parse_duration(text, allowed.clone(), "must be allowed");
        let ms = |text| parse(text).map(|d| d.as_millis());
        assert_eq!(
            (ms("500ms"), ms("10s"), ms("1.5m"), ms("2h"), ms("3 s")),
            (Ok(500), Ok(10_000), Ok(90_000), Ok(7_200_000), Ok(3000))
        );
        for wrong in ["", "5", "s", "-1s", "0s", "1.2.3s", "5 weeks", "1e3s", "99999999999999999999999s", "NaNs"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!((ms("5"), ms("0")), (Err("needs a unit: 5ms, 5s, 5m or 5h".into()), Err("must be allowed".into())));
        assert_eq!((ms("24.1h"), ms("0s")), (Err("must be allowed".into()), Err("must be allowed".into())));
    }

    #[test]
    fn sizes() {
        let sizes = ["512", "64kB", "16MiB", "1.5 GB", "2 KiB", "0.5KiB"].map(|text| parse_bytes(text).unwrap());
        assert_eq!(sizes, [512, 64_000, 16 << 20, 1_500_000_000, 2048, 512]);
        for wrong in ["", "0", "MiB", "-1", "1 week", "1.2.3MB", "99999999999999999999", "1e3"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
