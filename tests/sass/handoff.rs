//! What one lane acquires and the others touch, and what all lanes write and one says the end of: between the two the lanes
//! meet, on every path. A shuffle orders no memory. By PTX, which has the orders and scopes of the source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::sources::{BUILT_IN, OWN, dressed};
use crate::toolkit::{folder, root};
use crate::units::{RING_KERNELS, Tools, run, tools};

/// The instructions of a kernel, with the places that each may go on to.
struct Flow {
    lines: Vec<String>,
    next: Vec<Vec<usize>>,
}

impl Flow {
    fn of(body: &str) -> Self {
        let lines: Vec<String> = body.lines().map(|line| line.trim().to_owned()).collect();
        let label =
            |line: &str| line.split_once(':').map(|(name, _)| name.to_owned()).filter(|name| name.starts_with('$'));
        let places: BTreeMap<String, usize> =
            lines.iter().enumerate().filter_map(|(i, line)| Some((label(line)?, i))).collect();
        let next = lines.iter().enumerate().map(|(i, line)| {
            let (guard, instruction) = match line.strip_prefix('@') {
                Some(rest) => rest.split_once(char::is_whitespace).map_or((true, ""), |(_, what)| (true, what.trim())),
                None => (false, line.as_str()),
            };
            let ends = ["ret;", "exit;", "trap;"].contains(&instruction);
            let jump = instruction.strip_prefix("bra").and_then(|rest| rest.split_whitespace().last());
            let target = jump.map(|to| places[to.trim_end_matches(';')]);
            let falls = (guard || !(ends || target.is_some())) && i + 1 < lines.len();
            target.into_iter().chain(falls.then_some(i + 1)).collect()
        });
        let next = next.collect();
        Flow { lines, next }
    }

    /// The first instruction of the second kind that some path from one of the first kind reaches before the lanes meet.
    fn unmet(&self, from: impl Fn(&str) -> bool, to: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
        let starts = (0..self.lines.len()).filter(|i| from(&self.lines[*i]));
        starts.into_iter().find_map(|start| {
            let (mut seen, mut open) = (BTreeSet::new(), self.next[start].clone());
            while let Some(i) = open.pop() {
                if !seen.insert(i) || self.lines[i].contains("bar.warp.sync") {
                    continue;
                }
                if to(&self.lines[i]) {
                    return Some((&*self.lines[start], &*self.lines[i]));
                }
                open.extend(&self.next[i]);
            }
            None
        })
    }
}

/// The kernels of a source, compiled at that level.
fn kernels(tools: &Tools, name: &str, source: &str, level: u32) -> BTreeMap<String, Flow> {
    let folder = folder(&format!("sass-handoff-{name}-{level}")); // of this test alone
    let (cu, ptx) = (folder.join(format!("{name}.cu")), folder.join(format!("{name}.ptx")));
    std::fs::write(&cu, source).expect("a temporary file");
    let mut command = Command::new(&tools.nvcc);
    command.args(["-ptx", "-std=c++17", "-O3", "-arch=compute_75", &format!("-DRINGSCOPE_LEVEL={level}")]);
    command.args([Path::new("-I"), &root().join("kernels"), Path::new("-I"), &root().join("kernels/include")]);
    run(command.arg(&cu).arg("-o").arg(&ptx));
    let text = std::fs::read_to_string(ptx).expect("nvcc wrote it");
    let entries = text.split(".entry ").skip(1).filter_map(|entry| {
        let name = entry.split('(').next()?.trim().to_owned();
        let body = entry.split_once("\n{")?.1.split("\n}").next()?;
        Some((name, Flow::of(body)))
    });
    entries.collect()
}

fn acquires(line: &str) -> bool {
    line.contains("ld.acquire")
}

/// Of global memory, without an order: a message, a reply.
fn is_plain(line: &str) -> bool {
    ["ld.global.", "st.global."].iter().any(|what| line.contains(what)) && !line.contains(".nc.")
}

#[test]
fn the_lanes_meet_between_lane_0s_acquire_and_their_accesses() {
    let Some(tools) = tools() else { return };
    for level in 0..=3 {
        let flows = kernels(&tools, "ring", BUILT_IN, level);
        for name in RING_KERNELS {
            let flow = &flows[&format!("{name}_l{level}")];
            assert!(
                flow.lines.iter().any(|line| acquires(line)) && flow.lines.iter().any(|line| is_plain(line)),
                "{name}"
            );
            let found = flow.unmet(acquires, is_plain);
            assert!(found.is_none(), "{name}, level {level}: nothing between {found:?}");
        }
    }
}

#[test]
fn the_record_of_a_warp_comes_before_the_last_words_of_its_block() {
    let Some(tools) = tools() else { return };
    for level in 1..=3 {
        let flows = kernels(&tools, "own", &dressed(OWN), level);
        for name in ["end_warp", "fail_warp"] {
            let (counts, writes) = (|l: &str| l.contains("red.relaxed.gpu"), |l: &str| l.contains("st.relaxed.gpu"));
            assert!(flows[name].lines.iter().any(|line| counts(line)), "{name}");
            let found = flows[name].unmet(counts, writes);
            assert!(found.is_none(), "{name}, level {level}: nothing between {found:?}");
        }
    }
}

#[test]
fn the_times_of_a_warps_record_are_those_of_lane_0() {
    let Some(tools) = tools() else { return };
    let shuffles = |flow: &Flow| flow.lines.iter().filter(|line| line.contains("shfl.sync.idx")).count();
    for level in 1..=3 {
        let flows = kernels(&tools, "own-times", &dressed(OWN), level);
        // When it began and when it ended, of 64 bits each. One thread asks nobody.
        let found = ["end_warp", "fail_warp", "end", "fail"].map(|name| shuffles(&flows[name]));
        assert_eq!(found, [4, 4, 0, 0], "level {level}");
    }
}
