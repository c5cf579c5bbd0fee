//! What happened, the newest on top.

use ratatui::layout::Rect;
use ringscope::alert::Severity;
use ringscope::feed::Entry;

use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::view::pen::{Pen, first_shown, top, wide};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::clock;

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let (heading, body) = top(area, 1);
    let least = match app.log.least {
        Severity::Info => "everything",
        Severity::Warning => "warnings and worse",
        _ => "what is critical",
    };
    let entries: Vec<&Entry> = app.entries().collect();
    let lost = match app.log.lost {
        0 => String::new(),
        lost => format!("{} older ones are gone", units::exact(lost)),
    };
    let title = format!("{least}: {}", units::exact(entries.len() as u64));
    pen.heading(heading, &title, &lost);
    pen.shape.lines = usize::from(body.height).max(1);
    let at = app.line.min(entries.len().saturating_sub(1));
    let first = first_shown(at, entries.len(), body.height.into());
    for (n, entry) in entries.iter().enumerate().skip(first).take(body.height.into()) {
        let line = Rect { y: body.y + (n - first) as u16, height: 1, ..body };
        draw_entry(pen, entry, Rect { x: line.x + 1, width: line.width.saturating_sub(2), ..line });
        if n == at {
            let style = pen.theme.selected();
            pen.paint(line, style);
        }
        pen.target(line, Target::Line(n, n == at));
    }
    if entries.is_empty() && body.height > 0 {
        let says =
            if app.filter.is_empty() { "nothing happened so far" } else { "nothing that happened has that in it" };
        pen.write(body.x + 1, body.y, body.width.saturating_sub(2), says, Role::Dim);
    }
}

fn draw_entry(pen: &mut Pen, entry: &Entry, area: Rect) {
    let left = |x: u16| area.right().saturating_sub(x);
    let role = pen.theme.severity(entry.severity);
    let style = pen.theme.style(role);
    let mut x = area.x + pen.write(area.x, area.y, area.width, &clock(entry.time), Role::Dim) + 1;
    x += pen.put(x, area.y, left(x), pen.theme.severity_sign(entry.severity), style) + 1;
    if area.width > 60 {
        pen.write(x, area.y, left(x), entry.kind.name(), Role::Dim);
        x += 10;
    }
    let title = pen.theme.style(Role::Title);
    x += pen.name(x, area.y, left(x).min(area.width / 3), &entry.subject, title) + 2;
    x += pen.name(x, area.y, left(x), &entry.text, style);
    for (name, value) in entry.labels.iter() {
        let text = crate::cli::term::text::escaped(&format!("{name}={value}"));
        if wide(&text) + 2 > left(x) {
            return;
        }
        x += 2 + pen.write(x + 2, area.y, left(x + 2), &text, Role::Dim);
    }
}
