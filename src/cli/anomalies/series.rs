//! Reads a file of values: CSV with the columns `timestamp` and `value`.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use csv::{ReaderBuilder, StringRecord};

use super::error::SeriesError;
use crate::cli::term::text::{escaped, shortened};
use crate::cli::workload::input::shown;

const TIMESTAMP: &str = "timestamp";
const VALUE: &str = "value";
/// Columns of a cell that an error shows.
const MOST_SHOWN: usize = 60;

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The time as it was written.
    pub timestamp: String,
    /// The time.
    pub time: SystemTime,
    /// The value.
    pub value: f64,
}

/// Reads all rows of a file.
///
/// # Errors
/// [`SeriesError`].
pub fn read(path: &Path) -> Result<Vec<Row>, SeriesError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        ErrorKind::NotFound => SeriesError::Missing { path: shown(path) },
        _ => SeriesError::Unreadable { path: shown(path), source },
    };
    if std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(SeriesError::Directory { path: shown(path) });
    }
    rows(std::fs::File::open(path).map_err(unreadable)?, &shown(path))
}

/// Reads all rows of what is called `path`.
fn rows(mut input: impl std::io::Read, path: &str) -> Result<Vec<Row>, SeriesError> {
    let mut text = Vec::new();
    let unreadable = |source| SeriesError::Unreadable { path: path.to_owned(), source };
    input.read_to_end(&mut text).map_err(unreadable)?;
    let mut reader = ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&text[..]);
    let columns = Columns::find(reader.headers().map_err(|error| broken(error, path))?, path)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| broken(error, path))? {
        let line = || line_of(&text, record.position());
        let row = columns.row(&record, line, path)?;
        if rows.last().is_some_and(|last| row.time < last.time) {
            return Err(SeriesError::Backwards { path: path.to_owned(), line: line(), cell: cell(&row.timestamp) });
        }
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(SeriesError::NoRows { path: path.to_owned() });
    }
    Ok(rows)
}

/// The line on which a record begins. The reader's own count is that of the empty lines before it.
fn line_of(text: &[u8], position: Option<&csv::Position>) -> u64 {
    let begin = position.map_or(0, |position| position.byte() as usize).min(text.len());
    let empty = text[begin..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    let newlines = text[..begin].iter().chain(empty).filter(|byte| **byte == b'\n');
    1 + newlines.count() as u64
}

/// Where the two columns are.
struct Columns {
    timestamp: usize,
    value: usize,
}

impl Columns {
    fn find(names: &StringRecord, path: &str) -> Result<Columns, SeriesError> {
        if names.is_empty() {
            return Err(SeriesError::Empty { path: path.to_owned() });
        }
        // Some programs begin a file with a mark of its byte order.
        let is = |name: &str, column: &str| name.trim_start_matches('\u{feff}').eq_ignore_ascii_case(column);
        let find = |column: &'static str| {
            let mut found = names.iter().enumerate().filter(|(_, name)| is(name, column)).map(|(at, _)| at);
            let all = || names.iter().map(cell).collect::<Vec<_>>().join(", ");
            let none = || SeriesError::NoColumn { path: path.to_owned(), column, found: all() };
            let at = found.next().ok_or_else(none)?;
            match found.next() {
                Some(_) => Err(SeriesError::TwoColumns { path: path.to_owned(), column }),
                None => Ok(at),
            }
        };
        Ok(Columns { timestamp: find(TIMESTAMP)?, value: find(VALUE)? })
    }

    fn row(&self, record: &StringRecord, line: impl Fn() -> u64, path: &str) -> Result<Row, SeriesError> {
        let path = || path.to_owned();
        let get = |at: usize, column| {
            let cell = record.get(at).filter(|cell| !cell.is_empty());
            cell.ok_or_else(|| SeriesError::NoCell { path: path(), line: line(), column })
        };
        let (timestamp, value) = (get(self.timestamp, TIMESTAMP)?, get(self.value, VALUE)?);
        let time = time(timestamp);
        let time = time.ok_or_else(|| SeriesError::NotATime { path: path(), line: line(), cell: cell(timestamp) })?;
        let number = value.parse().ok().filter(|value: &f64| value.is_finite());
        let number = number.ok_or_else(|| SeriesError::NotANumber { path: path(), line: line(), cell: cell(value) })?;
        Ok(Row { timestamp: timestamp.to_owned(), time, value: number })
    }
}

fn cell(text: &str) -> String {
    shortened(&escaped(text), MOST_SHOWN)
}

fn broken(error: csv::Error, path: &str) -> SeriesError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(source) => SeriesError::Unreadable { path: path.to_owned(), source },
        _ => SeriesError::NotText { path: path.to_owned(), line },
    }
}

/// Reads `2026-11-22 07:30:00`, with a `T`, a fraction and a `Z` if there are any, or seconds of Unix time.
fn time(text: &str) -> Option<SystemTime> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => civil(text)?,
    };
    // To the year 9999 there and back.
    const MOST: f64 = 253_402_300_800.0;
    let size = Duration::try_from_secs_f64(seconds.abs()).ok().filter(|_| seconds.abs() < MOST)?;
    let epoch = SystemTime::UNIX_EPOCH;
    if seconds < 0.0 { epoch.checked_sub(size) } else { epoch.checked_add(size) }
}

fn civil(text: &str) -> Option<f64> {
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    let mut date = date.splitn(3, '-').map(whole);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (whole(clock.next()?)?, whole(clock.next()?)?);
    let second = clock.next().unwrap_or("0");
    let is_number = second.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let second = second.parse::<f64>().ok().filter(|second| is_number && *second < 61.0)?;
    let fits = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day) && hour < 24 && minute < 60;
    fits.then(|| (days(year, month, day) * 86_400 + hour * 3600 + minute * 60) as f64 + second)
}

/// A number of at most four digits.
fn whole(text: &str) -> Option<i64> {
    let is_number = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn days_of(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days(next_year, next_month, 1) - days(year, month, 1)
}

/// Days since 1970-01-01 of the Gregorian calendar: of a year that begins in March, whose months before the last repeat every
/// five.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        time(text).map(|time| match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        })
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("1970-01-01 00:00:00", 0.0),
            ("2014-04-01 00:05:00", 1_396_310_700.0),
            ("2014-04-01T00:05:00Z", 1_396_310_700.0),
            ("2000-02-29 12:00", 951_825_600.0),
            ("2026-11-22 07:30:00.250", 1_795_332_600.25),
            ("2100-03-01", 4_107_542_400.0),
            ("1969-12-31 23:59:59", -1.0),
            ("1396310700.5", 1_396_310_700.5),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in
            ["", "now", "2014-02-29 00:00:00", "2014-13-01", "2014-04-01 24:00:00", "2014-04-01 00:00:61", "1e300"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, says) in [
            ("", "is empty"),
            ("timestamp,value\n", "has no row"),
            ("time,value\n1,2\n", "has no column 'timestamp', only time, value"),
            ("timestamp,value,value\n1,2,3\n", "has two columns 'value'"),
            ("timestamp,value\n1,2\n2\n", "line 3: has no cell in the column 'value'"),
            ("timestamp,value\n1,2\n2,\n", "line 3: has no cell in the column 'value'"),
            ("timestamp,value\n1,2\n\n2,x\u{7}\n", "line 4, column 'value': 'x\\u{7}' is not a finite number"),
            ("timestamp,value\n1,inf\n", "line 2, column 'value': 'inf' is not a finite number"),
            ("timestamp,value\nnow,1\n", "line 2, column 'timestamp': 'now' is not a time"),
            ("timestamp,value\n2,1\n1,1\n", "line 3, column 'timestamp': '1' is before the row above it"),
        ] {
            let error = rows(text.as_bytes(), "a.csv").unwrap_err().to_string();
            assert!(error.contains("a.csv: ") && error.contains(says), "{text:?}: {error}");
        }
        let error = rows(&b"timestamp,value\n1,\xff\n"[..], "a.csv").unwrap_err().to_string();
        assert!(error.contains("line 2: is not UTF-8"), "{error}");
    }

    #[test]
    fn other_columns_and_their_order_do_not_matter() {
        let text = "\u{feff}Value,host, timestamp\n1.5,a,\"10\"\n2,b,10\n";
        let rows = rows(text.as_bytes(), "a.csv").unwrap();
        assert_eq!(rows.iter().map(|row| row.value).collect::<Vec<_>>(), [1.5, 2.0]);
    }
}
