//! `ringscope top` on a pseudo-terminal: every page, sizes, keys, bytes that are no keys, other sources; and a terminal that is
//! as it was in every respect, whatever ended the program.
//!
//! The pseudo-terminal is one that python3 makes; where there is no python3, that is said aloud.
#![cfg(all(feature = "cli", feature = "host", unix))]

#[path = "../program/mod.rs"]
mod program;
mod sources;
mod terminal;

use std::process::{Command, Stdio};

use program::{ignores_hang_up, text};
use terminal::Terminal;

const SIZE: (u16, u16) = (100, 30);
const WORKLOAD: [&str; 5] = ["top", "--device", "host", "--interval", "100ms"];
const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const CTRL_L: &str = "\x0c";

fn workload(env: &[(&str, &str)]) -> Option<Terminal> {
    let terminal = Terminal::ringscope(SIZE, env, &WORKLOAD)?;
    terminal.wait_for("worker_2");
    assert!(terminal.is_taken());
    Some(terminal)
}

/// Quits, and checks that the terminal is as it was.
fn quit(mut terminal: Terminal) -> String {
    terminal.types("q");
    let (code, is_as_before, shown) = terminal.end();
    assert_eq!((code, is_as_before), (0, true), "{shown}");
    shown
}

#[test]
fn several_devices_are_a_column() {
    let args = ["top", "--device", "host,host", "--interval", "100ms"];
    let Some(terminal) = Terminal::ringscope(SIZE, &[], &args) else { return };
    for shows in ["on 2 devices", "device", "0 host", "1 host"] {
        terminal.wait_for(shows);
    }
    assert!(quit(terminal).contains("worker_1  1 host"));
}

#[test]
fn every_page_has_a_key_and_the_summary_is_what_is_left() {
    let Some(mut terminal) = workload(&[]) else { return };
    for (key, shows) in [
        ("2", "latency"),
        ("3", "block 0"),
        ("4", "everything"),
        ("5", "processors"),
        ("6", "firing"),
        ("7", "what it costs"),
        ("?", "Selecting"),
        ("\x1b", "what it costs"),
        ("1", "3 kernels"),
        ("\r", "handled"),
    ] {
        terminal.types(key);
        terminal.wait_for(shows);
    }
    let shown = quit(terminal);
    assert!(shown.contains("every reply") && shown.contains("worker_2"), "{shown}");
}

#[test]
fn every_end_gives_the_terminal_back() {
    for (signal, code) in [("SIGTERM", 0), ("SIGINT", 0), ("SIGHUP", 0), ("SIGQUIT", 128 + 3)] {
        // Nobody can be sent what is ignored.
        if signal == "SIGHUP" && ignores_hang_up() {
            continue;
        }
        let Some(mut terminal) = workload(&[]) else { return };
        terminal.signal(signal);
        let (ended, is_as_before, shown) = terminal.end();
        assert_eq!((ended, is_as_before), (code, true), "{signal}: {shown}");
    }
    let Some(mut terminal) = workload(&[]) else { return };
    terminal.types(CTRL_C);
    let (code, is_as_before, shown) = terminal.end();
    assert_eq!((code, is_as_before), (0, true), "{shown}");
}

#[test]
fn stopping_it_gives_the_terminal_back_and_going_on_takes_it_again() {
    let Some(mut terminal) = workload(&[]) else { return };
    terminal.types(CTRL_Z);
    assert_eq!(terminal.wait_until("stopped"), "stopped as-before");
    terminal.wait("given back", |_| !terminal.is_taken());
    terminal.signal("SIGCONT");
    terminal.wait("drawn again", |_| terminal.is_taken());
    terminal.types("7");
    terminal.wait_for("what it lost");
    quit(terminal);
}

#[test]
fn a_storm_of_sizes_leaves_a_whole_frame() {
    let Some(mut terminal) = workload(&[]) else { return };
    for n in 0..60_u16 {
        terminal.types([b'1' + (n % 7) as u8]);
        terminal.resize(1 + n * 37 % 150, 1 + n * 11 % 50);
    }
    terminal.resize(80, 24);
    terminal.type_until(&["7"], |screen| screen.contains("what it costs"));
    for (columns, rows) in [(40, 10), (400, 120), (100, 30)] {
        terminal.resize(columns, rows);
        terminal.wait("a whole frame", |screen| {
            let lines: Vec<&str> = screen.lines().collect();
            let is_last = lines.last().is_some_and(|line| line.contains("select"));
            lines.len() == usize::from(rows) && is_last && screen.contains("what it costs") && screen.contains("live")
        });
    }
    quit(terminal);
}

#[test]
fn bytes_that_are_no_keys_do_no_harm() {
    for seed in 1..=3_u64 {
        let Some(mut terminal) = workload(&[]) else { return };
        let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        };
        // Keys that end or stop it are pressed elsewhere.
        let bytes: Vec<u8> =
            std::iter::repeat_with(next).filter(|byte| !b"q\x03\x1a".contains(byte)).take(3000).collect();
        terminal.types(&bytes);
        terminal.types("\x1b[<0;3;2M\x1b[<35;999999;1m\x1b[200~paste\x1b[201~\x1b[M!!!\x1b]0;x\x07\x1b[1;5C");
        terminal.types(CTRL_L);
        // A filter may be written, and it may be held.
        terminal.type_until(&["\x1b", "n"], |screen| screen.contains("● live"));
        terminal.signal("SIGTERM");
        let (code, is_as_before, shown) = terminal.end();
        assert_eq!((code, is_as_before), (0, true), "seed {seed}: {shown}");
    }
}

#[test]
fn the_mouse_selects_and_opens() {
    let Some(mut terminal) = workload(&[]) else { return };
    let row = |screen: &str| screen.lines().position(|line| line.contains("worker_2") && !line.contains("latency"));
    let at = row(&terminal.wait_for("worker_2")).unwrap() + 1;
    let click = format!("\x1b[<0;5;{at}M\x1b[<0;5;{at}m");
    terminal.types(&click);
    terminal.wait("selected", |screen| screen.contains("worker_2  latency"));
    terminal.types(&click);
    terminal.wait("opened", |screen| screen.contains("handled") && screen.contains("worker_2  active"));
    quit(terminal);
}

#[test]
fn what_is_selected_goes_to_the_clipboard() {
    let Some(mut terminal) = workload(&[]) else { return };
    terminal.types("y");
    terminal.wait_for("copied: worker_0");
    let bytes = terminal.bytes();
    let osc52 = b"\x1b]52;c;d29ya2VyXzA=\x1b\\";
    assert!(bytes.windows(osc52.len()).any(|part| part == osc52));
    quit(terminal);
}

#[test]
fn a_filter_is_written_kept_and_taken_back() {
    let Some(mut terminal) = workload(&[]) else { return };
    terminal.types("/KER_1");
    terminal.wait("filtered", |screen| screen.contains("1 kernel ") && screen.contains("filter KER_1"));
    terminal.types("\r");
    terminal.wait("kept", |screen| !screen.contains("Enter keeps it") && screen.contains("filter KER_1"));
    terminal.types("\x1b");
    terminal.wait("taken back", |screen| screen.contains("3 kernels") && !screen.contains("KER_1"));
    quit(terminal);
}

#[test]
fn terminals_without_colours_and_without_unicode() {
    let Some(terminal) = workload(&[("NO_COLOR", "1"), ("LC_ALL", "C")]) else { return };
    let shown = terminal.wait_for("* live");
    assert!(shown.is_ascii(), "{shown}");
    let bytes = String::from_utf8(terminal.bytes()).unwrap();
    for sequence in bytes.split("\x1b[").filter_map(|part| part.split_once('m')).map(|(codes, _)| codes) {
        let is_colour = |code: &str| matches!(code.parse::<u32>(), Ok(30..=38 | 40..=48 | 90..=107));
        let is_codes = sequence.bytes().all(|byte| byte.is_ascii_digit() || byte == b';');
        assert!(!is_codes || !sequence.split(';').any(is_colour), "{sequence}");
    }
    quit(terminal);
    let Some(terminal) = workload(&[("TERM", "xterm")]) else { return };
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(!bytes.contains("38;2;") && bytes.contains("38;5;"), "{bytes:?}");
    quit(terminal);
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let Some(terminal) = Terminal::ringscope(SIZE, &[("TERM", "dumb")], &WORKLOAD) else { return };
    let (code, is_as_before, shown) = terminal.end();
    assert_eq!((code, is_as_before), (1, true));
    assert!(shown.contains("ringscope run") && shown.contains("ringscope serve") && shown.contains("dumb"), "{shown}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringscope"));
    let output = command.args(WORKLOAD).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty() && text(&output.stderr).contains("ringscope run"));
}
