//! The figures in docs/sass.md.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::code::{Instruction, Kernel};
use crate::toolkit::root;
use crate::units::{ARCHITECTURES, Dress, Everything, OWN_KERNELS, RING_KERNELS, everything};

const REFRESH: &str = "RINGSCOPE_WRITE_DOCS=1 cargo test --test sass";

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|v| v == "1")
}

/// Past the test harness, which would swallow what eprintln says.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn the_documented_figures_are_these() {
    let Some(everything) = everything() else { return };
    let file = root().join("docs/sass.md");
    let now = document(everything);
    if is_set("RINGSCOPE_WRITE_DOCS") {
        std::fs::create_dir_all(root().join("docs")).expect("the folder of the documents");
        std::fs::write(&file, now).expect("docs/sass.md can be written");
        return;
    }
    let documented = std::fs::read_to_string(&file).unwrap_or_default();
    let version = documented.split_once("nvcc ").and_then(|(_, rest)| rest.split([',', ' ']).next());
    if let Some(other) = version.filter(|v| *v != everything.version) {
        say(&format!("not compared: docs/sass.md is of nvcc {other}, this is nvcc {}", everything.version));
        return;
    }
    let differs = documented.lines().zip(now.lines()).find(|(was, is)| was != is);
    let (was, is) = differs.unwrap_or(("(another length)", "(another length)"));
    assert!(documented == now, "docs/sass.md is out of date: {REFRESH}\n  it says {was}\n  it is   {is}");
}

fn document(everything: &Everything) -> String {
    let mut text = format!(
        "# The machine code of the kernels\n\n\
         Compiled by nvcc {}, read from the SASS by `tests/sass`, which fails when these figures are out of date.\n\
         Refresh them: `{REFRESH}`.\n\n",
        everything.version
    );
    text += "What that test asserts, for each architecture below: telemetry counts with RED (no result, no order) and adds no \
             ATOM, no\ncompare-and-swap loop, no fence, no call and no load but of constant tables to what level 0 has; \
             nothing spills, and\nnothing has a stack; a kernel at level 0 is byte for byte the kernel that never heard of \
             ringscope, and a ring kernel at\nlevel 0 the ring without telemetry; the record of a warp is one RED and one \
             store. One thing is not counted as a call: what\nptxas for sm_75 to sm_89 puts behind each shuffle and each \
             meeting of the lanes, for a warp that is not converged. A warp of a ring\nalways is.\n\n";
    text += "Instructions are all that lie in the kernel, the paths that a message seldom takes included, padding not. \
             REDs are those\nof telemetry. Three figures are those of levels 0, 1 and 2.\n\n";
    text += "## Ring kernels\n\n";
    table(&mut text, &RING_KERNELS, |name, arch, level| everything.built_in(name, arch, Dress::Level(level)));
    text += "\nSix REDs: the record of a message; waiting time and polls at the two places that tell them; \
             messages dropped at a stop.\n";
    text += "\n## Kernels of one's own\n\nA loop of one store, named for the call that it makes for each message; `mixed` \
             makes most of them.\n\n";
    table(&mut text, &OWN_KERNELS, |name, arch, level| everything.own(name, arch, Dress::Level(level)));
    text += "\n## What the call alone adds\n\nThe same kernels less those without the call, levels 1 and 2. One thread \
             records word by word, a warp all words at once.\n\n";
    calls(&mut text, everything);
    text
}

fn table<'a>(text: &mut String, names: &[&str], kernel: impl Fn(&str, u32, u32) -> &'a Kernel) {
    *text += "| Kernel | Architecture | Registers | Instructions | REDs |\n|---|---|---|---|---|\n";
    for name in names {
        for arch in ARCHITECTURES {
            let levels = [0, 1, 2].map(|level| kernel(name, arch, level));
            let registers = list(levels.map(|k| k.registers));
            let sizes = list(levels.map(Kernel::size));
            let reds = list(levels.map(|k| k.count(Instruction::counts)));
            let _ = writeln!(text, "| {name} | sm_{arch} | {registers} | {sizes} | {reds} |");
        }
    }
}

fn calls(text: &mut String, everything: &Everything) {
    *text += "| Call | Architecture | Instructions | REDs | Stores |\n|---|---|---|---|---|\n";
    for name in ["end", "fail", "end_warp", "fail_warp"] {
        for arch in ARCHITECTURES {
            let added = |of: fn(&Kernel) -> usize| {
                list([1, 2].map(|level| {
                    let with = of(everything.own(name, arch, Dress::Level(level)));
                    with - of(everything.own(name, arch, Dress::NoRecord(level)))
                }))
            };
            let reds = added(|k| k.count(Instruction::counts));
            let stores = added(|k| k.count(Instruction::stores_word));
            let _ = writeln!(text, "| `{name}` | sm_{arch} | {} | {reds} | {stores} |", added(Kernel::size));
        }
    }
}

fn list<T: ToString, const N: usize>(figures: [T; N]) -> String {
    figures.map(|figure| figure.to_string()).join(" / ")
}
