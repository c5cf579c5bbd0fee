//! What is known of the terminals behind stdout and stderr, and writing to them.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::cli::term::text::{Paint, Style, StyledText, Text, styled};

/// The columns that a broken line's rest is moved to the right.
const INDENT: usize = 2;

/// The result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout: {0}: is the disk full?")]
pub struct OutputError(std::io::Error);

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

/// Whether somebody looks at stdout, types on stdin, and the terminal can show more than lines.
pub fn can_take_over() -> bool {
    stdout_is_terminal() && std::io::stdin().is_terminal() && !is_dumb()
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

/// Columns for what goes to stderr.
pub fn stderr_width() -> usize {
    if std::io::stderr().is_terminal() { size().0 } else { usize::MAX }
}

/// Columns for pages of help, which are for reading: no more than 100, and 80 where there is no terminal.
pub fn help_width() -> usize {
    const MOST: usize = 100;
    const LEAST: usize = 40;
    let is_terminal = stdout_is_terminal() || std::io::stderr().is_terminal();
    if is_terminal { size().0.clamp(LEAST, MOST) } else { 80 }
}

/// Writes a page of help to stderr or stdout; `painted` is the same with colours.
pub fn show_help(page: &str, painted: &str, to_stderr: bool) {
    let paint = if to_stderr { stderr_paint() } else { stdout_paint() };
    let page = if paint.on { painted } else { page };
    let page: String = page.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    // Who closed the pipe has read enough.
    let _ = match to_stderr {
        true => std::io::stderr().lock().write_all(page.as_bytes()),
        false => std::io::stdout().lock().write_all(page.as_bytes()),
    };
}

/// Writes a line to stderr, wrapped to the terminal's width. Who closed stderr does not want to know, and the run goes on.
pub fn say(line: &[StyledText]) {
    progress(None);
    let lines = Text::from(line.to_vec()).wrapped(stderr_width(), INDENT);
    let text: String = lines.iter().map(|line| line.render(usize::MAX, stderr_paint()) + "\n").collect();
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes `error: …` to stderr; a compiler's log in it keeps its lines.
pub fn say_error(text: &str) {
    let text = text.replace('\t', "    ");
    for (i, line) in text.trim_end().split('\n').enumerate() {
        let what = if i == 0 { "error: " } else { "" };
        say(&[styled(Style::Bad, what), styled(Style::Plain, line.trim_end())]);
    }
}

/// Writes lines of the result to stdout, wrapped to the terminal's width.
///
/// # Errors
/// [`OutputError`].
pub fn print_lines(lines: &[Text]) -> Result<(), OutputError> {
    let (width, paint) = (stdout_width(), stdout_paint());
    let lines = lines.iter().flat_map(|line| line.wrapped(width, INDENT));
    print(&lines.map(|line| line.render(usize::MAX, paint).trim_end().to_owned() + "\n").collect::<String>())
}

/// Writes the result to stdout as one JSON document.
///
/// # Errors
/// [`OutputError`].
pub fn print_json(document: &impl Serialize) -> Result<(), OutputError> {
    print(&(serde_json::to_string_pretty(document).map_err(|e| OutputError(e.into()))? + "\n"))
}

/// Writes one of many documents to stdout, on a line of its own.
///
/// # Errors
/// [`OutputError`].
pub fn print_json_line(document: &impl Serialize) -> Result<(), OutputError> {
    print(&(serde_json::to_string(document).map_err(|e| OutputError(e.into()))? + "\n"))
}

/// Writes the result to stdout as it is.
///
/// # Errors
/// [`OutputError`].
pub fn print_text(text: &str) -> Result<(), OutputError> {
    print(text)
}

/// Somebody else writes to stdout: the result goes to stderr.
static STDOUT_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Leaves stdout to somebody else from now on.
pub fn leave_stdout() {
    STDOUT_IS_TAKEN.store(true, Ordering::Relaxed);
}

/// Writes to stdout. Who closed stdout, as `head` does, has read enough.
fn print(text: &str) -> Result<(), OutputError> {
    progress(None);
    if STDOUT_IS_TAKEN.load(Ordering::Relaxed) {
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(OutputError(error)),
        _ => Ok(()),
    }
}

/// Shows what is being done now, on one line of stderr that whatever comes next replaces; nothing where nobody watches.
pub fn progress(doing: Option<&str>) {
    static SHOWN: AtomicBool = AtomicBool::new(false);
    if !can_redraw() || !(SHOWN.swap(doing.is_some(), Ordering::Relaxed) || doing.is_some()) {
        return;
    }
    let line = Text::from(vec![styled(Style::Dim, doing.unwrap_or_default())]);
    let line = line.render(size().0.saturating_sub(1), stderr_paint());
    let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{line}");
}
