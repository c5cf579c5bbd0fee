//! Telemetry in somebody else's kernel: a megakernel, whose warps are schedulers, loaders, consumers and storers of tasks, got it in
//! 24 lines (`diff src/original.cu src/megakernel.cu`). This program lets it do random tasks that need each other, compares
//! what it computed and what it counted with their graph, and then lets a loader hang, to see who says what.
//!
//! `cargo run --release [host | cuda]`: without a word on CUDA where there is one, else on the host device.

mod cuda;
mod graph;
mod host;
mod megakernel;

use std::sync::Arc;
use std::time::Duration;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::host::HostDevice;
use ringscope::device::{Level, SharedDevice};

use graph::{Arena, Graph, Kind};
use megakernel::{NAME, Registered, Result, Running};

const TASKS: u32 = 2000;
const BLOCKS: u32 = 4;
/// Silent for so long is stuck.
const STALL_LIMIT: Duration = Duration::from_secs(1);

/// Where it runs.
#[derive(Clone)]
enum Place {
    Host(Arc<HostDevice>),
    Cuda(Arc<CudaDevice>),
}

impl Place {
    fn device(&self) -> SharedDevice {
        match self {
            Place::Host(device) => device.clone(),
            Place::Cuda(device) => device.clone(),
        }
    }

    fn start(&self, graph: &Graph, of: &Registered, held: Option<u32>) -> Result<Running> {
        match self {
            Place::Host(device) => host::start(device, graph, of, held),
            Place::Cuda(device) => cuda::start(device, graph, of, held),
        }
    }
}

fn main() -> Result<()> {
    let place = match (std::env::args().nth(1).as_deref(), CudaDevice::open(0)) {
        (Some("host"), _) => Place::Host(Arc::new(HostDevice::new())),
        (Some("cuda") | None, Ok(device)) => Place::Cuda(Arc::new(device)),
        (Some("cuda"), Err(why)) => return Err(why.into()),
        (None, Err(why)) => {
            println!("on the host device: {why}");
            Place::Host(Arc::new(HostDevice::new()))
        }
        (Some(other), _) => return Err(format!("`{other}`: say host or cuda, or nothing").into()),
    };
    let graph = Graph::random(1, TASKS);
    let of = run(&place, &graph, BLOCKS, Level::Histograms)?;
    let t = of.collector.telemetry(NAME)?;
    println!("{}: {} tasks, {} bytes in, {} out", t.state, t.messages_processed, t.bytes_in, t.bytes_out);
    for kind in Kind::ALL {
        let times = of.collector.metric("task_duration_nanoseconds")?;
        let times = times.value(&[("kind", kind.name())]).and_then(|value| value.histogram());
        let times = times.ok_or("a histogram")?;
        println!("  {:6} {:5}, p50 {:7.1} µs", kind.name(), times.count(), times.quantile(0.5) / 1e3);
    }
    let graph = Graph::random(2, 100);
    println!("{}", hang(&place, &graph, BLOCKS, 7)?);
    Ok(())
}

/// Runs the graph to its end, and compares its result and its telemetry.
fn run(place: &Place, graph: &Graph, blocks: u32, level: Level) -> Result<Registered> {
    let of = Registered::new(place.device(), blocks, level, STALL_LIMIT)?;
    let running = place.start(graph, &of, None)?;
    finish(running, graph)?;
    of.check(graph)?;
    Ok(of)
}

/// Waits for the end, and compares the result.
fn finish(running: Running, graph: &Graph) -> Result<()> {
    running.wait()?;
    assert_eq!((running.read)()?[Arena::new(graph).tiles()], graph.expected());
    Ok(())
}

/// Runs it with a loader that keeps a page to itself, until it is known who hangs, and then to its end. Returns what was said.
fn hang(place: &Place, graph: &Graph, blocks: u32, held: u32) -> Result<String> {
    let of = Registered::new(place.device(), blocks, Level::Histograms, STALL_LIMIT)?;
    let running = place.start(graph, &of, Some(held))?;
    let said = megakernel::explain_hang(&of, graph, held);
    running.let_go();
    finish(running, graph)?;
    of.check(graph)?;
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringscope::abi::KernelRef;

    const TASKS: u32 = 150;

    fn host() -> (Arc<HostDevice>, Place) {
        let device = Arc::new(HostDevice::new());
        (device.clone(), Place::Host(device))
    }

    fn cuda() -> Option<Place> {
        match CudaDevice::open(0) {
            Ok(device) => Some(Place::Cuda(Arc::new(device))),
            Err(why) if std::env::var("RINGSCOPE_REQUIRE_CUDA").is_ok_and(|v| v == "1") => panic!("{why}"),
            Err(why) => {
                println!("skipped: no CUDA device: {why}");
                None
            }
        }
    }

    fn is_exact_on(place: &Place) {
        for (seed, &level) in (0..32).zip(Level::ALL.iter().cycle()) {
            let blocks = 1 + seed as u32 / 4 % 5;
            run(place, &Graph::random(seed, TASKS), blocks, level).expect("it runs");
        }
        run(place, &Graph::random(0, 0), BLOCKS, Level::Histograms).expect("without a task");
    }

    fn explains_a_hang_on(place: &Place) {
        for (seed, held) in [(1, 0), (2, 7), (3, TASKS - 1)] {
            let graph = Graph::random(seed, TASKS);
            println!("{}", hang(place, &graph, 1, held).expect("it is explained"));
        }
        println!("{}", hang(place, &Graph::random(4, TASKS), 3, 0).expect("it is explained"));
    }

    #[test]
    fn results_and_counts_are_what_the_graph_says_on_the_host_device() {
        is_exact_on(&host().1);
    }

    #[test]
    fn a_loader_that_keeps_its_page_is_explained_on_the_host_device() {
        explains_a_hang_on(&host().1);
    }

    #[test]
    fn without_telemetry_the_results_are_the_same() {
        let (device, place) = host();
        for seed in 0..8 {
            let graph = Graph::random(seed, TASKS);
            let mut of = Registered::new(place.device(), BLOCKS, Level::Histograms, STALL_LIMIT).expect("a collector");
            finish(host::start_original(&device, &graph, &of).expect("it starts"), &graph).expect("it ends");
            of.telemetry = KernelRef::default();
            finish(place.start(&graph, &of, None).expect("it starts"), &graph).expect("it ends");
            of.check(&graph).expect("nothing but metrics is counted");
        }
    }

    #[test]
    fn results_counts_and_hangs_are_the_same_on_cuda() {
        if let Some(place) = cuda() {
            is_exact_on(&place);
            explains_a_hang_on(&place);
        }
    }
}
