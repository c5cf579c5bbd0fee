//! What a ring kernel has on its way at once, and what its idle loop leaves alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::{Instruction, Kernel, Kind};
use crate::units::{ARCHITECTURES, Dress, LEVELS, RING_KERNELS, everything};

/// The registers that an operand names: `R8` of `desc[UR4][R8.64+0x10]`.
fn registers(operands: &str) -> Vec<u32> {
    let words = operands.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('R')?.parse().ok()).collect()
}

/// Plain loads of 16 bytes that follow one another before any of them is used, and before anything is stored.
fn loads_in_flight(kernel: &Kernel) -> usize {
    let (mut most, mut on_their_way) = (0, Vec::<u32>::new());
    for i in &kernel.instructions {
        let (to, from) = i.operands.split_once(',').unwrap_or(("", &*i.operands));
        let loads = i.opcode.starts_with("LDG.E.128") && !i.opcode.contains("STRONG");
        let stores = i.base() == "STG";
        let used = registers(if stores { &i.operands } else { from });
        if stores || used.iter().any(|r| on_their_way.iter().any(|first| (*first..*first + 4).contains(r))) {
            on_their_way.clear();
        }
        if loads {
            on_their_way.extend(registers(to));
            most = most.max(on_their_way.len());
        }
    }
    most
}

#[test]
fn eight_loads_of_a_message_are_in_flight() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for level in LEVELS {
            for name in ["echo", "crc32c"] {
                let loads = loads_in_flight(everything.built_in(name, arch, level));
                assert!(loads >= 8, "{name}, {level:?}, sm_{arch}: {loads} loads of 16 bytes before one is used");
            }
        }
        // One with two loads, each used at once, has one in flight.
        let one = loads_in_flight(everything.built_in("compute", arch, Dress::Level(2)));
        assert!(one < 8, "compute, sm_{arch}: {one}: the test sees where there are few");
    }
}

/// Where an instruction may lead.
fn successors(kernel: &Kernel) -> Vec<Vec<usize>> {
    let labels: BTreeMap<&str, usize> =
        kernel.instructions.iter().enumerate().flat_map(|(n, i)| i.labels.iter().map(move |l| (&**l, n))).collect();
    let of = |(n, i): (usize, &Instruction)| {
        let target = i.operands.split_once("`(").and_then(|(_, rest)| labels.get(rest.split(')').next()?));
        let ends = !i.conditional && (i.base() == "EXIT" || i.opcode == "BRA" && !i.operands.contains(','));
        target.copied().into_iter().chain((!ends).then_some(n + 1)).collect::<Vec<usize>>()
    };
    kernel.instructions.iter().enumerate().map(of).collect()
}

/// What can be reached from there without an instruction of a kind.
fn reached(from: usize, edges: &[Vec<usize>], kernel: &Kernel, without: Kind) -> BTreeSet<usize> {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(at) = left.pop() {
        for &next in edges[at].iter().filter(|n| kernel.instructions.get(**n).is_some_and(|i| !without(i))) {
            if seen.insert(next) {
                left.push(next);
            }
        }
    }
    seen
}

/// A block that waits asks the host with one load of 16 bytes, sleeps and asks again: on that way nothing empties the L1.
#[test]
fn an_idle_loop_has_no_fence_and_leaves_the_l1_alone() {
    let Some(everything) = everything() else { return };
    let sleeps: Kind = |i| i.base() == "NANOSLEEP";
    let polls: Kind = |i| i.opcode == "LDG.E.128.STRONG.SYS";
    let looks: Kind = |i| i.opcode == "LDG.E.128.STRONG.GPU";
    for arch in ARCHITECTURES {
        for level in LEVELS {
            for name in RING_KERNELS {
                let kernel = everything.built_in(name, arch, level);
                let edges = successors(kernel);
                for (what, asks) in [("the host", polls), ("device memory", looks)] {
                    let mut at = kernel.instructions.iter().enumerate().filter(|(_, i)| asks(i)).map(|(n, _)| n);
                    let idle = at.any(|n| {
                        let from_it = reached(n, &edges, kernel, Instruction::is_fence);
                        let mut naps = from_it.iter().filter(|nap| sleeps(&kernel.instructions[**nap]));
                        naps.any(|nap| reached(*nap, &edges, kernel, Instruction::is_fence).contains(&n))
                    });
                    assert!(idle, "{name}, {level:?}, sm_{arch}: no loop that asks {what}, sleeps, and fences nothing");
                }
            }
        }
    }
}
