//! The blocks of one kernel: each a cell, coloured by what it does, and what is known of the one that is selected.

use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ringscope::snapshot::RingPlace;

use crate::cli::term::units;
use crate::cli::top::input::Target;
use crate::cli::top::state::app::App;
use crate::cli::top::state::blocks::{BlockMap, Cell, Doing, Group};
use crate::cli::top::view::pen::{Pen, bottom, first_shown, top, wide};
use crate::cli::top::view::theme::{BlockInk, Role};
use crate::cli::top::words::{ago, clock, so_many};

/// Columns of a line's number.
const NUMBER: u16 = 6;

/// Draws the page.
pub fn draw(pen: &mut Pen, app: &App, area: Rect) {
    let stuck = app.moment().and_then(|moment| moment.snapshot.stuck_kernel(app.kernel.as_ref()?));
    draw_map(pen, app, app.blocks().as_ref(), stuck.map(|stuck| stuck.to_string()), area);
}

/// Draws the page of these blocks; `stuck` is why the kernel hangs.
pub fn draw_map(pen: &mut Pen, app: &App, map: Option<&BlockMap>, stuck: Option<String>, area: Rect) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let (heading, rest) = top(area, 1);
    let name = app.kernel.as_deref().unwrap_or_default();
    let Some(map) = map else {
        let style = pen.theme.style(Role::Title);
        pen.name(heading.x, heading.y, heading.width, name, style);
        let says =
            ["It has no blocks that are known: it is an actor of the host,", "or blocks are not kept of that moment."];
        for (line, y) in says.iter().zip(rest.y..rest.bottom()) {
            pen.write(rest.x, y, rest.width, line, Role::Dim);
        }
        return;
    };
    draw_heading(pen, map, name, heading);
    let (told, rest) = top(rest, u16::from(stuck.is_some() && rest.height > 6));
    if let (Some(says), true) = (stuck, told.height > 0) {
        let style = pen.theme.style(Role::Bad);
        pen.name(told.x, told.y, told.width, &says, style);
    }
    let (legend, rest) = top(rest, legend_lines(map, rest.width).min(rest.height / 3));
    draw_legend(pen, map, legend);
    let (cells, selected) = bottom(rest, if rest.height >= 8 { 5 } else { rest.height.min(2) / 2 * 2 });
    draw_cells(pen, app, map, cells);
    let cell = map.cells.get(app.block.min(map.cells.len().saturating_sub(1)));
    if let Some(cell) = cell {
        draw_selected(pen, app, map, cell, selected);
    }
}

fn draw_heading(pen: &mut Pen, map: &BlockMap, name: &str, area: Rect) {
    let style = pen.theme.style(Role::Title);
    let counts = so_many(map.cells.len(), "block");
    let silent: usize = map.legend.iter().map(|group| group.silent).sum();
    let room = area.width.saturating_sub(wide(&counts) + 2);
    let x = area.x + pen.name(area.x, area.y, room, name, style) + 2;
    let x = x + pen.write(x, area.y, area.right().saturating_sub(x), &counts, Role::Dim);
    if silent > 0 {
        let says = format!(", {} silent", units::exact(silent as u64));
        pen.write(x, area.y, area.right().saturating_sub(x), &says, Role::Bad);
    }
}

/// The colour of a group.
fn ink(group: &Group) -> BlockInk {
    match &group.doing {
        Doing::NotStarted | Doing::Ended => BlockInk::Absent,
        Doing::Held | Doing::Nowhere | Doing::Ring(RingPlace::Message) => BlockInk::Idle,
        Doing::Ring(RingPlace::Room) => BlockInk::Waits,
        Doing::Ring(_) => BlockInk::Works,
        Doing::Waypoint(_, number) => BlockInk::Waypoint(*number as usize),
    }
}

/// The sign of a group; a waypoint's is a letter, the others' say what they are.
fn sign(pen: &Pen, group: &Group) -> String {
    match &group.doing {
        Doing::NotStarted => pen.theme.sign("·", ".").to_owned(),
        Doing::Ended => pen.theme.sign("·", ".").to_owned(),
        Doing::Held => "h".to_owned(),
        Doing::Nowhere => "n".to_owned(),
        Doing::Ring(RingPlace::Message) => "-".to_owned(),
        Doing::Ring(RingPlace::Handler) => "w".to_owned(),
        Doing::Ring(RingPlace::Room) => "r".to_owned(),
        Doing::Ring(_) => "p".to_owned(),
        Doing::Waypoint(_, number) => char::from(b'A' + (number % 26) as u8).to_string(),
    }
}

/// How a block looks: a square of its colour with its sign, and `!` where it is silent.
fn look(pen: &Pen, map: &BlockMap, group: usize, silent: bool) -> (String, Style) {
    let of = &map.legend[group];
    let sign = sign(pen, of);
    let style = pen.theme.block(ink(of));
    let is_absent = ink(of) == BlockInk::Absent;
    let text = if silent { format!("{sign}!") } else { format!("{sign} ") };
    match style.fg {
        Some(color) if !is_absent => {
            let letter = if ink(of) == BlockInk::Idle { Color::Reset } else { Color::Black };
            let dark = Style::new().fg(letter).bg(color);
            (text, if silent { dark.add_modifier(Modifier::BOLD) } else { dark })
        }
        _ if silent => (text, style.add_modifier(Modifier::REVERSED | Modifier::BOLD)),
        _ => (text, style),
    }
}

fn legend_text(group: &Group) -> String {
    let silent = match group.silent {
        0 => String::new(),
        all if all == group.blocks => ", silent".to_owned(),
        some => format!(", {some} silent"),
    };
    let due = if group.due > 0 { ", for something due" } else { "" };
    format!("{} {}{due}{silent}", units::exact(group.blocks as u64), group.doing.words())
}

fn legend_lines(map: &BlockMap, width: u16) -> u16 {
    let (mut lines, mut taken) = (1, 0_u16);
    for group in &map.legend {
        let wide = wide(&crate::cli::term::text::escaped(&legend_text(group))) + 6;
        if taken > 0 && taken + wide > width {
            (lines, taken) = (lines + 1, 0);
        }
        taken = taken.saturating_add(wide);
    }
    lines
}

fn draw_legend(pen: &mut Pen, map: &BlockMap, area: Rect) {
    let (mut x, mut y) = (area.x, area.y);
    for (number, group) in map.legend.iter().enumerate() {
        let text = crate::cli::term::text::escaped(&legend_text(group));
        if x > area.x && x + wide(&text) + 6 > area.right() {
            (x, y) = (area.x, y + 1);
        }
        if y >= area.bottom() {
            return;
        }
        let (square, style) = look(pen, map, number, false);
        x += pen.put(x, y, 2, &square, style) + 1;
        let role = if group.silent > 0 { Role::Bad } else { Role::Plain };
        x += pen.write(x, y, area.right().saturating_sub(x), &text, role) + 3;
    }
}

/// Sizes of cells, their gaps included: columns and rows. In the largest there is room for a number.
const SIZES: [(u16, u16); 4] = [(7, 3), (3, 2), (3, 1), (2, 1)];

/// The largest size in which all cells are seen.
fn size(cells: usize, area: Rect) -> (u16, u16) {
    let fits = |(wide, high): &(u16, u16)| {
        let columns = columns(area.width.saturating_sub(NUMBER), *wide, cells);
        usize::from(area.height.div_ceil(*high)) * columns >= cells
    };
    SIZES.into_iter().find(fits).unwrap_or((2, 1))
}

fn draw_cells(pen: &mut Pen, app: &App, map: &BlockMap, area: Rect) {
    if area.height == 0 || area.width <= NUMBER {
        return;
    }
    let (_, area) = top(area, u16::from(area.height > 3));
    let (wide, high) = size(map.cells.len(), area);
    let columns = columns(area.width - NUMBER, wide, map.cells.len());
    let rows = map.cells.len().div_ceil(columns);
    let shown = usize::from(area.height.div_ceil(high)).max(1);
    (pen.shape.blocks, pen.shape.lines) = (columns, shown);
    let at = app.block.min(map.cells.len().saturating_sub(1));
    let first = first_shown(at / columns, rows, shown);
    for (line, row) in map.cells.chunks(columns).enumerate().skip(first).take(shown) {
        let y = area.y + (line - first) as u16 * high;
        let style = pen.theme.style(Role::Line);
        pen.right(area.x, y, NUMBER - 2, &(line * columns).to_string(), style);
        for (n, cell) in row.iter().enumerate() {
            let x = area.x + NUMBER + n as u16 * wide;
            let number = line * columns + n;
            let height = (high.max(2) - 1).min(area.bottom().saturating_sub(y));
            let place = Rect { x, y, width: wide.max(3) - 1, height };
            draw_cell(pen, map, cell, place, number == at);
            pen.target(place, Target::Line(number, number == at));
        }
    }
}

fn draw_cell(pen: &mut Pen, map: &BlockMap, cell: &Cell, place: Rect, selected: bool) {
    let (text, style) = look(pen, map, cell.doing, cell.silent);
    let style = if selected { pen.theme.cursor() } else { style };
    if place.width > 2 {
        // A large one has its number, and its sign below.
        let width = usize::from(place.width);
        pen.put(place.x, place.y, place.width, &format!("{:>1$} ", cell.block, width - 1), style);
        if place.height > 1 {
            pen.put(place.x, place.y + 1, place.width, &format!("{text:>0$} ", width - 1), style);
        }
    } else {
        pen.put(place.x, place.y, 2, &text, style);
    }
    if selected && place.x > 0 {
        let role = pen.theme.style(Role::Accent);
        let sign = pen.theme.sign("▶", ">");
        pen.put(place.x - 1, place.y, 1, sign, role);
    }
}

/// Blocks to a line: as many as fit, or the power of two below that, which is easier to count.
fn columns(width: u16, wide: u16, cells: usize) -> usize {
    let fit = usize::from((width / wide).max(1));
    if cells <= fit { fit } else { 1 << fit.ilog2() }
}

fn draw_selected(pen: &mut Pen, app: &App, map: &BlockMap, cell: &Cell, area: Rect) {
    if area.height == 0 {
        return;
    }
    let now = app.moment().map(|moment| moment.snapshot.time).unwrap_or(app.now);
    let place = cell.multiprocessor.map_or(String::new(), |on| format!(" on multiprocessor {on}"));
    let (heading, rest) = top(area, 1);
    pen.heading(heading, &format!("block {}{place}", cell.block), if cell.silent { "silent" } else { "" });
    let doing = map.legend[cell.doing].doing.words();
    let since = ago(now, cell.since).zip(cell.since);
    let since = since.map_or(String::new(), |(ago, at)| format!(" since {} ({})", units::elapsed(ago), clock(at)));
    let sign = ago(now, cell.sign_of_life).map(|ago| format!("{} ago", units::elapsed(ago)));
    let message = cell.message.map(units::exact);
    let lines = [
        ("where", Some(format!("{doing}{since}"))),
        ("waits for", cell.waits_for.clone()),
        ("message", message),
        ("sign of life", sign),
    ];
    let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for ((name, value), y) in known.zip(rest.y..rest.bottom()) {
        pen.write(rest.x + 2, y, rest.width.saturating_sub(2), name, Role::Dim);
        let style = pen.theme.style(if cell.silent && name != "message" { Role::Bad } else { Role::Plain });
        pen.name(rest.x + 16, y, rest.width.saturating_sub(16), &value, style);
    }
}
