//! What a terminal shows: text with styles, tables, the live display. Nothing here knows what a command does.

pub mod frame;
pub mod fullscreen;
pub mod grid;
pub mod kernels;
pub mod live;
pub mod publishing;
#[cfg(test)]
pub mod sample;
pub mod screen;
pub mod signals;
pub mod stuck;
pub mod terminal;
pub mod text;
pub mod units;
