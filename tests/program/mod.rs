//! The program, run by tests, and files for it.
#![allow(dead_code, reason = "each test program uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A directory of this test's own, removed at its end.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new(name: &str) -> Dir {
        let path = std::env::temp_dir().join(format!("ringscope-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    /// A file of bytes that do not repeat soon.
    pub fn file(&self, name: &str, bytes: usize) -> PathBuf {
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        let next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        };
        let path = self.0.join(name);
        std::fs::write(&path, std::iter::repeat_with(next).take(bytes).collect::<Vec<u8>>()).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The program with these arguments, in colour if it is on a terminal.
pub fn ringscope(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringscope"));
    command.args(args).env_remove("NO_COLOR").env("TERM", "xterm");
    command
}

/// What it wrote, and how it ended.
pub fn output(args: &[&str]) -> Output {
    ringscope(args).output().unwrap()
}

/// Bytes that must be UTF-8.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The one document that stdout must be, and the exit code.
pub fn json(args: &[&str]) -> (Value, Option<i32>) {
    let output = output(args);
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e} of {args:?}: {}\n{}", text(&output.stdout), text(&output.stderr)));
    (document, output.status.code())
}

/// A path that must be UTF-8.
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether SIGHUP is ignored here, and so in every program that is started here: under nohup it is.
pub fn ignores_hang_up() -> bool {
    const SIGHUP: u32 = 1;
    is_in_set(std::process::id(), "SigIgn:", SIGHUP)
}

/// Whether a set of signals of a process, by its name in /proc, has this one.
pub fn is_in_set(process: u32, set: &str, signal: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let set = status.lines().find_map(|line| line.strip_prefix(set)).unwrap();
    u64::from_str_radix(set.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}
