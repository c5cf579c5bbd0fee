//! Lines on the terminal that are drawn again and again, and the cursor that they hide meanwhile.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::Command;
use crossterm::cursor::{Hide, MoveUp, Show};
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use crate::cli::term::frame::{self, Frame};
use crate::cli::term::kernels::Widths;
use crate::cli::term::terminal;
use crate::cli::term::text::Text;

/// Whether somebody has to give the cursor back.
static CURSOR_HIDDEN: AtomicBool = AtomicBool::new(false);

/// Gives the cursor back, if it is hidden; whether it was.
pub fn restore_cursor() -> bool {
    let hidden = CURSOR_HIDDEN.swap(false, Ordering::Relaxed);
    if hidden {
        write_out(&escape(Show));
    }
    hidden
}

/// Hides the cursor until it is given back.
pub fn hide_cursor() {
    CURSOR_HIDDEN.store(true, Ordering::Relaxed);
    write_out(&escape(Hide));
}

/// The lines on the terminal that are drawn again and again. Dropping it, also by a panic, gives the cursor back.
pub struct Screen {
    /// Columns of each line that is on it.
    drawn: Vec<usize>,
    widest: Widths,
}

impl Screen {
    /// Takes the terminal behind stderr, and hides its cursor.
    pub fn open() -> Screen {
        hide_cursor();
        Screen { drawn: Vec::new(), widest: Widths::default() }
    }

    /// Draws the frame over the last one, in one write: a terminal that shows half of it flickers.
    pub fn draw(&mut self, frame: &Frame) {
        let (columns, rows) = terminal::size();
        // A line as wide as the terminal wraps on some; a frame as high as the terminal scrolls.
        let (width, height) = (columns.saturating_sub(1), rows.saturating_sub(1));
        let lines = frame::live(frame, (width, height), &mut self.widest);
        let mut out = escape(BeginSynchronizedUpdate) + &self.to_top(columns, rows);
        for line in &lines {
            out += &line.render(width, terminal::stderr_paint());
            out += &escape(Clear(ClearType::UntilNewLine));
            out.push('\n');
        }
        out += &escape(Clear(ClearType::FromCursorDown));
        out += &escape(EndSynchronizedUpdate);
        write_out(&out);
        self.drawn = lines.iter().map(|l: &Text| l.width().min(width)).collect();
    }

    /// Removes the last frame.
    pub fn erase(&mut self) {
        let (columns, rows) = terminal::size();
        write_out(&(self.to_top(columns, rows) + &escape(Clear(ClearType::FromCursorDown))));
        self.drawn.clear();
    }

    /// To the first line drawn. In a terminal that became narrower meanwhile the lines were wrapped.
    fn to_top(&self, columns: usize, rows: usize) -> String {
        let up: usize = self.drawn.iter().map(|width| width.div_ceil(columns.max(1)).max(1)).sum();
        let up = u16::try_from(up.min(rows)).unwrap_or(u16::MAX);
        // A terminal takes 0 for 1.
        let up = if up == 0 { String::new() } else { escape(MoveUp(up)) };
        format!("\r{up}")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore_cursor();
    }
}

fn escape(command: impl Command) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = command.write_ansi(&mut text);
    text
}

fn write_out(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
