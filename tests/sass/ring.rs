//! Ring kernels without telemetry.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::sources::{BUILT_IN, NO_TELEMETRY};
use crate::toolkit::{folder, root};
use crate::units::{run, tools};

/// A ring is ringscope's own, so there is none without it to compare with: this compares with one whose telemetry
/// goes nowhere. By PTX, with its names made equal: ptxas places registers by them, so the bytes may differ.
#[test]
fn a_ring_kernel_at_level_0_is_the_ring_without_telemetry() {
    let Some(tools) = tools() else { return };
    let folder = folder("sass-ring");
    let built_in = folder.join("built_in.cu");
    std::fs::write(&built_in, BUILT_IN.replace("#include \"probe/clock_probe.cu\"", "")).expect("a temporary file");
    let stub = folder.join("stub");
    std::fs::create_dir_all(stub.join("ringscope")).expect("a temporary folder");
    std::fs::write(stub.join("ringscope/telemetry.cuh"), NO_TELEMETRY).expect("a temporary file");
    let of = |level: u32, first: &[&Path]| {
        let ptx = folder.join("built_in.ptx");
        let mut command = Command::new(&tools.nvcc);
        command.args(["-ptx", "-std=c++17", "-O3", "-arch=compute_75", &format!("-DRINGSCOPE_LEVEL={level}")]);
        command.args(first.iter().flat_map(|path| [Path::new("-I"), path]));
        command.arg("-I").arg(root().join("kernels")).arg("-I").arg(root().join("kernels/include"));
        run(command.arg(&built_in).arg("-o").arg(&ptx));
        with_names_made_equal(&std::fs::read_to_string(ptx).expect("nvcc wrote it"))
    };
    let (off, without) = (of(0, &[]), of(0, &[&stub]));
    let differs = off.iter().zip(&without).find(|(a, b)| a != b);
    assert!(off == without, "{} lines and {}; first {differs:?}", off.len(), without.len());
    assert!(off != of(1, &[]), "the test sees telemetry where there is some");
}

/// The instructions of a PTX file: labels numbered in the order in which they occur, registers without their numbers, and moves that
/// follow one another sorted, for the compiler orders those by names.
fn with_names_made_equal(ptx: &str) -> Vec<String> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_%$".contains(c);
    let mut line_of = |line: &str| {
        let words = line.split_inclusive(|c| !is_part(c)).map(|word| {
            let name = word.trim_end_matches(|c| !is_part(c));
            let numbered = name.ends_with(|c: char| c.is_ascii_digit());
            if !numbered || !name.starts_with(['%', '$']) {
                return word.to_owned();
            }
            if name.starts_with('%') {
                return format!("#{}", &word[name.len()..]);
            }
            let next = names.len();
            let number = *names.entry(name.to_owned()).or_insert(next);
            format!("${number}{}", &word[name.len()..])
        });
        words.collect()
    };
    let declares = |line: &str| line.trim_start().starts_with(".reg") || line.starts_with("//");
    let mut lines: Vec<String> = ptx.lines().filter(|line| !declares(line)).map(&mut line_of).collect();
    let moves = |line: &String| line.trim_start().starts_with("mov.");
    for together in lines.chunk_by_mut(|a, b| moves(a) && moves(b)) {
        together.sort();
    }
    lines
}
