//! The keys, and what colours mean.

use ratatui::layout::Rect;
use ringscope::KernelState;

use crate::cli::term::text::{Paint, paragraphs};
use crate::cli::top::input::{BINDINGS, MOUSE};
use crate::cli::top::view::pen::Pen;
use crate::cli::top::view::theme::Role;

/// A line of the help: keys, and what they do, or a title.
enum Line {
    Title(String),
    Keys(String, String),
    State(KernelState),
    Words(String),
    Nothing,
}

const STATES: [(KernelState, &str); 7] = [
    (KernelState::Launched, "resident, takes no messages yet"),
    (KernelState::Active, "takes messages"),
    (KernelState::Deactivated, "takes no messages until it is activated again"),
    (KernelState::Terminating, "was told to stop"),
    (KernelState::Terminated, "ended"),
    (KernelState::Stalled, "one of its blocks gave no sign of life for too long: 3 shows which"),
    (KernelState::Failed, "died, or its device did"),
];

const WORDS: &[(&str, &str)] = &[
    (
        "What the columns are",
        "Rates and latencies are of the time between the newest reading and the one before. Sparklines show the \
      largest value of the moments in a column, so that no spike is hidden; + and - choose how many.",
    ),
    (
        "The heat map",
        "Each column is some moments, each row a range of latencies, from the device's own buckets: the brighter, the more \
      messages. Two bands are two kinds of messages, which an average hides.",
    ),
    (
        "The map of blocks",
        "Each cell is a block, its colour and letter where it is; ! is one that has been silent for too long. Blocks that \
      wait for something that is due are more often the cause of a hang than those that wait for them.",
    ),
];

/// Columns of the keys.
const KEYS: u16 = 18;

/// Draws it from that line on.
pub fn draw(pen: &mut Pen, area: Rect, first: usize) {
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let lines = lines(inside.width);
    let first = first.min(lines.len().saturating_sub(inside.height.into()));
    for (line, y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        match line {
            Line::Title(title) => pen.heading(Rect { y, height: 1, ..inside }, title, ""),
            Line::Keys(keys, says) => {
                pen.write(inside.x + 1, y, KEYS, keys, Role::Accent);
                pen.write(inside.x + 1 + KEYS, y, inside.width.saturating_sub(KEYS + 1), says, Role::Plain);
            }
            Line::State(state) => {
                let style = pen.theme.style(pen.theme.state(*state));
                let sign = pen.theme.state_sign(*state);
                pen.put(inside.x + 1, y, KEYS, &format!("{sign} {state}"), style);
                let says = STATES.iter().find(|(known, _)| known == state).map_or("", |(_, says)| says);
                pen.write(inside.x + 1 + KEYS, y, inside.width.saturating_sub(KEYS + 1), says, Role::Plain);
            }
            Line::Words(words) => {
                pen.write(inside.x + 1, y, inside.width.saturating_sub(1), words, Role::Plain);
            }
            Line::Nothing => {}
        }
    }
}

fn wrapped(text: &str, width: u16) -> Vec<String> {
    let lines = paragraphs(text, usize::from(width).max(8));
    lines.iter().map(|line| line.render(usize::MAX, Paint { on: false })).collect()
}

fn lines(width: u16) -> Vec<Line> {
    let mut lines = Vec::new();
    let keys = |lines: &mut Vec<Line>, keys: &str, says: &str| {
        for (n, part) in wrapped(says, width.saturating_sub(KEYS + 1)).into_iter().enumerate() {
            lines.push(Line::Keys(if n == 0 { keys.to_owned() } else { String::new() }, part));
        }
    };
    for (title, bindings) in BINDINGS {
        lines.push(Line::Title((*title).to_owned()));
        bindings.iter().for_each(|binding| keys(&mut lines, binding.keys, binding.says));
        lines.push(Line::Nothing);
    }
    lines.push(Line::Title("Mouse".to_owned()));
    MOUSE.iter().for_each(|(what, says)| keys(&mut lines, what, says));
    lines.extend([Line::Nothing, Line::Title("States".to_owned())]);
    lines.extend(STATES.iter().map(|(state, _)| Line::State(*state)));
    for (title, words) in WORDS {
        lines.extend([Line::Nothing, Line::Title((*title).to_owned())]);
        lines.extend(wrapped(words, width.saturating_sub(2)).into_iter().map(Line::Words));
    }
    lines
}
