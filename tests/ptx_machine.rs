//! The PTX machine that the stand-in of the driver runs kernels on: each opcode against the PTX manual, warps, blocks, faults,
//! and the crate's own kernels, on the weak memory, against the same sources as C++. Needs a C++ compiler (c++).

#[path = "cuda-driver/objects.rs"]
mod objects;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const TESTS: [&str; 18] = [
    "tests_main",
    "integers_test",
    "bits_test",
    "floats_test",
    "memory_test",
    "warps_test",
    "blocks_test",
    "refusals_test",
    "rings_test",
    "ring_trial",
    "ring_trials_test",
    "probes_test",
    "header_test",
    "records_test",
    "roles_test",
    "waits_test",
    "costs_test",
    "wild_test",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn say(what: &str) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// The program with all the tests; `None` without a C++ compiler.
fn program() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(compile).clone()
}

fn compile() -> Option<PathBuf> {
    let machine = objects::ptx_machine()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptx-machine-tests");
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let sources = root().join("tests/cuda-driver");
    let unit = |name: &str| (format!("{name}.o"), sources.join(format!("ptx/{name}.cpp")), 0);
    let units: Vec<(String, PathBuf, u32)> = (0..=3)
        .map(|level| (format!("kernels_l{level}.o"), sources.join("kernels.cpp"), level))
        .chain(TESTS.into_iter().map(unit))
        .chain([("shim.o".to_owned(), root().join("kernels/host/shim.cpp"), 0)])
        .collect();
    let at_once = std::thread::available_parallelism().map_or(2, |n| n.get());
    for some in units.chunks(at_once) {
        let started: Vec<_> = some
            .iter()
            .map(|(object, source, level)| {
                let mut cxx = objects::compiler();
                cxx.args(["-O1", "-Werror", "-DRINGSCOPE_CPU"]).arg(format!("-DRINGSCOPE_LEVEL={level}"));
                cxx.arg("-c").arg(source).arg("-o").arg(folder.join(object));
                (cxx.spawn().expect("it starts again"), cxx)
            })
            .collect();
        for (mut child, cxx) in started {
            assert!(child.wait().expect("a compiler").success(), "{cxx:?}");
        }
    }
    let tests = folder.join("machine_tests");
    let mut link = objects::compiler();
    link.args(units.iter().map(|(object, ..)| folder.join(object))).args(machine).arg("-o").arg(&tests);
    assert!(link.status().expect("a compiler").success(), "{link:?}");
    Some(tests)
}

/// Runs those of the program's tests. What it says; `None` where it cannot run.
fn run(names: &[&str]) -> Option<String> {
    if cfg!(not(unix)) {
        say("skipped: the PTX machine is for Unix");
        return None;
    }
    let Some(program) = program() else {
        say("skipped: the PTX machine: no C++ compiler (c++)");
        return None;
    };
    let folders = ["kernels/ptx", "tests/cuda-driver/ptx/kernels"].map(|folder| root().join(folder));
    let output = Command::new(program).args(folders).args(names).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    Some(said)
}

/// What it was before the rings polled by 16 bytes, read a message's first line at once and gathered replies: of the revision
/// 4d5d8ef, counted in the same way.
const BEFORE: &str = include_str!("cuda-driver/ptx/costs_before.txt");
const DOCUMENT: &str = "docs/rings.md";
const TABLE: [&str; 2] = ["<!-- The table: ", "<!-- The end of the table. -->"];

/// Lines of `cost KERNEL BYTES CASE TRIPS FENCES L2 INSTRUCTIONS`, with tabs between, as rows.
fn table(now: &str) -> String {
    let lines = |of: &str| -> Vec<Vec<String>> {
        let costs = of.lines().filter_map(|line| line.strip_prefix("cost\t"));
        costs.map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };
    let (before, now) = (lines(BEFORE), lines(now));
    assert_eq!(before.len(), now.len(), "the same cases before and now");
    let mut text =
        "| kernel | bytes | case | trips | fences | L2 | instructions |\n|---|---:|---|---:|---:|---:|---:|\n"
            .to_owned();
    for (was, is) in before.iter().zip(&now) {
        assert_eq!(was[..3], is[..3], "the same cases before and now");
        let figures: Vec<String> = was[3..].iter().zip(&is[3..]).map(|(was, is)| format!("{was} → {is}")).collect();
        text += &format!("| {} | {} | {} | {} |\n", is[0], is[1], is[2], figures.join(" | "));
    }
    text
}

#[test]
fn the_documented_cost_of_a_message_is_this() {
    let Some(said) = run(&["costs"]) else { return };
    let file = root().join(DOCUMENT);
    let text = std::fs::read_to_string(&file).expect("the document");
    let (head, rest) = text.split_once(TABLE[0]).expect("the table's begin");
    let (command, rest) = rest.split_once("-->\n").expect("the command that writes it");
    let (documented, tail) = rest.split_once(TABLE[1]).expect("the table's end");
    let now = table(&said);
    if std::env::var_os("RINGSCOPE_WRITE_DOCS").is_some_and(|v| v == "1") {
        let text = format!("{head}{}{command}-->\n{now}{}{tail}", TABLE[0], TABLE[1]);
        return std::fs::write(&file, text).expect("the document can be written");
    }
    let differs = documented.lines().zip(now.lines()).find(|(was, is)| was != is);
    assert!(
        documented == now,
        "{DOCUMENT} is out of date: RINGSCOPE_WRITE_DOCS=1 cargo test --test ptx_machine; first {differs:?}"
    );
}

#[test]
fn each_opcode_does_what_the_manual_says() {
    let _ = run(&["integers", "bits", "floats", "conversions"]);
}

#[test]
fn each_space_and_each_order_is_understood_and_a_wrong_address_is_a_fault() {
    let _ = run(&["memory"]);
}

#[test]
fn lanes_go_their_own_ways_and_meet_where_they_must() {
    let _ = run(&["warps"]);
}

#[test]
fn blocks_have_barriers_and_run_by_a_seed_or_on_threads() {
    let _ = run(&["blocks"]);
}

#[test]
fn what_is_not_understood_is_an_error_that_names_it() {
    let _ = run(&["refusals"]);
}

#[test]
fn the_crates_kernels_do_as_ptx_what_they_do_as_cpp() {
    let _ = run(&["rings", "probes"]);
}

#[test]
fn messages_in_device_memory_are_whole_when_their_tail_is_seen() {
    let _ = run(&["fed_rings"]);
}

#[test]
fn a_kernel_that_dies_leaves_whole_replies_each_once() {
    let _ = run(&["dead_rings"]);
}

#[test]
fn a_block_that_waits_for_room_survives_that_its_clock_is_set() {
    let _ = run(&["set_clocks"]);
}

#[test]
fn what_the_headers_promise_holds_for_lanes_that_go_apart() {
    let _ = run(&["header"]);
}

#[test]
fn what_is_read_of_rings_of_records_was_written_whole_once_and_in_order() {
    let _ = run(&["records"]);
}

#[test]
fn words_of_a_wait_are_of_one_wait_and_last_words_are_complete() {
    let _ = run(&["waits"]);
}

#[test]
fn roles_of_a_block_are_counted_each_by_itself_and_exactly() {
    let _ = run(&["roles"]);
}

#[test]
fn a_megakernel_does_its_tasks_and_counts_them_and_none_of_its_flags_is_in_vain() {
    let _ = run(&["wild"]);
}
