//! `ringscope record`: the work of `run`, or a server's telemetry, as a recording.

pub mod args;
mod connect;
mod end;
pub mod error;
pub mod help;

use self::args::RecordArgs;
use self::end::end;
use self::error::RecordCommandError;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::term::text::plain;
use crate::cli::workload::input::shown;
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::Session;

/// Whether everything was recorded, and of a workload every reply was right.
pub fn record(args: &RecordArgs) -> Result<bool, CliError> {
    // Before anything is launched: what cannot be begun is known at once.
    if !args.append && !args.overwrite && args.output.symlink_metadata().is_ok() {
        return Err(RecordCommandError::Exists { path: shown(&args.output) }.into());
    }
    match &args.connect {
        Some(address) => connect::record(args, address),
        None => workload(args),
    }
}

fn workload(args: &RecordArgs) -> Result<bool, CliError> {
    let doing = "opening the device and launching the kernels";
    let mut session = opening(args.run.device.first(), doing, || Session::start(&args.run, args.run.limit(), None))?;
    let collector = session.runtime().collector().clone();
    collector.start_collection(args.run.interval).map_err(ringscope::RuntimeError::from)?;
    let recording = args.bounded(collector.record(&args.output)).start().map_err(RecordCommandError::from)?;
    let live = Live::start(session.view());
    let mut outcome = session.stream()?;
    // Nothing was checked.
    outcome.troubles.extend(outcome.no_input.take());
    // The summary takes the place of the live display, if that is where it goes.
    let replaced = !args.run.json && terminal::stdout_is_terminal();
    live.end(if replaced { Last::Erase } else { Last::Keep });
    let mut told = String::new();
    let right = session.report(outcome, |troubles| {
        let (what, trouble) = end(recording);
        troubles.extend(trouble);
        told = what;
        Kept::default()
    })?;
    terminal::say(&[plain(&told)]);
    Ok(right)
}
