//! Signals: what asks for the end, and a terminal that is given back whichever signal ends the program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::cli::term::{fullscreen, screen};

/// The system gives no thread to handle signals with, or no handler.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen for Ctrl-C: {0}: end other programs or raise the limits on threads and open files (ulimit -u, -n)"
)]
pub struct SignalError(std::io::Error);

/// Whether `signal` is ignored since before the program began, as `nohup` does with SIGHUP.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Sets the returned flag at the first SIGINT, SIGTERM or SIGHUP: the end, which is clean. The second one, or a SIGQUIT,
/// ends the program there and then, by that signal. While it is stopped (Ctrl-Z) the cursor is there.
///
/// # Errors
/// [`SignalError`].
pub fn stop_on_signals() -> Result<&'static AtomicBool, SignalError> {
    static STOP: AtomicBool = AtomicBool::new(false);
    let hang_up = Some(SIGHUP).filter(|signal| !is_ignored(*signal));
    let handled = [SIGINT, SIGTERM, SIGQUIT, SIGCONT, SIGTSTP].into_iter().chain(hang_up);
    let mut signals = Signals::new(handled).map_err(SignalError)?;
    let body = move || {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => stand_by(),
                SIGCONT => fullscreen::after_a_stop(),
                SIGQUIT => end_by(SIGQUIT),
                _ if STOP.swap(true, Ordering::Relaxed) => end_by(signal),
                _ => {}
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(body).map_err(SignalError)?;
    Ok(&STOP)
}

/// Ends the program as the signal would have, so that its parent sees which it was.
fn end_by(signal: i32) {
    restore_soon();
    let _ = emulate_default_handler(signal);
}

fn stand_by() {
    let before = restore_soon();
    let _ = emulate_default_handler(SIGTSTP);
    if before.full {
        fullscreen::take_again();
    }
    if before.hidden {
        screen::hide_cursor();
    }
}

/// How the terminal was before it was given back.
#[derive(Clone, Copy, Default)]
struct Before {
    /// All of it was taken.
    full: bool,
    /// The cursor was hidden.
    hidden: bool,
}

/// Gives the terminal and the cursor back, unless the terminal takes nothing now, as after Ctrl-S; how it was.
fn restore_soon() -> Before {
    const SOON: Duration = Duration::from_millis(500);
    let (sender, receiver) = channel();
    let restore = move || {
        // If that took longer than `SOON`, nobody is left to be told.
        let full = fullscreen::give_back();
        let _ = sender.send(Before { full, hidden: screen::restore_cursor() });
    };
    let thread = std::thread::Builder::new().spawn(restore);
    thread.ok().and_then(|_| receiver.recv_timeout(SOON).ok()).unwrap_or_default()
}
