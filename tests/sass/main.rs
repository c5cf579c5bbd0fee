//! The gate on machine code: what telemetry becomes in SASS, on every architecture. Needs nvcc and nvdisasm, no GPU.
//!
//! `scripts/cuda-toolchain.sh` brings both. Without them these tests say so and pass, unless
//! RINGSCOPE_REQUIRE_NVCC=1. docs/sass.md holds the figures; RINGSCOPE_WRITE_DOCS=1 writes them anew.

#[path = "../toolkit/mod.rs"]
mod toolkit;

mod code;
mod document;
mod handoff;
mod loops;
mod ring;
mod roles;
mod sources;
mod units;

use code::{Instruction, Kind};
use units::{ARCHITECTURES, Dress, LEVELS, OWN_KERNELS, RING_KERNELS, everything};

#[test]
fn the_gate_sees_what_it_forbids() {
    let Some(everything) = everything() else { return };
    for ((arch, _), unit) in &everything.guilty {
        let kernel = &unit["guilty"];
        let sins: [(&str, Kind); 6] = [
            ("an atomic with a result", Instruction::is_atomic_with_result),
            ("a compare-and-swap", Instruction::is_compare_and_swap),
            ("a fence", Instruction::is_fence),
            ("a call", Instruction::is_call),
            ("local memory", Instruction::is_local),
            ("a load", Instruction::loads),
        ];
        for (sin, which) in sins {
            assert!(kernel.count(which) > 0, "sm_{arch}: {sin} was not seen");
        }
        assert!(!kernel.frame.starts_with("0 bytes stack frame"), "sm_{arch}: {}", kernel.frame);
    }
}

/// Tickets, fences and calls are the message path's own: level 0 has the same. What telemetry adds has no result
/// to wait for, orders nothing and calls nothing.
#[test]
fn telemetry_waits_for_nothing() {
    let Some(everything) = everything() else { return };
    let kinds: [(&str, Kind); 4] = [
        ("atomics with a result", Instruction::is_atomic_with_result),
        ("fences", Instruction::is_fence),
        ("calls", Instruction::is_call),
        ("loads with an order", |i| i.loads() && i.opcode.contains(".STRONG") && !i.loads_word()),
    ];
    for (name, level, kernel, off) in everything.with_level_0() {
        for (kind, which) in kinds {
            assert_eq!(kernel.census(which), off.census(which), "{name}: {kind}, then those of level 0");
        }
        // A ring takes the tickets of a backlog by one, in no loop.
        let swaps = [kernel, off].map(|k| k.count(Instruction::is_compare_and_swap));
        let of_ring = usize::from(swaps[1] == 1 && name.starts_with("built-in"));
        assert_eq!(swaps, [of_ring; 2], "{name}: no compare-and-swap loop");
        let kernel_name = name.split([' ', ',']).nth(1).unwrap_or_default();
        if let Some(kernel_name) = kernel_name.strip_suffix("_no_box").filter(|_| name.starts_with("own")) {
            // Where the ring of events was left is looked up once; the filter, when a message ends.
            let words = kernel.count(Instruction::loads_word);
            let records =
                usize::from(!["without", "at", "idle", "due", "event", "two_events", "mixed"].contains(&kernel_name));
            let most = match (level, kernel_name) {
                (_, "idle" | "due" | "mixed") => 16,
                (3, _) => 1 + 2 * records,
                _ => 0,
            };
            assert!(words <= most, "{name}: {words} loads of a word, and at most {most} are expected");
        }
    }
}

#[test]
fn telemetry_counts_with_red() {
    let Some(everything) = everything() else { return };
    let others: Kind = |i| i.is_red() && !i.counts() && !i.raises();
    for (name, _, kernel, off) in everything.with_level_0() {
        assert_eq!(kernel.census(others), off.census(others), "{name}: REDs of another kind, then those of level 0");
        assert_eq!(off.count(Instruction::counts), 0, "{name}: level 0 counts nothing");
        // A ring looks for a command by the clock, with telemetry or without.
        let built_in = name.starts_with("built-in");
        assert_eq!(
            off.count(Instruction::reads_clock) > 0,
            built_in,
            "{name}: level 0 reads no clock but the ring's own"
        );
        let silent = ["clock_probe", "own without", "own at", "own idle", "own due", "own event", "own two_events"];
        let counts = !silent.iter().any(|name_of| name.contains(name_of));
        assert_eq!(kernel.count(Instruction::counts) > 0, counts, "{name}: and here it counts");
    }
}

#[test]
fn nothing_spills() {
    let Some(everything) = everything() else { return };
    let none = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";
    for (&(arch, dress), unit) in everything.built_in.iter().chain(&everything.own) {
        for (name, kernel) in unit {
            assert_eq!(kernel.frame, none, "{name}, {dress:?}, sm_{arch}");
            assert_eq!(kernel.count(Instruction::is_local), 0, "{name}, {dress:?}, sm_{arch}");
        }
    }
}

/// Blocks of one warp fill a multiprocessor by their number: 32, where it takes so many, of 65,536 registers. But for crc32c, whose
/// eight rows on their way and look-ups take 72 or 80 at levels 1 and 2: 25 to 28 blocks.
#[test]
fn registers_do_not_keep_a_ring_kernels_blocks_out() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        // 16 blocks on sm_75 and sm_86, 24 on sm_89 and sm_120.
        let of_blocks = if [80, 90, 100].contains(&arch) { 64 } else { 80 };
        for name in RING_KERNELS {
            for level in [0, 1, 2] {
                let registers = everything.built_in(name, arch, Dress::Level(level)).registers;
                let most = if name == "crc32c" && level > 0 { 80 } else { of_blocks };
                assert!(registers <= most, "{name}, level {level}, sm_{arch}: {registers} registers, at most {most}");
            }
        }
    }
}

/// Registers of which a kernel has none to spare: levels 1 and 2 spill no more than the kernel does without.
#[test]
fn a_pen_needs_no_register_that_a_kernel_does_not_have() {
    let Some(everything) = everything() else { return };
    for (name, units) in [("producer", &everything.producer), ("collective", &everything.collective)] {
        for arch in ARCHITECTURES {
            let of = |dress| &units[&(arch, dress)][name];
            let (plain, off) = (of(Dress::Plain), of(LEVELS[0]));
            assert!(plain.code == off.code, "{name}, sm_{arch}: level 0 differs from the plain kernel");
            for level in [1, 2] {
                let with = of(Dress::Level(level));
                assert_eq!(with.spills(), plain.spills(), "{name}, level {level}, sm_{arch}: {}", with.frame);
            }
            let (stores, loads) = of(Dress::Level(3)).spills();
            assert!(stores + loads <= 24, "{name}, level 3, sm_{arch}: {stores} and {loads} bytes");
        }
    }
}

#[test]
fn level_0_is_the_kernel_without_ringscope_byte_for_byte() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in OWN_KERNELS {
            let of = |dress| everything.own(name, arch, dress);
            let plain = of(Dress::Plain);
            assert!(plain.code == of(Dress::Level(0)).code, "{name}, sm_{arch}: level 0 differs from the plain kernel");
            assert_eq!(plain.registers, of(Dress::Level(0)).registers, "{name}, sm_{arch}");
            assert!(plain.code != of(Dress::Level(1)).code, "{name}, sm_{arch}: the test sees telemetry where it is");
        }
    }
}

#[test]
fn events_and_spans_below_level_3_are_nothing_byte_for_byte() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for level in [0, 1, 2, 3] {
            let of = |name| everything.own(name, arch, Dress::Level(level));
            let same = of("traced").code == of("not_traced").code && of("event").code == of("without").code;
            assert_eq!(same, level < 3, "level {level}, sm_{arch}");
        }
    }
}

#[test]
fn the_record_of_a_warp_is_one_red_and_one_store() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in ["end_warp", "fail_warp"] {
            for level in [1, 2, 3] {
                let with = everything.own(&format!("{name}_no_box"), arch, Dress::Level(level));
                let without = everything.own("without_no_box", arch, Dress::Level(level));
                let which = format!("{name}, level {level}, sm_{arch}");
                assert_eq!(without.count(Instruction::counts), 0, "{which}: none without the record");
                assert_eq!(with.count(Instruction::counts), 1, "{which}: one RED that adds");
                // The extremes are of level 2.
                assert_eq!(with.count(Instruction::raises), usize::from(level > 1), "{which}: REDs that raise");
                let stores = [with, without].map(|kernel| kernel.count(Instruction::stores_word));
                if level < 3 {
                    assert_eq!(stores[0], stores[1] + 1, "{which}: one store of words");
                }
            }
        }
    }
}

/// Where no host asked for a black box. A second event shows what one costs: with the first, the pen is opened.
#[test]
fn a_waypoint_is_one_store_and_an_event_three() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for level in [1, 2, 3] {
            let of = |name: &str| everything.own(name, arch, Dress::Level(level));
            let added = |with: &str, without: &str, kind: Kind| of(with).count(kind) - of(without).count(kind);
            let which = format!("level {level}, sm_{arch}");
            let at = |kind| added("at_no_box", "without_no_box", kind);
            let figures = [Instruction::stores_word, Instruction::reads_clock, Instruction::loads].map(at);
            assert_eq!(figures, [1, 1, 0], "{which}: a waypoint's stores, clock and loads");
            if level == 3 {
                let event = |kind| added("two_events_no_box", "event_no_box", kind);
                let figures = [Instruction::stores_word, Instruction::reads_clock, Instruction::loads].map(event);
                assert_eq!(figures, [3, 1, 0], "{which}: an event's stores, clock and loads");
                assert!(event(Instruction::jumps) <= 1, "{which}: and its branches");
            }
        }
    }
}

/// The bucket of level 2 rides in the RED of the counters.
#[test]
fn the_histogram_of_a_ring_kernel_costs_no_further_red() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in RING_KERNELS {
            let reds =
                [1, 2, 3].map(|level| everything.built_in(name, arch, Dress::Level(level)).count(Instruction::counts));
            assert_eq!(reds, [reds[0]; 3], "{name}, sm_{arch}");
        }
    }
}

#[test]
fn a_metric_counts_with_red_and_without_waiting() {
    let Some(everything) = everything() else { return };
    // REDs of each: a bucket, two extremes, sum and count of a histogram.
    let reds = [
        ("counter_add", 1),
        ("counter_add_warp", 1),
        ("family_add", 1),
        ("gauge_set", 0),
        ("gauge_add", 1),
        ("gauge_raise", 0),
        ("exponential_observe", 5),
        ("exponential_observe_warp", 5),
        ("histogram_known_exponential", 5),
    ];
    for arch in ARCHITECTURES {
        let [off, on] = [LEVELS[0], LEVELS[2]].map(|level| &everything.metrics[&(arch, level)]);
        let nothing = &off["nothing"];
        for (name, red) in reds {
            let (off, on) = (&off[name], &on[name]);
            assert_eq!(on.count(Instruction::is_red), red, "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_atomic_with_result) > 0, name == "gauge_raise", "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_fence) + on.count(Instruction::is_local), 0, "{name}, sm_{arch}");
            assert!(off.code == nothing.code, "{name}, sm_{arch}: level 0 removes it");
        }
        let bytes = |name: &str| on[name].code.len();
        let both = bytes("histogram_observe_int");
        assert!(
            bytes("exponential_observe_int") * 2 < both,
            "sm_{arch}: {} of {both}",
            bytes("exponential_observe_int")
        );
    }
}

/// What the header's own text warns of.
#[test]
fn calls_in_a_loop_keep_it_from_being_unrolled() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        let loads =
            |level, name: &str| everything.unrolled[&(arch, LEVELS[level])][name].count(Instruction::loads_input);
        let plain = [loads(0, "calls_in_it"), loads(0, "calls_behind_it")];
        assert_eq!(plain[0], plain[1], "sm_{arch}");
        let with = [loads(2, "calls_in_it"), loads(2, "calls_behind_it")];
        assert!(with[0] < with[1] && with[0] < plain[0], "sm_{arch}: {with:?}, {plain:?} without");
    }
}
