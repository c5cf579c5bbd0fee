//! The kernels that `top` launches itself: the work of `run` in the background.

use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::time::SystemTime;

use ringscope::feed::Feed;

use crate::cli::alerts::{self, Log};
use crate::cli::error::CliError;
use crate::cli::opening::opening;
use crate::cli::top::args::TopArgs;
use crate::cli::top::error::TopError;
use crate::cli::top::look;
use crate::cli::top::run::{self, NoOrders};
use crate::cli::top::source::events::{Event, WAITING};
use crate::cli::top::source::pump::pump;
use crate::cli::top::state::app::App;
use crate::cli::top::state::link::{Kind, Link, Origin};
use crate::cli::workload::report::Kept;
use crate::cli::workload::session::Session;
use crate::cli::workload::view;

/// Streams and shows that, until somebody wants the end. Whether every reply was right.
pub fn top(args: &TopArgs) -> Result<bool, CliError> {
    let alerts = alerts::plan(&args.alerts)?;
    let doing = "opening the device and launching the kernels";
    let mut session = opening(args.run.device.first(), doing, || Session::start(&args.run, args.limit(), None))?;
    let collector = session.runtime().collector().clone();
    collector.start_collection(args.run.interval).map_err(ringscope::RuntimeError::from)?;
    let judge = alerts.judge(&collector, Log::Shown)?;
    let feed = Feed::start(&collector, Some(Box::new(judge))).map_err(TopError::from)?;
    let moments = feed.subscribe();
    let mut app = App::new(Origin::new(Kind::Workload, view::what(&args.run, &session.devices())), SystemTime::now());
    let (events, received) = sync_channel(WAITING);
    let stop = session.stop();
    let (shown, outcome) = std::thread::scope(|scope| {
        let to_pump = events.clone();
        let pumping =
            std::thread::Builder::new().name("moments".into()).spawn_scoped(scope, move || pump(moments, &to_pump));
        if let Err(error) = pumping {
            return (Err(TopError::NoThread(error)), None);
        }
        run::read_input(events.clone());
        let streaming = std::thread::Builder::new().name("stream".into()).spawn_scoped(scope, || {
            let outcome = session.stream();
            let why = match &outcome {
                Ok(outcome) => outcome.troubles.first().or(outcome.no_input.as_ref()).cloned(),
                Err(error) => Some(error.to_string()),
            };
            let why = why.unwrap_or_else(|| "everything was streamed; the kernels wait for more".to_owned());
            // If nobody looks any more, the end needs not be told.
            let _ = events.send(Event::Link(Link::Ended { why }));
            outcome
        });
        let shown = run::run(&mut app, look::theme(), &received, &mut NoOrders, stop).map_err(TopError::Terminal);
        stop.store(true, Ordering::Relaxed);
        // Whoever waits to tell something is told that nobody listens.
        drop(received);
        drop(feed);
        (shown, streaming.ok().and_then(|stream| stream.join().ok()))
    });
    shown?;
    let outcome = outcome.unwrap_or_else(|| Ok(Default::default()))?;
    session.report(outcome, |_| Kept::default())
}
