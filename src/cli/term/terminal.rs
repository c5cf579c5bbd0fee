//! What is known of the terminals behind stdout and stderr, and writing to them.

use std::io::{ErrorKind, IsTerminal, Write};

use crate::cli::CliError;
use crate::cli::term::table::{Paint, Style, StyledText, Text};

/// Colours on stderr?
pub fn stderr_paint() -> Paint {
    paint(std::io::stderr().is_terminal())
}

/// Whether somebody reads stdout as it is written.
pub fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Colours on stdout?
pub fn stdout_paint() -> Paint {
    paint(stdout_is_terminal())
}

fn paint(terminal: bool) -> Paint {
    let set = |name| std::env::var_os(name).is_some_and(|v| !v.is_empty());
    Paint { on: terminal && !set("NO_COLOR") && !is_dumb() }
}

/// Whether lines on stderr can be drawn again in their place.
pub fn can_redraw() -> bool {
    std::io::stderr().is_terminal() && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}

/// Columns and rows of the terminal now.
pub fn size() -> (usize, usize) {
    let (columns, rows) = crossterm::terminal::size().unwrap_or((80, 24));
    // Some terminals that nobody looks at say 0.
    let or = |n: u16, other| if n == 0 { other } else { usize::from(n) };
    (or(columns, 80), or(rows, 24))
}

/// Columns for what goes to stdout: a file is as wide as it needs to be.
pub fn stdout_width() -> usize {
    if stdout_is_terminal() { size().0 } else { usize::MAX }
}

/// A line on stderr. Who closed stderr does not want to know, and the run goes on.
pub fn say(line: &[StyledText]) {
    let line = Text::from(line.to_vec()).render(usize::MAX, stderr_paint());
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The result, to stdout. Who closed stdout, as `head` does, has read enough.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        _ => Ok(()),
    }
}

/// What is being done now, on one line of stderr that the next call replaces; nothing where nobody watches.
pub fn progress(doing: Option<&str>) {
    if can_redraw() {
        let line = Text::from(vec![(Style::Dim, doing.unwrap_or_default().to_owned())]);
        let line = line.render(size().0.saturating_sub(1), stderr_paint());
        let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{line}");
    }
}
