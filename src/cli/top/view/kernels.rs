//! All kernels: a line for all together, and a table.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ringscope::snapshot::DeviceSummary;

use crate::cli::term::text::{escaped, shortened};
use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::state::point::Point;
use crate::cli::top::state::table::{Column, Row};
use crate::cli::top::view::chart::{Chart, moments, most, of_series, span};
use crate::cli::top::view::heat;
use crate::cli::top::view::pen::{Pen, bottom, first_shown, left, top};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::{latency, rate, so_many};

/// Rows from which there is room for charts of all kernels together.
const CHARTS_FROM: u16 = 18;
/// Fewest and most rows of the latencies below the table.
const BELOW: (u16, u16) = (7, 14);
/// Fewest and most columns of a sparkline.
const SPARK: (u16, u16) = (6, 24);

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let stuck = app.moment().map(|moment| moment.snapshot.stuck()).unwrap_or_default();
    let (told, rest) = top(area, stuck.len().min(if area.height > 12 { 3 } else { 1 }) as u16);
    for (n, kernel) in stuck.iter().take(told.height.into()).enumerate() {
        let text = format!("{} {kernel}", pen.theme.sign("▲", "!"));
        let style = pen.theme.style(Role::Bad);
        pen.name(told.x + 1, told.y + n as u16, told.width.saturating_sub(2), &text, style);
    }
    let (charts, rest) = top(rest, if rest.height >= CHARTS_FROM { (rest.height / 5).clamp(4, 7) } else { 0 });
    if charts.height > 0 {
        draw_charts(pen, app, charts);
    }
    let rows = app.rows();
    // What is left below a short table shows the selected kernel.
    let left = rest.height.saturating_sub(rows.len() as u16 + 2);
    let (table, below) = bottom(rest, if left >= BELOW.0 { left.min(BELOW.1) } else { 0 });
    draw_table(pen, app, &rows, table);
    if below.height > 0
        && let Some(kernel) = &app.kernel
    {
        let inside = Rect { x: below.x + 1, width: below.width.saturating_sub(2), ..below };
        heat::draw(pen, app, inside, &format!("{}  latency", shortened(&escaped(kernel), 30)));
    }
}

fn draw_charts(pen: &mut Pen, app: &App, area: Rect) {
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let parts = if area.width >= 100 { 4 } else { 3 };
    let width = inside.width / parts;
    let number = app.shown().unwrap_or(0);
    let now = app.history.total(number).copied().unwrap_or_default();
    let values = |of: &dyn Fn(u64) -> Option<f64>| -> Vec<Option<f64>> {
        let column = |(first, last): (u64, u64)| (first..=last).filter_map(of).reduce(f64::max);
        moments(app, width.saturating_sub(2), app.zoom).into_iter().map(column).collect()
    };
    let total = |number| app.history.total(number);
    let charts = [
        Chart {
            title: "msg/s",
            now: units::rate(now.messages),
            values: values(&|number| Some(total(number)?.messages)),
            unit: units::rate,
            role: Role::Rate,
        },
        Chart {
            title: "queued",
            now: units::count(now.queue),
            values: values(&|number| Some(total(number)?.queue as f64)),
            unit: |value| units::count(value as u64),
            role: Role::Queue,
        },
        Chart {
            title: "errors/s",
            now: units::rate(now.errors),
            values: values(&|number| Some(total(number)?.errors)),
            unit: units::rate,
            role: Role::Bad,
        },
        Chart {
            title: "processors",
            now: now.cpu.map_or_else(|| units::NONE.to_owned(), |cpu| format!("{cpu:.0} %")),
            values: values(&|number| total(number)?.cpu),
            unit: |value| format!("{value:.0} %"),
            role: Role::Dim,
        },
    ];
    for (n, chart) in charts.iter().take(parts.into()).enumerate() {
        let x = inside.x + n as u16 * width;
        chart.draw(pen, Rect { x, y: area.y, width: width.saturating_sub(2), height: area.height - 1 });
    }
}

/// What of a point a sparkline draws.
type Measure = fn(&Point) -> Option<f64>;

/// A column of the table: what it is sorted by, how wide it is, and which are left out first.
struct Shown {
    column: Column,
    width: u16,
    /// Whether a sparkline is beside it.
    spark: Option<(Measure, Role)>,
    /// The highest are left out first; 0 never.
    rank: u8,
}

const SHOWN: [Shown; 11] = [
    Shown { column: Column::Kernel, width: 0, spark: None, rank: 0 },
    Shown { column: Column::Device, width: 9, spark: None, rank: 4 },
    Shown { column: Column::State, width: 11, spark: None, rank: 3 },
    Shown { column: Column::Rate, width: 7, spark: Some((|point| Some(point.messages.into()), Role::Rate)), rank: 0 },
    Shown { column: Column::P50, width: 8, spark: None, rank: 7 },
    Shown { column: Column::P99, width: 8, spark: Some((|point| point.p99.map(f64::from), Role::Latency)), rank: 1 },
    Shown { column: Column::Queue, width: 7, spark: Some((|point| Some(point.queue as f64), Role::Queue)), rank: 2 },
    Shown { column: Column::Errors, width: 6, spark: None, rank: 5 },
    Shown { column: Column::Busy, width: 10, spark: None, rank: 6 },
    Shown { column: Column::Bytes, width: 8, spark: None, rank: 8 },
    Shown { column: Column::Total, width: 8, spark: None, rank: 9 },
];

/// Columns that a name keeps before other columns are left out for it.
const NAME: u16 = 14;
/// Columns of the widest name.
const WIDEST_NAME: u16 = 40;

/// Which columns are shown, the width of the name, and of each sparkline.
fn fit(rows: &[Row], width: u16) -> (Vec<&'static Shown>, u16, u16) {
    let longest = rows.iter().map(|row| row.kernel.kernel_id.len()).max().unwrap_or(0);
    let longest = u16::try_from(longest).unwrap_or(WIDEST_NAME).clamp(8, WIDEST_NAME) + 2;
    let several_devices = rows.iter().any(|row| row.device.is_some());
    let wanted = SHOWN.iter().filter(|one| several_devices || one.column != Column::Device);
    let mut shown: Vec<&Shown> = wanted.collect();
    let taken = |shown: &[&Shown]| shown.iter().skip(1).map(|one| one.width + 1).sum::<u16>();
    while taken(&shown) + longest.min(NAME) > width {
        let given_up = shown.iter().filter(|one| one.rank > 0).max_by_key(|one| one.rank).map(|one| one.rank);
        let Some(rank) = given_up else { break };
        shown.retain(|one| one.rank != rank);
    }
    let name = longest.min(width.saturating_sub(taken(&shown)));
    let left = width.saturating_sub(taken(&shown) + name);
    let sparks = shown.iter().filter(|one| one.spark.is_some()).count() as u16;
    let spark = (left / sparks.max(1)).saturating_sub(1);
    let spark = if spark < SPARK.0 { 0 } else { spark.min(SPARK.1) };
    (shown, name, spark)
}

fn draw_table(pen: &mut Pen, app: &App, rows: &[Row], area: Rect) {
    let (titles, body) = top(area, u16::from(area.height > 1));
    let inside = |area: Rect| Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let (shown, name, spark) = fit(rows, inside(area).width);
    draw_titles(pen, app, inside(titles), &shown, name, spark, rows);
    let selected = rows.iter().position(|row| Some(&row.kernel.kernel_id) == app.kernel.as_ref()).unwrap_or(0);
    let lines = usize::from(body.height);
    pen.shape.lines = lines.max(1);
    let first = first_shown(selected, rows.len(), lines);
    for (n, row) in rows.iter().enumerate().skip(first).take(lines) {
        let line = Rect { y: body.y + (n - first) as u16, height: 1, ..body };
        draw_row(pen, app, inside(line), &shown, (name, spark), row);
        if n == selected {
            let style = pen.theme.selected();
            pen.paint(line, style);
        }
        pen.target(line, Target::Line(n, n == selected));
    }
    if rows.is_empty() && body.height > 0 {
        let says = if app.filter.is_empty() { "no kernels so far" } else { "no kernel has that in its name" };
        pen.write(body.x + 1, body.y, body.width.saturating_sub(2), says, Role::Dim);
    }
}

fn draw_titles(pen: &mut Pen, app: &App, area: Rect, shown: &[&Shown], name: u16, spark: u16, rows: &[Row]) {
    if area.height == 0 {
        return;
    }
    let mut rest = area;
    for one in shown {
        let is_first = one.column == Column::Kernel;
        let width = if is_first { name } else { one.width };
        let extra = if one.spark.is_some() && spark > 0 { spark + 1 } else { 0 };
        let (field, after) = left(rest, width + extra + u16::from(!is_first));
        let arrow = if app.table.descending { pen.theme.sign("▾", "v") } else { pen.theme.sign("▴", "^") };
        let is_sorted = app.table.by == one.column;
        let title = match is_first {
            true => so_many(rows.len(), "kernel"),
            false => one.column.title().to_owned(),
        };
        let title = if is_sorted { format!("{title}{arrow}") } else { title };
        let style = pen.theme.style(if is_sorted { Role::Accent } else { Role::Dim });
        match one.column {
            Column::Kernel => {
                pen.name(field.x, field.y, field.width, &title, style);
            }
            Column::Device | Column::State => {
                pen.put(field.x + 1, field.y, field.width.saturating_sub(1), &title, style);
            }
            _ => pen.right(field.x, field.y, (width + 1).min(field.width), &title, style),
        }
        if extra > 0 && is_wide_enough(spark) {
            let says = span(app, spark, app.zoom);
            pen.write(field.x + width + 2, field.y, spark, &says, Role::Line);
        }
        pen.target(field, Target::Column(one.column));
        rest = after;
    }
}

fn is_wide_enough(spark: u16) -> bool {
    spark >= 10
}

fn draw_row(pen: &mut Pen, app: &App, area: Rect, shown: &[&Shown], (name, spark): (u16, u16), row: &Row) {
    let role = pen.theme.state(row.kernel.state);
    let state = pen.theme.style(role);
    let series = app.history.series(&row.kernel.kernel_id);
    let mut rest = area;
    for one in shown {
        let is_first = one.column == Column::Kernel;
        let width = if is_first { name } else { one.width };
        let extra = if one.spark.is_some() && spark > 0 { spark + 1 } else { 0 };
        let (field, after) = left(rest, width + extra + u16::from(!is_first));
        rest = after;
        let cell = Rect { width: (width + 1).min(field.width), ..field };
        match one.column {
            Column::Kernel => {
                let sign = pen.theme.state_sign(row.kernel.state);
                pen.put(field.x, field.y, field.width, sign, state);
                let style = pen.theme.style(if row.kernel.state.has_ended() { Role::Dim } else { Role::Plain });
                let style = if row.kernel.needs_attention() { state } else { style };
                pen.name(field.x + 2, field.y, field.width.saturating_sub(2), &row.kernel.kernel_id, style);
            }
            Column::Device => {
                let label = row.device.map(DeviceSummary::label).unwrap_or_default();
                pen.write(field.x + 1, field.y, field.width.saturating_sub(1), &label, Role::Plain);
            }
            Column::State => {
                pen.put(field.x + 1, field.y, field.width.saturating_sub(1), row.kernel.state.name(), state);
            }
            Column::Busy => draw_busy(pen, cell, row.point.map(|point| point.busy)),
            column => {
                let (text, role) = number(column, row);
                let style: Style = pen.theme.style(role);
                pen.right(cell.x, cell.y, cell.width, &text, style);
            }
        }
        if let (Some((of, role)), true, Some(series)) = (one.spark, extra > 0, series) {
            let values = of_series(app, series, spark, app.zoom, of);
            let style = pen.theme.style(role);
            let area =
                Rect { x: field.x + width + 2, width: spark.min(field.width.saturating_sub(width + 2)), ..field };
            pen.columns(area, &values, most(&values), style);
        }
    }
}

fn draw_busy(pen: &mut Pen, cell: Rect, busy: Option<f32>) {
    let Some(busy) = busy.map(f64::from) else {
        let style = pen.theme.style(Role::Dim);
        pen.right(cell.x, cell.y, cell.width, units::NONE, style);
        return;
    };
    let style = pen.theme.style(if busy > 0.95 { Role::Warn } else { Role::Rate });
    let bar = cell.width.saturating_sub(7);
    pen.bar(cell.x + 2, cell.y, bar, busy, style);
    let style = pen.theme.style(Role::Plain);
    pen.right(cell.x + 2 + bar, cell.y, cell.width.saturating_sub(bar + 2), &units::percent(busy), style);
}

fn number(column: Column, row: &Row) -> (String, Role) {
    let point = row.point;
    let idle = |role, value: f32| if value > 0.0 { role } else { Role::Dim };
    match column {
        Column::Rate => (rate(point.map(|p| p.messages)), idle(Role::Plain, point.map_or(0.0, |p| p.messages))),
        Column::P50 => (latency(point.and_then(|p| p.p50)), Role::Plain),
        Column::P99 => (latency(point.and_then(|p| p.p99)), Role::Plain),
        Column::Queue => {
            (units::count(row.kernel.queue_depth), idle(Role::Plain, row.kernel.queue_depth.min(1) as f32))
        }
        Column::Errors => (rate(point.map(|p| p.errors)), idle(Role::Bad, point.map_or(0.0, |p| p.errors))),
        Column::Bytes => {
            let text = point.map_or_else(|| units::NONE.to_owned(), |p| units::megabytes(p.bytes.into()));
            (text, idle(Role::Plain, point.map_or(0.0, |p| p.bytes)))
        }
        Column::Total => (units::count(row.kernel.handled()), Role::Plain),
        Column::Kernel | Column::Device | Column::State | Column::Busy => (String::new(), Role::Plain),
    }
}
