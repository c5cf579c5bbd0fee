//! `ringscope serve`: the work of `run` without an end, with its telemetry over HTTP.

pub mod args;
pub mod error;
mod replay;
mod tell;

use std::time::{Duration, Instant};

use ringscope::publish::{TelemetryServer, TelemetryServerBuilder, secret_file};
use ringscope::trace::{TraceFilter, Tracer, TracerConfig};

use self::error::ServeError;
use self::tell::tell;
use crate::cli::alerts::{self, Log};
use crate::cli::args::ServeArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::publish::sending::{Sending, traced};
use crate::cli::publish::teller::Teller;
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::term::text::plain;
use crate::cli::workload::input::Limit;
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::{Session, Traced};
use crate::cli::workload::system;

/// Most connections at one time.
const CONNECTIONS: usize = 8192;
/// File descriptors that are not for connections: files to stream, the device, connections on their way out.
const OTHER_FILES: usize = 512;
/// Most records of messages that are kept for a trace.
const KEPT: usize = 1 << 15;
/// Most records of a block's ring: one of many messages leaves one.
const RING_RECORDS: u32 = 2048;
/// How soon Ctrl-C is noticed where nothing is streamed.
const LOOK: Duration = Duration::from_millis(50);

/// How often something is published where nothing is said.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(10);

/// Whether every reply was right and the device's counts equal the host's.
pub fn serve(args: &ServeArgs) -> Result<bool, CliError> {
    let plan = args.publish.plan(args.run.json)?;
    // Before anything is launched: an address that is taken, or a file that is missing, is known at once.
    let bound = builder(args)?.bind().map_err(ServeError::from)?;
    if let Some(path) = &args.page.replay {
        return replay::serve(args, path, bound);
    }
    let traced = traced(&args.publish, &args.run).or_else(|| own_trace(args));
    let alerts = alerts::plan(&args.alerts)?;
    let doing = "opening the device and launching the kernels";
    let mut session =
        opening(args.run.device.first(), doing, || Session::start(&args.run, args.limit(), traced.as_ref()))?;
    // The first page is of this one.
    session.runtime().snapshot_blocking()?;
    session.runtime().collector().start_collection(args.run.interval).map_err(ringscope::RuntimeError::from)?;
    let open_to_all = !bound.only_local();
    let collector = session.runtime().collector();
    let bound = bound.judge(Box::new(alerts.judge(collector, Log::Stderr)?));
    let bound = match &traced {
        Some(traced) => bound.trace(collector.record_trace(&traced.tracer, KEPT).map_err(ServeError::Trace)?),
        None => bound,
    };
    let server = bound.serve(collector).map_err(ServeError::from)?;
    tell(args, &server, open_to_all);
    let sending = Sending::start_if(plan, session.runtime().collector(), Some(PUBLISH_INTERVAL), traced.as_ref())?;
    // A log that goes on for months has no use for a line each interval.
    let live = terminal::can_redraw().then(|| Live::start(session.view()));
    let tells = sending.is_some() && live.is_none();
    let teller = tells.then(|| Teller::start(session.runtime().collector().clone()));
    let end = match args.limit() {
        Limit::Time(time) => Instant::now().checked_add(time),
        _ => None,
    };
    let outcome = session.stream()?;
    if let Some(why) = &outcome.no_input {
        terminal::say(&[plain(why)]);
    }
    // What went wrong is served, too.
    server.set_troubles(&outcome.troubles);
    while !session.is_stopped() && end.is_none_or(|end| Instant::now() < end) {
        std::thread::sleep(LOOK);
    }
    drop(server);
    drop(teller);
    if let Some(live) = live {
        let replaced = !args.run.json && terminal::stdout_is_terminal();
        live.end(if replaced { Last::Erase } else { Last::Keep });
    }
    session.report(outcome, |troubles| Kept { published: Sending::end_if(sending, troubles), ..Kept::default() })
}

fn builder(args: &ServeArgs) -> Result<TelemetryServerBuilder, ServeError> {
    let connections = most_connections(system::raise_open_files());
    let builder = TelemetryServer::builder(&args.listen.to_string()).connections(connections).streams(connections / 2);
    let builder = match &args.page.token_file {
        Some(path) => builder.token(secret_file(&path.to_string_lossy()).map_err(ServeError::Token)?),
        None => builder,
    };
    Ok(match (&args.page.tls_cert, &args.page.tls_key) {
        (Some(certificate), Some(key)) => builder.tls(certificate, key),
        _ => builder,
    })
}

/// What kernels record for the trace of the page, unless they do for somebody else.
fn own_trace(args: &ServeArgs) -> Option<Traced> {
    let config = TracerConfig { instants: 2 * KEPT, messages: KEPT, ..TracerConfig::default() };
    let filter = TraceFilter::none().one_of(args.page.trace);
    let ring_records = args.run.ring_records().min(RING_RECORDS);
    (!args.page.no_trace).then(|| Traced { tracer: Tracer::with_config("ringscope", config), ring_records, filter })
}

/// So many that no client can take the file descriptors that the rest of the program needs.
fn most_connections(open_files: usize) -> usize {
    let left = open_files.saturating_sub(OTHER_FILES).max(open_files / 4);
    left.clamp(1, CONNECTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_the_rest() {
        assert_eq!(most_connections(usize::MAX), CONNECTIONS);
        assert_eq!(most_connections(1024), 512);
        assert_eq!(most_connections(64), 16);
        assert_eq!(most_connections(0), 1);
    }
}
