//! The figures in docs/sass.md.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::code::{Instruction, Kernel};
use crate::toolkit::root;
use crate::units::{ARCHITECTURES, DRESSES, Dress, Everything, LEVELS, OWN_KERNELS, RING_KERNELS, everything};

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
             ATOM, no\ncompare-and-swap loop, no fence and no call to what level 0 has; nothing spills, and nothing has a \
             stack; a kernel at level 0 is byte for\nbyte the kernel that never heard of ringscope, and a ring kernel at \
             level 0 the ring without telemetry; a kernel with events, spans,\nsamples and logs is below level 3 byte for \
             byte the kernel without them; the record of a warp is one RED that adds, from level 2 on one\nthat raises the \
             extremes, and one store; a waypoint is one store, an event three and at most one branch. Where no host asked \
             for a\nblack box and nothing is waited for, levels 1 and 2 load nothing but of constant tables, and level 3 \
             the filter, when a message ends. One\nthing is not counted as a call: what ptxas for sm_75 to sm_89 puts \
             behind each shuffle and each meeting of the lanes, for a warp that\nis not converged. A warp of a ring always \
             is.\n\n";
    text += "Instructions are all that lie in the kernel, the paths that a message seldom takes included (those of the black \
             box are a good part),\npadding not. REDs are those of telemetry that add. Four figures are those of levels 0, \
             1, 2 and 3.\n\n";
    text += "## Ring kernels\n\n";
    table(&mut text, &RING_KERNELS, |name, arch, level| everything.built_in(name, arch, Dress::Level(level)));
    text += "\nSix REDs: the record of a message; waiting time and polls at the two places that tell them; \
             messages dropped at a stop.\n";
    text += "\n## Kernels of one's own\n\nA loop of one store, named for the call that it makes for each message; `mixed` \
             makes most of them.\n`finish` does what `end_or_fail` does with two calls.\n\n";
    table(&mut text, &OWN_KERNELS, |name, arch, level| everything.own(name, arch, Dress::Level(level)));
    text += "\n## What the call alone adds\n\nThe same kernels less one without the call, levels 1, 2 and 3, where the \
             compiler knows that no host asked for a black box: what nearly\nevery message takes. One thread records word by \
             word, a warp all words at once.\n\n";
    calls(&mut text, everything);
    text += "\n## Kernels without a register to spare\n\nA producer of 40 registers (a thread that loads tiles, with `at`, \
             `begin` and `end`) and a collective of 96 registers that\nuses them all without ringscope. Bytes spilled: stores \
             and loads together. Figures are those of the plain kernel, then of\nlevels 1, 2 and 3.\n\n";
    budgets(&mut text, everything);
    text += "\n## Metrics and loops\n\nBytes of code at level 2, the kernel around the call included: `observe` of a \
             `HistogramRef` with an int, and of an\n`ExponentialRef`, whose kind of buckets the compiler knows. And the loads \
             that the compiler makes of one in a loop which it\nunrolls, with a counter's and a histogram's call behind the \
             loop, and in it.\n\n";
    metrics(&mut text, everything);
    text
}

fn table<'a>(text: &mut String, names: &[&str], kernel: impl Fn(&str, u32, u32) -> &'a Kernel) {
    *text += "| Kernel | Architecture | Registers | Instructions | REDs |\n|---|---|---|---|---|\n";
    for name in names {
        for arch in ARCHITECTURES {
            let levels = [0, 1, 2, 3].map(|level| kernel(name, arch, level));
            let registers = list(levels.map(|k| k.registers));
            let sizes = list(levels.map(Kernel::size));
            let reds = list(levels.map(|k| k.count(Instruction::counts)));
            let _ = writeln!(text, "| {name} | sm_{arch} | {registers} | {sizes} | {reds} |");
        }
    }
}

fn calls(text: &mut String, everything: &Everything) {
    *text +=
        "| Call | Architecture | Instructions | REDs that add | that raise | Stores |\n|---|---|---|---|---|---|\n";
    for name in ["end", "fail", "finish", "end_warp", "fail_warp", "end_of_kind", "at", "idle", "due", "event"] {
        for arch in ARCHITECTURES {
            let added = |of: fn(&Kernel) -> usize| {
                list([1, 2, 3].map(|level| {
                    let with = of(everything.own(&format!("{name}_no_box"), arch, Dress::Level(level)));
                    with - of(everything.own("without_no_box", arch, Dress::Level(level)))
                }))
            };
            let reds = added(|k| k.count(Instruction::counts));
            let raises = added(|k| k.count(Instruction::raises));
            let stores = added(|k| k.count(Instruction::stores_word));
            let _ = writeln!(text, "| `{name}` | sm_{arch} | {} | {reds} | {raises} | {stores} |", added(Kernel::size));
        }
    }
}

fn budgets(text: &mut String, everything: &Everything) {
    *text += "| Kernel | Architecture | Registers | Spilled | Bytes of code |\n|---|---|---|---|---|\n";
    for (name, units) in [("producer", &everything.producer), ("collective", &everything.collective)] {
        for arch in ARCHITECTURES {
            let dresses = [DRESSES[0], DRESSES[2], DRESSES[3], DRESSES[4]].map(|dress| &units[&(arch, dress)][name]);
            let registers = list(dresses.map(|k| k.registers));
            let spilled = list(dresses.map(|k| k.spills().0 + k.spills().1));
            let bytes = list(dresses.map(|k| k.code.len()));
            let _ = writeln!(text, "| {name} | sm_{arch} | {registers} | {spilled} | {bytes} |");
        }
    }
}

fn metrics(text: &mut String, everything: &Everything) {
    *text += "| Architecture | `HistogramRef` | `ExponentialRef` | Loads, calls behind | in the loop |\n|---|---|---|---|---|\n";
    for arch in ARCHITECTURES {
        let bytes = |name: &str| everything.metrics[&(arch, LEVELS[2])][name].code.len();
        let [both, one] = ["histogram_observe_int", "exponential_observe_int"].map(bytes);
        let loads = |name: &str| everything.unrolled[&(arch, LEVELS[2])][name].count(Instruction::loads_input);
        let [plain, with] = ["calls_behind_it", "calls_in_it"].map(loads);
        let _ = writeln!(text, "| sm_{arch} | {both} | {one} | {plain} | {with} |");
    }
}

fn list<T: ToString, const N: usize>(figures: [T; N]) -> String {
    figures.map(|figure| figure.to_string()).join(" / ")
}
