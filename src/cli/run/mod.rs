//! `ringscope run`: streams the input through the kernels until its end, and judges the counts.

use crate::cli::alerts;
use crate::cli::args::RunAndPublishArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::publish::sending::{Sending, traced};
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::Session;

/// Whether every reply was right and the device's counts equal the host's.
pub fn run(args: &RunAndPublishArgs) -> Result<bool, CliError> {
    let plan = args.publish.plan(args.run.json)?;
    let (traced, alerts) = (traced(&args.publish, &args.run), alerts::plan(&args.alerts)?);
    let args = &args.run;
    let doing = "opening the device and launching the kernels";
    let mut session = opening(args.device.first(), doing, || Session::start(args, args.limit(), traced.as_ref()))?;
    let sending = Sending::start_if(plan, session.runtime().collector(), None, traced.as_ref())?;
    let alerting = alerts::feed_if(alerts, session.runtime().collector(), args.interval)?;
    let live = Live::start(session.view());
    let mut outcome = session.stream()?;
    // Nothing was checked.
    outcome.troubles.extend(outcome.no_input.take());
    // Those who are told something are told before the end, and of the end: a run may be shorter than an interval.
    alerts::end_if(alerting, session.runtime().collector());
    // The summary takes the place of the live display, if that is where it goes.
    let replaced = !args.json && terminal::stdout_is_terminal();
    live.end(if replaced { Last::Erase } else { Last::Keep });
    session.report(outcome, |troubles| Kept { published: Sending::end_if(sending, troubles), ..Kept::default() })
}
