//! Colours and signs: what each meaning looks like on a terminal of many colours, of 16, of none, and without Unicode.
//!
//! The colours are those of Okabe and Ito, which people tell apart who do not see all colours. No colour stands alone: where it
//! means something, a sign or a word says so too.

use ratatui::style::{Color, Modifier, Style};
use ringscope::KernelState;
use ringscope::alert::Severity;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None: attributes alone.
    None,
    /// The 16 of the terminal's own palette.
    Sixteen,
    /// The 256 of xterm.
    Many,
    /// All.
    True,
}

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing special.
    Plain,
    /// A title, a name.
    Title,
    /// Beside the point.
    Dim,
    /// A line between things.
    Line,
    /// What can be done, and what is chosen.
    Accent,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Throughput over time.
    Rate,
    /// Latency over time.
    Latency,
    /// Messages that wait, over time.
    Queue,
}

/// A colour as it is, its number among xterm's 256, and among the 16.
#[derive(Clone, Copy)]
struct Ink(u8, u8, u8, u8, Color);

const ORANGE: Ink = Ink(0xE6, 0x9F, 0x00, 178, Color::Yellow);
const SKY: Ink = Ink(0x56, 0xB4, 0xE9, 74, Color::LightBlue);
const GREEN: Ink = Ink(0x00, 0xB0, 0x84, 36, Color::Cyan);
const YELLOW: Ink = Ink(0xF0, 0xE4, 0x42, 227, Color::LightYellow);
const BLUE: Ink = Ink(0x3A, 0x8F, 0xD0, 68, Color::Blue);
const VERMILLION: Ink = Ink(0xF0, 0x6A, 0x20, 202, Color::LightRed);
const PURPLE: Ink = Ink(0xCC, 0x79, 0xA7, 175, Color::LightMagenta);
const GREY: Ink = Ink(0x8A, 0x8F, 0x98, 245, Color::DarkGray);
const DARK: Ink = Ink(0x4A, 0x4F, 0x58, 239, Color::DarkGray);

/// Of a map of blocks: places that have a meaning have colours of their own, waypoints those that are left.
const WAYPOINTS: [Ink; 5] = [SKY, PURPLE, ORANGE, YELLOW, BLUE];

/// From few to many: dark blue to yellow, in steps that are as bright as they are many (viridis).
const HEAT: [(u8, u8, u8, u8); 9] = [
    (0x44, 0x1A, 0x6E, 54),
    (0x47, 0x2D, 0x7B, 55),
    (0x3B, 0x52, 0x8B, 60),
    (0x2C, 0x72, 0x8E, 24),
    (0x21, 0x91, 0x8C, 30),
    (0x28, 0xAE, 0x80, 36),
    (0x5E, 0xC9, 0x62, 77),
    (0xAD, 0xDC, 0x30, 149),
    (0xFD, 0xE7, 0x25, 220),
];

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// How many colours there are.
    pub depth: Depth,
    /// Whether signs beyond ASCII can be shown.
    pub unicode: bool,
}

impl Theme {
    /// Returns how something of this meaning looks.
    pub fn style(&self, role: Role) -> Style {
        // Over what was drawn before.
        let plain = Style::new().fg(Color::Reset);
        match (role, self.depth) {
            (Role::Plain, _) => plain,
            (Role::Title, _) => plain.add_modifier(Modifier::BOLD),
            (Role::Bad, Depth::None) => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            (Role::Warn, Depth::None) => plain.add_modifier(Modifier::BOLD),
            (Role::Accent, Depth::None) => plain.add_modifier(Modifier::BOLD),
            (Role::Dim | Role::Line, Depth::None) => plain.add_modifier(Modifier::DIM),
            (_, Depth::None) => plain,
            (Role::Bad, _) => self.ink(VERMILLION).add_modifier(Modifier::BOLD),
            (Role::Accent, _) => self.ink(SKY).add_modifier(Modifier::BOLD),
            (Role::Dim, _) => self.ink(GREY),
            (Role::Line, _) => self.ink(DARK),
            (Role::Good | Role::Rate, _) => self.ink(GREEN),
            (Role::Warn, _) => self.ink(ORANGE),
            (Role::Latency, _) => self.ink(ORANGE),
            (Role::Queue, _) => self.ink(PURPLE),
        }
    }

    fn ink(&self, ink: Ink) -> Style {
        self.color(ink).map_or(Style::new(), |color| Style::new().fg(color))
    }

    fn color(&self, Ink(r, g, b, indexed, named): Ink) -> Option<Color> {
        match self.depth {
            Depth::None => None,
            Depth::Sixteen => Some(named),
            Depth::Many => Some(Color::Indexed(indexed)),
            Depth::True => Some(Color::Rgb(r, g, b)),
        }
    }

    /// Returns how what is selected looks: over what it is otherwise.
    pub fn selected(&self) -> Style {
        match self.depth {
            Depth::None | Depth::Sixteen => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Many => Style::new().bg(Color::Indexed(237)),
            Depth::True => Style::new().bg(Color::Rgb(0x2A, 0x33, 0x40)),
        }
    }

    /// Returns how a page's name looks while the page is shown.
    pub fn chosen(&self) -> Style {
        match self.color(SKY) {
            Some(color) => Style::new().fg(Color::Black).bg(color).add_modifier(Modifier::BOLD),
            None => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// Returns how the block that is selected looks.
    pub fn cursor(&self) -> Style {
        match self.depth {
            Depth::None => Style::new().add_modifier(Modifier::REVERSED | Modifier::UNDERLINED),
            _ => Style::new().fg(Color::Black).bg(Color::White).add_modifier(Modifier::BOLD),
        }
    }

    /// Returns how a state looks.
    pub fn state(&self, state: KernelState) -> Role {
        match state {
            KernelState::Active => Role::Good,
            KernelState::Terminating | KernelState::Deactivated => Role::Warn,
            state if state.needs_attention() => Role::Bad,
            _ => Role::Dim,
        }
    }

    /// Returns the sign of a state.
    pub fn state_sign(&self, state: KernelState) -> &'static str {
        let (sign, ascii) = match state {
            KernelState::Launched => ("○", "o"),
            KernelState::Active => ("●", "*"),
            KernelState::Deactivated => ("◌", "-"),
            KernelState::Terminating => ("◐", "."),
            KernelState::Terminated => ("■", "="),
            KernelState::Failed => ("✖", "X"),
            KernelState::Stalled => ("▲", "!"),
            _ => ("?", "?"),
        };
        self.sign(sign, ascii)
    }

    /// Returns how bad a severity looks.
    pub fn severity(&self, severity: Severity) -> Role {
        match severity {
            Severity::Critical => Role::Bad,
            Severity::Warning => Role::Warn,
            _ => Role::Plain,
        }
    }

    /// Returns the sign of a severity.
    pub fn severity_sign(&self, severity: Severity) -> &'static str {
        match severity {
            Severity::Critical => self.sign("✖", "X"),
            Severity::Warning => self.sign("▲", "!"),
            _ => self.sign("·", "-"),
        }
    }

    /// Returns the one of two signs that can be shown.
    pub fn sign(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// Returns a cell of a heat map of so many of the most, 0 to 1: its sign and its look.
    pub fn heat(&self, part: f64) -> (&'static str, Style) {
        const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];
        const ASCII: [&str; 5] = [" ", ".", ":", "*", "#"];
        let of = |n: usize| ((part.clamp(0.0, 1.0) * n as f64).ceil() as usize).min(n);
        match self.depth {
            Depth::None | Depth::Sixteen => {
                let shade = if self.unicode { SHADES[of(4)] } else { ASCII[of(4)] };
                (shade, self.ink(SKY))
            }
            _ if part <= 0.0 => (" ", Style::new()),
            depth => {
                let (r, g, b, indexed) = HEAT[of(HEAT.len()) - 1];
                let color = if depth == Depth::True { Color::Rgb(r, g, b) } else { Color::Indexed(indexed) };
                (self.sign("█", "#"), Style::new().fg(color))
            }
        }
    }

    /// Returns the look of a block that does the thing of that number among waypoints, or one of the things that every kernel
    /// does.
    pub fn block(&self, what: BlockInk) -> Style {
        let ink = match what {
            BlockInk::Absent => DARK,
            // So that what does something stands out.
            BlockInk::Idle => DARK,
            BlockInk::Works => GREEN,
            BlockInk::Waits => ORANGE,
            BlockInk::Waypoint(number) => WAYPOINTS[number % WAYPOINTS.len()],
        };
        self.ink(ink)
    }
}

/// The colours of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockInk {
    /// It is not there: it has not begun, or has ended.
    Absent,
    /// It waits for work.
    Idle,
    /// It handles a message.
    Works,
    /// It waits for room.
    Waits,
    /// It is at a waypoint.
    Waypoint(usize),
}
