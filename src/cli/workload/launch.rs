//! Starting the kernels and ending them, in bounded time whatever the device does, and at the first Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use ringscope::device::{DeviceError, DeviceInfo, DeviceKind};
use ringscope::trace::{TraceFilter, Tracer};
use ringscope::{LaunchOptions, RingKernel, RingKernelRuntime, RuntimeError, TelemetryConfig};

use crate::cli::term::units;
use crate::cli::workload::args::RunArgs;
use crate::cli::workload::silence::Silence;
use crate::cli::workload::system;

/// Blocks for each core beyond which the host device makes no progress: each is a thread, and looks for messages some
/// thousand times a second.
const BLOCKS_PER_CORE: u32 = 256;
/// How long what is being started may still take, once somebody wants the end.
const LAST_START: Duration = Duration::from_secs(3);
/// How long the kernels may take to end, all of them together.
const LAST_MESSAGES: Duration = Duration::from_secs(5);
/// How soon Ctrl-C is noticed meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Why the kernels do not run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The device refuses.
    #[error(transparent)]
    Runtime(RuntimeError),
    /// Devices would have nothing to do.
    #[error(
        "--kernels {kernels} leaves some of the {devices} devices without a kernel: raise it, or name fewer devices"
    )]
    FewerKernelsThanDevices { kernels: u32, devices: usize },
    /// More memory than there is.
    #[error(
        "the queues of {kernels} kernels take {} in all, and {} of {of} is free: lower --kernels, --slots or \
         --message-bytes",
        units::bytes(*needed), units::bytes(*free)
    )]
    NotEnoughMemory { kernels: usize, needed: u64, free: u64, of: String },
    /// More threads than the machine can run.
    #[error(
        "--kernels {kernels} of --blocks {blocks} are {} threads on the host device, and {most} are the most for {cores} \
         cores: lower one of them",
        u64::from(*kernels) * u64::from(*blocks)
    )]
    TooManyThreads { kernels: u32, blocks: u32, most: u64, cores: u32 },
    /// The device is started by a thread of its own.
    #[error("no thread to start the device with: {0}{remedy}", remedy = system::remedy(.0))]
    NoThread(std::io::Error),
    /// The device, or a launch, did not come back.
    #[error("interrupted while {doing}, which has not ended: it is left behind, and nothing was streamed")]
    Interrupted { doing: &'static str },
}

impl From<RuntimeError> for LaunchError {
    fn from(error: RuntimeError) -> LaunchError {
        match error {
            RuntimeError::NotEnoughMemory { needed_bytes, free_bytes, limited_by, kernels, .. } => {
                LaunchError::NotEnoughMemory { kernels, needed: needed_bytes, free: free_bytes, of: limited_by }
            }
            error => LaunchError::Runtime(error),
        }
    }
}

/// What is recorded of a run beside its counts.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Who is told of messages.
    pub tracer: Tracer,
    /// Records of each block's ring.
    pub ring_records: u32,
    /// Of which messages a kernel leaves a span.
    pub filter: TraceFilter,
}

/// Opens the device and loads the kernels.
///
/// # Errors
/// Whatever the device refuses; more blocks than the host device can run; Ctrl-C while that takes long.
pub fn open(
    args: &RunArgs,
    traced: Option<&Traced>,
    stop: &'static AtomicBool,
) -> Result<RingKernelRuntime, LaunchError> {
    let devices = args.device.specs().map_err(|why| LaunchError::Runtime(DeviceError::from(why).into()))?;
    let kernels = args.kernels(devices.len());
    if (kernels as usize) < devices.len() {
        return Err(LaunchError::FewerKernelsThanDevices { kernels, devices: devices.len() });
    }
    // They are launched in turn, so that none has more.
    let on_each = kernels.div_ceil(devices.len() as u32);
    let config = TelemetryConfig {
        trace_records: traced.map_or(0, |traced| traced.ring_records),
        max_kernels: kernels as usize,
        max_blocks: on_each * args.blocks,
        black_box_records: args.black_box,
        ..TelemetryConfig::default()
    };
    let builder = RingKernelRuntime::builder()
        .devices(devices)
        .telemetry(!args.no_telemetry)
        .kernel(args.kernel.builtin().name())
        .max_kernels(on_each as usize)
        .slot_bytes(args.slot_bytes())
        .slots(args.slots(kernels))
        .telemetry_config(config);
    let builder = match traced {
        Some(traced) => builder.tracer(traced.tracer.clone()),
        None => builder,
    };
    let runtime = unless_stopped(stop, "the device was opened", move || builder.build())??;
    let devices: Vec<_> = runtime.devices().collect();
    let on_hosts = (0..kernels as usize).filter(|i| devices[i % devices.len()].kind == DeviceKind::Host).count();
    let host = devices.iter().find(|device| device.kind == DeviceKind::Host);
    host.map_or(Ok(()), |host| check_threads(on_hosts as u32, args.blocks, host))?;
    Ok(runtime)
}

fn check_threads(kernels: u32, blocks: u32, device: &DeviceInfo) -> Result<(), LaunchError> {
    let cores = device.multiprocessors;
    let most = u64::from(cores) * u64::from(BLOCKS_PER_CORE);
    if device.kind == DeviceKind::Host && u64::from(kernels) * u64::from(blocks) > most {
        return Err(LaunchError::TooManyThreads { kernels, blocks, most, cores });
    }
    Ok(())
}

/// Launches the kernels, and lets them take messages. At Ctrl-C it returns those that run by then.
///
/// # Errors
/// What the device refuses; a launch that does not come back after Ctrl-C.
pub fn launch(
    args: &RunArgs,
    traced: Option<&Traced>,
    runtime: &RingKernelRuntime,
    stop: &'static AtomicBool,
) -> Result<Vec<RingKernel>, LaunchError> {
    let options = LaunchOptions::new().blocks(args.blocks).inject_errors(args.inject_errors);
    let options = traced.map_or(options.clone(), |traced| options.trace(traced.filter));
    let devices = runtime.devices().len();
    let (runtime, kernels) = (runtime.clone(), args.kernels(devices));
    let launch = move |i| {
        let id = format!("worker_{i}");
        runtime.launch_blocking(&id, &options.clone().device(i as usize % devices))?;
        runtime.activate_blocking(&id)?;
        runtime.kernel(&id)
    };
    let wanted = |_: &u32| !stop.load(Ordering::Relaxed);
    let launched = unless_stopped(stop, "the kernels were launched", move || {
        (0..kernels).take_while(wanted).map(launch).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(launched?)
}

/// Ends the kernels, all of them at one time, and adds to `troubles` what they died of, and which do not end.
pub fn end(runtime: &RingKernelRuntime, kernels: &[RingKernel], troubles: &mut Vec<String>) {
    let mut waiting = Silence::since(Instant::now());
    let abandoned = loop {
        let abandoned = runtime.shutdown_blocking(LOOK).abandoned;
        if abandoned.is_empty() || waiting.look(Instant::now()) >= LAST_MESSAGES {
            break abandoned;
        }
    };
    for kernel in kernels {
        if abandoned.iter().any(|id| id == kernel.id()) {
            let id = kernel.id();
            troubles.push(format!("{id} did not end within {LAST_MESSAGES:?}: it hangs, or its blocks are too many"));
        } else if let Err(error) = runtime.terminate_blocking(kernel.id()) {
            troubles.push(error.to_string());
        }
    }
}

/// Does `work` on a thread of its own, which is left behind if it does not come back soon after Ctrl-C.
fn unless_stopped<T: Send + 'static>(
    stop: &AtomicBool,
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, LaunchError> {
    let (done, result) = sync_channel(1);
    // If nobody waits any more, the result does not matter.
    let body = move || drop(done.send(work()));
    let thread = std::thread::Builder::new().name("start".into()).spawn(body).map_err(LaunchError::NoThread)?;
    let mut stopping = None;
    loop {
        match result.recv_timeout(LOOK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => {
                let Err(panic) = thread.join() else { return Err(LaunchError::Interrupted { doing }) };
                std::panic::resume_unwind(panic)
            }
            Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                let stopping = stopping.get_or_insert_with(|| Silence::since(Instant::now()));
                if stopping.look(Instant::now()) >= LAST_START {
                    return Err(LaunchError::Interrupted { doing });
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_back_is_left_behind_at_ctrl_c() {
        static STOPPED: AtomicBool = AtomicBool::new(true);
        let (_held, never) = sync_channel::<()>(0);
        let left = unless_stopped(&STOPPED, "it waited", move || never.recv());
        assert!(matches!(left, Err(LaunchError::Interrupted { doing: "it waited" })));
        assert_eq!(unless_stopped(&STOPPED, "it was there", || 7).unwrap(), 7);
    }

    #[test]
    fn more_threads_than_cores_can_run_are_refused_with_what_to_do() {
        let device = ringscope::device::open(ringscope::DeviceSpec::Host);
        let Ok(device) = device else { return };
        let info = device.device.info();
        assert!(check_threads(1, BLOCKS_PER_CORE, info).is_ok());
        let most = u64::from(info.multiprocessors) * u64::from(BLOCKS_PER_CORE);
        let refused = check_threads(1, u32::try_from(most).unwrap() + 1, info).unwrap_err().to_string();
        assert!(refused.contains("--blocks") && refused.contains(&format!("and {most} are the most")), "{refused}");
    }
}
