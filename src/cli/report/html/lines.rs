//! Lines over time.

use std::fmt::Write;

use super::escape;
use super::svg::{Frame, n};
use crate::cli::report::axis::Axis;
use crate::cli::report::chart::{LineChart, Series};

/// Draws the chart.
pub fn lines(chart: &LineChart, title: &str, says: &str, wide: bool) -> String {
    let frame = if wide { Frame::new(1080.0, 240.0) } else { Frame::new(528.0, 190.0) };
    let values = chart.series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let bands = chart.series.iter().flat_map(|series| series.band.iter().flatten());
    let bands = bands.flat_map(|(least, most)| [*least, *most]);
    let axis = Axis::new(chart.unit, values.chain(bands));
    let mut svg = frame.open(title, says);
    svg += &frame.shaded(&chart.span, &chart.shaded);
    svg += &frame.grid(&axis);
    svg += &frame.times(&chart.span);
    for series in &chart.series {
        svg += &band(chart, series, &frame, &axis);
    }
    for series in &chart.series {
        svg += &line(chart, series, &frame, &axis);
    }
    svg + "</svg>"
}

/// What the lines are, in the order of their colours.
pub fn legend(chart: &LineChart) -> String {
    if chart.series.len() < 2 {
        return String::new();
    }
    let item = |series: &Series| format!("<li><i class=\"c{}\"></i>{}</li>", series.colour, escape::name(&series.name));
    format!("<ul class=\"legend\">{}</ul>", chart.series.iter().map(item).collect::<String>())
}

/// A line through the middles of the columns, broken where there is no value.
fn line(chart: &LineChart, series: &Series, frame: &Frame, axis: &Axis) -> String {
    let mut path = String::new();
    let mut pen_is_down = false;
    let value = |at: usize| series.values.get(at).copied().flatten();
    for (at, (from, to)) in chart.columns.iter().enumerate() {
        let Some(now) = value(at) else {
            pen_is_down = false;
            continue;
        };
        let (left, right, y) = (frame.x(&chart.span, *from), frame.x(&chart.span, *to), frame.y(axis.height(now)));
        let alone = !pen_is_down && value(at + 1).is_none();
        // One by itself is as long as its column.
        let _ = match (alone, pen_is_down) {
            (true, _) => write!(path, "M{} {}H{}", n(left), n(y), n(right.max(left + 1.5))),
            (false, true) => write!(path, "L{} {}", n((left + right) / 2.0), n(y)),
            (false, false) => write!(path, "M{} {}", n((left + right) / 2.0), n(y)),
        };
        pen_is_down = true;
    }
    format!("<path class=\"line c{}\" d=\"{path}\"/>", series.colour)
}

/// From the least to the most of each column.
fn band(chart: &LineChart, series: &Series, frame: &Frame, axis: &Axis) -> String {
    let known = |at: &usize| series.band.get(*at).copied().flatten().is_some();
    let places: Vec<usize> = (0..chart.columns.len()).collect();
    let mut path = String::new();
    for run in places.chunk_by(|a, b| known(a) && known(b)).filter(|run| run.len() > 1) {
        let point = |at: usize, most: bool| {
            let (least, greatest) = series.band.get(at).copied().flatten().unwrap_or_default();
            let (from, to) = chart.columns[at];
            let x = (frame.x(&chart.span, from) + frame.x(&chart.span, to)) / 2.0;
            format!("{} {}", n(x), n(frame.y(axis.height(if most { greatest } else { least }))))
        };
        let there = run.iter().map(|at| point(*at, true));
        let back = run.iter().rev().map(|at| point(*at, false));
        let _ = write!(path, "M{}Z", there.chain(back).collect::<Vec<_>>().join("L"));
    }
    if path.is_empty() { path } else { format!("<path class=\"band c{}\" d=\"{path}\"/>", series.colour) }
}
