//! The kernel on a CUDA device, launched without `RingKernelRuntime`, as its own host program would.

use std::sync::Arc;

use ringscope::device::cuda::cudarc::driver::{DeviceRepr, LaunchConfig, PushKernelArg};
use ringscope::device::cuda::cudarc::nvrtc::Ptx;
use ringscope::device::cuda::{self, CudaDevice};
use ringscope::device::{Level, SharedDevice};

use super::graph::{Arena, Graph, Work};
use super::megakernel::{NAME, ROLES, Registered, Result, Running, hold_in};

const LANES: u32 = 32;

// SAFETY: the mirror of the kernel's own struct, plain data.
unsafe impl DeviceRepr for Work {}

/// Returns the kernel's source in one text: NVRTC knows no folders.
pub fn source() -> String {
    let include = "#include \"tasks.cuh\"";
    include_str!("megakernel.cu").replace(include, include_str!("tasks.cuh"))
}

/// Launches the kernel on the graph's tasks. A loader holds the page of the task `held` until it is let go.
pub fn start(device: &Arc<CudaDevice>, graph: &Graph, of: &Registered, held: Option<u32>) -> Result<Running> {
    let context = device.context();
    let (major, minor) = context.compute_capability()?;
    let image = |level: Level| cuda::compile(&source(), "megakernel.cu", level, &format!("compute_{major}{minor}"));
    let code = String::from_utf8(image(of.level)?)?;
    let kernel = context.load_module(Ptx::from_src(code.trim_end_matches('\0')))?.load_function(NAME)?;
    let held = hold_in(&(Arc::clone(device) as SharedDevice), held)?;
    // Or cudarc records an event behind the kernel, and whatever waits for that waits for the kernel.
    // SAFETY: one stream uses the slice, in its order.
    unsafe { context.disable_event_tracking() };
    let stream = context.new_stream()?;
    let arena = Arena::new(graph);
    let memory = stream.clone_htod(&arena.words)?;
    let base = {
        use ringscope::device::cuda::cudarc::driver::DevicePtr;
        memory.device_ptr(&stream).0
    };
    let work = arena.work(base, held.device_address());
    let config = LaunchConfig { grid_dim: (of.blocks, 1, 1), block_dim: (ROLES * LANES, 1, 1), shared_mem_bytes: 0 };
    let mut launch = stream.launch_builder(&kernel);
    // SAFETY: the kernel takes these four arguments; the memory is read, and so kept, by `read`.
    unsafe { launch.arg(&work).arg(&of.telemetry).arg(&of.tasks).arg(&of.inputs).launch(config) }?;
    let launch = device.watch(&stream, of.collector.memory());
    let read = Box::new(move || {
        // Its module is unloaded with it, which waits for a kernel that runs.
        let _kept = &kernel;
        Ok(stream.clone_dtoh(&memory)?)
    });
    Ok(Running { launch, held, read })
}
