//! Times and sizes as people write them.

use std::ops::RangeInclusive;
use std::time::Duration;

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
