//! Lines, where there is no terminal to draw on: one for each moment, what happened, and why kernels hang.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use ringscope::alert::Severity;

use crate::cli::term::terminal::{self, OutputError};
use crate::cli::term::text::{Style, StyledText, Text, plain, styled};
use crate::cli::term::units;
use crate::cli::top::source::events::Event;
use crate::cli::top::state::app::App;
use crate::cli::top::state::link::Link;
use crate::cli::top::words::clock;

/// How soon the end is noticed.
const LOOK: Duration = Duration::from_millis(100);

/// Writes lines until there are no more moments, or somebody wants the end.
///
/// # Errors
/// Stdout cannot be written to.
pub fn run(app: &mut App, events: &Receiver<Event>, stop: &AtomicBool) -> Result<(), OutputError> {
    let mut hang = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        match events.recv_timeout(LOOK) {
            Ok(Event::Moment(moment)) => {
                app.now = SystemTime::now();
                app.push(moment);
                let lines: Vec<Text> = lines(app, &mut hang).into_iter().map(Text::from).collect();
                terminal::print_lines(&lines)?;
            }
            Ok(Event::Link(Link::Down { why, again })) => {
                let left = again.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64();
                terminal::say(&[styled(Style::Warn, &format!("{why}; tried again in {left:.0} s"))]);
            }
            Ok(Event::Link(Link::Ended { why })) => {
                terminal::say(&[plain(&why)]);
                return Ok(());
            }
            Ok(Event::Input(_) | Event::NoInput | Event::Link(_) | Event::Lost(_)) => {}
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
    Ok(())
}

/// What the newest moment says; of kernels that hang, what was not said before.
fn lines(app: &App, hang: &mut Vec<Arc<str>>) -> Vec<Vec<StyledText>> {
    let Some(moment) = app.moment() else { return Vec::new() };
    let mut lines = vec![vec![plain(&all_kernels(app))]];
    for entry in moment.entries.iter() {
        let style = match entry.severity {
            Severity::Critical => Style::Bad,
            Severity::Warning => Style::Warn,
            _ => Style::Plain,
        };
        let says = format!("{}  {} {}: {}", clock(entry.time), entry.kind.name(), entry.subject, entry.text);
        lines.push(vec![styled(style, &says)]);
    }
    let stuck = moment.snapshot.stuck();
    for kernel in stuck.iter().filter(|kernel| !hang.contains(&kernel.kernel_id)) {
        lines.push(vec![styled(Style::Bad, &format!("{}  {kernel}", clock(moment.snapshot.time)))]);
    }
    *hang = stuck.iter().map(|kernel| Arc::clone(&kernel.kernel_id)).collect();
    lines
}

fn all_kernels(app: &App) -> String {
    let Some(moment) = app.moment() else { return String::new() };
    let totals = moment.snapshot.totals();
    let now = app.shown().and_then(|number| app.history.total(number)).copied().unwrap_or_default();
    let attention = match totals.need_attention {
        0 => String::new(),
        1 => ", 1 needs a look".to_owned(),
        n => format!(", {n} need a look"),
    };
    format!(
        "{}  {:>8} msg/s  {:>7} err/s  {:>7} queued  {} of {} kernels run{attention}",
        clock(moment.snapshot.time),
        units::rate(now.messages),
        units::rate(now.errors),
        units::count(now.queue),
        totals.running,
        totals.kernels,
    )
}
