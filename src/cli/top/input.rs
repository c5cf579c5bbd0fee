//! Keys and the mouse: which action they ask for. The table of keys is what `?` shows and docs/top.md has.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use crate::cli::top::state::action::Action;
use crate::cli::top::state::page::Page;
use crate::cli::top::state::table::Column;

/// Lines to a notch of the wheel.
const NOTCH: isize = 3;
/// Seconds that `[` and `]` go back and forth.
const JUMP: isize = 60;

/// Keys, and what they do.
pub struct Binding {
    /// How they are written for people.
    pub keys: &'static str,
    /// What they do.
    pub says: &'static str,
    /// What they ask for, each key by itself.
    asks: &'static [(Key, Action)],
}

/// A key, with Ctrl or without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Without Ctrl.
    Is(KeyCode),
    /// With Ctrl.
    Ctrl(char),
}

const fn c(c: char) -> Key {
    Key::Is(KeyCode::Char(c))
}

const fn is(code: KeyCode) -> Key {
    Key::Is(code)
}

/// Groups of keys, with their titles.
pub const BINDINGS: &[(&str, &[Binding])] = &[
    (
        "Pages",
        &[
            Binding {
                keys: "1 to 7",
                says: "kernels, one kernel, its blocks, the log, the machine, alerts, telemetry itself",
                asks: &[
                    (c('1'), Action::Show(Page::Kernels)),
                    (c('2'), Action::Show(Page::Kernel)),
                    (c('3'), Action::Show(Page::Blocks)),
                    (c('4'), Action::Show(Page::Log)),
                    (c('5'), Action::Show(Page::Machine)),
                    (c('6'), Action::Show(Page::Alerts)),
                    (c('7'), Action::Show(Page::Telemetry)),
                ],
            },
            Binding {
                keys: "Tab, Shift-Tab",
                says: "the next page, the one before",
                asks: &[(is(KeyCode::Tab), Action::Further(1)), (is(KeyCode::BackTab), Action::Further(-1))],
            },
            Binding {
                keys: "Enter",
                says: "look closer: at the kernel, at its blocks, at the kernel of a line of the log",
                asks: &[(is(KeyCode::Enter), Action::Open)],
            },
            Binding {
                keys: "Esc",
                says: "back: out of this help, of a filter, to all kernels",
                asks: &[(is(KeyCode::Esc), Action::Back)],
            },
            Binding {
                keys: "?",
                says: "these keys",
                asks: &[(c('?'), Action::Help), (is(KeyCode::F(1)), Action::Help)],
            },
            Binding {
                keys: "q, Ctrl-C",
                says: "quit; a workload that was started here ends first",
                asks: &[(c('q'), Action::Quit), (Key::Ctrl('c'), Action::Quit)],
            },
            Binding { keys: "Ctrl-Z", says: "stop until `fg`", asks: &[(Key::Ctrl('z'), Action::Suspend)] },
            Binding { keys: "Ctrl-L", says: "draw everything again", asks: &[(Key::Ctrl('l'), Action::Redraw)] },
        ],
    ),
    (
        "Selecting",
        &[
            Binding {
                keys: "↑ ↓, k j",
                says: "the line above, the line below; in the map of blocks too",
                asks: &[
                    (is(KeyCode::Up), Action::Down(-1)),
                    (is(KeyCode::Down), Action::Down(1)),
                    (c('k'), Action::Down(-1)),
                    (c('j'), Action::Down(1)),
                ],
            },
            Binding {
                keys: "← →, h l",
                says: "the block beside; the kernel before, the next one; the column that kernels are sorted by",
                asks: &[
                    (is(KeyCode::Left), Action::Right(-1)),
                    (is(KeyCode::Right), Action::Right(1)),
                    (c('h'), Action::Right(-1)),
                    (c('l'), Action::Right(1)),
                ],
            },
            Binding {
                keys: "PgUp PgDn",
                says: "a page up, a page down",
                asks: &[
                    (is(KeyCode::PageUp), Action::PageDown(-1)),
                    (is(KeyCode::PageDown), Action::PageDown(1)),
                    (Key::Ctrl('u'), Action::PageDown(-1)),
                    (Key::Ctrl('d'), Action::PageDown(1)),
                ],
            },
            Binding {
                keys: "Home End, g G",
                says: "the first, the last",
                asks: &[
                    (is(KeyCode::Home), Action::First),
                    (is(KeyCode::End), Action::Last),
                    (c('g'), Action::First),
                    (c('G'), Action::Last),
                ],
            },
            Binding {
                keys: "s, S",
                says: "sort kernels by the next column, by the one before",
                asks: &[(c('s'), Action::SortFurther(1)), (c('S'), Action::SortFurther(-1))],
            },
            Binding { keys: "r", says: "sort the other way round", asks: &[(c('r'), Action::Reverse)] },
            Binding {
                keys: "/",
                says: "write a filter: names of kernels, lines of the log; Enter keeps it, Esc takes it back",
                asks: &[(c('/'), Action::EditFilter)],
            },
            Binding {
                keys: "e",
                says: "the log: all entries, warnings and worse, what is critical",
                asks: &[(c('e'), Action::Severity)],
            },
            Binding {
                keys: "y",
                says: "copy what is selected; why a kernel hangs, if it does (OSC 52)",
                asks: &[(c('y'), Action::Copy)],
            },
        ],
    ),
    (
        "Time",
        &[
            Binding {
                keys: "Space, p",
                says: "hold what is shown, go on; what happens meanwhile is kept",
                asks: &[(c(' '), Action::Pause), (c('p'), Action::Pause)],
            },
            Binding {
                keys: ", .",
                says: "hold, and a moment back, a moment forth",
                asks: &[(c(','), Action::Step(-1)), (c('.'), Action::Step(1))],
            },
            Binding {
                keys: "[ ]",
                says: "a minute back, a minute forth",
                asks: &[(c('['), Action::Seek(-JUMP)), (c(']'), Action::Seek(JUMP))],
            },
            Binding { keys: "n", says: "to the newest moment, and on", asks: &[(c('n'), Action::Newest)] },
            Binding {
                keys: "+ -",
                says: "show half as much time, twice as much",
                asks: &[(c('+'), Action::Zoom(-1)), (c('='), Action::Zoom(-1)), (c('-'), Action::Zoom(1))],
            },
            Binding {
                keys: "< >",
                says: "play a recording half as fast, twice as fast",
                asks: &[(c('<'), Action::Faster(-1)), (c('>'), Action::Faster(1))],
            },
        ],
    ),
];

/// What the mouse does, as the table of keys has it.
pub const MOUSE: &[(&str, &str)] = &[
    ("click", "a page, a title to sort by, a line, a block; again: look closer"),
    ("wheel", "lines up and down"),
    ("Shift and drag", "the terminal's own selection, in most terminals"),
];

/// Returns what a key asks for; while a filter is written, letters are its letters.
pub fn key(event: KeyEvent, editing: bool) -> Option<Action> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    if editing && let Some(action) = written(event.code, ctrl) {
        return Some(action);
    }
    let key = match event.code {
        // Terminals send letters as they were with Ctrl.
        KeyCode::Char(c) if ctrl => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(_) if event.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => Key::Is(KeyCode::BackTab),
        code => Key::Is(code),
    };
    let all = BINDINGS.iter().flat_map(|(_, bindings)| *bindings).flat_map(|binding| binding.asks);
    all.clone().find(|(known, _)| *known == key).map(|(_, action)| *action)
}

fn written(code: KeyCode, ctrl: bool) -> Option<Action> {
    match code {
        KeyCode::Char('u') if ctrl => Some(Action::EraseAll),
        KeyCode::Char('h') if ctrl => Some(Action::Erase),
        KeyCode::Char(c) if !ctrl => Some(Action::Write(c)),
        KeyCode::Backspace => Some(Action::Erase),
        _ => None,
    }
}

/// What is at a place of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The name of a page.
    Page(Page),
    /// The title of a column.
    Column(Column),
    /// A line of that number, or a block; and whether it is selected.
    Line(usize, bool),
    /// What tells that keys are shown by `?`.
    Help,
}

/// Returns what the mouse asks for, where it is over `target`.
pub fn mouse(event: MouseEvent, target: Option<Target>) -> Option<Action> {
    match event.kind {
        MouseEventKind::ScrollDown => Some(Action::Down(NOTCH)),
        MouseEventKind::ScrollUp => Some(Action::Down(-NOTCH)),
        MouseEventKind::Down(MouseButton::Left) => Some(match target? {
            Target::Page(page) => Action::Show(page),
            Target::Column(column) => Action::SortBy(column),
            Target::Line(_, true) => Action::Open,
            Target::Line(line, false) => Action::Select(line),
            Target::Help => Action::Help,
        }),
        MouseEventKind::Down(MouseButton::Right) => Some(Action::Back),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers, editing: bool) -> Option<Action> {
        key(KeyEvent::new(code, modifiers), editing)
    }

    #[test]
    fn no_key_has_two_meanings_and_each_does_what_the_table_says() {
        let all: Vec<_> = BINDINGS.iter().flat_map(|(_, all)| *all).flat_map(|binding| binding.asks).collect();
        for (at, (known, action)) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|(other, _)| other != known), "{known:?} twice");
            let (code, modifiers) = match known {
                Key::Is(code) => (*code, KeyModifiers::NONE),
                Key::Ctrl(c) => (KeyCode::Char(*c), KeyModifiers::CONTROL),
            };
            assert_eq!(press(code, modifiers, false), Some(*action), "{known:?}");
        }
        assert_eq!(press(KeyCode::Char('Z'), KeyModifiers::NONE, false), None);
        assert_eq!(press(KeyCode::Tab, KeyModifiers::SHIFT, false), Some(Action::Further(-1)));
        assert_eq!(press(KeyCode::Char('C'), KeyModifiers::CONTROL, false), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::ALT, false), None);
    }

    #[test]
    fn letters_are_written_into_a_filter_and_the_rest_does_what_it_does() {
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE, true), Some(Action::Write('q')));
        assert_eq!(press(KeyCode::Char('G'), KeyModifiers::SHIFT, true), Some(Action::Write('G')));
        assert_eq!(press(KeyCode::Backspace, KeyModifiers::NONE, true), Some(Action::Erase));
        assert_eq!(press(KeyCode::Char('u'), KeyModifiers::CONTROL, true), Some(Action::EraseAll));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL, true), Some(Action::Quit));
        assert_eq!(press(KeyCode::Enter, KeyModifiers::NONE, true), Some(Action::Open));
        assert_eq!(press(KeyCode::Esc, KeyModifiers::NONE, true), Some(Action::Back));
    }

    #[test]
    fn the_mouse_selects_and_then_opens() {
        let event = |kind| MouseEvent { kind, column: 0, row: 0, modifiers: KeyModifiers::NONE };
        let click = event(MouseEventKind::Down(MouseButton::Left));
        assert_eq!(mouse(click, Some(Target::Line(4, false))), Some(Action::Select(4)));
        assert_eq!(mouse(click, Some(Target::Line(4, true))), Some(Action::Open));
        assert_eq!(mouse(click, None), None);
        assert_eq!(mouse(event(MouseEventKind::ScrollUp), None), Some(Action::Down(-NOTCH)));
        assert_eq!(mouse(event(MouseEventKind::Moved), Some(Target::Help)), None);
    }

    /// The tables of keys of docs/top.md.
    fn tables() -> String {
        let row = |keys: &str, says: &str| format!("| {} | {says} |\n", keys.replace('|', "\\|"));
        let table = |title: &str, rows: String| format!("### {title}\n\n| | |\n|---|---|\n{rows}\n");
        let of = |bindings: &[Binding]| bindings.iter().map(|binding| row(binding.keys, binding.says)).collect();
        let all: String = BINDINGS.iter().map(|(title, bindings)| table(title, of(bindings))).collect();
        all + &table("Mouse", MOUSE.iter().map(|(what, says)| row(what, says)).collect())
    }

    #[test]
    fn the_document_has_all_keys() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/top.md");
        let document = std::fs::read_to_string(path).unwrap();
        const MARKS: [&str; 2] = ["<!-- keys -->\n", "<!-- end of keys -->\n"];
        let (before, rest) = document.split_once(MARKS[0]).unwrap();
        let (_, after) = rest.split_once(MARKS[1]).unwrap();
        let wanted = [before, MARKS[0], &tables(), MARKS[1], after].concat();
        if std::env::var_os("RINGSCOPE_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).unwrap();
        } else {
            assert!(document == wanted, "RINGSCOPE_WRITE_DOCS=1 cargo test --bin ringscope top::input writes it anew");
        }
    }
}
