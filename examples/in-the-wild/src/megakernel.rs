//! The kernel's registration, how it is watched, and what its telemetry must say of a graph of tasks.

use std::error::Error;
use std::time::{Duration, Instant};

use ringscope::abi::{CounterFamilyRef, CounterRef, KernelRef};
use ringscope::collector::TraceRecorder;
use ringscope::device::{Launch, Level, Memory, SharedDevice};
use ringscope::snapshot::{BlockState, BlockStatus, Place, StuckKernel, WaitsFor};
use ringscope::trace::{TraceFilter, Tracer};
use ringscope::{KernelState, TelemetryCollector, TelemetryConfig};

use super::graph::{Graph, Kind};

pub const NAME: &str = "megakernel";
/// Warps of a block: scheduler, loader, consumer, storer. Each has a shard of its own, block × ROLES + role.
pub const ROLES: u32 = 4;
/// Pages of a block.
const STAGES: u32 = 3;
/// As in `megakernel.cu`.
pub const WAYPOINTS: [&str; 9] = [
    "scheduler_waits_for_stage",
    "fetching",
    "loader_waits_for_task",
    "loader_waits_for_inputs",
    "loading",
    "consumer_waits_for_page",
    "computing",
    "storer_waits_for_result",
    "storing",
];
/// No task is held.
pub const NONE: u32 = u32::MAX;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The kernel's registration, and what it takes of that by value.
pub struct Registered {
    pub collector: TelemetryCollector,
    pub telemetry: KernelRef,
    pub tasks: CounterFamilyRef,
    pub inputs: CounterRef,
    pub blocks: u32,
    pub level: Level,
    recorder: Option<TraceRecorder>,
}

impl Registered {
    /// Registers the kernel and its metrics with a collector that reads what they count.
    pub fn new(device: SharedDevice, blocks: u32, level: Level, stall_limit: Duration) -> Result<Self> {
        let trace_records = if level == Level::Events { 4096 } else { 0 };
        let config = TelemetryConfig { stall_limit, trace_records, ..TelemetryConfig::default() };
        let collector = TelemetryCollector::on_device(device, config)?;
        let sets = Kind::ALL.map(|kind| [kind.name()]);
        let sets = sets.each_ref().map(|set| &set[..]);
        let tasks = collector.counter("tasks", "Tasks done")?.family(&["kind"], &sets).on_device()?;
        let inputs = collector.counter("task_inputs", "Tasks that others waited for")?.on_device()?;
        let times =
            collector.histogram("task_duration_nanoseconds", "From when a task was fetched until it was done")?;
        let times = times.unit("nanoseconds").family(&["kind"], &sets).on_device()?;
        let kernel = collector.kernel(NAME).shards(blocks * ROLES).waypoints(&WAYPOINTS).trace(TraceFilter::all());
        let telemetry = kernel.register()?.with_kinds(times);
        let recorder = match level {
            Level::Events => Some(collector.record_trace(&Tracer::new(NAME), 100_000)?),
            _ => None,
        };
        Ok(Registered { collector, telemetry, tasks, inputs, blocks, level, recorder })
    }

    /// Compares all that the kernel counted with what the graph says, when it has ended.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        let all = graph.tasks.len() as u64;
        let recorded = self.level > Level::Off && self.telemetry != KernelRef::default();
        let of = |n: u64, when: bool| if when && recorded { n } else { 0 };
        let sum = |of: fn(&_) -> u64| graph.tasks.iter().map(of).sum::<u64>();
        let t = self.collector.telemetry(NAME)?;
        assert_eq!((t.messages_processed, t.errors), (of(all, true), 0));
        assert_eq!(t.bytes_in, of(sum(|task| task.bytes_in()), true));
        assert_eq!(t.bytes_out, of(sum(|task| task.bytes_out()), true));
        assert_eq!(t.latency.map_or(0, |l| l.count), of(all, self.level >= Level::Histograms));
        let metric = |name: &str| self.collector.metric(name);
        let needs: u64 = graph.tasks.iter().map(|task| u64::from(task.needs)).sum();
        let counted = self.level > Level::Off;
        assert_eq!(metric("task_inputs")?.series[0].value.counter(), Some(if counted { needs } else { 0 }));
        for kind in Kind::ALL {
            let labels = [("kind", kind.name())];
            let tasks = metric("tasks")?.value(&labels).and_then(|v| v.counter());
            assert_eq!(tasks, Some(if counted { graph.count(kind) } else { 0 }), "{kind:?}");
            let times = metric("task_duration_nanoseconds")?;
            let times = times.value(&labels).and_then(|v| v.histogram().map(|h| h.count()));
            assert_eq!(times, Some(of(graph.count(kind), self.level >= Level::Histograms)), "{kind:?}");
        }
        if recorded {
            assert_eq!(t.state, KernelState::Terminated);
            let roles = self.collector.snapshot()?.blocks(NAME).ok_or("its blocks")?;
            assert_eq!(roles.len() as u32, self.blocks * ROLES);
            assert!(roles.iter().all(|role| role.state == BlockState::Ended), "{roles:?}");
        }
        self.check_trace(all)
    }

    /// Compares the records of level 3: a task has a span from its fetching to its end, and one in each role that works on it.
    fn check_trace(&self, tasks: u64) -> Result<()> {
        let Some(recorder) = &self.recorder else { return Ok(()) };
        if !recorder.flush_blocking(Duration::from_secs(60)) {
            return Err("the records were not read in a minute".into());
        }
        let counts = recorder.counts().get(NAME).copied().ok_or("no records")?;
        assert_eq!((counts.messages, counts.spans, counts.lost), (tasks, 3 * tasks, 0));
        Ok(())
    }
}

/// A launch of the kernel, and what of its memory is looked at.
pub struct Running {
    pub launch: Box<dyn Launch>,
    /// The number of the task that its loader is to hold, or [`NONE`].
    pub held: Memory,
    /// Reads all words of its arena, when it has ended.
    pub read: Box<dyn Fn() -> Result<Vec<u32>>>,
}

impl Running {
    /// Lets a loader go on that holds a task.
    pub fn let_go(&self) {
        hold(&self.held, NONE);
    }

    /// Waits until all blocks have ended.
    pub fn wait(&self) -> Result<()> {
        let patience = Instant::now() + Duration::from_secs(120);
        while !self.launch.ended()? {
            if Instant::now() > patience {
                return Err("it does not end".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

/// Memory that says which task is held.
pub fn hold_in(device: &SharedDevice, task: Option<u32>) -> Result<Memory> {
    let memory = device.allocate_mapped(64)?;
    hold(&memory, task.unwrap_or(NONE));
    Ok(memory)
}

fn hold(memory: &Memory, task: u32) {
    let word = &memory.host_words().expect("mapped memory")[0];
    word.store(u64::from(task), std::sync::atomic::Ordering::Release);
}

/// Waits until the collector says who hangs while the loader of the task `held` keeps its page, and compares it with what must be
/// said. Returns the sentence.
pub fn explain_hang(of: &Registered, graph: &Graph, held: u32) -> Result<String> {
    let patience = Instant::now() + Duration::from_secs(120);
    loop {
        let stuck = of.collector.snapshot()?.stuck_kernel(NAME);
        if let Some(stuck) = stuck.filter(|stuck| is_explained(stuck, of.blocks, graph, held)) {
            return Ok(stuck.to_string());
        }
        if Instant::now() > patience {
            let places = of.collector.snapshot()?.blocks(NAME).unwrap_or_default();
            let places: Vec<String> = places.iter().map(BlockStatus::to_string).collect();
            return Err(format!("it is not said who hangs: {}", places.join("; ")).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_explained(stuck: &StuckKernel, blocks: u32, graph: &Graph, held: u32) -> bool {
    let at = |role: u32, waypoint: &str| {
        let looked_at = stuck.groups.iter().map(|group| &group.look_at);
        let mut there = looked_at.filter(move |one| one.block % ROLES == role && is_at(one, waypoint));
        there.next()
    };
    let Some(consumer) = at(2, "consumer_waits_for_page") else { return false };
    let due = |status: &BlockStatus| match status.waits_for {
        Some(WaitsFor::Due { resource, expected, seen }) => Some((resource, expected, seen)),
        _ => None,
    };
    if blocks == 1 {
        // The block does all tasks in turn: which page, and how often it was full, is known.
        let (stage, round) = (held % STAGES, held / STAGES + 1);
        return at(1, "loading").is_some() && due(consumer) == Some((stage, round, round - 1));
    }
    // Another block's loader waits for what the held task is to make.
    let waits = |status: &BlockStatus| {
        let Some((task, expected, seen)) = due(status) else { return false };
        expected == graph.tasks[task as usize].needs && seen < expected
    };
    at(1, "loader_waits_for_inputs").is_some_and(waits)
}

fn is_at(status: &BlockStatus, waypoint: &str) -> bool {
    matches!(&status.place, Place::Waypoint { name, .. } if &**name == waypoint)
}
