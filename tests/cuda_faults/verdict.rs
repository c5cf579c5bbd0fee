//! Whether a run in which a call failed went as promised: who was told, and what was left.

use std::collections::BTreeSet;

use ringscope::KernelState;

use crate::life::{FEEDING, Failed, KERNELS, LATE_FAULTS, MESSAGES, Outcome, Phase, Site};
use crate::stand_in::{Fault, StandIn, count};

/// What a fault comes to, with its name.
fn result_of(fault: Fault) -> (i32, &'static str) {
    match fault {
        Fault::OutOfMemory => (2, "CUDA_ERROR_OUT_OF_MEMORY"),
        Fault::LaunchFailed => (719, "CUDA_ERROR_LAUNCH_FAILED"),
        Fault::IllegalAddress => (700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        Fault::NotReady | Fault::Never => (600, "CUDA_ERROR_NOT_READY"),
    }
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

/// Before the names of such reasons, in what the shares count.
pub const EXEMPT: &str = "exempt ";
pub const LEFT: &str = "left ";

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
fn tells(
    driver: &StandIn,
    site: &Site,
    fault: Fault,
    outcome: &Outcome,
    functions: &BTreeSet<String>,
) -> Result<(), String> {
    let call = site.call.as_str();
    let late = LATE_FAULTS.contains(&fault);
    // A look at the clock launches and asks, too, on a slow machine in any phase: that it never ends harms nobody.
    let of_clock = KERNELS.contains(&call) && driver.get("late_residents") == 0;
    // What fails once is named itself; of a dead context, the call that met it; of an opening, the one waited for.
    let broken = BTreeSet::from([site.call.clone()]);
    let known = if fault == Fault::OutOfMemory { &broken } else { functions };
    let told = |error: &Failed| match late && site.phase > Phase::Build {
        true => error.is_patience(call),
        false => error.names(result_of(fault), known),
    };
    if let Some((_, first)) = outcome.errors.first() {
        // Of a query that failed once the snapshot tells, and the call that ends the kernel; in between it takes no messages.
        let said = outcome.errors.iter().any(|(_, error)| told(error)) && (told(first) || fault == Fault::OutOfMemory);
        expect(said, "the error names the call and the CUresult")?;
        let rest = outcome.errors.iter().all(|(_, error)| told(error) || error.follows());
        return expect(rest, "what is said after it says the same, or follows from it");
    }
    if late {
        let unheard = matches!(site.phase, Phase::Drop | Phase::Traffic) || of_clock;
        return expect(unheard, "the run ends in an error");
    }
    // Binding the context is part of letting go as well. A device without a UUID is known by its number.
    let optional = call == "cuDeviceGetUuid_v2";
    let may_pass = optional || LETTING_GO.contains(&call) || call.starts_with("cuCtx") || site.phase == Phase::Drop;
    // Of a context that dies at the last call of a phase, nobody is there to hear.
    let outside = call.starts_with("cuDevice") || call.starts_with("cuInit") || call.starts_with("cuDriver");
    let unheard = fault != Fault::OutOfMemory && (outside || site.phase == Phase::Stop);
    // Behind the launch of the kernel it is one of a look at the clock, whose failure harms nobody; as is a question after it.
    let launches = call == "cuLaunchKernel" && (site.phase, site.nth) > (Phase::Launch, 1);
    let asks = call == "cuStreamQuery" && driver.get("refused_residents") == 0;
    let clock = (launches || asks) && fault == Fault::OutOfMemory;
    // What feeds a ring and fails once is done again, and nobody needs to know.
    let again = FEEDING.contains(&call) && fault == Fault::OutOfMemory && outcome.saw_all && outcome.seen_to_end;
    expect(may_pass || unheard || clock || again, "the run ends in an error")
}

/// What is wrong with what such a run came to.
pub fn wrong(
    driver: &StandIn,
    site: &Site,
    fault: Fault,
    outcome: &Outcome,
    functions: &BTreeSet<String>,
) -> Result<(), String> {
    tells(driver, site, fault, outcome, functions)?;
    expect(outcome.moved.is_empty(), &format!("the thread keeps its context: lost in {:?}", outcome.moved))?;
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
