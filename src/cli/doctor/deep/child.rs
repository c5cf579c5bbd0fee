//! The check that breaks the device's context, in a process of its own; both processes' parts.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ringscope::device::probe::Probe;
use ringscope::device::{self, DeviceError, DeviceKind};
use ringscope::{DeviceSpec, KernelState, LaunchOptions, RingKernelRuntime, RuntimeError};
use serde::{Deserialize, Serialize};

use super::check::{Finding, Outcome, Target, judged};
use crate::cli::error::CliError;
use crate::cli::term::{terminal, units};

/// What the child saw.
#[derive(Debug, Serialize, Deserialize)]
struct Broken {
    /// What the faulting kernel's end was.
    fault: String,
    /// What the next snapshot was.
    snapshot: String,
    /// Of the kernel beside it, in the last good snapshot.
    processed: u64,
    state: String,
}

pub fn illegal_address(target: &Target) -> Finding {
    const LIMIT: Duration = Duration::from_secs(60);
    if target.device.info().kind == DeviceKind::Host {
        return Ok((Outcome::DoesNotApply, "not checked: on the host device it would crash this process".to_owned()));
    }
    let program = std::env::current_exe()?;
    let mut child = Command::new(program);
    child.args(["doctor", "--deep", "--break", "--device", &target.spec.to_string()]);
    let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let start = Instant::now();
    while child.try_wait()?.is_none() {
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            return judged(false, format!("it hangs: not done after {}", units::elapsed(LIMIT)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output()?;
    let Ok(seen) = serde_json::from_slice::<Broken>(&output.stdout) else {
        return judged(false, format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    };
    let named = seen.fault.contains("(700)") && seen.snapshot.contains("(7");
    let right = named && seen.processed == BREAK_MESSAGES && seen.state == KernelState::Failed.name();
    let figure = format!(
        "in {}: \"{}\"; the kernel beside it is {}, its last good count {}",
        units::elapsed(start.elapsed()),
        seen.snapshot,
        seen.state,
        seen.processed
    );
    judged(right, figure)
}

const BREAK_MESSAGES: u64 = 10;

/// The child's part: breaks the context under a running kernel, and says what its telemetry makes of that.
pub fn break_the_context(spec: DeviceSpec) -> Result<bool, CliError> {
    let broken = broken(spec)?;
    terminal::print_json(&broken)?;
    Ok(true)
}

fn broken(spec: DeviceSpec) -> Result<Broken, RuntimeError> {
    let device = device::open(spec)?.device;
    let mut probe = Probe::new(&device, 1)?;
    let runtime = RingKernelRuntime::builder().on(device).telemetry(true).max_kernels(1).build()?;
    runtime.launch_blocking("beside", &LaunchOptions::default())?;
    runtime.activate_blocking("beside")?;
    for _ in 0..BREAK_MESSAGES {
        runtime.send_blocking("beside", b"still well")?;
        runtime.receive_blocking("beside", Duration::from_secs(10))?;
    }
    runtime.snapshot_blocking()?;
    let said = |result: Result<(), String>| result.err().unwrap_or_else(|| "nothing happened".to_owned());
    let fault = said(probe.fault().map_err(|e: DeviceError| e.to_string()));
    let snapshot = said(runtime.snapshot_blocking().map(drop).map_err(|e| e.to_string()));
    let last = runtime.latest();
    let kernel = last.as_deref().and_then(|s| s.kernel("beside"));
    Ok(Broken {
        fault,
        snapshot,
        processed: kernel.map_or(0, |k| k.messages_processed),
        state: kernel.map_or("unknown", |k| k.state.name()).to_owned(),
    })
}
