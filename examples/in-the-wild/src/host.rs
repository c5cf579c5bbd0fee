//! The kernel on the host device: the same source, compiled for CPU threads by build.rs, at each level and without telemetry.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ringscope::device::host::{Grid, HostArgument, HostDevice};
use ringscope::device::{Device, HostEntry, SharedDevice};

use super::graph::{Arena, Graph};
use super::megakernel::{ROLES, Registered, Result, Running, hold_in};

unsafe extern "C" {
    fn megakernel_l0_host(args: *mut *mut c_void);
    fn megakernel_l1_host(args: *mut *mut c_void);
    fn megakernel_l2_host(args: *mut *mut c_void);
    fn megakernel_l3_host(args: *mut *mut c_void);
    fn original_host(args: *mut *mut c_void);
}
const LEVELS: [HostEntry; 4] = [megakernel_l0_host, megakernel_l1_host, megakernel_l2_host, megakernel_l3_host];

/// Launches the kernel on the graph's tasks. A loader holds the page of the task `held` until it is let go.
pub fn start(device: &Arc<HostDevice>, graph: &Graph, of: &Registered, held: Option<u32>) -> Result<Running> {
    let kernel = LEVELS[of.level as usize];
    // SAFETY: the kernel takes these four arguments.
    unsafe { launch(device, graph, of, held, kernel, &[&of.telemetry, &of.tasks, &of.inputs]) }
}

/// Launches the kernel as it was before it had telemetry.
#[cfg_attr(not(test), allow(dead_code))]
pub fn start_original(device: &Arc<HostDevice>, graph: &Graph, of: &Registered) -> Result<Running> {
    // SAFETY: it takes its work alone.
    unsafe { launch(device, graph, of, None, original_host, &[]) }
}

/// # Safety
/// The kernel takes a `Work`, and then these.
unsafe fn launch(
    device: &Arc<HostDevice>,
    graph: &Graph,
    of: &Registered,
    held: Option<u32>,
    kernel: HostEntry,
    telemetry: &[&dyn HostArgument],
) -> Result<Running> {
    let held = hold_in(&(Arc::clone(device) as SharedDevice), held)?;
    let arena = Arena::new(graph);
    let memory = device.allocate(4 * arena.words.len().next_multiple_of(2))?;
    let words = memory.host_words().ok_or("memory of the host device")?;
    for (word, two) in words.iter().zip(arena.words.chunks(2)) {
        let high = two.get(1).copied().unwrap_or(0);
        word.store(u64::from(high) << 32 | u64::from(two[0]), Ordering::Relaxed);
    }
    let work = arena.work(memory.device_address(), held.device_address());
    let args: Vec<&dyn HostArgument> =
        [&work as &dyn HostArgument].into_iter().chain(telemetry.iter().copied()).collect();
    let keep = [of.collector.memory(), vec![memory.clone(), held.clone()]].concat();
    // SAFETY: what the caller says; all memory that the kernel is told of is kept until its blocks have ended.
    let launch = unsafe { device.launch(kernel, Grid::from(of.blocks).threads(ROLES), &args, keep) }?;
    let read = Box::new(move || {
        let words = memory.host_words().ok_or("memory of the host device")?.iter();
        let two = |word: u64| [word as u32, (word >> 32) as u32];
        Ok(words.flat_map(|word| two(word.load(Ordering::Acquire))).collect())
    });
    Ok(Running { launch: Box::new(launch), held, read })
}
