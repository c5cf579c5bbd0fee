//! The megakernel of examples/in-the-wild on the PTX machine, 128 lanes a block, as compiled by scripts/ptx.sh: what it computes and
//! what it counts against the graph of its tasks, where it hangs, and what its telemetry takes. The example's own tests have
//! the same on the host device.
#![cfg(all(feature = "cuda", feature = "trace"))]
#![allow(unsafe_code)]

#[path = "../examples/in-the-wild/src/cuda.rs"]
#[allow(dead_code)]
mod cuda;
#[path = "../examples/in-the-wild/src/graph.rs"]
#[allow(dead_code)]
mod graph;
#[path = "../examples/in-the-wild/src/megakernel.rs"]
#[allow(dead_code)]
mod megakernel;
#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringscope::Level;
use ringscope::abi::KernelRef;
use ringscope::device::cuda::CudaDevice;

use graph::{Arena, Graph};
use megakernel::Registered;
use stand_in::{Runs, StandIn, with_stand_in};

/// The PTX machine takes turns on the cores with whatever else runs.
const SILENT: Duration = Duration::from_secs(2);
/// A stall limit that nothing comes to.
const LONG: Duration = Duration::from_secs(3600);

/// Nothing was left behind, and nothing waited for a kernel. The host program's own copies are before and after its launch.
fn assert_clean() {
    // Threads of the collector's may end a moment after it.
    let patience = Instant::now() + Duration::from_secs(60);
    while StandIn.get("live") + StandIn.get("contexts") > 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    for what in ["live", "reclaimed", "contexts", "resident", "blocked", "null_stream", "wild"] {
        assert_eq!(StandIn.get(what), 0, "{what}");
    }
}

/// Runs the graph to its end, and compares its result and its telemetry.
fn run(seed: u64, tasks: u32, blocks: u32, level: Level, null: bool) {
    let device = Arc::new(CudaDevice::open(0).expect("a device"));
    let graph = Graph::random(seed, tasks);
    let mut of = Registered::new(device.clone(), blocks, level, LONG).expect("it is registered");
    if null {
        of.telemetry = KernelRef::default();
    }
    let running = cuda::start(&device, &graph, &of, None).expect("it is launched");
    running.wait().expect("it ends");
    let words = (running.read)().expect("its memory");
    let what = format!("seed {seed}, {blocks} blocks, {level:?}");
    assert_eq!(words[Arena::new(&graph).tiles()], graph.expected(), "{what}");
    of.check(&graph).expect(&what);
    drop((running, of, device));
    assert_clean();
}

#[test]
fn results_and_counts_are_what_the_graph_says_at_each_level() {
    if !with_stand_in("results_and_counts_are_what_the_graph_says_at_each_level", Runs::Ptx) {
        return;
    }
    for &level in Level::ALL {
        for blocks in 1..=3 {
            run(10 * level as u64 + u64::from(blocks), 24, blocks, level, false);
        }
    }
    run(99, 24, 2, Level::Histograms, true);
    run(100, 0, 2, Level::Histograms, false);
}

#[test]
fn a_loader_that_keeps_its_page_is_explained() {
    if !with_stand_in("a_loader_that_keeps_its_page_is_explained", Runs::Ptx) {
        return;
    }
    // The first task's, one of another stage and round, and one that another block needs.
    for (seed, blocks, held) in [(1, 1, 0), (2, 1, 7), (3, 2, 0)] {
        let device = Arc::new(CudaDevice::open(0).expect("a device"));
        let graph = Graph::random(seed, 24);
        let of = Registered::new(device.clone(), blocks, Level::Counters, SILENT).expect("it is registered");
        let running = cuda::start(&device, &graph, &of, Some(held)).expect("it is launched");
        let said = megakernel::explain_hang(&of, &graph, held);
        running.let_go();
        running.wait().expect("it ends");
        let said = said.expect("it is explained");
        // Which groups of blocks the sentence has room for depends on who was silent first.
        assert!(said.starts_with("megakernel hangs since ") && said.contains("expected "), "{said}");
        // Nothing was lost by it.
        assert_eq!((running.read)().expect("its memory")[Arena::new(&graph).tiles()], graph.expected());
        of.check(&graph).expect("its telemetry");
        drop((running, of, device));
        assert_clean();
    }
}

/// The diff of the two kernels by lines, as `diff` says it: what was added, a changed line being one.
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    // common[i][j]: the most lines that what is behind i and behind j have in common.
    let mut common = vec![vec![0u32; after.len() + 1]; before.len() + 1];
    for i in (0..before.len()).rev() {
        for j in (0..after.len()).rev() {
            common[i][j] = match before[i] == after[j] {
                true => 1 + common[i + 1][j + 1],
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut added) = (0, Vec::new());
    for (j, line) in after.iter().enumerate() {
        while i < before.len() && before[i] != *line && common[i + 1][j] == common[i][j] {
            i += 1;
        }
        match before.get(i) {
            Some(same) if same == line => i += 1,
            _ => added.push(*line),
        }
    }
    added
}

#[test]
fn telemetry_takes_fewer_than_25_lines() {
    let (before, after) = (
        include_str!("../examples/in-the-wild/src/original.cu"),
        include_str!("../examples/in-the-wild/src/megakernel.cu"),
    );
    let added = added(before, after);
    let kept = after.lines().count() - added.len();
    assert!(added.len() < 25, "{}:\n{}", added.len(), added.join("\n"));
    assert!(before.lines().count() - kept < 10, "lines of the original that are another now");
    let told = include_str!("../examples/in-the-wild/README.md");
    assert!(added.iter().all(|line| line.is_empty() || told.contains(line)), "the README has all of them");
    assert!(!before.contains("ringscope") && added.iter().any(|line| line.contains("ringscope::Recorder rec(")));
}

#[test]
fn the_host_knows_the_names_of_the_kernels_waypoints() {
    let text = include_str!("../examples/in-the-wild/src/megakernel.cu");
    let names = text.split_once("RINGSCOPE_NAMES(").and_then(|(_, rest)| rest.split_once(')')).expect("its names").0;
    assert_eq!(names.split(',').map(str::trim).collect::<Vec<_>>(), megakernel::WAYPOINTS);
}
