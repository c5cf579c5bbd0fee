//! Values of options, read from text: what is wrong with one says what would be right.

use std::time::Duration;

use ringscope::config::parse_duration;

/// Reads a whole number within bounds, which the error names.
pub fn whole<T: TryFrom<u64>, const LEAST: u64, const MOST: u64>(text: &str) -> Result<T, String> {
    let number = text.parse::<u64>().ok().filter(|n| (LEAST..=MOST).contains(n)).and_then(|n| T::try_from(n).ok());
    let bounds = || match MOST {
        u64::MAX => format!("must be a whole number, {LEAST} or more"),
        _ => format!("must be a whole number from {LEAST} to {MOST}"),
    };
    number.ok_or_else(bounds)
}

/// Reads a number of slots.
pub fn slots(text: &str) -> Result<u32, String> {
    let slots = whole::<u32, 2, { 1 << 16 }>(text).ok().filter(|slots| slots.is_power_of_two());
    slots.ok_or_else(|| "must be a power of two from 2 to 65536".to_owned())
}

pub fn black_box(text: &str) -> Result<u32, String> {
    let records = whole::<u32, 0, { 1 << 14 }>(text).ok();
    let fits = |records: &u32| *records == 0 || (*records >= 64 && records.is_power_of_two());
    records.filter(fits).ok_or_else(|| "must be 0, or a power of two from 64 to 16384".to_owned())
}

/// Reads a time between two readings.
pub fn interval(text: &str) -> Result<Duration, String> {
    // Nobody reads faster, and a display that stands still for days is taken for one that hangs.
    let allowed = Duration::from_millis(10)..=Duration::from_secs(24 * 3600);
    parse_duration(text, allowed, "must be from 10ms to 24h")
}

/// Reads any time.
pub fn duration(text: &str) -> Result<Duration, String> {
    let allowed = Duration::from_nanos(1)..=Duration::from_secs(87_600 * 3600);
    parse_duration(text, allowed, "must be more than 0 and at most 87600h (10 years)")
}

/// Reads the limit above which a message is slow.
pub fn slow(text: &str) -> Result<Duration, String> {
    // What the device has bits for.
    let allowed = Duration::from_nanos(1)..=Duration::from_nanos((1 << 48) - 1);
    parse_duration(text, allowed, "must be more than 0 and at most 78h")
}

/// Reads one of so many.
pub fn sample(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix("1/").and_then(|n| n.parse::<u64>().ok());
    let number = number.filter(|n| n.is_power_of_two() && *n <= 1 << 62);
    number.ok_or_else(|| "must be 1/N, N a power of two from 1 to 2^62, such as 1/64".to_owned())
}

/// Reads how much faster than real time.
pub fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=1e5).contains(speed));
    speed.ok_or_else(|| "must be a number from 0.01 to 100000, such as 10".to_owned())
}

/// Reads a part of 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    let fraction = text.parse().ok().filter(|fraction| (0.0..=1.0).contains(fraction));
    fraction.ok_or_else(|| "must be a number from 0 to 1, such as 0.25".to_owned())
}
