//! What a terminal shows: text with styles, tables, the live display. Nothing here knows what a command does.

pub mod grid;
pub mod live;
pub mod table;
pub mod terminal;
pub mod units;
