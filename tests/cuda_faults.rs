//! One run of a runtime's life for every call of the driver that it makes, in which just that call fails: each ends in
//! an error that names a call and the CUresult, in time, with the last good numbers readable and nothing left behind.
//! Against the stand-in of the driver (cuda-driver/driver.cpp), with no GPU.
//!
//! "Every call" is every function in every phase of that life: the first, the middle and the last time that it is called
//! there.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "cuda-driver/mod.rs"]
mod stand_in;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::device::cuda::CudaDevice;
use ringscope::device::{CudaUnavailable, DeviceError, SharedDevice};
use ringscope::runtime::{LaunchOptions, RuntimeError};
use ringscope::{KernelState, RingKernelRuntime, Snapshot, TelemetryConfig, TelemetryError};

use stand_in::{Fault, StandIn, tell, with_stand_in};

const MESSAGES: u64 = 4;
/// A run that takes longer hangs.
const QUICK: Duration = Duration::from_secs(8);
/// The same where zeroing memory (10 s) or reading the clock (twice 5 s) waits in vain.
const SLOW: Duration = Duration::from_secs(20);
const COPY_LIMIT: Duration = Duration::from_millis(40);
const STOP_LIMIT: Duration = Duration::from_millis(60);

/// Parts of a runtime's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open = 1,
    Build,
    Launch,
    Traffic,
    Snapshot,
    Stop,
    Drop,
}
const PHASES: [Phase; 7] =
    [Phase::Open, Phase::Build, Phase::Launch, Phase::Traffic, Phase::Snapshot, Phase::Stop, Phase::Drop];

/// Between stopping and dropping; no call of it is broken.
const AFTERWARDS: u32 = 8;

/// One call of many.
#[derive(Clone, Debug)]
struct Site {
    call: String,
    phase: Phase,
    nth: u64,
}
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} number {} of {:?}", self.call, self.nth, self.phase)
    }
}

/// What a run came to.
#[derive(Default)]
struct Outcome {
    errors: Vec<(Phase, Failed)>,
    /// Whether a snapshot with all messages in it was taken.
    saw_all: bool,
    /// The newest one before the end.
    latest: Option<Arc<Snapshot>>,
    state: Option<KernelState>,
    /// Whether the kernel was seen to end, as it was told to.
    seen_to_end: bool,
    /// Kernels that the shutdown says run on.
    abandoned: usize,
}

/// An error of any of the calls.
#[derive(Debug)]
enum Failed {
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
    fn device(&self) -> Option<&DeviceError> {
        match self {
            Failed::Open(CudaUnavailable::Open(error)) => Some(error),
            Failed::Runtime(RuntimeError::Device(error) | RuntimeError::Telemetry(TelemetryError::Device(error))) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// The raw CUresult in it, and whether it names the call.
    fn code(&self, call: &str) -> Option<(i32, bool)> {
        let bare = call.trim_end_matches("_v2");
        match (self, self.device()) {
            (Failed::Open(CudaUnavailable::InitFailed { code, .. }), _) => Some((*code, call == "cuInit")),
            (_, Some(DeviceError::Call { call, code, .. })) => Some((*code, call.contains(bare))),
            (_, Some(DeviceError::OutOfMemory { .. })) => Some((2, call.contains("Alloc"))),
            _ => None,
        }
    }
}

/// A short life: every phase goes on after an error, as an application would that does not look.
fn live(driver: &StandIn) -> Outcome {
    let mut outcome = Outcome::default();
    let at = |phase: Phase| driver.phase(phase as u32);
    at(Phase::Open);
    let device: SharedDevice = match CudaDevice::open(0) {
        Ok(device) => Arc::new(device),
        Err(error) => {
            outcome.errors.push((Phase::Open, Failed::Open(error)));
            return outcome;
        }
    };
    at(Phase::Build);
    let config = TelemetryConfig { max_blocks: 4, copy_limit: COPY_LIMIT, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device).kernel("crc32c").telemetry(true).telemetry_config(config);
    let runtime = match builder.slots(8).slot_bytes(64).max_kernels(2).stop_limit(STOP_LIMIT).build() {
        Ok(runtime) => runtime,
        Err(error) => {
            at(Phase::Drop);
            outcome.errors.push((Phase::Build, error.into()));
            return outcome;
        }
    };
    at(Phase::Launch);
    let mut note = |phase, result: Result<(), RuntimeError>| {
        outcome.errors.extend(result.err().map(|error| (phase, error.into())));
    };
    let options = LaunchOptions { blocks: 2, ..LaunchOptions::default() };
    note(Phase::Launch, runtime.launch_blocking("w", &options));
    note(Phase::Launch, runtime.activate_blocking("w"));
    note(Phase::Launch, runtime.snapshot().map(drop));
    at(Phase::Traffic);
    note(Phase::Traffic, traffic(&runtime));
    at(Phase::Snapshot);
    for _ in 0..3 {
        let snapshot = runtime.snapshot();
        outcome.saw_all |= snapshot.as_ref().is_ok_and(|s| messages(s) == Some(MESSAGES));
        let _ = snapshot.map_err(|error| outcome.errors.push((Phase::Snapshot, error.into())));
    }
    at(Phase::Stop);
    let stopped = [runtime.terminate_blocking("w"), runtime.snapshot().map(drop)];
    outcome.seen_to_end = stopped[0].is_ok();
    outcome.errors.extend(stopped.into_iter().filter_map(Result::err).map(|error| (Phase::Stop, error.into())));
    driver.phase(AFTERWARDS);
    // Whatever happened, these answer.
    outcome.latest = runtime.latest();
    outcome.state = runtime.kernel("w").ok().map(|k| k.state());
    let _ = (runtime.try_receive("w"), runtime.send_blocking("w", b"late"), runtime.deactivate_blocking("w"));
    let _ = (runtime.reset_telemetry(None), runtime.summary(), runtime.launch_blocking("x", &options));
    at(Phase::Drop);
    outcome.abandoned = runtime.shutdown_blocking(STOP_LIMIT).abandoned.len();
    drop(runtime);
    outcome
}

fn messages(snapshot: &Snapshot) -> Option<u64> {
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

static PANICS: AtomicU64 = AtomicU64::new(0);

/// A run on a thread of its own, so that one that hangs is an answer, too.
fn run(driver: &StandIn, plan: Option<(&Site, Fault)>) -> Result<Outcome, String> {
    driver.reset();
    if let Some((site, fault)) = plan {
        driver.fault(&site.call, site.phase as u32, site.nth, fault);
    }
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(live(&StandIn)));
    let slow = plan.is_some_and(|(site, fault)| is_slow(site, fault));
    let limit = if slow { SLOW } else { QUICK };
    match ended.recv_timeout(limit) {
        Ok(outcome) => Ok(outcome),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(format!("hangs for {limit:?}")),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err("panics".to_owned()),
    }
}

/// Every function in every phase: its first, its middle and its last call there.
fn sites(driver: &StandIn) -> Vec<Site> {
    let clean = run(driver, None).expect("a run without a fault");
    assert!(clean.errors.is_empty() && clean.saw_all, "{:?}", clean.errors);
    assert_eq!(
        (clean.state, clean.latest.as_deref().and_then(messages)),
        (Some(KernelState::Terminated), Some(MESSAGES))
    );
    for what in ["live", "reclaimed", "contexts", "resident", "blocked", "null_stream", "pageable", "wild"] {
        assert_eq!(driver.get(what), 0, "{what}, of a run without a fault");
    }
    let calls = driver.calls();
    let of_phase = |phase: u32| PHASES.into_iter().find(|p| *p as u32 == phase);
    let known = calls.into_iter().filter_map(|(phase, call, count)| Some((of_phase(phase)?, call, count)));
    known
        .flat_map(|(phase, call, count)| {
            let some: BTreeSet<u64> = [1, count.div_ceil(2), count].into();
            some.into_iter().map(move |nth| Site { call: call.clone(), phase, nth })
        })
        .collect()
}

fn is_slow(site: &Site, fault: Fault) -> bool {
    matches!(fault, Fault::NotReady | Fault::Never) && site.phase <= Phase::Build
}

/// How often that call is made there varies where it polls: then an earlier one.
fn hit(driver: &StandIn, site: &Site, fault: Fault) -> Result<Option<(Site, Outcome)>, String> {
    let mut site = site.clone();
    while site.nth > 0 {
        let outcome = run(driver, Some((&site, fault)))?;
        if driver.get("hits") == 1 {
            return Ok(Some((site, outcome)));
        }
        site.nth /= 2;
    }
    Ok(None)
}

/// Calls that let something go: their error has nowhere to go, the thing stays until the context goes.
const LETTING_GO: [&str; 6] = [
    "cuMemFree_v2",
    "cuMemFreeHost",
    "cuModuleUnload",
    "cuStreamDestroy_v2",
    "cuEventDestroy_v2",
    "cuDevicePrimaryCtxRelease_v2",
];

/// What is wrong with what such a run came to.
fn wrong(driver: &StandIn, site: &Site, fault: Fault, outcome: &Outcome) -> Result<(), String> {
    let expect = |ok: bool, what: &str| if ok { Ok(()) } else { Err(what.to_owned()) };
    let call = site.call.as_str();
    let first = outcome.errors.first();
    let device = first.and_then(|(_, e)| e.device());
    let code = first.and_then(|(_, e)| e.code(call));
    let named = outcome.errors.iter().any(|(_, e)| e.code(call) == Some((2, true)));
    // Binding the context is part of letting go as well.
    let may_pass = LETTING_GO.contains(&call) || call.starts_with("cuCtx") || site.phase == Phase::Drop;
    match fault {
        Fault::OutOfMemory if first.is_some() => expect(named, "the error names the call and the CUresult")?,
        Fault::OutOfMemory => expect(may_pass, "the run ends in an error")?,
        Fault::LaunchFailed if first.is_some() => {
            expect(code.is_some_and(|(code, _)| code == 719), "the error is what the context died of")?;
        }
        Fault::IllegalAddress if first.is_some() => {
            expect(code.is_some_and(|(code, _)| code == 700), "the error is what the context died of")?;
        }
        Fault::LaunchFailed | Fault::IllegalAddress => {
            let outside = call.starts_with("cuDevice") || call.starts_with("cuInit") || call.starts_with("cuDriver");
            expect(may_pass || outside || site.phase == Phase::Stop, "the run ends in an error")?;
        }
        Fault::NotReady | Fault::Never => {
            let typed = match (first, device) {
                (Some((Phase::Open | Phase::Build, _)), Some(DeviceError::Call { code: 600, .. })) => true,
                (_, Some(DeviceError::CopyTimedOut { waited: COPY_LIMIT })) => true,
                (Some((_, Failed::Runtime(RuntimeError::StopTimedOut { .. }))), _) => true,
                // A kernel that never starts answers nothing.
                (Some((_, Failed::Runtime(RuntimeError::ReceiveTimedOut { .. }))), _) => call == "cuLaunchKernel",
                (None, _) => matches!(site.phase, Phase::Drop | Phase::Traffic),
                _ => false,
            };
            expect(typed, "the error says what was waited for")?;
        }
    }
    // A dead context is known to be one; what was only late is not called dead.
    let dead = matches!(fault, Fault::LaunchFailed | Fault::IllegalAddress) && !outcome.errors.is_empty();
    let died = if outcome.seen_to_end { KernelState::Terminated } else { KernelState::Failed };
    expect(
        !dead || outcome.state.is_none_or(|state| state == died),
        "a kernel of a dead context is Failed, or was seen to end before",
    )?;
    if outcome.saw_all {
        let last = outcome.latest.as_deref().and_then(|s| s.kernel("w"));
        expect(last.is_some_and(|k| k.messages_processed == MESSAGES), "the last good snapshot is readable")?;
        let state = last.map(|k| k.state);
        expect(!dead || state == Some(died), "the last good snapshot says so, too")?;
        let late = matches!(fault, Fault::NotReady | Fault::Never);
        expect(!late || state != Some(KernelState::Failed), "what is late is not Failed")?;
    }
    for what in ["blocked", "null_stream", "pageable", "wild"] {
        expect(driver.get(what) == 0, what)?;
    }
    // What may still be written stays, on purpose; so does what the driver would not let go of.
    let late = matches!(fault, Fault::NotReady | Fault::Never) || outcome.abandoned > 0;
    // cudarc asks for memory pools between retaining the context and owning it, and then leaves it retained.
    let of_cudarc =
        call == "cuDeviceGetAttribute" && first.is_some_and(|(_, e)| e.to_string().contains("CudaContext::new"));
    let abandoned = late || of_cudarc || call == "cuDevicePrimaryCtxRelease_v2";
    for what in ["live", "contexts", "resident"] {
        expect(abandoned || driver.get(what) == 0, &format!("{} {what} are left", driver.get(what)))?;
    }
    // A live context is left empty.
    let lost = u64::from(LETTING_GO.contains(&call) || call == "cuCtxSetCurrent");
    let alone = fault == Fault::OutOfMemory && lost == 0;
    expect(!alone || driver.get("reclaimed") == 0, "everything is freed before the context goes")
}

/// The runs of some sites with each of these faults.
fn try_all(driver: &StandIn, name: &str, faults: &[Fault], pick: impl Fn(&Site, Fault) -> bool) {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tell(&format!("a panic: {info}"));
    }));
    let sites = sites(driver);
    let start = Instant::now();
    let (mut runs, mut calls, mut failures) = (0, BTreeSet::new(), Vec::new());
    let mut unsaid = BTreeMap::<String, u32>::new();
    for site in &sites {
        for fault in faults.iter().copied().filter(|fault| pick(site, *fault)) {
            let result = match hit(driver, site, fault) {
                Err(hangs) => Err((hangs, Vec::new())),
                Ok(None) => continue,
                Ok(Some((at, outcome))) => {
                    runs += 1;
                    calls.insert(at.call.clone());
                    if outcome.errors.is_empty() {
                        *unsaid.entry(at.call.clone()).or_default() += 1;
                    }
                    let said = outcome.errors.iter().map(|(phase, e)| format!("{phase:?}: {e}")).collect();
                    wrong(driver, &at, fault, &outcome).map_err(|why| (why, said))
                }
            };
            if let Err((why, said)) = result {
                failures.push(format!("{site}, {fault:?}: not so: {why}; {said:#?}"));
                if why.starts_with("hangs") {
                    // Its thread is in a call still: the rest cannot be tried in this process.
                    panic!("{}", failures.join("\n"));
                }
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(failures.is_empty(), "{} of {runs} runs:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    let applied = sites.iter().filter(|site| faults.iter().any(|fault| pick(site, *fault))).count();
    let silent: u32 = unsaid.values().sum();
    tell(&format!(
        "{name}: {} functions, {applied} calls x {} faults that apply = {runs} runs, all as promised ({:.1} s); {silent} \
         of them had nobody to tell: {unsaid:?}",
        calls.len(),
        faults.len(),
        start.elapsed().as_secs_f64()
    ));
}

const QUERIES: [&str; 2] = ["cuStreamQuery", "cuEventQuery"];
const WORK: [&str; 4] = ["cuMemcpyDtoHAsync_v2", "cuMemsetD8Async", "cuEventRecord", "cuLaunchKernel"];

/// Whether it can be broken in that way.
fn applies(site: &Site, fault: Fault) -> bool {
    match fault {
        Fault::NotReady => QUERIES.contains(&site.call.as_str()),
        Fault::Never => WORK.contains(&site.call.as_str()),
        _ => true,
    }
}

#[test]
fn a_call_that_fails_is_an_error_that_names_it() {
    if with_stand_in("a_call_that_fails_is_an_error_that_names_it") {
        try_all(&StandIn, "failing once", &[Fault::OutOfMemory], applies);
    }
}

#[test]
fn a_context_that_dies_is_an_error_and_not_a_hang() {
    if with_stand_in("a_context_that_dies_is_an_error_and_not_a_hang") {
        try_all(&StandIn, "a dead context", &[Fault::LaunchFailed, Fault::IllegalAddress], applies);
    }
}

const LATE: [Fault; 2] = [Fault::NotReady, Fault::Never];

#[test]
fn what_never_completes_is_given_up() {
    if with_stand_in("what_never_completes_is_given_up") {
        try_all(&StandIn, "never completing", &LATE, |site, fault| applies(site, fault) && site.phase > Phase::Build);
    }
}

// Opening and building wait for seconds, as their constants have it: a process of its own for each, and the first call.

#[test]
fn an_opening_that_never_completes_is_given_up() {
    if with_stand_in("an_opening_that_never_completes_is_given_up") {
        let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Open && site.nth == 1;
        try_all(&StandIn, "never completing, while the device is opened", &LATE, pick);
    }
}

#[test]
fn a_build_that_never_completes_is_given_up() {
    if with_stand_in("a_build_that_never_completes_is_given_up") {
        let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Build && site.nth == 1;
        try_all(&StandIn, "never completing, while the runtime is built", &LATE, pick);
    }
}
