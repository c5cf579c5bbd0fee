//! `ringscope serve`: the work of `run` without an end, with its telemetry over HTTP.

pub mod error;

use std::time::{Duration, Instant};

use ringscope::publish::TelemetryServer;

use self::error::ServeError;
use crate::cli::args::ServeArgs;
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::publish::sending::{Sending, traced};
use crate::cli::publish::teller::Teller;
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::input::Limit;
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::Session;
use crate::cli::workload::system;

/// Most connections at one time.
const CONNECTIONS: usize = 8192;
/// File descriptors that are not for connections: files to stream, the device, connections on their way out.
const OTHER_FILES: usize = 512;
/// How soon Ctrl-C is noticed where nothing is streamed.
const LOOK: Duration = Duration::from_millis(50);

/// How often something is published where nothing is said.
const PUBLISH_INTERVAL: Duration = Duration::from_secs(10);

/// Whether every reply was right and the device's counts equal the host's.
pub fn serve(args: &ServeArgs) -> Result<bool, CliError> {
    let plan = args.publish.plan(args.run.json)?;
    let traced = traced(&args.publish, &args.run);
    // Before anything is launched: an address that is taken is known at once.
    let connections = most_connections(system::raise_open_files());
    let bound = TelemetryServer::builder(&args.listen.to_string()).connections(connections).streams(connections / 2);
    let bound = bound.bind().map_err(ServeError::from)?;
    let doing = "opening the device and launching the kernels";
    let mut session = opening(args.run.device, doing, || Session::start(&args.run, args.limit(), traced.as_ref()))?;
    // The first page is of this one.
    session.runtime().snapshot_blocking()?;
    session.runtime().collector().start_collection(args.run.interval).map_err(ringscope::RuntimeError::from)?;
    let open_to_all = !bound.only_local();
    let server = bound.serve(session.runtime().collector()).map_err(ServeError::from)?;
    if open_to_all {
        let warning = "warning: every machine that reaches this one can read the telemetry, unencrypted and without a \
                       password; --listen 127.0.0.1:9464 serves this machine only";
        terminal::say(&[styled(Style::Warn, warning)]);
    }
    let address = format!("http://{}", server.address());
    let rest = " for Prometheus; /snapshot.json, /summary.json, /stuck, /healthz; Ctrl-C ends";
    terminal::say(&[plain("serving "), styled(Style::Bold, &format!("{address}/metrics")), plain(rest)]);
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
