//! One run of a runtime's life for every call of the driver that it makes, in which just that call fails: each ends in
//! an error that names a call and the CUresult, in time, with the last good numbers readable and nothing left behind.
//! Against the stand-in of the driver (tests/cuda-driver), with no GPU.
//!
//! "Every call" is every function in every phase of that life, each time that it is called there up to the 16th. How often
//! a query is called there depends on the clock; of what is called more often, the middle and the last call are broken,
//! too. Opening and building wait for 5 s and 10 s before they give up, which nobody can configure; what never completes
//! there is tried in many processes at once, for the first 16 calls.
#![cfg(feature = "cuda")]
#![allow(unsafe_code)]

#[path = "../cuda-driver/mod.rs"]
mod stand_in;

mod life;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringscope::{InputRing, KernelState};

use life::{FEEDING, KERNELS, LATE_FAULTS, MESSAGES, Outcome, PHASES, Phase, Site, messages, run};
use stand_in::{Fault, Role, Runs, StandIn, count, in_shares, say, tell};
use verdict::{EXEMPT, LEFT, wrong};

/// So many calls of a function in a phase are broken each.
const EACH: u64 = 16;

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Every function in every phase: each of its first calls there, the middle and the last one; and all functions.
fn sites(driver: &StandIn, ring: InputRing) -> (Vec<Site>, BTreeSet<String>) {
    let clean = run(driver, ring, None).expect("a run without a fault");
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
fn hit(driver: &StandIn, ring: InputRing, site: &Site, fault: Fault) -> Result<Option<(Site, Outcome)>, String> {
    let mut site = site.clone();
    while site.nth > 0 {
        let outcome = run(driver, ring, Some((&site, fault)))?;
        if driver.get("hits") == 1 {
            return Ok(Some((site, outcome)));
        }
        site.nth /= 2;
    }
    Ok(None)
}

const CALLS: &str = "calls";
const RUNS: &str = "runs";
const FUNCTION: &str = "function ";
const UNSAID: &str = "unsaid ";

/// The runs of some sites with each of these faults, in so many processes; prints their table.
fn try_all(test: &str, shares: u64, runs: Runs, faults: &[Fault], pick: impl Fn(&Site, Fault) -> bool) {
    try_all_of(InputRing::Mapped, (test, shares, runs), faults, pick);
}

/// The same of a runtime with rings of that kind.
fn try_all_of(
    ring: InputRing,
    (test, shares, runs): (&str, u64, Runs),
    faults: &[Fault],
    pick: impl Fn(&Site, Fault) -> bool,
) {
    let start = Instant::now();
    match in_shares(test, shares, runs) {
        Role::Share(share) => {
            // Whatever else a process finds to be called, these are its own.
            let here = |site: &Site| (site.nth + site.call.len() as u64) % shares == share;
            try_share(&StandIn, ring, faults, |site, fault| here(site) && pick(site, fault));
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

fn try_share(driver: &StandIn, ring: InputRing, faults: &[Fault], pick: impl Fn(&Site, Fault) -> bool) {
    std::panic::set_hook(Box::new(|info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        tell(&format!("a panic: {info}"));
    }));
    let (sites, functions) = sites(driver, ring);
    let (mut calls, mut runs, mut failures) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let all = sites.iter().flat_map(|site| faults.iter().map(move |fault| (site, *fault)));
    for (site, fault) in all.filter(|(site, fault)| pick(site, *fault)) {
        let result = match hit(driver, ring, site, fault) {
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

const QUERIES: [&str; 2] = ["cuStreamQuery", "cuEventQuery"];
const WORK: [&str; 5] =
    ["cuMemcpyDtoHAsync_v2", "cuMemcpy2DAsync_v2", "cuMemsetD8Async", "cuEventRecord", "cuLaunchKernel"];

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
    try_all("a_call_that_fails_is_an_error_that_names_it", 1, Runs::Threads, &[Fault::OutOfMemory], applies);
}

#[test]
fn a_context_that_dies_is_an_error_and_not_a_hang() {
    let faults = [Fault::LaunchFailed, Fault::IllegalAddress];
    try_all("a_context_that_dies_is_an_error_and_not_a_hang", 1, Runs::Threads, &faults, applies);
}

#[test]
fn what_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase > Phase::Build;
    try_all("what_never_completes_is_given_up", 4, Runs::Threads, &LATE_FAULTS, pick);
}

// Opening and building wait for seconds: each process waits for a few calls, and they wait side by side.

#[test]
fn an_opening_that_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Open && site.nth <= EACH;
    try_all("an_opening_that_never_completes_is_given_up", 8, Runs::Threads, &LATE_FAULTS, pick);
}

#[test]
fn a_build_that_never_completes_is_given_up() {
    let pick = |site: &Site, fault| applies(site, fault) && site.phase == Phase::Build && site.nth <= EACH;
    try_all("a_build_that_never_completes_is_given_up", 8, Runs::Threads, &LATE_FAULTS, pick);
}

/// Kernels 32 lanes wide change nothing of it: the first call of each function in each phase.
#[test]
fn calls_fail_and_contexts_die_under_ptx_too() {
    let faults = [Fault::OutOfMemory, Fault::IllegalAddress];
    // What is launched during the traffic is a look at the clock, whose failures harm nobody.
    let harmless = |site: &Site| site.phase == Phase::Traffic && site.call == "cuLaunchKernel";
    let pick = |site: &Site, fault| applies(site, fault) && site.nth == 1 && !harmless(site);
    try_all("calls_fail_and_contexts_die_under_ptx_too", 2, Runs::Ptx, &faults, pick);
}

#[test]
fn calls_that_feed_rings_in_device_memory_fail_as_others_do() {
    let faults = [Fault::OutOfMemory, Fault::LaunchFailed, Fault::IllegalAddress];
    let test = ("calls_that_feed_rings_in_device_memory_fail_as_others_do", 2, Runs::Threads);
    let feeds = |site: &Site, _| FEEDING.contains(&site.call.as_str());
    try_all_of(InputRing::DeviceMemory, test, &faults, feeds);
}

/// Building with them, and all that a kernel of theirs does otherwise.
#[test]
fn a_runtime_with_rings_in_device_memory_dies_as_others_do() {
    let faults = [Fault::OutOfMemory, Fault::IllegalAddress];
    let test = ("a_runtime_with_rings_in_device_memory_dies_as_others_do", 2, Runs::Threads);
    // While a kernel is there a look at the clock, whose failures harm nobody, launches and asks as well.
    let of_clock =
        |site: &Site| KERNELS.contains(&site.call.as_str()) && !matches!(site.phase, Phase::Build | Phase::Drop);
    let pick = |site: &Site, _| site.phase > Phase::Open && site.nth <= 3 && !of_clock(site);
    try_all_of(InputRing::DeviceMemory, test, &faults, pick);
}
