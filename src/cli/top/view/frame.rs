//! What is around every page: where the numbers come from, the pages, the keys.

use ratatui::layout::Rect;

use crate::cli::term::text::paragraphs;
use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::state::link::{Kind, Link};
use crate::cli::top::state::page::Page;
use crate::cli::top::view::pen::{Pen, bottom, top, wide};
use crate::cli::top::view::theme::Role;
use crate::cli::top::words::{age, clock};

/// Draws it, and returns what is left for the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) -> Rect {
    let (header, rest) = top(area, u16::from(area.height > 1));
    let (tabs, rest) = top(rest, u16::from(area.height > 3));
    let (body, footer) = bottom(rest, u16::from(area.height > 2));
    draw_header(pen, app, header);
    draw_tabs(pen, app, tabs);
    draw_footer(pen, app, footer);
    body
}

/// How the source is: a sign, words, and what that means.
fn link(pen: &Pen, app: &App) -> (String, Role) {
    let live = pen.theme.sign("●", "*");
    let held = pen.theme.sign("‖", "=");
    let off = pen.theme.sign("○", "o");
    if let (Some(stale), false) = (app.stale_for(), app.held.is_some()) {
        return (format!("{off} last seen {} ago", age(stale)), Role::Bad);
    }
    if app.held.is_some() {
        return (format!("{held} held"), Role::Warn);
    }
    match &app.origin.link {
        Link::Opening => (format!("{off} opening"), Role::Dim),
        Link::Up => match app.origin.playing {
            Some(playing) => (format!("{live} played {}", speed(playing.speed)), Role::Good),
            None => (format!("{live} live"), Role::Good),
        },
        Link::Down { .. } => (format!("{off} not reached"), Role::Bad),
        Link::Ended { .. } => (format!("{off} ended"), Role::Warn),
    }
}

fn speed(speed: f64) -> String {
    if speed < 1.0 { format!("1/{:.0}×", 1.0 / speed) } else { format!("{speed:.0}×") }
}

fn draw_header(pen: &mut Pen, app: &App, area: Rect) {
    if area.height == 0 {
        return;
    }
    let (says, role) = link(pen, app);
    let time = app.moment().map(|moment| clock(moment.snapshot.time)).unwrap_or_default();
    let attention = app.moment().map_or(0, |moment| moment.snapshot.totals().need_attention);
    let right = wide(&says) + 2 + wide(&time) + 1;
    let mut x = area.x + 1;
    if area.width > 60 {
        x += pen.write(x, area.y, area.width, "ringscope ", Role::Title);
        x += pen.write(x, area.y, area.width, "top  ", Role::Accent);
    }
    let room = area.right().saturating_sub(right + 2).saturating_sub(x);
    let plain = pen.theme.style(Role::Plain);
    x += pen.name(x, area.y, room, &app.origin.name, plain);
    let from = area.right().saturating_sub(right);
    if attention > 0 {
        let needs = if attention == 1 { "needs a look" } else { "need a look" };
        let text = format!("  {} {attention} {needs}", pen.theme.sign("▲", "!"));
        if x + wide(&text) < from {
            pen.write(x, area.y, from.saturating_sub(x), &text, Role::Bad);
        }
    }
    let end = from + pen.write(from, area.y, area.right().saturating_sub(from), &says, role);
    pen.write(end + 2, area.y, area.right().saturating_sub(end + 2), &time, Role::Dim);
}

fn draw_tabs(pen: &mut Pen, app: &App, area: Rect) {
    if area.height == 0 {
        return;
    }
    let full: u16 = Page::ALL.iter().map(|page| wide(page.name()) + 4).sum();
    let is_full = full + 8 <= area.width;
    let mut x = area.x + u16::from(is_full);
    for (n, page) in Page::ALL.iter().enumerate() {
        let is_shown = *page == app.page && app.help.is_none();
        let name = if is_full || is_shown { page.name() } else { &page.name()[..2] };
        let text = if is_full || is_shown { format!(" {} {name} ", n + 1) } else { format!("{}{name} ", n + 1) };
        let style = if is_shown { pen.theme.chosen() } else { pen.theme.style(Role::Dim) };
        let width = pen.put(x, area.y, area.right().saturating_sub(x), &text, style);
        pen.target(Rect { x, width, ..area }, Target::Page(*page));
        x += width;
    }
    let help = " ? keys ";
    if x + wide(help) <= area.right() {
        let from = area.right() - wide(help);
        let style = if app.help.is_some() { pen.theme.chosen() } else { pen.theme.style(Role::Dim) };
        pen.put(from, area.y, wide(help), help, style);
        pen.target(Rect { x: from, width: wide(help), ..area }, Target::Help);
    }
}

fn draw_footer(pen: &mut Pen, app: &App, area: Rect) {
    if area.height == 0 {
        return;
    }
    let width = area.width.saturating_sub(2);
    if app.editing || !app.filter.is_empty() {
        let end = area.x + 1 + pen.write(area.x + 1, area.y, width, "filter ", Role::Accent);
        let style = pen.theme.style(Role::Title);
        let end = end + pen.name(end, area.y, area.right().saturating_sub(end), &app.filter, style);
        let tail = if app.editing {
            pen.theme.sign("▏ Enter keeps it, Esc takes it back", "_ Enter keeps it, Esc takes it back")
        } else {
            "  Esc takes it back"
        };
        pen.write(end, area.y, area.right().saturating_sub(end), tail, Role::Dim);
    } else if let Some(said) = app.said() {
        let style = pen.theme.style(Role::Accent);
        pen.name(area.x + 1, area.y, width, said, style);
    } else if let Some((why, role)) = trouble(app) {
        let style = pen.theme.style(role);
        pen.name(area.x + 1, area.y, width, &why, style);
    } else {
        keys(pen, app, area);
    }
}

/// What is wrong with the source, and what is done about it.
fn trouble(app: &App) -> Option<(String, Role)> {
    match &app.origin.link {
        Link::Down { why, again } => {
            let left = again.duration_since(app.now).unwrap_or_default();
            Some((format!("{why}; tried again in {} s", left.as_secs() + 1), Role::Bad))
        }
        Link::Ended { why } => Some((why.clone(), Role::Warn)),
        Link::Opening | Link::Up if app.origin.lost > 0 => {
            Some((format!("{} moments came too fast to be shown", units::count(app.origin.lost)), Role::Dim))
        }
        Link::Opening | Link::Up => None,
    }
}

/// The keys that matter on this page.
fn keys(pen: &mut Pen, app: &App, area: Rect) {
    let arrows = pen.theme.sign("↑↓", "j/k");
    let sides = pen.theme.sign("←→", "h/l");
    let of_page: &[(&str, &str)] = match app.page {
        _ if app.help.is_some() => &[(arrows, "read on"), ("Esc", "back")],
        Page::Kernels => &[("Enter", "look closer"), ("s", "sort"), ("r", "reverse"), ("/", "filter")],
        Page::Kernel => &[("Enter", "blocks"), (sides, "kernel"), ("+ -", "zoom")],
        Page::Blocks => &[(arrows, "block"), (sides, "block"), ("y", "copy")],
        Page::Log => &[("e", "severity"), ("/", "filter"), ("Enter", "its kernel"), ("y", "copy")],
        Page::Machine | Page::Telemetry => &[(arrows, "select"), ("y", "copy")],
        Page::Alerts => &[("Enter", "its kernel"), ("y", "copy")],
    };
    let of_time: &[(&str, &str)] = match (app.origin.kind, app.held.is_some()) {
        (Kind::Recording, _) => &[("Space", "hold"), (", .", "step"), ("[ ]", "minute"), ("< >", "speed")],
        (_, true) => &[("Space", "go on"), (", .", "step"), ("n", "newest")],
        _ => &[("Space", "hold"), (", .", "step")],
    };
    let mut x = area.x + 1;
    for (key, says) in of_page.iter().chain(of_time).chain(&[("q", "quit")]) {
        if x + wide(key) + wide(says) + 1 >= area.right() {
            break;
        }
        x += pen.write(x, area.y, area.right() - x, key, Role::Accent);
        x += 1 + pen.write(x + 1, area.y, area.right() - x - 1, says, Role::Dim) + 2;
    }
}

/// What is shown before the first moment.
pub fn nothing_yet(pen: &mut Pen, app: &App, area: Rect) {
    let says = match &app.origin.link {
        Link::Opening | Link::Up => match app.origin.kind {
            Kind::Workload => "The kernels start. Their first numbers come with the next reading.".to_owned(),
            Kind::Server => format!("Connecting to {}.", app.origin.name),
            Kind::Recording => format!("Reading {}.", app.origin.name),
        },
        Link::Down { why, .. } => format!("{why}\n\nringscope goes on trying, with growing pauses. q ends."),
        Link::Ended { why } => format!("{why}\n\nq ends."),
    };
    let width = area.width.saturating_sub(4).min(76);
    let lines = paragraphs(&says, width.into());
    let y = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (n, line) in lines.iter().enumerate() {
        let line = line.render(usize::MAX, crate::cli::term::text::Paint { on: false });
        let x = area.x + (area.width.saturating_sub(wide(&line))) / 2;
        let role = if matches!(app.origin.link, Link::Down { .. }) && n == 0 { Role::Bad } else { Role::Plain };
        if y + (n as u16) < area.bottom() {
            pen.write(x, y + n as u16, area.right().saturating_sub(x), &line, role);
        }
    }
}
