//! Writing onto a screen of any size: what does not fit is left out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::cli::term::text::{columns, escaped, shortened};
use crate::cli::top::input::Target;
use crate::cli::top::state::app::Shape;
use crate::cli::top::view::theme::{Role, Theme};

/// Eighths of a cell, from below.
const EIGHTHS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The same without Unicode.
const STEPS: [&str; 9] = [" ", "_", "_", ".", "-", "=", "+", "*", "#"];

/// A screen that is being drawn.
pub struct Pen<'a> {
    buffer: &'a mut Buffer,
    /// What is outside of this stays as it is.
    pub inside: Rect,
    /// How things look.
    pub theme: Theme,
    /// What can be clicked at, the topmost last.
    pub targets: Vec<(Rect, Target)>,
    /// How much of the page fits.
    pub shape: Shape,
}

impl<'a> Pen<'a> {
    /// Draws onto this.
    pub fn new(buffer: &'a mut Buffer, theme: Theme) -> Pen<'a> {
        let inside = buffer.area;
        Pen { buffer, inside, theme, targets: Vec::new(), shape: Shape { lines: 1, blocks: 1 } }
    }

    /// A click on this part of the screen is one at that.
    pub fn target(&mut self, area: Rect, target: Target) {
        self.targets.push((area, target));
    }

    /// Writes `text` at a place, in at most `width` columns; returns how many it takes. It holds what a terminal shows as it is.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.inside;
        let is_outside = y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right();
        if is_outside || width == 0 {
            return 0;
        }
        let room = usize::from(width.min(area.right() - x));
        let (end, _) = if self.theme.unicode || text.is_ascii() {
            self.buffer.set_stringn(x, y, text, room, style)
        } else {
            self.buffer.set_stringn(x, y, ascii(text), room, style)
        };
        end.saturating_sub(x)
    }

    /// Writes text of this meaning.
    pub fn write(&mut self, x: u16, y: u16, width: u16, text: &str, role: Role) -> u16 {
        let style = self.theme.style(role);
        self.put(x, y, width, text, style)
    }

    /// Writes text that may hold anything, shortened in its middle.
    pub fn name(&mut self, x: u16, y: u16, width: u16, name: &str, style: Style) -> u16 {
        let name = shortened(&escaped(name), width.into());
        self.put(x, y, width, &name, style)
    }

    /// Writes text to the right of a field.
    pub fn right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let pad = width.saturating_sub(wide(text));
        self.put(x.saturating_add(pad), y, width - pad, text, style);
    }

    /// Changes how a part of the screen looks, whatever is on it.
    pub fn paint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area.intersection(self.inside), style);
    }

    /// Dims a part of the screen: it is not how it is now.
    pub fn dim(&mut self, area: Rect) {
        let grey = self.theme.style(Role::Dim).add_modifier(Modifier::DIM);
        self.paint(area, grey.remove_modifier(Modifier::BOLD));
    }

    /// Draws a line with a title in it, and what belongs to the right end of it.
    pub fn heading(&mut self, area: Rect, title: &str, right: &str) {
        let dash = self.theme.sign("─", "-");
        let line = dash.repeat(area.width.into());
        self.write(area.x, area.y, area.width, &line, Role::Line);
        if area.width < 8 {
            return;
        }
        let title = format!(" {} ", shortened(title, usize::from(area.width - 6)));
        let end = area.x + 2 + self.write(area.x + 2, area.y, area.width - 4, &title, Role::Title);
        let left = (area.right().saturating_sub(2)).saturating_sub(end);
        let right = format!(" {right} ");
        if right.len() > 2 && wide(&right) < left {
            self.right(end, area.y, left, &right, self.theme.style(Role::Dim));
        }
    }

    /// Draws one value of `most` as a bar of eighths, in a field of so many columns.
    pub fn bar(&mut self, x: u16, y: u16, width: u16, part: f64, style: Style) {
        const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        let eighths = (part * f64::from(width) * 8.0).round() as usize;
        let text = match self.theme.unicode {
            true => format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]),
            false => "#".repeat(eighths.div_ceil(8)),
        };
        let rest = self.theme.sign("·", ".").repeat(width.into());
        self.write(x, y, width, &rest, Role::Line);
        self.put(x, y, width, &text, style);
    }

    /// Draws values as columns that stand on the bottom of `area`, the last at its right end, as high as `most` of them is all of
    /// it.
    pub fn columns(&mut self, area: Rect, values: &[Option<f64>], most: f64, style: Style) {
        let shown = &values[values.len().saturating_sub(area.width.into())..];
        let start = area.right().saturating_sub(shown.len() as u16);
        // One line alone leaves room to the line above.
        let levels = (usize::from(area.height) * 8).max(8) - usize::from(area.height == 1);
        for (x, value) in (start..area.right()).zip(shown) {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            let part = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
            let level = (part * levels as f64).round() as usize;
            // What is not nothing is seen.
            let level = if value > 0.0 { level.max(1) } else { 0 };
            for row in 0..area.height {
                let here = level.saturating_sub(usize::from(row) * 8).min(8);
                let y = area.bottom() - 1 - row;
                match here {
                    0 if row == 0 => self.write(x, y, 1, self.theme.sign("▁", "_"), Role::Line),
                    0 => 0,
                    _ => self.put(x, y, 1, if self.theme.unicode { EIGHTHS[here] } else { STEPS[here] }, style),
                };
            }
        }
    }
}

/// Columns that `text` takes.
pub fn wide(text: &str) -> u16 {
    u16::try_from(columns(text)).unwrap_or(u16::MAX)
}

/// Without signs beyond ASCII, in as many columns as far as that goes.
fn ascii(text: &str) -> String {
    let one = |c: char| match c {
        '─' | '—' | '–' => '-',
        '…' => '~',
        'µ' | 'μ' => 'u',
        '·' => '.',
        '×' => 'x',
        '│' => '|',
        '↑' => '^',
        '↓' => 'v',
        '←' => '<',
        '→' => '>',
        c if c.is_ascii() => c,
        _ => '?',
    };
    text.chars().map(one).collect()
}

/// Cuts so many rows off the top.
pub fn top(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    (Rect { height: rows, ..area }, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

/// Cuts so many rows off the bottom.
pub fn bottom(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let (rest, cut) = top(area, area.height - rows);
    (rest, cut)
}

/// Cuts so many columns off the left.
pub fn left(area: Rect, columns: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    (Rect { width: columns, ..area }, Rect { x: area.x + columns, width: area.width - columns, ..area })
}

/// Returns the first line that is shown of `all`, so that the selected one is in the middle as far as there are lines.
pub fn first_shown(selected: usize, all: usize, lines: usize) -> usize {
    selected.saturating_sub(lines / 2).min(all.saturating_sub(lines))
}
