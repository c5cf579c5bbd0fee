//! A runtime's life in phases, one call of which may be broken, and what it came to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ringscope::device::cuda::CudaDevice;
use ringscope::device::{CudaUnavailable, DeviceError, SharedDevice};
use ringscope::runtime::{LaunchOptions, RuntimeError};
use ringscope::{InputRing, KernelState, RingKernelRuntime, Snapshot, TelemetryConfig, TelemetryError};

use crate::stand_in::{Fault, StandIn};

pub const MESSAGES: u64 = 4;
/// A run that takes longer hangs. Zeroing memory and reading the clock wait for 10 s and for 5 s in vain.
pub const HANGS: Duration = Duration::from_secs(30);
/// What a copy, or a stop, that never ends is waited for.
pub const LATE_LIMIT: Duration = Duration::from_millis(200);
/// What anything else is waited for, which comes at once, or on a busy machine somewhat later.
pub const LIMIT: Duration = Duration::from_secs(10);

/// Calls without which a copy never ends, and a kernel never does.
const COPIES: [&str; 4] = ["cuMemcpyDtoHAsync_v2", "cuMemcpy2DAsync_v2", "cuEventRecord", "cuEventQuery"];
pub const KERNELS: [&str; 2] = ["cuLaunchKernel", "cuStreamQuery"];

/// Calls that bring messages and commands to rings in device memory.
pub const FEEDING: [&str; 2] = ["cuMemcpyHtoDAsync_v2", "cuStreamWriteValue64_v2"];

pub const LATE_FAULTS: [Fault; 2] = [Fault::NotReady, Fault::Never];
/// Parts of a runtime's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Open = 1,
    Build,
    Launch,
    Traffic,
    Snapshot,
    Stop,
    Drop,
}
pub const PHASES: [Phase; 7] =
    [Phase::Open, Phase::Build, Phase::Launch, Phase::Traffic, Phase::Snapshot, Phase::Stop, Phase::Drop];

/// Between stopping and dropping; no call of it is broken.
pub const AFTERWARDS: u32 = 8;

/// One call of many.
#[derive(Clone, Debug)]
pub struct Site {
    pub call: String,
    pub phase: Phase,
    pub nth: u64,
}
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {} of {:?}", self.call, self.nth, self.phase)
    }
}

/// What a run came to.
#[derive(Default)]
pub struct Outcome {
    pub errors: Vec<(Phase, Failed)>,
    /// Whether a snapshot with all messages in it was taken.
    pub saw_all: bool,
    /// The newest one before the end.
    pub latest: Option<Arc<Snapshot>>,
    pub state: Option<KernelState>,
    /// Whether the kernel was seen to end, as it was told to.
    pub seen_to_end: bool,
    /// Phases in which the calling thread lost its own current context.
    pub moved: Vec<Phase>,
}

/// An error of any of the calls.
#[derive(Debug)]
pub enum Failed {
    Open(CudaUnavailable),
    Runtime(RuntimeError),
}
impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failed::Open(error) => error.fmt(f),
            Failed::Runtime(error) => error.fmt(f),
        }
    }
}
impl From<RuntimeError> for Failed {
    fn from(error: RuntimeError) -> Self {
        Failed::Runtime(error)
    }
}
impl From<DeviceError> for Failed {
    fn from(error: DeviceError) -> Self {
        Failed::Runtime(error.into())
    }
}

impl Failed {
    pub fn device(&self) -> Option<&DeviceError> {
        match self {
            Failed::Open(CudaUnavailable::Open(error)) => Some(error),
            Failed::Runtime(RuntimeError::Device(error) | RuntimeError::Telemetry(TelemetryError::Device(error))) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// Whether it names that CUresult, and one of those calls of the driver, in its fields and in its words.
    pub fn names(&self, (code, name): (i32, &str), calls: &BTreeSet<String>) -> bool {
        let text = self.to_string();
        let says = |word: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == word);
        let typed = match (self, self.device()) {
            (Failed::Open(CudaUnavailable::InitFailed { code: c, name: n }), _) => (*c, n.as_str()) == (code, name),
            (_, Some(DeviceError::Call { code: c, name: n, .. })) => (*c, n.as_str()) == (code, name),
            (_, Some(DeviceError::OutOfMemory { .. })) => code == 2,
            _ => false,
        };
        typed && says(name) && says(&code.to_string()) && calls.iter().any(|call| says(call.trim_end_matches("_v2")))
    }

    /// A limit of the host's own ran out: the driver has not answered, so there is no CUresult to name.
    pub fn is_patience(&self, call: &str) -> bool {
        match (self, self.device()) {
            (_, Some(DeviceError::CopyTimedOut { waited: LATE_LIMIT })) => COPIES.contains(&call),
            (Failed::Runtime(RuntimeError::StopTimedOut { waited: LATE_LIMIT, .. }), _) => KERNELS.contains(&call),
            // A kernel that never starts is seen not to.
            (Failed::Runtime(RuntimeError::NotStarted { started: 0, waited: LATE_LIMIT, .. }), _) => {
                call == "cuLaunchKernel"
            }
            _ => false,
        }
    }

    /// What follows from an error that was said before: the kernel was not launched, is not active, or has ended.
    pub fn follows(&self) -> bool {
        use RuntimeError::{BadTransition, Ended, NotActive, UnknownKernel};
        matches!(self, Failed::Runtime(BadTransition { .. } | Ended { .. } | NotActive { .. } | UnknownKernel { .. }))
    }
}

/// What the parts of a life are waited for.
#[derive(Clone, Copy)]
struct Limits {
    copy: Duration,
    start: Duration,
    stop: Duration,
}
impl Limits {
    /// Short for what waits for a call that is late: on a busy machine all else may take longer than that by itself.
    fn of(late: Option<&str>) -> Self {
        let of = |calls: &[&str]| if late.is_some_and(|call| calls.contains(&call)) { LATE_LIMIT } else { LIMIT };
        Self { copy: of(&COPIES), start: of(&["cuLaunchKernel"]), stop: of(&KERNELS) }
    }
}

/// A short life: every phase goes on after an error, as an application would that does not look.
fn live(driver: &StandIn, limits: Limits, ring: InputRing) -> Outcome {
    let mut outcome = Outcome::default();
    // The thread has a context of its own, that of the other device.
    driver.enter(1);
    let (moved, last) = (RefCell::new(Vec::new()), Cell::new(Phase::Open));
    let check = || {
        if driver.current() != (1, 1) {
            driver.enter(1);
            moved.borrow_mut().push(last.get());
        }
    };
    let at = |phase: Phase| {
        check();
        last.set(phase);
        driver.phase(phase as u32);
    };
    let ended = |mut outcome: Outcome| {
        check();
        outcome.moved = moved.take();
        outcome
    };
    at(Phase::Open);
    // Twice: who opens a GPU that is open finds the same.
    let opened = CudaDevice::open(0).and_then(|device| CudaDevice::open(0).map(|_| device));
    let device: SharedDevice = match opened {
        Ok(device) => Arc::new(device),
        Err(error) => {
            outcome.errors.push((Phase::Open, Failed::Open(error)));
            return ended(outcome);
        }
    };
    at(Phase::Build);
    let config = TelemetryConfig { max_blocks: 4, copy_limit: limits.copy, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device).kernel("crc32c").telemetry(true).telemetry_config(config);
    let runtime = match builder
        .slots(8)
        .slot_bytes(64)
        .max_kernels(2)
        .input_ring(ring)
        .stop_limit(limits.stop)
        .start_limit(limits.start)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            at(Phase::Drop);
            outcome.errors.push((Phase::Build, error.into()));
            return ended(outcome);
        }
    };
    at(Phase::Launch);
    let mut note = |phase, result: Result<(), RuntimeError>| {
        outcome.errors.extend(result.err().map(|error| (phase, error.into())));
    };
    let options = LaunchOptions::new().blocks(2);
    note(Phase::Launch, runtime.launch_blocking("w", &options));
    note(Phase::Launch, runtime.activate_blocking("w"));
    note(Phase::Launch, runtime.snapshot_blocking().map(drop));
    at(Phase::Traffic);
    note(Phase::Traffic, traffic(&runtime));
    at(Phase::Snapshot);
    for _ in 0..3 {
        let snapshot = runtime.snapshot_blocking();
        outcome.saw_all |= snapshot.as_ref().is_ok_and(|s| messages(s) == Some(MESSAGES));
        let _ = snapshot.map_err(|error| outcome.errors.push((Phase::Snapshot, error.into())));
    }
    at(Phase::Stop);
    let stopped = [runtime.terminate_blocking("w"), runtime.snapshot_blocking().map(drop)];
    outcome.seen_to_end = stopped[0].is_ok();
    outcome.errors.extend(stopped.into_iter().filter_map(Result::err).map(|error| (Phase::Stop, error.into())));
    driver.phase(AFTERWARDS);
    // Whatever happened, these answer.
    outcome.latest = runtime.latest();
    outcome.state = runtime.kernel("w").ok().map(|k| k.state());
    let _ = (runtime.try_receive("w"), runtime.send_blocking("w", b"late"), runtime.deactivate_blocking("w"));
    let _ =
        (runtime.reset_telemetry_blocking(None), runtime.summary_blocking(), runtime.launch_blocking("x", &options));
    at(Phase::Drop);
    runtime.shutdown_blocking(limits.stop);
    drop(runtime);
    ended(outcome)
}

pub fn messages(snapshot: &Snapshot) -> Option<u64> {
    snapshot.kernel("w").map(|k| k.messages_processed)
}

fn traffic(runtime: &RingKernelRuntime) -> Result<(), RuntimeError> {
    for n in 0..MESSAGES {
        let payload = [n as u8; 40];
        runtime.send_blocking("w", &payload)?;
        let reply = runtime.receive_blocking("w", Duration::from_secs(5))?;
        assert_eq!(reply.payload, crc32c::crc32c(&payload).to_le_bytes());
    }
    Ok(())
}

/// A run on a thread of its own, so that one that hangs is an answer, too.
pub fn run(driver: &StandIn, ring: InputRing, plan: Option<(&Site, Fault)>) -> Result<Outcome, String> {
    driver.reset();
    if let Some((site, fault)) = plan {
        driver.fault(&site.call, site.phase as u32, site.nth, fault);
    }
    let (done, ended) = std::sync::mpsc::channel();
    let late = plan.filter(|(site, fault)| site.phase > Phase::Build && LATE_FAULTS.contains(fault));
    let limits = Limits::of(late.map(|(site, _)| site.call.as_str()));
    std::thread::spawn(move || done.send(live(&StandIn, limits, ring)));
    match ended.recv_timeout(HANGS) {
        Ok(outcome) => Ok(outcome),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(format!("hangs for {HANGS:?}")),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err("panics".to_owned()),
    }
}
