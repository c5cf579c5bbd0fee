//! The gate on machine code: what telemetry becomes in SASS, on every architecture. Needs nvcc and nvdisasm, no GPU.
//!
//! `scripts/cuda-toolchain.sh` brings both. Without them these tests say so and pass, unless
//! RINGSCOPE_REQUIRE_NVCC=1. docs/sass.md holds the figures; RINGSCOPE_WRITE_DOCS=1 writes them anew.

#[path = "../toolkit/mod.rs"]
mod toolkit;

mod code;
mod document;
mod handoff;
mod ring;
mod sources;
mod units;

use code::{Instruction, Kind};
use sources::METRICS;
use toolkit::folder;
use units::{ARCHITECTURES, Dress, OWN_KERNELS, RING_KERNELS, build, everything, tools, two_at_a_time};

#[test]
fn the_gate_sees_what_it_forbids() {
    let Some(everything) = everything() else { return };
    for (arch, unit) in &everything.guilty {
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
        ("loads with an order", |i| i.loads() && i.opcode.contains(".STRONG")),
    ];
    for (name, kernel, off) in everything.with_level_0() {
        for (kind, which) in kinds {
            assert_eq!(kernel.census(which), off.census(which), "{name}: {kind}, then those of level 0");
        }
        // Of a message's header level 0 needs the first half alone, and may load it together with something else.
        let loads = [kernel, off].map(|k| k.count(Instruction::loads));
        assert!(loads[0] <= loads[1] + 1, "{name}: loads, then those of level 0: {loads:?}");
        assert_eq!(kernel.count(Instruction::is_compare_and_swap), 0, "{name}: no compare-and-swap loop");
    }
}

#[test]
fn telemetry_counts_with_red() {
    let Some(everything) = everything() else { return };
    let others: Kind = |i| i.is_red() && !i.counts();
    for (name, kernel, off) in everything.with_level_0() {
        assert_eq!(kernel.census(others), off.census(others), "{name}: REDs of another kind, then those of level 0");
        assert_eq!(off.count(Instruction::counts), 0, "{name}: level 0 counts nothing");
        let clock_probe = name.contains("clock_probe");
        // A ring looks for a command by the clock, with telemetry or without.
        let built_in = name.starts_with("built-in");
        assert_eq!(
            off.count(Instruction::reads_clock) > 0,
            built_in,
            "{name}: level 0 reads no clock but the ring's own"
        );
        assert_eq!(kernel.count(Instruction::counts) > 0, !clock_probe, "{name}: and here it counts");
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
fn the_record_of_a_warp_is_one_red_and_one_store() {
    let Some(everything) = everything() else { return };
    for arch in ARCHITECTURES {
        for name in ["end_warp", "fail_warp"] {
            for level in [1, 2] {
                let with = everything.own(name, arch, Dress::Level(level));
                let without = everything.own(name, arch, Dress::NoRecord(level));
                let which = format!("{name}, level {level}, sm_{arch}");
                assert_eq!(without.count(Instruction::counts), 0, "{which}: none without the record");
                assert_eq!(with.count(Instruction::counts), 1, "{which}: one RED");
                let stores = [with, without].map(|kernel| kernel.count(Instruction::stores_word));
                assert_eq!(stores[0], stores[1] + 1, "{which}: one store of words");
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
                [1, 2].map(|level| everything.built_in(name, arch, Dress::Level(level)).count(Instruction::counts));
            assert_eq!(reds[0], reds[1], "{name}, sm_{arch}");
        }
    }
}

#[test]
fn a_metric_counts_with_red_and_without_waiting() {
    let Some(tools) = tools() else { return };
    let folder = folder("sass-metrics");
    let source = folder.join("metrics.cu");
    std::fs::write(&source, METRICS).expect("a temporary file");
    // REDs of each: a bucket, two extremes, sum and count of a histogram.
    let reds = [
        ("counter_add", 1),
        ("counter_add_warp", 1),
        ("family_add", 1),
        ("gauge_set", 0),
        ("gauge_add", 1),
        ("gauge_max", 0),
        ("exponential_observe", 5),
        ("exponential_observe_warp", 5),
    ];
    let unit =
        |arch, level| build(&tools, &source, &folder.join(format!("{arch}-{level}.cubin")), arch, Dress::Level(level));
    let units = two_at_a_time(&ARCHITECTURES, |_, arch| (*arch, unit(*arch, 0), unit(*arch, 2)));
    for (arch, off, on) in &units {
        let nothing = &off["nothing"];
        for (name, red) in reds {
            let (off, on) = (&off[name], &on[name]);
            assert_eq!(on.count(Instruction::is_red), red, "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_atomic_with_result) > 0, name == "gauge_max", "{name}, sm_{arch}");
            assert_eq!(on.count(Instruction::is_fence) + on.count(Instruction::is_local), 0, "{name}, sm_{arch}");
            assert!(off.code == nothing.code, "{name}, sm_{arch}: level 0 removes it");
        }
    }
}
