//! What a terminal shows: it fits the width whatever names there are, and the terminal is as before at the end.
//!
//! The terminal is a pseudo-terminal that python3 makes; where there is no python3, that is said aloud.
#![cfg(all(feature = "cli", feature = "host", unix))]

mod program;

use std::process::Command;

use unicode_width::UnicodeWidthChar;

use program::{Dir, ignores_hang_up, path, text};

/// Runs the program on a terminal of so many columns and 30 rows. When the terminal has got `marker`, it is sent `action`:
/// `type …`, `signal …` or nothing. Prints what the terminal got.
const ON_A_TERMINAL: &str = r"
import fcntl, os, pty, resource, signal, struct, sys, termios
columns, marker, action = int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3]
pid, fd = pty.fork()
if pid == 0:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 30, columns, 0, 0))
    os.execv(sys.argv[4], sys.argv[4:])
got = b''
while True:
    try:
        some = os.read(fd, 65536)
    except OSError:
        break
    if not some:
        break
    got += some
    if action and marker in got:
        what, which = action.split()
        if what == 'type':
            os.write(fd, bytes([int(which)]))
        else:
            os.kill(pid, getattr(signal, which))
        action = ''
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.stdout.buffer.write(got)
sys.exit(code if code >= 0 else 128 - code)
";

const CTRL_C: &str = "type 3";
const CTRL_BACKSLASH: &str = "type 28";
const HIDE: &str = "\x1b[?25l";
const SHOW: &str = "\x1b[?25h";
const FOR_SOME_SECONDS: [&str; 7] = ["run", "--device", "host", "--duration", "3s", "--interval", "100ms"];
const FOR_LONG: [&str; 7] = ["run", "--device", "host", "--duration", "10m", "--interval", "50ms"];

/// What the program runs on.
struct Terminal<'a> {
    columns: u32,
    env: (&'a str, &'a str),
    /// What is done to it when the terminal has got something.
    when: (&'a str, &'a str),
}

const PLAIN: Terminal = Terminal { columns: 100, env: ("LC_ALL", "C.UTF-8"), when: ("", "") };

impl Terminal<'_> {
    /// What the terminal got, and the exit code as a shell has it; `None`, aloud, without python3.
    fn run(&self, args: &[&str]) -> Option<(String, Option<i32>)> {
        let mut python = Command::new("python3");
        python.args(["-c", ON_A_TERMINAL, &self.columns.to_string(), self.when.0, self.when.1]);
        python.arg(env!("CARGO_BIN_EXE_ringscope")).args(args);
        match python.env_remove("NO_COLOR").env("TERM", "xterm").env(self.env.0, self.env.1).output() {
            Ok(output) => Some((text(&output.stdout).to_owned(), output.status.code())),
            Err(error) => {
                eprintln!("NOT TESTED: a pseudo-terminal needs python3, and there is none ({error})");
                None
            }
        }
    }
}

/// The lines that a terminal shows, without the sequences that move the cursor or set colours.
fn lines(seen: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = seen;
    while let Some((before, sequence)) = rest.split_once("\x1b[") {
        plain += before;
        let end = sequence.find(|c: char| ('@'..='~').contains(&c)).expect("a whole sequence");
        rest = &sequence[end + 1..];
    }
    plain += rest;
    plain.split(['\n', '\r']).map(str::to_owned).collect()
}

/// Checks that every line fits, and that nothing hides in it.
fn assert_fits(seen: &str, columns: u32, args: &[&str]) {
    for line in lines(seen) {
        // Without a width: controls. Without columns: marks, and what a terminal hides.
        let width: usize = line.chars().map(|c| c.width().unwrap_or(usize::MAX >> 1)).sum();
        assert!(width <= columns as usize, "{args:?} at {columns}: {line:?}");
        assert!(!line.contains(['\u{202e}', '\u{200b}', '\u{feff}']), "{args:?}: {line:?}");
    }
}

#[test]
fn everything_fits_whatever_names_there_are() {
    let dir = Dir::new("fits");
    let evil = "a name \u{202e}\u{200b}\u{feff}\u{1b}[2J\n設定設定設定設定設定設定設定設定 that is longer than a line of any terminal, and a";
    let file = dir.file(&format!("{evil}.bin"), 100_000);
    let missing = dir.0.join(format!("{evil}.missing"));
    let long = "x".repeat(150);
    let cases: [(&[&str], i32); 11] = [
        (&["run", "--device", "host", "--interval", "10ms", path(&file)], 0),
        (
            &[
                "run",
                "--device",
                "host",
                "--interval",
                "10ms",
                "--messages",
                "5000",
                "--inject-errors",
                "0.5",
                path(&file),
            ],
            0,
        ),
        (&["run", "--device", "host", "--no-telemetry", "--duration", "300ms", path(&file)], 0),
        (&["run", "--device", "host", path(&missing)], 1),
        (&["run", "--device", "cuda:63"], 1),
        (&["run", "--kernel", &long], 2),
        (&["run", "--kernels", "300", path(&missing)], 2),
        (&["doctor"], 0),
        (&["help", "run"], 0),
        (&["serve", "--help"], 0),
        (&[], 2),
    ];
    for columns in [40, 80, 100] {
        for (args, code) in cases {
            let Some((seen, ended)) = (Terminal { columns, ..PLAIN }).run(args) else { return };
            assert_eq!(ended, Some(code), "{args:?} at {columns}: {seen}");
            assert_fits(&seen, columns, args);
            // Shown escaped, as far as it is shown.
            let named = args.iter().any(|arg| arg.contains(".missing")) && code == 1;
            let joined: String = lines(&seen).iter().map(|line| line.trim()).collect();
            assert!(!named || joined.contains("\\u{202e}\\u{200b}\\u{feff}\\u{1b}[2J\\n設定"), "{joined}");
        }
        let serve = Terminal { columns, when: ("ends", CTRL_C), ..PLAIN };
        let args = ["serve", "--device", "host", "--listen", "127.0.0.1:0", "--interval", "10ms", path(&file)];
        let Some((seen, ended)) = serve.run(&args) else { return };
        assert_eq!(ended, Some(0), "{seen}");
        assert_fits(&seen, columns, &args);
    }
}

#[test]
fn long_examinations_fit_and_show_what_they_do() {
    for (columns, args) in [
        (40, &["doctor", "--deep", "--snapshots", "1000", "--device", "host"][..]),
        (40, &["bench", "--once", "--device", "host"]),
        (80, &["bench", "--once", "--device", "host"]),
    ] {
        let Some((seen, ended)) = (Terminal { columns, ..PLAIN }).run(args) else { return };
        assert_eq!(ended, Some(0), "{args:?} at {columns}: {seen}");
        assert_fits(&seen, columns, args);
        let progress = if args[0] == "bench" { "measuring: overhead" } else { "checking: exact counts" };
        assert!(seen.contains(progress), "{seen}");
    }
}

#[test]
fn one_live_line_for_each_kernel_is_redrawn_in_place() {
    let Some((seen, code)) = PLAIN.run(&FOR_SOME_SECONDS) else { return };
    assert_eq!(code, Some(0), "{seen}");
    assert_eq!((seen.matches(HIDE).count(), seen.matches(SHOW).count()), (1, 1));
    // Progress, titles, three kernels: up five lines for the next frame.
    let frames: Vec<&str> = seen.split("\x1b[5A").collect();
    assert!(frames.len() > 3, "{seen}");
    let frame = frames[frames.len() / 2];
    for part in ["worker_0", "worker_1", "worker_2", "active", "MB/s", " %", "left"] {
        assert!(frame.contains(part), "{part} in {frame:?}");
    }
    assert_eq!(frame.matches('\n').count(), 5);
    // The summary takes the place of the last frame.
    let (_, after) = seen.rsplit_once(SHOW).unwrap();
    assert!(after.contains("terminated") && after.contains("every reply"), "{after}");
    assert_fits(&seen, 100, &FOR_SOME_SECONDS);
}

#[test]
fn every_signal_gives_the_cursor_back() {
    // What was done to it, and the exit code as a shell has it: a clean end, or the signal's.
    for (action, code) in [
        (CTRL_C, 0),
        ("signal SIGTERM", 0),
        ("signal SIGHUP", 0),
        (CTRL_BACKSLASH, 128 + 3),
        ("signal SIGQUIT", 128 + 3),
    ] {
        // Nobody can be sent what is ignored.
        if action.ends_with("SIGHUP") && ignores_hang_up() {
            continue;
        }
        let terminal = Terminal { when: ("worker_2", action), ..PLAIN };
        let Some((seen, ended)) = terminal.run(&FOR_LONG) else { return };
        assert_eq!(ended, Some(code), "{action}: {seen}");
        assert!(seen.rfind(SHOW) > seen.rfind(HIDE), "{action}: {seen:?}");
        assert_eq!(seen.contains("interrupted"), code == 0, "{action}: {seen}");
    }
}

#[test]
fn terminals_that_want_no_colour_or_cannot_redraw() {
    let Some((seen, code)) = (Terminal { env: ("TERM", "dumb"), ..PLAIN }).run(&FOR_SOME_SECONDS) else { return };
    assert_eq!(code, Some(0));
    assert!(!seen.contains('\x1b') && seen.matches("received").count() > 3, "{seen}");
    let Some((seen, _)) = (Terminal { env: ("NO_COLOR", "1"), ..PLAIN }).run(&FOR_SOME_SECONDS) else { return };
    assert!(seen.contains("\x1b[5A") && !seen.contains("\x1b[1m") && !seen.contains("\x1b[2m"), "{seen}");
}
