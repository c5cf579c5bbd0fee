//! The whole terminal, taken and given back: raw mode, the alternate screen, the mouse, the cursor.
//!
//! Whatever ends the program gives it back: the end of [`Fullscreen`], a panic on any thread, a signal.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::style::Print;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

/// Clicks and the wheel are told, with places beyond column 223. Where the mouse moves is nobody's business.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// Whether the terminal is taken, and has to be given back.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether it was taken again, so that nothing of what was drawn is on it.
static TAKEN_AGAIN: AtomicBool = AtomicBool::new(false);
/// Whether a panic took it away.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// The terminal behind stdout, until this is dropped.
#[derive(Debug)]
pub struct Fullscreen(());

impl Fullscreen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It has no raw mode, or cannot be written to.
    pub fn take() -> std::io::Result<Fullscreen> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(give_back_on_panic);
        take()?;
        Ok(Fullscreen(()))
    }
}

impl Drop for Fullscreen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if it is taken; whether it was.
pub fn give_back() -> bool {
    // A frame that is being drawn is drawn first.
    let mut stdout = std::io::stdout().lock();
    let taken = TAKEN.swap(false, Ordering::SeqCst);
    if taken {
        // Whoever cannot be written to has nothing to be put right.
        let _ = execute!(stdout, Print(MOUSE_OFF), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
    taken
}

/// Draws, if the terminal is taken; until that is done it is not given back. A frame behind that would hide the cursor of who has it
/// then.
pub fn while_taken<T>(draw: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<Option<T>> {
    // The lock of who writes to it: whoever has it may take it again.
    let _held = std::io::stdout().lock();
    TAKEN.load(Ordering::SeqCst).then(draw).transpose()
}

/// Takes the terminal again, after it was given back because the program was stopped.
pub fn take_again() {
    TAKEN_AGAIN.store(take().is_ok(), Ordering::SeqCst);
}

/// Takes again what a shell may have changed while the program was stopped without being asked.
pub fn after_a_stop() {
    if TAKEN.load(Ordering::SeqCst) {
        // What is known as raw would not be made raw.
        let _ = disable_raw_mode();
        take_again();
    }
}

/// Whether all has to be drawn again; asking resets it.
pub fn was_taken_again() -> bool {
    TAKEN_AGAIN.swap(false, Ordering::SeqCst)
}

/// Whether a panic has given the terminal back: there is nothing to draw on.
pub fn is_broken() -> bool {
    BROKEN.load(Ordering::SeqCst)
}

fn take() -> std::io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken = execute!(std::io::stdout(), EnterAlternateScreen, Hide, Print(MOUSE_ON));
    taken.inspect_err(|_| {
        give_back();
    })
}

/// So that what a panic says is read, and not in raw mode on a screen that is gone.
fn give_back_on_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if give_back() {
            BROKEN.store(true, Ordering::SeqCst);
        }
        say(panic);
    }));
}

/// Puts a text onto the clipboard of who looks, also from another machine: most terminals take it (OSC 52).
pub fn copy(text: &str) {
    use base64::Engine as _;
    let coded = base64::engine::general_purpose::STANDARD.encode(text);
    let mut stdout = std::io::stdout().lock();
    // A terminal that takes nothing is found out by the next frame.
    let _ = write!(stdout, "\x1b]52;c;{coded}\x1b\\").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Runs this very test program on a pseudo-terminal, and prints what that got, and `as before` if its settings are.
    const ON_A_TERMINAL: &str = r"
import os, pty, sys, termios
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.execv(sys.argv[1], sys.argv[1:])
os.waitpid(pid, 0)
os.set_blocking(master, False)
sys.stdout.buffer.write(os.read(master, 1 << 20))
print('as before' if termios.tcgetattr(slave) == before else 'changed')
";

    #[test]
    #[ignore = "it takes the terminal and panics; the test below runs it"]
    fn panics() {
        let _taken = Fullscreen::take().unwrap();
        std::thread::spawn(|| panic!("something is wrong")).join().unwrap_err();
        assert!(is_broken() && !TAKEN.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_on_any_thread_gives_the_terminal_back_before_it_is_told() {
        let this = std::env::current_exe().unwrap();
        let mut python = Command::new("python3");
        python.args(["-c", ON_A_TERMINAL]).arg(this).args([
            "--ignored",
            "--exact",
            "cli::term::fullscreen::tests::panics",
        ]);
        let Ok(output) = python.args(["--nocapture"]).env("RUST_BACKTRACE", "0").output() else {
            eprintln!("NOT TESTED: a pseudo-terminal needs python3, and there is none");
            return;
        };
        let got = String::from_utf8_lossy(&output.stdout).into_owned();
        let at = |what: &str| got.find(what).unwrap_or_else(|| panic!("no {what:?} in {got:?}"));
        let (taken, left, told) = (at("\x1b[?1049h"), at("\x1b[?1049l"), at("something is wrong"));
        assert!(taken < left && left < told && at("\x1b[?25h") < told && at("\x1b[?1000l") < told, "{got:?}");
        assert!(got.contains("1 passed") && got.trim_end().ends_with("as before"), "{got:?}");
    }
}
