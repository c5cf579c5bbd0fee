//! What sources and the terminal tell.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use ringscope::feed::Moment;

use crate::cli::top::state::link::Link;

/// Events that wait: a source that is faster than the screen waits, or loses and counts.
pub const WAITING: usize = 64;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A key, the mouse, another size.
    Input(crossterm::event::Event),
    /// The terminal gives no more input.
    NoInput,
    /// The next moment.
    Moment(Arc<Moment>),
    /// The source is otherwise than before.
    Link(Link),
    /// So many moments were there in all that came too fast.
    Lost(u64),
}

/// Where events go. Sending fails once nobody looks any more.
pub type Events = SyncSender<Event>;
