//! A heat map: one path for each strength of colour, in which neighbours of one row are one rectangle.

use std::fmt::Write;

use super::svg::{Frame, n};
use crate::cli::report::axis::Axis;
use crate::cli::report::chart::{HeatMap, Unit};

/// Strengths of colour; the style sheet has as many.
pub const LEVELS: usize = 8;

/// Draws the map.
pub fn heat(map: &HeatMap, title: &str, says: &str) -> String {
    let frame = Frame::new(528.0, 190.0);
    let (low, high) = match (map.rows.first(), map.rows.last()) {
        (Some(first), Some(last)) => (first.start, last.end),
        _ => (1.0, 1.0),
    };
    let axis = Axis::decades(Unit::Latency, low, high);
    let mut svg = frame.open(title, says);
    svg += &frame.grid(&axis);
    svg += &frame.times(&map.span);
    let mut paths = vec![String::new(); LEVELS];
    let most = map.counts.iter().flatten().copied().max().unwrap_or(0);
    for (row, bounds) in map.rows.iter().enumerate() {
        let level = |column: &usize| map.counts[*column].get(row).and_then(|count| level(*count, most));
        let columns: Vec<usize> = (0..map.columns.len()).collect();
        let together = |a: &usize, b: &usize| level(a) == level(b) && map.columns[*a].1 == map.columns[*b].0;
        for run in columns.chunk_by(together) {
            let (Some(level), [first, .., last] | [first @ last]) = (level(&run[0]), run) else { continue };
            let (from, to) = (frame.x(&map.span, map.columns[*first].0), frame.x(&map.span, map.columns[*last].1));
            let (top, bottom) = (frame.y(axis.height(bounds.end)), frame.y(axis.height(bounds.start)));
            let (width, height) = ((to - from).max(1.0), (bottom - top).max(1.0));
            let _ = write!(paths[level], "M{} {}h{}v{}h-{}z", n(from), n(top), n(width), n(height), n(width));
        }
    }
    for (level, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let _ = write!(svg, "<path class=\"h{level}\" d=\"{path}\"/>");
    }
    svg += &frame.shaded(&map.span, &map.shaded);
    svg + "</svg>"
}

/// The strength of a count, on a logarithmic scale from 1 to the most; `None` for nothing.
fn level(count: u64, most: u64) -> Option<usize> {
    let part = match count {
        0 => return None,
        _ if most < 2 => 1.0,
        count => (count as f64).ln() / (most as f64).ln(),
    };
    Some(((part * LEVELS as f64) as usize).min(LEVELS - 1))
}

/// What the colours mean.
pub fn legend(map: &HeatMap) -> String {
    let most = map.counts.iter().flatten().copied().max().unwrap_or(0);
    let colours: String = (0..LEVELS).map(|level| format!("<i class=\"h{level}\"></i>")).collect();
    let most = crate::cli::term::units::count(most);
    format!("<p class=\"scale\">1 {colours} {most} messages</p>")
}
