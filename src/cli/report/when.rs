//! Times for people: UTC, since a report is read elsewhere than where the recording was made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `2026-11-22 03:04:05.678 UTC`, in so many decimals.
pub fn full(time: SystemTime, decimals: usize) -> String {
    format!("{} {} UTC", day(time), clock(time, decimals))
}

/// `2026-11-22`.
pub fn day(time: SystemTime) -> String {
    let (year, month, day) = civil(since_epoch(time).as_secs() / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `03:04:05.678`.
pub fn clock(time: SystemTime, decimals: usize) -> String {
    let since = since_epoch(time);
    let seconds = since.as_secs() % 86_400;
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match decimals.min(3) {
        0 => clock,
        decimals => format!("{clock}.{}", &format!("{:03}", since.subsec_millis())[..decimals]),
    }
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar (Howard Hinnant's algorithm, in which years
/// begin in March).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_date() {
        let at = |seconds: u64, ms: u64| UNIX_EPOCH + Duration::from_millis(seconds * 1000 + ms);
        assert_eq!(full(UNIX_EPOCH, 0), "1970-01-01 00:00:00 UTC");
        // date -u -d @1795314245
        assert_eq!(full(at(1_795_314_245, 678), 3), "2026-11-22 02:24:05.678 UTC");
        assert_eq!(clock(at(1_795_314_245, 678), 1), "02:24:05.6");
        assert_eq!(day(at(951_782_400, 0)), "2000-02-29");
        assert_eq!(day(at(4_107_542_400, 0)), "2100-03-01");
        assert_eq!(day(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01");
    }
}
