//! One run of a runtime's life for every call of the driver that it makes, in which just that call fails: each ends in
//! an error that names a call and the CUresult, in time, with the last good numbers readable and nothing left behind.
//! Against the stand-in of the driver (cuda-driver/driver.cpp), with no GPU.
//!
//! "Every call" is every function in every phase of that life, each time that it is called there up to the 16th. How often
//! a query is called there depends on the clock; of what is called more often, the middle and the last call are broken,
//! too. Opening and building wait for 5 s and 10 s before they give up, which nobody can configure; what never completes
//! there is tried in many processes at once, for the first 16 calls.
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

use stand_in::{Fault, Role, StandIn, count, in_shares, say, tell};

const MESSAGES: u64 = 4;
/// A run that takes longer hangs. Zeroing memory and reading the clock wait for 10 s and for 5 s in vain.
const HANGS: Duration = Duration::from_secs(30);
/// What a copy, or a stop, that never ends is waited for.
const LATE_LIMIT: Duration = Duration::from_millis(200);
/// What anything else is waited for, which comes at once, or on a busy machine somewhat later.
const LIMIT: Duration = Duration::from_secs(10);

/// So many calls of a function in a phase are broken each.
const EACH: u64 = 16;

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

    /// Whether it names that CUresult, and one of those calls of the driver, in its fields and in its words.
    fn names(&self, (code, name): (i32, &str), calls: &BTreeSet<String>) -> bool {
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
    fn is_patience(&self, call: &str) -> bool {
        match (self, self.device()) {
            (_, Some(DeviceError::CopyTimedOut { waited: LATE_LIMIT })) => {
                ["cuMemcpyDtoHAsync_v2", "cuEventRecord", "cuEventQuery"].contains(&call)
            }
            (Failed::Runtime(RuntimeError::StopTimedOut { waited: LATE_LIMIT, .. }), _) => {
                ["cuLaunchKernel", "cuStreamQuery"].contains(&call)
            }
            // A kernel that never starts answers nothing.
            (Failed::Runtime(RuntimeError::ReceiveTimedOut { .. }), _) => call == "cuLaunchKernel",
            _ => false,
        }
    }

    /// What follows from an error that was said before: the kernel was not launched, is not active, or has ended.
    fn follows(&self) -> bool {
        use RuntimeError::{BadTransition, Ended, NotActive, UnknownKernel};
        matches!(self, Failed::Runtime(BadTransition { .. } | Ended { .. } | NotActive { .. } | UnknownKernel { .. }))
    }
}

/// What a fault comes to, with its name.
fn result_of(fault: Fault) -> (i32, &'static str) {
    match fault {
        Fault::OutOfMemory => (2, "CUDA_ERROR_OUT_OF_MEMORY"),
        Fault::LaunchFailed => (719, "CUDA_ERROR_LAUNCH_FAILED"),
        Fault::IllegalAddress => (700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        Fault::NotReady | Fault::Never => (600, "CUDA_ERROR_NOT_READY"),
    }
}

/// A short life: every phase goes on after an error, as an application would that does not look.
fn live(driver: &StandIn, limit: Duration) -> Outcome {
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
    let config = TelemetryConfig { max_blocks: 4, copy_limit: limit, ..TelemetryConfig::default() };
    let builder = RingKernelRuntime::builder().on(device).kernel("crc32c").telemetry(true).telemetry_config(config);
    let runtime = match builder.slots(8).slot_bytes(64).max_kernels(2).stop_limit(limit).build() {
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
    runtime.shutdown_blocking(limit);
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
    let late = plan.is_some_and(|(site, fault)| site.phase > Phase::Build && LATE_FAULTS.contains(&fault));
    let limit = if late { LATE_LIMIT } else { LIMIT };
    std::thread::spawn(move || done.send(live(&StandIn, limit)));
    match ended.recv_timeout(HANGS) {
        Ok(outcome) => Ok(outcome),
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(format!("hangs for {HANGS:?}")),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err("panics".to_owned()),
    }
}

/// Every function in every phase: each of its first calls there, the middle and the last one; and all functions.
fn sites(driver: &StandIn) -> (Vec<Site>, BTreeSet<String>) {
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
    let functions = calls.iter().map(|(_, call, _)| call.clone()).collect();
    let of_phase = |phase: u32| PHASES.into_iter().find(|p| *p as u32 == phase);
    let known = calls.into_iter().filter_map(|(phase, call, count)| Some((of_phase(phase)?, call, count)));
    let sites = known.flat_map(|(phase, call, count)| {
        let some: BTreeSet<u64> = (1..=count.min(EACH)).chain([count.div_ceil(2), count]).collect();
        some.into_iter().map(move |nth| Site { call: call.clone(), phase, nth })
    });
    (sites.collect(), functions)
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

/// Why something may be left behind by a run, beyond its end or until its context goes.
const LATE: &str =
    "what never completed may still be written, and what never answered may still run: it is kept on purpose";
const CUDARC: &str =
    "cudarc asks for memory pools between retaining the context and owning it; if that fails it stays retained";
const RELEASE: &str = "the release of the context is what fails, in a drop of cudarc's: it stays retained";
const LETTING: &str =
    "the call that lets go is what fails: the thing goes with its context (a second try might free twice)";

/// What may be left by such a run.
fn exemption(site: &Site, fault: Fault, outcome: &Outcome) -> Option<&'static str> {
    let call = site.call.as_str();
    let by_cudarc = |(_, error): &(Phase, Failed)| error.to_string().contains("CudaContext::new");
    match fault {
        Fault::NotReady | Fault::Never => Some(LATE),
        Fault::IllegalAddress => None,
        _ if call == "cuDevicePrimaryCtxRelease_v2" => Some(RELEASE),
        _ if call == "cuDeviceGetAttribute" && outcome.errors.first().is_some_and(by_cudarc) => Some(CUDARC),
        Fault::OutOfMemory if LETTING_GO.contains(&call) => Some(LETTING),
        _ => None,
    }
}

fn expect(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(what.to_owned()) }
}

/// Whether somebody was told what happened, where there is somebody to tell.
fn tells(site: &Site, fault: Fault, outcome: &Outcome, functions: &BTreeSet<String>) -> Result<(), String> {
    let call = site.call.as_str();
    let late = LATE_FAULTS.contains(&fault);
    // What fails once is named itself; of a dead context, the call that met it; of an opening, the one waited for.
    let broken = BTreeSet::from([site.call.clone()]);
    let known = if fault == Fault::OutOfMemory { &broken } else { functions };
    let told = |error: &Failed| match late && site.phase > Phase::Build {
        true => error.is_patience(call),
        false => error.names(result_of(fault), known),
    };
    if let Some((_, first)) = outcome.errors.first() {
        // Of a query that failed once the snapshot tells, and whoever ends the kernel; in between it takes no messages.
        let said = outcome.errors.iter().any(|(_, error)| told(error)) && (told(first) || fault == Fault::OutOfMemory);
        expect(said, "the error names the call and the CUresult")?;
        let rest = outcome.errors.iter().all(|(_, error)| told(error) || error.follows());
        return expect(rest, "what is said after it says the same, or follows from it");
    }
    if late {
        return expect(matches!(site.phase, Phase::Drop | Phase::Traffic), "the run ends in an error");
    }
    // Binding the context is part of letting go as well.
    let may_pass = LETTING_GO.contains(&call) || call.starts_with("cuCtx") || site.phase == Phase::Drop;
    // Of a context that dies at the last call of a phase, nobody is there to hear.
    let outside = call.starts_with("cuDevice") || call.starts_with("cuInit") || call.starts_with("cuDriver");
    let unheard = fault != Fault::OutOfMemory && (outside || site.phase == Phase::Stop);
    expect(may_pass || unheard, "the run ends in an error")
}

/// What is wrong with what such a run came to.
fn wrong(
    driver: &StandIn,
    site: &Site,
    fault: Fault,
    outcome: &Outcome,
    functions: &BTreeSet<String>,
) -> Result<(), String> {
    tells(site, fault, outcome, functions)?;
    // A dead context is known to be one; what was only late is not called dead.
    let late = LATE_FAULTS.contains(&fault);
    let dead = !late && fault != Fault::OutOfMemory && !outcome.errors.is_empty();
    let died = if outcome.seen_to_end { KernelState::Terminated } else { KernelState::Failed };
    let known = outcome.state.is_none_or(|state| state == died);
    expect(!dead || known, "a kernel of a dead context is Failed, or was seen to end before")?;
    if outcome.saw_all {
        let last = outcome.latest.as_deref().and_then(|s| s.kernel("w"));
        expect(last.is_some_and(|k| k.messages_processed == MESSAGES), "the last good snapshot is readable")?;
        let state = last.map(|k| k.state);
        expect(!dead || state == Some(died), "the last good snapshot says so, too")?;
        expect(!late || state != Some(KernelState::Failed), "what is late is not Failed")?;
    }
    for what in ["blocked", "null_stream", "pageable", "wild"] {
        expect(driver.get(what) == 0, what)?;
    }
    leaves(driver, fault, exemption(site, fault, outcome))
}

/// Nothing is left, and a context that is alive goes empty; or there is a reason.
fn leaves(driver: &StandIn, fault: Fault, reason: Option<&str>) -> Result<(), String> {
    let left = ["live", "contexts", "resident"].into_iter().find(|what| driver.get(what) > 0);
    let reclaimed = fault == Fault::OutOfMemory && driver.get("reclaimed") > 0;
    if let Some(reason) = reason {
        count(&format!("{EXEMPT}{reason}"), 1);
        count(&format!("{LEFT}{reason}"), u64::from(left.is_some() || reclaimed));
    }
    // A thing that was not let go is taken along by its context, and not left.
    let may_stay = reason.is_some_and(|reason| reason != LETTING);
    expect(may_stay || left.is_none(), &format!("{left:?} is left"))?;
    expect(reason.is_some() || !reclaimed, "everything is freed before the context goes")
}

const CALLS: &str = "calls";
const RUNS: &str = "runs";
const FUNCTION: &str = "function ";
const UNSAID: &str = "unsaid ";
const EXEMPT: &str = "exempt ";
const LEFT: &str = "left ";

/// The runs of some sites with each of these faults, in so many processes; prints their table.
fn try_all(test: &str, shares: u64, faults: &[Fault], pick: impl Fn(&Site, Fault) -> bool) {
    let start = Instant::now();
    match in_shares(test, shares) {
        Role::Share(share) => {
            // Whatever else a process finds to be called, these are its own.
            let here = |site: &Site| (site.nth + site.call.len() as u64) % shares == share;
            try_share(&StandIn, faults, |site, fault| here(site) && pick(site, fault));
        }
        Role::Whole(counts) => table(test, faults, &counts, start.elapsed()).iter().for_each(|line| say(line)),
        Role::Skipped => {}
    }
}

fn table(test: &str, faults: &[Fault], counts: &BTreeMap<String, u64>, took: Duration) -> Vec<String> {
    let of = |prefix: &str| -> Vec<(&str, u64)> {
        counts.iter().filter_map(|(what, n)| Some((what.strip_prefix(prefix)?, *n))).collect()
    };
    let [calls, runs] = [CALLS, RUNS].map(|what| counts.get(what).copied().unwrap_or(0));
    let (functions, unsaid) = (of(FUNCTION).len(), of(UNSAID));
    let silent: u64 = unsaid.iter().map(|(_, n)| n).sum();
    let seconds = took.as_secs_f64();
    let mut lines = vec![
        format!(
            "{test}: {calls} calls of {functions} functions x what applies of {faults:?} = {runs} runs, all as promised \
             ({seconds:.1} s)"
        ),
        format!("    {silent} runs had nobody to tell: {unsaid:?}"),
    ];
    for (reason, n) in of(EXEMPT) {
        let left = counts.get(&format!("{LEFT}{reason}")).copied().unwrap_or(0);
        lines.push(format!("    {n} runs may leave something, {left} did: {reason}"));
    }
    lines
}

fn try_share(driver: &StandIn, faults: &[Fault], pick: impl Fn(&Site, Fault) -> bool) {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tell(&format!("a panic: {info}"));
    }));
    let (sites, functions) = sites(driver);
    let (mut calls, mut runs, mut failures) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let all = sites.iter().flat_map(|site| faults.iter().map(move |fault| (site, *fault)));
    for (site, fault) in all.filter(|(site, fault)| pick(site, *fault)) {
        let result = match hit(driver, site, fault) {
            Err(hangs) => Err((hangs, Vec::new())),
            Ok(None) => continue,
            Ok(Some((at, outcome))) => {
                calls.insert(at.to_string());
                // An earlier call in the place of one that was not made may have been tried before.
                if !runs.insert(format!("{at} {fault:?}")) {
                    continue;
                }
                count(&format!("{FUNCTION}{}", at.call), 1);
                if outcome.errors.is_empty() {
                    count(&format!("{UNSAID}{}", at.call), 1);
                }
                let said = outcome.errors.iter().map(|(phase, e)| format!("{phase:?}: {e}")).collect();
                wrong(driver, &at, fault, &outcome, &functions).map_err(|why| (why, said))
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
    let _ = std::panic::take_hook();
    assert!(failures.is_empty(), "{} of {} runs:\n{}", failures.len(), runs.len(), failures.join("\n"));
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    count(CALLS, calls.len() as u64);
    count(RUNS, runs.len() as u64);
}

const LATE_FAULTS: [Fault; 2] = [Fault::NotReady, Fault::Never];
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
    try_all("a_call_that_fails_is_an_error_that_names_it", 1, &[Fault::OutOfMemory], applies);
}

#[test]
fn a_context_that_dies_is_an_error_and_not_a_hang() {
    let faults = [Fault::LaunchFailed, Fault::IllegalAddress];
    try_all("a_context_that_dies_is_an_error_and_not_a_hang", 1, &faults, applies);
}

#[test]
fn what_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase > Phase::Build;
    try_all("what_never_completes_is_given_up", 4, &LATE_FAULTS, pick);
}

// Opening and building wait for seconds: each process waits for a few calls, and they wait side by side.

#[test]
fn an_opening_that_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Open && site.nth <= EACH;
    try_all("an_opening_that_never_completes_is_given_up", 8, &LATE_FAULTS, pick);
}

#[test]
fn a_build_that_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Build && site.nth <= EACH;
    try_all("a_build_that_never_completes_is_given_up", 8, &LATE_FAULTS, pick);
}
