//! Latencies of one kernel over time, from the device's own buckets.

use ratatui::layout::Rect;

use crate::cli::term::units;
use crate::cli::top::state::app::App;
use crate::cli::top::state::point::{Point, heat_row_of};
use crate::cli::top::view::chart::{moments, span};
use crate::cli::top::view::pen::{Pen, left, top};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::latency;

/// Columns of what stands left of the map.
const LABELS: u16 = 9;

/// Latencies over time: a column for some moments, a row for a range of latencies, the more messages the brighter.
pub fn draw(pen: &mut Pen, app: &App, area: Rect, title: &str) {
    if area.height < 3 || area.width < LABELS + 4 {
        return;
    }
    let Some(series) = app.kernel.as_ref().and_then(|kernel| app.history.series(kernel)) else { return };
    let (heading, rest) = top(area, 1);
    let (labels, map) = left(rest, LABELS);
    let columns: Vec<Vec<(u8, u32)>> = moments(app, map.width, app.zoom)
        .into_iter()
        .map(|(first, last)| {
            let points = (first..=last).filter_map(|number| series.at(number));
            points.flat_map(|point| point.heat.iter().copied()).collect()
        })
        .collect();
    let newest = app.row().and_then(|row| row.point.cloned());
    let (p50, p99) = newest.map_or((None, None), |point: Point| (point.p50, point.p99));
    let title = format!("{title}  p50 {}  p99 {}", latency(p50), latency(p99));
    pen.heading(heading, &title, &format!("over {}", span(app, map.width, app.zoom)));
    let all = columns.iter().flatten().map(|(row, _)| *row);
    let Some((low, high)) = all.clone().min().zip(all.max()) else {
        pen.write(map.x, map.y, map.width, "no message was handled in this time", Role::Dim);
        return;
    };
    let heat = Heat::new(&columns, (low, high), map.height);
    heat.draw(pen, map);
    heat.label(pen, labels);
}

struct Heat {
    /// Of each column how many messages are in each row, from the bottom.
    columns: Vec<Vec<u64>>,
    most: u64,
    /// The first row of latencies, and how many of them a row of the screen has.
    low: u8,
    each: f64,
}

impl Heat {
    fn new(columns: &[Vec<(u8, u32)>], (low, high): (u8, u8), height: u16) -> Heat {
        // A little room, so that one latency alone is not a wall.
        let low = low.saturating_sub(1);
        let rows = f64::from(high - low) + 2.0;
        let each = (rows / f64::from(height)).max(1.0);
        let of = |column: &Vec<(u8, u32)>| {
            let mut counts = vec![0_u64; height.into()];
            for (row, count) in column {
                let at = (f64::from(row - low) / each) as usize;
                if let Some(sum) = counts.get_mut(at) {
                    *sum += u64::from(*count);
                }
            }
            counts
        };
        let columns: Vec<Vec<u64>> = columns.iter().map(of).collect();
        let most = columns.iter().flatten().copied().max().unwrap_or(0);
        Heat { columns, most, low, each }
    }

    fn draw(&self, pen: &mut Pen, map: Rect) {
        let start = map.right().saturating_sub(self.columns.len() as u16);
        for (x, column) in (start..map.right()).zip(&self.columns) {
            for (row, count) in column.iter().enumerate().filter(|(_, count)| **count > 0) {
                // By orders of magnitude: a few slow messages among millions are what one looks for.
                let part = (1.0 + *count as f64).ln() / (1.0 + self.most as f64).ln();
                let (sign, style) = pen.theme.heat(part);
                let y = map.bottom().saturating_sub(1 + row as u16);
                pen.put(x, y, 1, sign, style);
            }
        }
    }

    /// Says in which rows latencies of round numbers are.
    fn label(&self, pen: &mut Pen, labels: Rect) {
        let row = |ns: f64| (heat_row_of(ns) - f64::from(self.low)) / self.each;
        let in_sight = |ns: &f64| (0.0..f64::from(labels.height)).contains(&row(*ns));
        let tens: Vec<f64> = (0..11).map(|n| 10_f64.powi(n)).filter(in_sight).collect();
        let finer =
            || (0..11).flat_map(|n| [1.0, 2.0, 5.0].map(|times| times * 10_f64.powi(n))).filter(in_sight).collect();
        let ticks: Vec<f64> = if tens.len() > 2 { tens } else { finer() };
        let style = pen.theme.style(Role::Dim);
        let mut free = labels.bottom();
        for ns in ticks {
            let y = labels.bottom().saturating_sub(1 + row(ns) as u16);
            if y < free {
                let text = units::latency(ns).replace(".0 ", " ");
                pen.right(labels.x, y, labels.width - 1, &text, style);
                free = y;
            }
        }
    }
}
