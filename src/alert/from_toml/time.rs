//! Times of day, as TOML and RFC 3339 write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::Entry;

const SHAPE: &str = "must be a time with its offset, such as 2026-11-22T03:00:00Z";

pub(super) fn time(entry: &Entry) -> Result<SystemTime, String> {
    parse(entry.value.scalar().unwrap_or_default()).ok_or_else(|| SHAPE.to_owned())
}

/// `None` also for times before 1970.
fn parse(text: &str) -> Option<SystemTime> {
    let date: Vec<&str> = text.get(..10)?.split('-').collect();
    let &[year, month, day] = &date[..] else { return None };
    let [year, month, day] = [digits(year, 4)?, digits(month, 2)?, digits(day, 2)?];
    let time: Vec<&str> = text.get(11..19)?.split(':').collect();
    let &[hour, minute, second] = &time[..] else { return None };
    let [hour, minute, second] = [digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?];
    let is_in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    let is_separated = matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' '));
    let behind = text.get(19..)?;
    let fraction = behind.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count() + 1);
    let offset = offset(behind.get(fraction..)?)?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let seconds = u64::try_from(seconds).ok().filter(|_| is_in_range && is_separated)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Seconds east of Greenwich.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    Some(sign * (digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60))
}

fn digits(text: &str, many: usize) -> Option<i64> {
    (text.len() == many && text.bytes().all(|c| c.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days from 1970-01-01, of the Gregorian calendar: years begin in March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let unix = |text| parse(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2000-02-29 12:30:15Z"), Some(951_827_415));
        assert_eq!(unix("2026-11-22T03:00:00.25+02:00"), Some(1_795_309_200));
        assert_eq!(unix("2026-11-22T03:00:00-00:30"), Some(1_795_318_200));
        let wrong = [
            "",
            "2026-11-22",
            "2026-11-22T03:00:00",
            "2026-13-22T03:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-22x03:00:00Z",
            "ä026-11-22T03:00:00Z",
            "2026-11-22T03:00:00+2",
        ];
        for wrong in wrong {
            assert_eq!(unix(wrong), None, "{wrong}");
        }
    }
}
