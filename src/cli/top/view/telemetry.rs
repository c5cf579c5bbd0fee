//! What telemetry itself costs, and what it lost.

use ratatui::layout::Rect;
use ringscope::histogram::Histogram;
use ringscope::snapshot::{DropReason, PublisherTelemetry, SelfMetrics};

use crate::cli::term::text::escaped;
use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::view::pen::{Pen, top, wide};
use crate::cli::top::view::theme::Role;

/// A name, a value, and how that looks.
type Fact = (&'static str, String, Role);

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let Some(moment) = app.moment() else { return };
    let of = &moment.snapshot.self_metrics;
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let copied = units::bytes(moment.snapshot.copied_bytes as u64);
    let sections = [("what it costs", costs(of, copied)), ("what it lost", losses(of, app))];
    let mut rest = area;
    for (title, facts) in sections {
        let (heading, after) = top(rest, 1);
        pen.heading(heading, title, "");
        rest = draw_facts(pen, &facts, after);
    }
    if moment.snapshot.publishers.is_empty() || rest.height < 2 {
        return;
    }
    let (heading, rest) = top(rest, 1);
    pen.heading(heading, "destinations", "");
    let shown = usize::from(rest.height).max(1);
    let all = &moment.snapshot.publishers;
    let at = app.line.min(all.len().saturating_sub(1));
    let first = (at + 1).saturating_sub(shown);
    for (n, one) in all.iter().enumerate().skip(first).take(rest.height.into()) {
        let line = Rect { y: rest.y + (n - first) as u16, height: 1, ..rest };
        draw_destination(pen, one, line);
        if n == at {
            let style = pen.theme.selected();
            pen.paint(line, style);
        }
        pen.target(line, Target::Line(n, n == at));
    }
}

fn took(histogram: &Histogram) -> String {
    match histogram.count() {
        0 => units::NONE.to_owned(),
        _ => {
            let at = |q| units::latency(histogram.quantile(q));
            format!("p50 {}, p99 {}", at(0.5), at(0.99))
        }
    }
}

fn costs(of: &SelfMetrics, copied: String) -> Vec<Fact> {
    let failed = if of.collection_failures_total > 0 { Role::Bad } else { Role::Dim };
    vec![
        ("snapshots", units::exact(of.collection_runs_total), Role::Plain),
        ("failed", units::exact(of.collection_failures_total), failed),
        ("a snapshot takes", took(&of.collection_duration), Role::Plain),
        ("its copy", took(&of.copy_duration), Role::Plain),
        ("copied at once", copied, Role::Plain),
        ("numbers lie apart", units::latency(of.skew.as_nanos() as f64), Role::Plain),
        (
            "history",
            format!(
                "{} snapshots, {}",
                units::exact(of.history_snapshots as u64),
                units::bytes(of.history_bytes as u64)
            ),
            Role::Plain,
        ),
        ("metrics", format!("{} of {} series", of.metrics_count, units::exact(of.metric_series as u64)), Role::Plain),
        ("hook calls", units::exact(of.hook_calls_total), Role::Plain),
        ("slow hooks", units::exact(of.hook_slow_total), if of.hook_slow_total > 0 { Role::Warn } else { Role::Dim }),
    ]
}

fn losses(of: &SelfMetrics, app: &App) -> Vec<Fact> {
    let dropped = of.dropped;
    let records = app.moment().map_or(0, |moment| {
        moment.snapshot.kernels.iter().filter_map(|kernel| kernel.trace).map(|trace| trace.lost).sum()
    });
    let counts = [
        ("records of kernels", records),
        ("for trace streams", dropped.trace_streams),
        ("for hooks", dropped.hooks),
        ("series", dropped.series),
        ("look-ups of no metric", of.lookup_misses_total),
        ("pens of no role", of.role_misses_total),
        ("panics of hooks", of.hook_panics_total),
        ("for event subscribers", dropped.event_subscribers),
        ("moments not shown here", app.origin.lost),
        ("log entries", app.log.lost),
    ];
    let fact = |(name, count): (&'static str, u64)| {
        (name, units::exact(count), if count > 0 { Role::Warn } else { Role::Dim })
    };
    counts.into_iter().map(fact).collect()
}

/// Draws them in columns, and returns what is left below.
fn draw_facts(pen: &mut Pen, facts: &[Fact], area: Rect) -> Rect {
    const NAME: u16 = 28;
    let columns = (area.width / 38).clamp(1, if area.width < 150 { 2 } else { 3 });
    let lines = (facts.len() as u16).div_ceil(columns);
    let width = area.width / columns;
    for (n, (name, value, role)) in facts.iter().enumerate() {
        let (column, line) = (n as u16 / lines, n as u16 % lines);
        let (x, y) = (area.x + column * width, area.y + line);
        if line >= area.height {
            continue;
        }
        let name_width = NAME.min(width * 5 / 8);
        pen.write(x + 1, y, name_width.saturating_sub(1), name, Role::Dim);
        pen.write(x + name_width, y, width.saturating_sub(name_width), value, *role);
    }
    let (_, rest) = top(area, lines + 1);
    rest
}

fn draw_destination(pen: &mut Pen, one: &PublisherTelemetry, area: Rect) {
    let plain = pen.theme.style(Role::Plain);
    let mut x = area.x + 1;
    x += pen.name(x, area.y, area.width / 3, &one.destination, plain) + 2;
    let dropped: u64 = one.dropped_items.iter().sum();
    let reasons = DropReason::ALL.iter().zip(one.dropped_items).filter(|(_, count)| *count > 0);
    let reasons: Vec<String> =
        reasons.map(|(reason, count)| format!("{} {}", reason.name(), units::count(count))).collect();
    let says = [
        (format!("{} published", units::count(one.published_items)), Role::Good),
        (format!("{} queued", units::count(one.queued_items)), Role::Dim),
        (format!("{} failed", units::count(one.failures)), if one.failures > 0 { Role::Warn } else { Role::Dim }),
        (
            if dropped > 0 {
                format!("{} dropped: {}", units::count(dropped), reasons.join(", "))
            } else {
                "0 dropped".into()
            },
            if dropped > 0 { Role::Bad } else { Role::Dim },
        ),
    ];
    for (text, role) in says {
        let text = escaped(&text);
        if x + wide(&text) > area.right() {
            return;
        }
        x += pen.write(x, area.y, area.right().saturating_sub(x), &text, role) + 3;
    }
}
