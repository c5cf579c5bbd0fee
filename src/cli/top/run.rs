//! The loop: what happens changes the state, and the state is drawn; four times a second, or at once where somebody pressed a key.

use std::io::{BufWriter, Stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use crossterm::event::Event as Input;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

use crate::cli::term::fullscreen::{self, Fullscreen};
use crate::cli::top::input;
use crate::cli::top::source::events::{Event, Events, WAITING};
use crate::cli::top::state::action::Action;
use crate::cli::top::state::app::{App, Effect};
use crate::cli::top::view::theme::Theme;
use crate::cli::top::view::{self, Drawn};

/// Time between two looks at the clock: what is shown of time is at most so old.
const TICK: Duration = Duration::from_millis(250);

/// Who is told what somebody wants of the source.
pub trait Orders {
    /// Tells it. A source that knows nothing of holding goes on, and what it tells is kept.
    fn order(&mut self, effect: &Effect);
}

/// A source that takes no orders.
pub struct NoOrders;

impl Orders for NoOrders {
    fn order(&mut self, _: &Effect) {}
}

/// Shows the state on the terminal, and changes it, until somebody wants the end or `stop` says so.
///
/// # Errors
/// The terminal cannot be taken or written to.
pub fn run(
    app: &mut App,
    theme: Theme,
    events: &Receiver<Event>,
    orders: &mut dyn Orders,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    let _taken = Fullscreen::take()?;
    let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, std::io::stdout()));
    let mut shown = Shown { terminal: Terminal::new(backend)?, drawn: None };
    // Not every terminal has a second screen.
    shown.clear()?;
    let mut tick = Instant::now();
    let mut dirty = true;
    while !stop.load(Ordering::Relaxed) && !fullscreen::is_broken() {
        app.now = SystemTime::now();
        if fullscreen::was_taken_again() {
            shown.clear()?;
            dirty = true;
        }
        if std::mem::take(&mut dirty) {
            shown.draw(app, theme)?;
        }
        let wait = (tick + TICK).saturating_duration_since(Instant::now());
        match events.recv_timeout(wait) {
            Ok(Event::NoInput) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Ok(event) => {
                // What came together is drawn together.
                let more = std::iter::from_fn(|| events.try_recv().ok());
                let (mut urgent, mut ends) = (false, false);
                for event in std::iter::once(event).chain(more.take(WAITING)) {
                    app.now = SystemTime::now();
                    urgent |= matches!(event, Event::Input(_));
                    ends |= matches!(event, Event::NoInput) || handle(app, event, &mut shown, orders)?;
                }
                if ends {
                    return Ok(());
                }
                // A moment waits for the next tick; somebody who pressed a key does not.
                dirty |= urgent;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        if tick.elapsed() >= TICK {
            tick = Instant::now();
            dirty = true;
        }
    }
    Ok(())
}

/// What is on the terminal.
struct Shown {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    drawn: Option<Drawn>,
}

impl Shown {
    /// Clears the terminal, so that the next frame draws all of it. Where the cursor is, which `Terminal::clear` asks, is nobody's
    /// business, and not every terminal answers.
    fn clear(&mut self) -> std::io::Result<()> {
        let size = self.terminal.size()?;
        fullscreen::while_taken(|| self.terminal.resize(Rect::new(0, 0, size.width, size.height))).map(|_| ())
    }

    fn draw(&mut self, app: &mut App, theme: Theme) -> std::io::Result<()> {
        let mut drawn = None;
        fullscreen::while_taken(|| {
            let view = |frame: &mut Frame<'_>| drawn = Some(view::draw(app, theme, frame.area(), frame.buffer_mut()));
            self.terminal.draw(view).map(|_| ())
        })?;
        if let Some(drawn) = &drawn {
            app.shape = drawn.shape;
        }
        self.drawn = drawn;
        Ok(())
    }
}

/// Whether that was the end.
fn handle(app: &mut App, event: Event, shown: &mut Shown, orders: &mut dyn Orders) -> std::io::Result<bool> {
    let action = match event {
        Event::Moment(moment) => {
            app.push(moment);
            None
        }
        Event::Link(link) => {
            app.origin.link = link;
            None
        }
        Event::Lost(lost) => {
            app.origin.lost = lost;
            None
        }
        Event::Input(Input::Key(key)) => input::key(key, app.editing),
        Event::Input(Input::Mouse(mouse)) => {
            let target = shown.drawn.as_ref().and_then(|drawn| drawn.at(mouse.column, mouse.row));
            input::mouse(mouse, target)
        }
        Event::Input(_) | Event::NoInput => None,
    };
    action.map_or(Ok(false), |action| perform(app, action, shown, orders))
}

fn perform(app: &mut App, action: Action, shown: &mut Shown, orders: &mut dyn Orders) -> std::io::Result<bool> {
    match app.apply(action) {
        Some(Effect::Quit) => return Ok(true),
        Some(Effect::Suspend) => {
            // The thread that handles signals gives the terminal back, and takes it again.
            let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTSTP);
        }
        Some(Effect::Redraw) => shown.clear()?,
        Some(Effect::Copy(text)) => fullscreen::copy(&text),
        Some(effect) => orders.order(&effect),
        None => {}
    }
    Ok(false)
}

/// Reads the terminal's input on a thread of its own, until nobody looks any more.
pub fn read_input(events: Events) {
    let read = move || {
        loop {
            let event = crossterm::event::read().map_or(Event::NoInput, Event::Input);
            let ends = matches!(event, Event::NoInput);
            if events.send(event).is_err() || ends {
                return;
            }
        }
    };
    // Without a thread there are no keys, and Ctrl-C ends it all the same.
    let _ = std::thread::Builder::new().name("input".into()).spawn(read);
}
