//! Moments that others made: a server's, a recording's.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::SystemTime;

use crate::cli::error::CliError;
use crate::cli::term::signals;
use crate::cli::top::error::TopError;
use crate::cli::top::look;
use crate::cli::top::plain;
use crate::cli::top::run::{self, NoOrders, Orders};
use crate::cli::top::source::address::Address;
use crate::cli::top::source::connect::Connection;
use crate::cli::top::source::events::{Event, Events, WAITING};
use crate::cli::top::source::order::Order;
use crate::cli::top::source::replay::Replay;
use crate::cli::top::state::app::{App, Effect};
use crate::cli::top::state::link::{Kind, Origin, Playing};

impl Orders for Sender<Order> {
    fn order(&mut self, effect: &Effect) {
        let order = match effect {
            Effect::Hold => Order::Hold,
            Effect::GoOn => Order::GoOn,
            Effect::Next => Order::Next,
            Effect::Seek(seconds) => Order::Seek(*seconds),
            Effect::Speed(speed) => Order::Speed(*speed),
            Effect::Quit | Effect::Suspend | Effect::Redraw | Effect::Copy(_) => return,
        };
        // A recording that cannot be read any more has said so.
        let _ = self.send(order);
    }
}

/// Shows a server.
pub fn connect(address: &Address, token_file: Option<&Path>, on_terminal: bool) -> Result<bool, CliError> {
    let connection = Connection::new(address.clone(), token_file.map(token).transpose()?);
    let origin = Origin::new(Kind::Server, address.to_string());
    let (events, received) = sync_channel(WAITING);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(TopError::NoThread)?;
    let to_keep = events.clone();
    let keep = move || runtime.block_on(connection.keep(&to_keep));
    std::thread::Builder::new().name("connection".into()).spawn(keep).map_err(TopError::NoThread)?;
    show(origin, events, &received, &mut NoOrders, on_terminal)
}

/// Shows a recording.
pub fn replay(path: &Path, speed: f64, on_terminal: bool) -> Result<bool, CliError> {
    // As lines it is read as fast as it goes.
    let replay = Replay::open(path, on_terminal.then_some(speed))
        .map_err(|error| TopError::Recording { path: path.to_owned(), error })?;
    let mut origin = Origin::new(Kind::Recording, path.display().to_string());
    origin.playing = Some(Playing { speed });
    let (events, received) = sync_channel(WAITING);
    let (mut orders, ordered) = channel();
    let to_play = events.clone();
    let play = move || replay.play(&to_play, &ordered);
    std::thread::Builder::new().name("replay".into()).spawn(play).map_err(TopError::NoThread)?;
    show(origin, events, &received, &mut orders, on_terminal)
}

fn show(
    origin: Origin,
    events: Events,
    received: &Receiver<Event>,
    orders: &mut dyn Orders,
    on_terminal: bool,
) -> Result<bool, CliError> {
    let stop = signals::stop_on_signals()?;
    let mut app = App::new(origin, SystemTime::now());
    if on_terminal {
        run::read_input(events);
        run::run(&mut app, look::theme(), received, orders, stop).map_err(TopError::Terminal)?;
    } else {
        // The last sender is the source's: when it is gone, so is the last moment.
        drop(events);
        plain::run(&mut app, received, stop)?;
    }
    Ok(true)
}

/// Reads the token that stands in a file.
fn token(path: &Path) -> Result<String, TopError> {
    let failed = |reason: String| TopError::Token { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    match text.trim() {
        "" => Err(failed("it is empty".to_owned())),
        token if token.chars().all(|c| c.is_ascii_graphic()) => Ok(token.to_owned()),
        _ => Err(failed("it holds more than one word, or letters beyond ASCII".to_owned())),
    }
}
