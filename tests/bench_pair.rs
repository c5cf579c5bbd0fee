//! The script that compares two revisions: which rows it calls slower, what it writes, and what it refuses. The repository
//! and cargo are stand-ins: a revision is as fast as its file `rate` says.
#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Builds a program that prints what a benchmark would, of the tree that it was built in. Its round trips are a bit faster in
/// each run.
const CARGO: &str = r#"#!/usr/bin/env bash
[ "$1" = build ] || exit 9
mkdir -p "$CARGO_TARGET_DIR/release"
cat >"$CARGO_TARGET_DIR/release/ringscope" <<END
#!/usr/bin/env bash
printf 'x' >>"$PWD/runs"
rate=$(cat rate)
n=\$(wc -c <"$PWD/runs")
echo "{\"messages\": {\"round_trip\": [{\"bytes\": 0, \"p50_us\": \$((1000 - n))}], \"peak\": [{\"bytes\": 64, \"kernels\": 1,
    \"blocks\": 1, \"messages_per_second\": {\"median\": \$rate}}]},
  \"overhead\": [{\"kernel\": \"echo\", \"bytes\": 0, \"blocks\": 1, \"messages_per_second\": 1000000,
    \"null_ref\": {\"median\": 1}, \"level_1\": {\"median\": 0.9}, \"level_2\": {\"median\": 0.8}}]}"
END
chmod +x "$CARGO_TARGET_DIR/release/ringscope"
"#;

/// A repository with two revisions; `None`, aloud, where a tool that they need is not there.
struct Repository(PathBuf);

impl Repository {
    fn new(test: &str, rates: [&str; 2]) -> Option<Repository> {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let lacks = |tool: &str| Command::new(tool).arg("--version").output().is_err();
        if !scripts.is_dir() || ["git", "python3", "bash"].into_iter().any(lacks) {
            eprintln!("NOT TESTED: it needs the repository's scripts, git, python3 and bash");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-pair-{test}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("scripts")).unwrap();
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        for script in ["bench-pair.sh", "bench-pair.py"] {
            std::fs::copy(scripts.join(script), folder.join("scripts").join(script)).unwrap();
        }
        std::fs::write(folder.join("bin/cargo"), CARGO).unwrap();
        std::fs::set_permissions(folder.join("bin/cargo"), PermissionsExt::from_mode(0o755)).unwrap();
        let repository = Repository(folder);
        repository.git(&["init", "--quiet"]);
        for rate in rates {
            std::fs::write(repository.0.join("rate"), rate).unwrap();
            repository.git(&["add", "--all"]);
            repository.git(&["commit", "--quiet", "--allow-empty", "--message", rate]);
        }
        Some(repository)
    }

    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
        let done = Command::new("git").current_dir(&self.0).args(who).args(arguments).status().unwrap();
        assert!(done.success(), "git {arguments:?}");
    }

    fn pair(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.0.join("bin")].into_iter().chain(std::env::split_paths(&path));
        let Output { status, stdout, stderr } = Command::new("bash")
            .arg(self.0.join("scripts/bench-pair.sh"))
            .args(["--only", "messages", "--only", "overhead"])
            .args(arguments)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }
}

#[test]
fn a_row_that_is_slower_than_its_spread_and_the_limit_is_found() {
    let Some(repository) = Repository::new("slower", ["1000000", "900000"]) else { return };
    let (code, table, said) = repository.pair(&["HEAD~1", "-o", "record.md"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        table.contains(
            "| peak of 64 B, kernels: 1, blocks: 1 | 1,000 k/s | 900 k/s | 0.900 [0.900, 0.900] **slower** |"
        ),
        "{table}"
    );
    assert!(table.contains("| echo 0 B, blocks: 1, level 2 | 800 k/s | 800 k/s | 1.000 [1.000, 1.000] |"), "{table}");
    assert!(table.contains("1 of 6 rows are slower by more than 5 % beyond their spread."), "{table}");
    assert!(table.contains("in one run,\n5 times each"), "{table}");
    assert_eq!(std::fs::read_to_string(repository.0.join("record.md")).unwrap(), table);
    // Both in turn, as often as each other.
    let runs = |tree: &str| std::fs::read(repository.0.join(tree).join("runs")).unwrap().len();
    assert_eq!((runs("target/bench-pair/tree"), runs(".")), (5, 5));
    // What the limit allows; and the same again, of what is there already.
    let (code, table, said) = repository.pair(&["--limit", "10.5", "--rounds", "3", "HEAD~1"]);
    assert_eq!((code, table.contains("slower**")), (Some(0), false), "{table}{said}");
    // The other way round it is faster.
    repository.git(&["checkout", "--quiet", "HEAD~1"]);
    let (code, table, said) = repository.pair(&["master"]);
    let (code, table, said) = if code == Some(2) { repository.pair(&["main"]) } else { (code, table, said) };
    assert_eq!(code, Some(0), "{said}");
    assert!(table.contains("1.111 [1.111, 1.111] |"), "{table}");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let Some(repository) = Repository::new("refused", ["1", "1"]) else { return };
    let refused = [
        (vec![], "usage: scripts/bench-pair.sh"),
        (vec!["nosuch"], "nosuch is no revision of this repository"),
        (vec!["--rounds", "2", "HEAD"], "--rounds is 2, and must be a whole number from 3 on"),
        (vec!["--limit", "much", "HEAD"], "--limit is much, and must be a number of percent"),
        (vec!["--only", "nothing", "HEAD"], "there is no section nothing"),
        (vec!["HEAD", "-o"], "-o needs a value"),
        (vec!["HEAD", "HEAD"], "usage: scripts/bench-pair.sh"),
        (vec!["--fast", "HEAD"], "usage: scripts/bench-pair.sh"),
    ];
    for (arguments, why) in refused {
        let (code, table, said) = repository.pair(&arguments);
        assert_eq!((code, table.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
    // A benchmark that fails is no result.
    std::fs::write(repository.0.join("bin/cargo"), "#!/bin/sh\nexit 9\n").unwrap();
    let (code, table, _) = repository.pair(&["HEAD"]);
    assert_ne!(code, Some(0));
    assert_ne!(code, Some(1), "1 says that a row is slower");
    assert_eq!(table, "");
    let (code, help, _) = repository.pair(&["--help"]);
    assert!(code == Some(0) && help.starts_with("usage: scripts/bench-pair.sh"), "{help}");
}
