//! Values over time, as rows of columns; time ends at the right.

use ratatui::layout::Rect;

use crate::cli::top::state::app::App;
use crate::cli::top::state::history::Series;
use crate::cli::top::state::point::Point;
use crate::cli::top::view::pen::Pen;
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::age;

/// Returns the moments of so many columns, from left to right: each column is a range of numbers, aligned so that columns do not
/// change as time goes on.
pub fn moments(app: &App, columns: u16, zoom: u32) -> Vec<(u64, u64)> {
    let Some(shown) = app.shown() else { return Vec::new() };
    let each = 1_u64 << zoom;
    let last = shown / each;
    let first = (last + 1).saturating_sub(u64::from(columns));
    (first..=last).map(|column| (column * each, (column * each + each - 1).min(shown))).collect()
}

/// Returns a value of a kernel for each column: the largest of the moments in it, so that no spike is hidden.
pub fn of_series(
    app: &App,
    series: &Series,
    columns: u16,
    zoom: u32,
    of: impl Fn(&Point) -> Option<f64>,
) -> Vec<Option<f64>> {
    let column = |(first, last): (u64, u64)| {
        let values = (first..=last).filter_map(|number| of(series.at(number)?));
        values.reduce(f64::max)
    };
    moments(app, columns, zoom).into_iter().map(column).collect()
}

/// The most of some values.
pub fn most(values: &[Option<f64>]) -> f64 {
    values.iter().flatten().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// What a chart shows.
pub struct Chart<'a> {
    /// What it is of.
    pub title: &'a str,
    /// The value at the end.
    pub now: String,
    /// Values, one for each column of the area.
    pub values: Vec<Option<f64>>,
    /// How a value is written.
    pub unit: fn(f64) -> String,
    /// Its colour.
    pub role: Role,
}

impl Chart<'_> {
    /// Draws it: a heading with the newest and the largest value, and the columns below.
    pub fn draw(&self, pen: &mut Pen, area: Rect) {
        if area.height < 2 {
            return;
        }
        let most = most(&self.values);
        let right = if most > 0.0 { format!("most {}", (self.unit)(most)) } else { String::new() };
        pen.heading(Rect { height: 1, ..area }, &format!("{} {}", self.title, self.now), &right);
        let style = pen.theme.style(self.role);
        let inside = Rect { y: area.y + 1, height: area.height - 1, ..area };
        pen.columns(inside, &self.values, most, style);
    }
}

/// Returns how much time so many columns are, in words.
pub fn span(app: &App, columns: u16, zoom: u32) -> String {
    let moments = moments(app, columns, zoom);
    let first = moments.iter().find_map(|(first, last)| (*first..=*last).find_map(|number| app.history.time(number)));
    let last = app.shown().and_then(|shown| app.history.time(shown));
    let span = first.zip(last).and_then(|(first, last)| last.duration_since(first).ok());
    span.map(age).unwrap_or_default()
}
