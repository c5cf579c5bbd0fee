//! `ringscope serve`: the work of `run` without an end, with its telemetry over HTTP.

pub mod http;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use self::http::Server;
use self::routes::Routes;
use crate::cli::args::ServeArgs;
use crate::cli::error::CliError;
use crate::cli::term::live::{Last, Live};
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::input::Limit;
use crate::cli::workload::session::Session;
use crate::cli::workload::stream::Outcome;

/// How soon Ctrl-C is noticed by whoever stands still.
const LOOK: Duration = Duration::from_millis(50);

/// Whether every reply was right and the device's counts equal the host's.
pub fn serve(args: &ServeArgs) -> Result<bool, CliError> {
    // Before anything is launched: an address that is taken is known at once.
    let listener = http::bind(args.listen)?;
    let mut session = Session::start(&args.run, args.limit())?;
    // The first page is of this one.
    session.runtime().snapshot()?;
    session.runtime().collector().start_collection(args.run.interval).map_err(ringscope::RuntimeError::from)?;
    let routes = Arc::new(Routes::new(session.runtime().collector().clone()));
    let server = Server::start(listener, Arc::clone(&routes))?;
    let address = format!("http://{}", server.address());
    let rest = " for Prometheus; /snapshot.json, /summary.json, /healthz; Ctrl-C ends";
    terminal::say(&[plain("serving "), styled(Style::Bold, &format!("{address}/metrics")), plain(rest)]);
    // A log that goes on for months has no use for a line each interval.
    let live = terminal::can_redraw().then(|| Live::start(session.view()));
    let outcome = session.stream()?;
    stand_still(args, &session, &outcome, &routes);
    drop(server);
    if let Some(live) = live {
        let replaced = !args.run.json && terminal::stdout_is_terminal();
        live.end(if replaced { Last::Erase } else { Last::Keep });
    }
    session.report(outcome)
}

/// With nothing more to stream, serves what there is until Ctrl-C; what went wrong is served too.
fn stand_still(args: &ServeArgs, session: &Session<'_>, outcome: &Outcome, routes: &Routes) {
    routes.set_troubles(&outcome.troubles);
    let timed = matches!(args.limit(), Limit::Time(_)) && outcome.troubles.is_empty();
    while !timed && !session.is_stopped() {
        std::thread::sleep(LOOK);
    }
}
