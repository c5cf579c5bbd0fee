//! What the pictures share: the frame, the axis of time, shaded times.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::escape;
use crate::cli::report::axis::Axis;
use crate::cli::report::chart::{Shade, Span};
use crate::cli::report::when;

/// Where in the picture the numbers are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub width: f64,
    pub height: f64,
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    /// One with room for numbers at the left and times below.
    pub fn new(width: f64, height: f64) -> Frame {
        Frame { width, height, left: 58.0, right: 8.0, top: 8.0, bottom: 22.0 }
    }

    pub fn inner_width(&self) -> f64 {
        self.width - self.left - self.right
    }

    pub fn inner_height(&self) -> f64 {
        self.height - self.top - self.bottom
    }

    pub fn x(&self, span: &Span, time: SystemTime) -> f64 {
        self.left + self.inner_width() * span.place(time)
    }

    /// `height` from 0 at the bottom to 1.
    pub fn y(&self, height: f64) -> f64 {
        self.top + self.inner_height() * (1.0 - height)
    }

    /// Opens a picture: what it is called, and what it shows, for who does not see it.
    pub fn open(&self, title: &str, says: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}: {}\">",
            n(self.width),
            n(self.height),
            escape::text(title),
            escape::text(says)
        )
    }

    /// Lines and numbers of the axis at the left.
    pub fn grid(&self, axis: &Axis) -> String {
        let mut svg = String::from("<g class=\"grid\">");
        for (value, shown) in &axis.ticks {
            let y = self.y(axis.height(*value));
            let (from, to) = (self.left, self.width - self.right);
            let _ = write!(svg, "<path d=\"M{} {}H{}\"/>", n(from), n(y), n(to));
            let _ = write!(svg, "<text x=\"{}\" y=\"{}\" class=\"y\">{shown}</text>", n(from - 6.0), n(y + 4.0));
        }
        svg + "</g>"
    }

    /// Times below.
    pub fn times(&self, span: &Span) -> String {
        let mut svg = String::from("<g class=\"grid\">");
        let (ticks, decimals) = time_ticks(span);
        for time in ticks {
            let x = self.x(span, time);
            let y = self.height - self.bottom;
            let _ = write!(svg, "<path d=\"M{} {}v4\"/>", n(x), n(y));
            let shown = when::clock(time, decimals);
            let anchor = match x {
                x if x < self.left + 26.0 => " class=\"first\"",
                x if x > self.width - self.right - 26.0 => " class=\"last\"",
                _ => "",
            };
            let _ = write!(svg, "<text x=\"{}\" y=\"{}\"{anchor}>{shown}</text>", n(x), n(y + 16.0));
        }
        svg + "</g>"
    }

    /// Shaded times, from the top to the bottom.
    pub fn shaded(&self, span: &Span, shades: &[Shade]) -> String {
        let mut svg = String::new();
        for shade in shades {
            let (from, to) = (self.x(span, shade.from), self.x(span, shade.to));
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
                shade.what,
                n(from),
                n(self.top),
                n((to - from).max(1.5)),
                n(self.inner_height()),
                escape::text(&shade.says)
            );
        }
        svg
    }
}

/// A coordinate, as short as it may be.
pub fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Round times within the span, and how many decimals of a second they need.
fn time_ticks(span: &Span) -> (Vec<SystemTime>, usize) {
    const MOST: f64 = 6.0;
    const STEPS: [f64; 21] = [
        0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
        7200.0, 21_600.0, 86_400.0,
    ];
    let length = span.to.duration_since(span.from).unwrap_or_default().as_secs_f64();
    let step = STEPS.into_iter().find(|step| length / step <= MOST);
    let step = step.unwrap_or_else(|| 86_400.0 * (length / 86_400.0 / MOST).ceil());
    let decimals = match step {
        s if s < 0.1 => 3,
        s if s < 1.0 => 1,
        _ => 0,
    };
    let from = span.from.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let first = (from / step).ceil();
    let ticks = (0..=MOST as u32).map(|i| (first + f64::from(i)) * step).filter(|time| *time <= from + length);
    let ticks = ticks.filter_map(|time| UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(time).ok()?));
    let mut ticks: Vec<SystemTime> = ticks.collect();
    if ticks.is_empty() {
        ticks.push(span.from);
    }
    (ticks, decimals)
}
