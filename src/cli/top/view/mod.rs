//! What is seen: pure functions of the state and an area.

mod alerts;
mod blocks;
mod chart;
mod frame;
mod heat;
mod help;
mod kernel;
mod kernels;
mod log;
mod machine;
mod pen;
mod telemetry;
pub mod theme;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::cli::top::input::Target;
use crate::cli::top::state::app::{App, Shape};
use crate::cli::top::state::page::Page;
use crate::cli::top::view::pen::Pen;
use crate::cli::top::view::theme::Theme;

/// What was drawn where.
#[derive(Clone, Debug)]
pub struct Drawn {
    targets: Vec<(Rect, Target)>,
    /// How much of the page fits.
    pub shape: Shape,
}

impl Drawn {
    /// Returns all that can be clicked at.
    #[cfg(test)]
    pub fn targets(&self) -> &[(Rect, Target)] {
        &self.targets
    }

    /// Returns what is at a place of the screen.
    pub fn at(&self, x: u16, y: u16) -> Option<Target> {
        let here = |(area, _): &&(Rect, Target)| area.contains((x, y).into());
        self.targets.iter().rev().find(here).map(|(_, target)| *target)
    }
}

/// Draws everything.
pub fn draw(app: &App, theme: Theme, area: Rect, buffer: &mut Buffer) -> Drawn {
    let mut pen = Pen::new(buffer, theme);
    let body = frame::draw(&mut pen, app, area);
    pen.shape.lines = usize::from(body.height).max(1);
    pen.inside = body;
    if let Some(first) = app.help {
        help::draw(&mut pen, body, first);
    } else if app.moment().is_none() {
        frame::nothing_yet(&mut pen, app, body);
    } else {
        match app.page {
            Page::Kernels => kernels::draw(&mut pen, app, body),
            Page::Kernel => kernel::draw(&mut pen, app, body),
            Page::Blocks => blocks::draw(&mut pen, app, body),
            Page::Log => log::draw(&mut pen, app, body),
            Page::Machine => machine::draw(&mut pen, app, body),
            Page::Alerts => alerts::draw(&mut pen, app, body),
            Page::Telemetry => telemetry::draw(&mut pen, app, body),
        }
        if app.stale_for().is_some() {
            pen.dim(body);
        }
    }
    Drawn { targets: pen.targets, shape: pen.shape }
}

/// Draws the page of blocks that are given, and why their kernel hangs.
#[cfg(test)]
pub fn draw_blocks(
    app: &App,
    theme: Theme,
    map: Option<(&crate::cli::top::state::blocks::BlockMap, &str)>,
    area: Rect,
    buffer: &mut Buffer,
) -> Drawn {
    let mut pen = Pen::new(buffer, theme);
    blocks::draw_map(&mut pen, app, map.map(|(map, _)| map), map.map(|(_, stuck)| stuck.to_owned()), area);
    Drawn { targets: pen.targets, shape: pen.shape }
}
