//! What somebody who looks can ask for.

use crate::cli::top::state::page::Page;
use crate::cli::top::state::table::Column;

/// What is asked for, by a key or by the mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End.
    Quit,
    /// Stop the program, as Ctrl-Z does elsewhere.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// Show a page.
    Show(Page),
    /// Show the page so many further.
    Further(isize),
    /// Show the keys, or show them no longer.
    Help,
    /// Look closer at what is selected.
    Open,
    /// Back: out of the help, of a filter, of one kernel.
    Back,
    /// Select so many lines further down.
    Down(isize),
    /// Select so many pages further down.
    PageDown(isize),
    /// Select so many to the right: a block, the column to sort by, the next kernel.
    Right(isize),
    /// Select the first.
    First,
    /// Select the last.
    Last,
    /// Select the line with that number on the page.
    Select(usize),
    /// Sort by the column that is so many further.
    SortFurther(isize),
    /// Sort by that column; if that is so already, the other way round.
    SortBy(Column),
    /// Sort the other way round.
    Reverse,
    /// Begin to write a filter.
    EditFilter,
    /// Write a character of it.
    Write(char),
    /// Take the last character back.
    Erase,
    /// Take all of it back.
    EraseAll,
    /// Show the next least severity in the log.
    Severity,
    /// Hold, or go on.
    Pause,
    /// Hold, and go so many moments further.
    Step(isize),
    /// Go to the newest moment, and on.
    Newest,
    /// Show so many times as much time: doubled so many times.
    Zoom(isize),
    /// Go so many seconds further in a recording.
    Seek(isize),
    /// Play a recording twice as fast, so many times over.
    Faster(isize),
    /// Copy what is selected.
    Copy,
}
