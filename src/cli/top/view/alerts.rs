//! Alerts: what rules found, and what has become of it.

use ratatui::layout::Rect;
use ringscope::alert::{Alert, AlertState};

use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::view::pen::{Pen, first_shown, top};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::{ago, so_many};

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let Some(moment) = app.moment() else { return };
    let (heading, body) = top(area, 1);
    let count = |state| moment.alerts.iter().filter(|alert| alert.state == state).count();
    let title =
        format!("{}, {} pending", so_many(count(AlertState::Firing), "firing alert"), count(AlertState::Pending));
    pen.heading(heading, &title, "");
    pen.shape.lines = usize::from(body.height / 2).max(1);
    let at = app.line.min(moment.alerts.len().saturating_sub(1));
    let shown = usize::from(body.height / 2).max(1);
    let first = first_shown(at, moment.alerts.len(), shown);
    for (n, alert) in moment.alerts.iter().enumerate().skip(first).take(shown) {
        let y = body.y + 2 * (n - first) as u16;
        let field = Rect { y, height: 2.min(body.bottom().saturating_sub(y)), ..body };
        draw_alert(pen, app, alert, Rect { x: field.x + 1, width: field.width.saturating_sub(2), ..field });
        if n == at {
            let style = pen.theme.selected();
            pen.paint(Rect { height: field.height.min(1), ..field }, style);
        }
        pen.target(field, Target::Line(n, n == at));
    }
    if moment.alerts.is_empty() && body.height > 0 {
        pen.write(body.x + 1, body.y, body.width.saturating_sub(2), "no rule has found anything to tell", Role::Dim);
    }
}

fn draw_alert(pen: &mut Pen, app: &App, alert: &Alert, area: Rect) {
    if area.height == 0 {
        return;
    }
    let left = |x: u16| area.right().saturating_sub(x);
    let (sign, role) = match alert.state {
        AlertState::Firing => (pen.theme.severity_sign(alert.severity), pen.theme.severity(alert.severity)),
        AlertState::Pending => (pen.theme.sign("◌", "."), Role::Dim),
        _ => (pen.theme.sign("✔", "+"), Role::Good),
    };
    let style = pen.theme.style(role);
    let mut x = area.x + pen.put(area.x, area.y, area.width, sign, style) + 1;
    let title = pen.theme.style(Role::Title);
    x += pen.name(x, area.y, left(x).min(area.width / 2), &alert.rule, title) + 2;
    x += pen.put(x, area.y, left(x), alert.state.name(), style) + 2;
    x += pen.write(x, area.y, left(x), alert.severity.name(), Role::Dim) + 2;
    let now = app.moment().map(|moment| moment.snapshot.time).unwrap_or(app.now);
    let since = ago(now, Some(alert.active_since)).unwrap_or_default();
    let silenced = if alert.silenced { ", silenced" } else { "" };
    x += pen.write(x, area.y, left(x), &format!("since {}{silenced}", units::elapsed(since)), Role::Dim) + 2;
    for (name, value) in alert.labels.iter() {
        let dim = pen.theme.style(Role::Dim);
        x += pen.name(x, area.y, left(x), &format!("{name}={value}"), dim) + 2;
    }
    if area.height > 1 {
        let plain = pen.theme.style(Role::Plain);
        pen.name(area.x + 2, area.y + 1, area.width.saturating_sub(2), &alert.summary, plain);
    }
}
