//! Times and numbers in words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cli::term::units;

/// `12:03:04`, of the day in UTC.
pub fn clock(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `12 s`, `3:05 min`: how long something lasts, in whole seconds.
pub fn age(time: Duration) -> String {
    match time.as_secs() {
        s @ ..60 => format!("{s} s"),
        s => units::elapsed(Duration::from_secs(s)),
    }
}

/// How long before `now` something was, if that is known.
pub fn ago(now: SystemTime, then: Option<SystemTime>) -> Option<Duration> {
    Some(now.duration_since(then?).unwrap_or_default())
}

/// `1 kernel`, `3 kernels`.
pub fn so_many(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{} {what}s", units::exact(n as u64)) }
}

/// A latency, or what stands for none.
pub fn latency(ns: Option<f32>) -> String {
    ns.map_or_else(|| units::NONE.to_owned(), |ns| units::latency(ns.into()))
}

/// A rate, or what stands for none.
pub fn rate(per_second: Option<f32>) -> String {
    per_second.map_or_else(|| units::NONE.to_owned(), |rate| units::rate(rate.into()))
}
