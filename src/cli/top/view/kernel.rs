//! One kernel: how it is, what it did over windows, and over time: latencies as a heat map, throughput, queue, errors.

use ratatui::layout::Rect;

use crate::cli::term::units;
use crate::cli::top::state::app::App;
use crate::cli::top::state::point::Point;
use crate::cli::top::state::table::Row;
use crate::cli::top::view::chart::{Chart, of_series};
use crate::cli::top::view::heat;
use crate::cli::top::view::pen::{Pen, bottom, top, wide};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::{age, ago};

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let Some(row) = app.row() else {
        pen.write(area.x + 1, area.y, area.width.saturating_sub(2), "no such kernel at that moment", Role::Dim);
        return;
    };
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let (name, rest) = top(area, 1);
    draw_name(pen, app, &row, name);
    let facts = facts(app, &row);
    let (told, rest) = top(rest, facts_lines(&facts, area.width).min(rest.height / 3).min(5));
    draw_facts(pen, &facts, told);
    let (map, charts) = bottom(rest, if rest.height >= 12 { (rest.height / 3).clamp(4, 9) } else { 0 });
    heat::draw(pen, app, map, "latency");
    draw_charts(pen, app, &row, charts);
}

fn draw_name(pen: &mut Pen, app: &App, row: &Row, area: Rect) {
    let state = row.kernel.state;
    let role = pen.theme.state(state);
    let style = pen.theme.style(role);
    let sign = pen.theme.state_sign(state);
    let mut x = area.x + pen.put(area.x, area.y, area.width, sign, style) + 1;
    let title = pen.theme.style(Role::Title);
    let room = area.right().saturating_sub(x + wide(state.name()) + 2);
    x += pen.name(x, area.y, room, &row.kernel.kernel_id, title) + 2;
    x += pen.put(x, area.y, area.right().saturating_sub(x), state.name(), style) + 2;
    let stuck = app.moment().and_then(|moment| moment.snapshot.stuck_kernel(&row.kernel.kernel_id));
    let says = stuck
        .map(|stuck| stuck.to_string())
        .or_else(|| row.kernel.last_error.as_ref().map(|error| format!("last error: {error}")));
    if let Some(says) = says {
        let style = pen.theme.style(if row.kernel.needs_attention() { Role::Bad } else { Role::Dim });
        pen.name(x, area.y, area.right().saturating_sub(x), &says, style);
    }
}

/// Names and values.
fn facts(app: &App, row: &Row) -> Vec<(String, String)> {
    let kernel = row.kernel;
    let now = app.moment().map(|moment| moment.snapshot.time).unwrap_or(app.now);
    let exact = |n: u64| units::exact(n);
    let mut facts = vec![
        ("handled".to_owned(), exact(kernel.messages_processed)),
        ("errors".to_owned(), format!("{} ({})", exact(kernel.errors), units::percent(kernel.error_rate))),
        ("queue".to_owned(), format!("{}, most {}", exact(kernel.queue_depth), exact(kernel.queue_high_water))),
        ("busy".to_owned(), units::percent(kernel.busy_ratio)),
        ("up".to_owned(), age(kernel.uptime)),
    ];
    if let Some(device) = row.device {
        facts.push(("device".to_owned(), device.label()));
    }
    if kernel.blocks > 0 {
        facts.push(("blocks".to_owned(), format!("{} of {}", kernel.blocks_started, kernel.blocks)));
    }
    if let Some(sign) = ago(now, kernel.last_sign_of_life) {
        facts.push(("sign of life".to_owned(), format!("{} ago", units::elapsed(sign))));
    }
    if let Some(all) = &kernel.latency {
        let max = units::latency(all.max_ns as f64);
        facts.push((
            "handling".to_owned(),
            format!("p50 {}, p99 {}, max {max}", units::latency(all.p50_ns), units::latency(all.p99_ns)),
        ));
    }
    if let Some(waiting) = &kernel.waiting {
        let of = waiting.latency;
        facts.push((
            "waiting".to_owned(),
            format!("p50 {}, p99 {}", units::latency(of.p50_ns), units::latency(of.p99_ns)),
        ));
    }
    for window in kernel.rates.iter() {
        let over = units::elapsed(window.window);
        let errors = match window.errors_per_second {
            0.0 => String::new(),
            errors => format!(", {} err/s", units::rate(errors)),
        };
        let bytes = units::megabytes(window.bytes_in_per_second);
        facts.push((
            format!("over {over}"),
            format!("{} msg/s, {bytes} MB/s{errors}", units::rate(window.messages_per_second)),
        ));
    }
    for (name, count) in [
        ("waits for room", kernel.retries),
        ("queue was full", kernel.queue_full),
        ("dropped", kernel.dropped),
        ("trace lost", kernel.trace.map_or(0, |trace| trace.lost)),
    ] {
        if count > 0 {
            facts.push((name.to_owned(), exact(count)));
        }
    }
    facts
}

const BETWEEN: u16 = 3;

fn fact_width((name, value): &(String, String)) -> u16 {
    wide(name) + 1 + wide(value) + BETWEEN
}

fn facts_lines(facts: &[(String, String)], width: u16) -> u16 {
    let (mut lines, mut taken) = (1, 0_u16);
    for fact in facts {
        let wide = fact_width(fact);
        if taken > 0 && taken + wide > width {
            (lines, taken) = (lines + 1, 0);
        }
        taken = taken.saturating_add(wide);
    }
    lines
}

fn draw_facts(pen: &mut Pen, facts: &[(String, String)], area: Rect) {
    let (mut x, mut y) = (area.x, area.y);
    for fact in facts {
        if x > area.x && x + fact_width(fact) > area.right() {
            (x, y) = (area.x, y + 1);
        }
        if y >= area.bottom() {
            return;
        }
        x += pen.write(x, y, area.right().saturating_sub(x), &fact.0, Role::Dim) + 1;
        x += pen.write(x, y, area.right().saturating_sub(x), &fact.1, Role::Plain) + BETWEEN;
    }
}

fn draw_charts(pen: &mut Pen, app: &App, row: &Row, area: Rect) {
    let Some(series) = app.history.series(&row.kernel.kernel_id) else { return };
    if area.height < 3 {
        return;
    }
    let parts: u16 = if area.width >= 90 { 4 } else { 2 };
    let width = area.width / parts;
    let values = |of: fn(&Point) -> Option<f64>| of_series(app, series, width.saturating_sub(2), app.zoom, of);
    let point = row.point;
    let charts = [
        Chart {
            title: "msg/s",
            now: units::rate(point.map_or(0.0, |point| point.messages.into())),
            values: values(|point| Some(point.messages.into())),
            unit: units::rate,
            role: Role::Rate,
        },
        Chart {
            title: "queue",
            now: units::count(row.kernel.queue_depth),
            values: values(|point| Some(point.queue as f64)),
            unit: |value| units::count(value as u64),
            role: Role::Queue,
        },
        Chart {
            title: "errors/s",
            now: units::rate(point.map_or(0.0, |point| point.errors.into())),
            values: values(|point| Some(point.errors.into())),
            unit: units::rate,
            role: Role::Bad,
        },
        Chart {
            title: "busy",
            now: units::percent(point.map_or(0.0, |point| point.busy.into())),
            values: values(|point| Some(point.busy.into())),
            unit: units::percent,
            role: Role::Latency,
        },
    ];
    for (n, chart) in charts.iter().take(parts.into()).enumerate() {
        let x = area.x + n as u16 * width;
        chart.draw(pen, Rect { x, width: width.saturating_sub(2), ..area });
    }
}
