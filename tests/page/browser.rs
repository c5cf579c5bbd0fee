//! A real browser, driven by a script of this folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// One browser at a time: several at once are slow where there are few cores.
static ONE: Mutex<()> = Mutex::new(());

/// Whether there is a browser; says aloud if there is none.
pub fn is_there() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "none");
    let there = set("RINGSCOPE_BROWSER") && set("RINGSCOPE_BROWSER_DRIVERS");
    if !there {
        let required = std::env::var("RINGSCOPE_REQUIRE_BROWSER").is_ok_and(|v| v == "1");
        assert!(!required, "RINGSCOPE_BROWSER is not set: eval \"$(scripts/browser.sh)\"");
        let _ = writeln!(std::io::stderr(), "skipped: no RINGSCOPE_BROWSER: eval \"$(scripts/browser.sh)\" brings it");
    }
    there
}

/// Runs a script, which must end well. Lines of its output that begin with `> ` ask for something: `act` does it, and its answer
/// is the script's next line of input. All other lines are for people.
pub fn run(script: &str, arguments: &[&str], mut act: impl FnMut(&str) -> String) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    let mut command = Command::new("node");
    command.arg(folder.join(script)).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().expect("node, which scripts/browser.sh needs too");
    let mut answers = node.stdin.take().expect("its stdin");
    for line in BufReader::new(node.stdout.take().expect("its stdout")).lines().map_while(Result::ok) {
        match line.strip_prefix("> ") {
            // A script that has ended meanwhile says why.
            Some(asked) => drop(writeln!(answers, "{}", act(asked))),
            None => println!("{script}: {line}"),
        }
    }
    let status = node.wait().expect("its end");
    assert!(status.success(), "{script} {arguments:?}: {status}, see above");
}

/// The same, of a script that asks for nothing.
pub fn check(script: &str, arguments: &[&str]) {
    run(script, arguments, |asked| panic!("{script} asks for {asked:?}"));
}
