//! Columns of time as charts and tables take them.

use std::ops::Range;
use std::time::SystemTime;

use ringscope::histogram::Histogram;

use crate::cli::past::{Column, Happening, KernelPast, Past, Sums, What};
use crate::cli::report::chart::{Shade, Span};
use crate::cli::report::document::Cell;
use crate::cli::term::units::{self, NONE};

/// Rows of the table behind a chart.
const MOST_ROWS: usize = 24;

/// The time that all charts cover.
pub fn span(past: &Past) -> Span {
    let (from, to) = past.span().unwrap_or((SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH));
    Span { from, to }
}

/// The beginning and the end of each column.
pub fn times(past: &Past) -> Vec<(SystemTime, SystemTime)> {
    past.columns.iter().map(|column| (column.from, column.to)).collect()
}

/// Gaps, and hangs of that kernel, or of none.
pub fn shaded(past: &Past, kernel: Option<&KernelPast>) -> Vec<Shade> {
    let of = |what: What| match what {
        What::Gap | What::Restart => Some("gap"),
        What::Hang => Some("hang"),
        _ => None,
    };
    let shade = |happening: &Happening| {
        let what = of(happening.what)?;
        let here = what == "gap" || kernel.is_some_and(|kernel| kernel.id == happening.subject);
        let (from, to) = (happening.time, happening.until?);
        here.then(|| Shade { from, to, what, says: happening.text.clone() })
    };
    past.happened.all.iter().filter_map(shade).collect()
}

/// Ranges of neighbours, about so many at most; a gap stays alone.
pub fn coarse(columns: &[Column], most: usize) -> Vec<Range<usize>> {
    let per = columns.len().div_ceil(most.max(1)).max(1);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        match ranges.last_mut() {
            Some(range) if range.len() < per && !column.gap && !columns[range.start].gap => range.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    ranges
}

/// Ranges of columns that the rows of a table stand for.
pub fn rows(past: &Past) -> Vec<Range<usize>> {
    coarse(&past.columns, MOST_ROWS)
}

/// What a kernel did in a range of columns; `None` where it was not there.
pub fn joined(kernel: &KernelPast, range: &Range<usize>) -> Option<Sums> {
    let columns = kernel.columns.get(range.start..range.end.min(kernel.columns.len())).unwrap_or_default();
    let mut there = columns.iter().flatten();
    let mut sums = there.next()?.clone();
    there.for_each(|next| sums.add(next));
    Some(sums)
}

/// The time at which a range of columns begins.
pub fn begins(past: &Past, range: &Range<usize>) -> Cell {
    past.columns.get(range.start).map_or(Cell::Nothing, |column| Cell::Time(column.from))
}

/// A number as `shown` writes it, or a dash.
pub fn or_none<T>(value: Option<T>, shown: impl Fn(T) -> String) -> Cell {
    Cell::Number(value.map_or_else(|| NONE.to_owned(), shown))
}

/// A part of 1 in percent, with as many decimals as tell something.
pub fn percent(part: f64) -> String {
    match part * 100.0 {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.001 => "<0.001 %".to_owned(),
        percent if percent < 0.1 => format!("{percent:.3} %"),
        percent if percent < 9.995 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// A quantile of a histogram; `None` where it is empty.
pub fn quantile(histogram: &Histogram, q: f64) -> Option<f64> {
    (histogram.count() > 0).then(|| histogram.quantile(q))
}

/// A quantile as a cell.
pub fn latency(histogram: &Histogram, q: f64) -> Cell {
    or_none(quantile(histogram, q), units::latency)
}
