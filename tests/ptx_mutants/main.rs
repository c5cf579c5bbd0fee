//! The PTX machine has teeth: mutants of the crate's PTX (kernels/ptx), each one instruction, or every copy of one source line,
//! made a little wrong, run on the machine's weak memory until something is seen to be wrong. What survives needs a reason
//! (reasons.rs). docs/ptx-mutants.md is the table. Needs a C++ compiler (c++).
//!
//! Without more, each mutant runs with the seed that caught it last (tests/cuda-driver/ptx/mutants.txt) and a few more.
//! RINGSCOPE_PTX_SEEDS=64 is the whole campaign, with so many seeds; RINGSCOPE_WRITE_DOCS=1 with it writes both files.
//! RINGSCOPE_PTX_RESULTS=FOLDER takes ENTRY.txt there for what the program printed: a campaign of several machines.

#[path = "../cuda-driver/objects.rs"]
mod objects;
mod reasons;
mod table;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// With each copy of a line by itself, and the others by lines.
const ENTRIES: [&str; 12] = [
    "crc32c_l2",
    "echo_l2",
    "vector_add_l2",
    "compute_l2",
    "probe_metrics_l2",
    "crc32c_l3",
    "echo_l3",
    "crc32c_l1",
    "echo_l1",
    "vector_add_l1",
    "compute_l1",
    "probe_metrics_l1",
];
/// Tried after the one that caught a mutant last.
const FEW_SEEDS: u64 = 4;
const SEEDS_FILE: &str = "tests/cuda-driver/ptx/mutants.txt";
const DOCUMENT: &str = "docs/ptx-mutants.md";

/// A line of the program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mutant {
    entry: String,
    what: String,
    number: u64,
    outcome: String,
    seed: u64,
    kind: String,
    opcode: String,
    place: String,
    /// The place with the text of each call that led there.
    calls: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Past the harness, which keeps what a passing test prints to itself.
fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn program() -> Option<PathBuf> {
    if cfg!(not(unix)) || objects::compiler().arg("--version").output().is_err() {
        return None;
    }
    let machine = objects::ptx_machine()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx-mutants");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let sources = root().join("tests/cuda-driver");
    let parts = ["mutants", "places", "ring_trial", "probe_trial", "mutants_test"];
    let own = parts.map(|part| (folder.join(format!("{part}.o")), sources.join(format!("ptx/{part}.cpp")), 2));
    let kernels =
        [0, 1, 2, 3].map(|level| (folder.join(format!("kernels_l{level}.o")), sources.join("kernels.cpp"), level));
    let shim = (folder.join("shim.o"), root().join("kernels/host/shim.cpp"), 2);
    let units: Vec<_> = own.into_iter().chain(kernels).chain([shim]).collect();
    for two in units.chunks(2) {
        let compile = |(object, source, level): &(PathBuf, PathBuf, u32)| {
            let mut cxx = objects::compiler();
            cxx.args(["-O2", "-DRINGSCOPE_CPU", &format!("-DRINGSCOPE_LEVEL={level}"), "-c"])
                .arg(source)
                .arg("-o")
                .arg(object);
            cxx.spawn().expect("the compiler starts")
        };
        let started: Vec<_> = two.iter().map(compile).collect();
        for mut child in started {
            assert!(child.wait().expect("a compiler").success(), "the mutants' program was not compiled");
        }
    }
    let made = folder.join("mutants");
    let mut link = objects::compiler();
    link.args(units.iter().map(|(object, ..)| object)).args(machine).arg("-o").arg(&made);
    assert!(link.status().expect("a linker").success(), "the mutants' program was not linked");
    Some(made)
}

/// What the program prints for that entry. Panics where the kernel as it is does not pass.
fn results(program: &Path, entry: &str, seeds: Option<u64>) -> String {
    if let Some(folder) = std::env::var_os("RINGSCOPE_PTX_RESULTS") {
        let file = Path::new(&folder).join(format!("{entry}.txt"));
        return std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
    let mut command = Command::new(program);
    command.arg(root().join("kernels/ptx")).arg(entry).arg(seeds.unwrap_or(FEW_SEEDS).to_string()).args(["0", "1"]);
    if seeds.is_none() {
        command.arg(root().join(SEEDS_FILE));
    }
    let output = command.output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{entry}: {}\n{said}", String::from_utf8_lossy(&output.stderr));
    said
}

fn parsed(line: &str) -> Option<Mutant> {
    let mut fields = line.strip_prefix("mutant\t")?.split('\t').map(str::to_owned);
    let mut next = || fields.next().unwrap_or_default();
    let (entry, what, number, outcome) = (next(), next(), next().parse().ok()?, next());
    let (seed, kind, opcode, place, calls) = (next().parse().ok()?, next(), next(), next(), next());
    Some(Mutant { entry, what, number, outcome, seed, kind, opcode, place, calls })
}

/// Of all entries, several at a time.
fn campaign(program: &Path, seeds: Option<u64>) -> Vec<Mutant> {
    let (left, found) = (Mutex::new(ENTRIES.iter()), Mutex::new(BTreeMap::new()));
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(ENTRIES.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(entry) = left.lock().expect("no worker panics with it").next() else { return };
                    let said = results(program, entry, seeds);
                    said.lines().filter(|line| line.starts_with("speed")).for_each(say);
                    let mutants: Vec<Mutant> = said.lines().filter_map(parsed).collect();
                    let place = ENTRIES.iter().position(|e| e == entry);
                    found.lock().expect("no worker panics with it").insert(place, mutants);
                }
            });
        }
    });
    found.into_inner().expect("no worker panicked").into_values().flatten().collect()
}

fn is_caught(mutant: &Mutant) -> bool {
    mutant.outcome == "caught"
}

/// What the short form needs to know: the seed that caught a mutant, if not the first; `-` for what survived.
fn seeds_file(mutants: &[Mutant]) -> String {
    let mut text = "# Written by the campaign of tests/ptx_mutants: ENTRY WHAT NUMBER SEED\n".to_owned();
    for m in mutants.iter().filter(|m| !is_caught(m) || m.seed != 0) {
        let seed = if is_caught(m) { m.seed.to_string() } else { "-".to_owned() };
        text += &format!("{}\t{}\t{}\t{seed}\n", m.entry, m.what, m.number);
    }
    text
}

#[test]
fn each_mutant_is_caught_or_has_a_reason() {
    let seeds = std::env::var("RINGSCOPE_PTX_SEEDS").ok().and_then(|n| n.parse::<u64>().ok());
    let Some(program) = program() else {
        return say("skipped: the mutants of the PTX: no C++ compiler (c++)");
    };
    let mutants = campaign(&program, seeds);
    let caught = mutants.iter().filter(|m| is_caught(m)).count();
    say(&format!("{caught} of {} mutants of the PTX caught", mutants.len()));
    assert!(caught > 0, "nothing ran");
    let Some(seeds) = seeds else {
        // What survives the campaign is not run here.
        let lost: Vec<_> = mutants.iter().filter(|m| !is_caught(m)).collect();
        let hint = "The PTX changed? RINGSCOPE_WRITE_DOCS=1 RINGSCOPE_PTX_SEEDS=64 cargo test --test ptx_mutants";
        return assert!(lost.is_empty(), "caught by the campaign, not any more: {lost:#?}\n{hint}");
    };
    let (unexplained, stale) = reasons::missing(&mutants);
    let files = [(DOCUMENT, table::document(&mutants, seeds)), (SEEDS_FILE, seeds_file(&mutants))];
    if std::env::var_os("RINGSCOPE_WRITE_DOCS").is_some_and(|v| v == "1") {
        for (file, text) in &files {
            std::fs::write(root().join(file), text).expect("the file can be written");
        }
    }
    assert!(unexplained.is_empty(), "survivors without a reason in tests/ptx_mutants/reasons.rs: {unexplained:#?}");
    assert!(stale.is_empty(), "reasons that no survivor needs: {stale:#?}");
    for (file, text) in &files {
        let written = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        let of_these_seeds = written.contains(&format!("{seeds} seeds")) || *file == SEEDS_FILE;
        assert!(!of_these_seeds || written == *text, "{file} is out of date: {}", table::REFRESH);
    }
}
