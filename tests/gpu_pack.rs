//! The script that runs the pack on a GPU machine: what it lists, what it says where there is no GPU, and that what hangs or is
//! cut off leaves its report. The GPU, the program and the sections are scripts that stand in for them.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
const NVIDIA_SMI: &str = "#!/bin/sh\necho 'a stand-in for a GPU'";
const PROGRAM: &str = r#"#!/bin/sh
if [ "$2" = --json ]; then echo '  "auto": "cuda:0",'; else echo "cuda:0  usable"; fi"#;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/gpu")
}

/// A pack with the section `machine` and those of the test.
struct Pack {
    folder: PathBuf,
}

impl Pack {
    fn new(test: &str, nvidia_smi: &str, sections: &[(&str, &str)]) -> Pack {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gpu-pack-{test}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("sections")).expect("a folder");
        std::fs::create_dir_all(folder.join("bin")).expect("a folder");
        for file in ["run.sh", "common.sh", "sections/01-machine"] {
            std::fs::copy(sources().join(file), folder.join(file)).expect("a file of benches/gpu");
        }
        let pack = Pack { folder };
        pack.write("bin/nvidia-smi", nvidia_smi);
        pack.write("ringscope", PROGRAM);
        pack.write("pack.txt", "packed by a test\nneeds GLIBC_2.2");
        for (name, script) in sections {
            pack.write(&format!("sections/{name}"), &format!("#!/usr/bin/env bash\n# A section\n{script}"));
        }
        pack
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.join(file);
        std::fs::write(&path, format!("{text}\n")).expect("a file");
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("it can be started");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("bash");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = [self.folder.join("bin")].into_iter().chain(std::env::split_paths(&path));
        command
            .arg(self.folder.join("run.sh"))
            .args(arguments)
            .env("PATH", std::env::join_paths(path).expect("a path"));
        command.env("RINGSCOPE_GPU_REPORTS", self.folder.join("reports")).env("RINGSCOPE_SECTION_SECONDS", "20");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("bash starts")
    }

    fn report(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join("reports").join(name)).unwrap_or_default()
    }

    /// What became of each section.
    fn summary(&self) -> BTreeMap<String, String> {
        let summary = self.report("summary.txt");
        let lines = summary.lines().filter_map(|line| line.split_once(' '));
        lines.map(|(name, outcome)| (name.to_owned(), outcome.trim().to_owned())).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_list_names_the_ten_experiments_and_each_decides_something() {
    let output = Command::new("bash").arg(sources().join("run.sh")).arg("--list").output().expect("bash starts");
    let list = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && list.starts_with("machine "), "{list}");
    for experiment in 1..=10 {
        assert!(list.contains(&format!("(experiment {experiment})")), "experiment {experiment} in:\n{list}");
    }
    let mut sections = 0;
    for file in std::fs::read_dir(sources().join("sections")).expect("a folder") {
        let path = file.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a section");
        let decides = ["decision \"", "verdict yes", "./measure "].iter().any(|word| text.contains(word));
        assert!(decides && text.contains("source \"$RINGSCOPE_PACK/common.sh\""), "{path:?}");
        sections += 1;
    }
    assert_eq!(list.lines().count(), sections);
    for source in ["latencies", "red", "queues", "neighbours", "clock", "copies", "exit"] {
        let text = std::fs::read_to_string(sources().join(source).with_extension("cpp")).expect("an experiment");
        assert!(text.contains("\\ndecision: "), "{source}");
    }
}

#[test]
fn without_a_gpu_the_verdict_says_so_and_the_rest_is_skipped() {
    let nvidia_smi = "#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9";
    let pack = Pack::new("without", nvidia_smi, &[("50-works", "echo done")]);
    let output = pack.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("nothing else can run: nvidia-smi fails (exit 9)"), "{}", said(&output));
    let machine = pack.report("machine.txt");
    assert!(machine.contains("NVIDIA-SMI has failed") && machine.contains("verdict: nvidia-smi fails"), "{machine}");
    assert_eq!(pack.summary()["works"], "skipped: this machine cannot run it, see machine.txt");
    assert!(!pack.report("works.txt").contains("done"));
}

#[test]
fn a_machine_that_is_too_old_is_told_what_is_needed() {
    let pack = Pack::new("old", NVIDIA_SMI, &[]);
    pack.write("pack.txt", "needs GLIBC_99.7");
    let output = pack.run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("need glibc 99.7, and this machine has 2."), "{}", said(&output));
    assert!(!pack.report("machine.txt").contains("stand-in for a GPU"), "before anything is started");
}

#[test]
fn what_hangs_is_cut_off_and_leaves_its_report() {
    let sections = [
        ("50-hangs", "trap '' TERM\necho before\nwhile :; do sleep 1; done"),
        ("51-fails", "echo why; exit 3"),
        ("52-skips", "source \"$RINGSCOPE_PACK/common.sh\"\nskip no such tool"),
        ("53-works", "source \"$RINGSCOPE_PACK/common.sh\"\ndecision go on"),
    ];
    let pack = Pack::new("hangs", NVIDIA_SMI, &sections);
    let output = pack.command(&[]).env("RINGSCOPE_SECTION_SECONDS", "6").output().expect("bash starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let summary = pack.summary();
    assert!(summary["machine"].starts_with("passed"), "{summary:?}\n{}", pack.report("machine.txt"));
    assert!(summary["hangs"].starts_with("cut off after"), "{summary:?}");
    assert!(summary["fails"].starts_with("failed (exit 3)"), "{summary:?}");
    assert_eq!(summary["skips"], "skipped: no such tool");
    assert!(summary["works"].starts_with("passed"), "{summary:?}");
    let hangs = pack.report("hangs.txt");
    assert!(hangs.contains("\nbefore\n") && hangs.contains("\noutcome: cut off after"), "{hangs}");
    let all = pack.report("all.txt");
    assert!(all.contains("decision: go on") && all.contains("why"), "{all}");
}

#[test]
fn a_run_that_is_cut_off_leaves_what_it_had() {
    let pack = Pack::new("cut", NVIDIA_SMI, &[("50-works", "echo done"), ("51-long", "echo before\nexec sleep 15")]);
    let mut run = pack.command(&[]).spawn().expect("bash starts");
    let start = Instant::now();
    while !pack.report("long.txt").contains("before") {
        assert!(start.elapsed() < SOON, "{:?}", pack.summary());
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().expect("it runs still");
    run.wait().expect("it ended");
    assert!(pack.report("works.txt").contains("done"));
    assert!(pack.summary()["works"].starts_with("passed") && !pack.summary().contains_key("long"));
}

#[test]
fn sections_run_by_name_and_an_unknown_one_is_wrong_usage() {
    let pack = Pack::new("named", NVIDIA_SMI, &[("50-works", "echo done"), ("51-other", "echo done")]);
    let output = pack.run(&["works"]);
    assert!(output.status.success(), "{}\n{}", said(&output), pack.report("machine.txt"));
    assert_eq!(pack.summary().keys().collect::<Vec<_>>(), ["machine", "works"]);
    let output = pack.run(&["work"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("no section `work`") && said(&output).contains("works"), "{}", said(&output));
    assert_eq!(pack.run(&["--help"]).status.code(), Some(0));
    assert_eq!(pack.run(&["--loud"]).status.code(), Some(2));
}
