//! `ringscope serve --replay FILE`: the page of a recording.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ringscope::feed::Feed;
use ringscope::publish::BoundServer;
use ringscope::recording::Reader;

use super::error::ServeError;
use super::tell::tell;
use crate::cli::args::ServeArgs;
use crate::cli::error::CliError;
use crate::cli::term::signals;
use crate::cli::term::terminal;
use crate::cli::term::text::{Style, plain, styled};
use crate::cli::workload::input::shown;

/// How soon Ctrl-C is noticed.
const LOOK: Duration = Duration::from_millis(50);
/// Pauses in a recording, as between two runs in one file, are not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Serves the recording, and its last moment until Ctrl-C. Whether all of it could be read.
pub fn serve(args: &ServeArgs, path: &Path, bound: BoundServer) -> Result<bool, CliError> {
    let mut reader = Reader::open(path).map_err(|source| ServeError::Recording { path: shown(path), source })?;
    let stop = signals::stop_on_signals()?;
    let feed = Feed::new();
    let open_to_all = !bound.only_local();
    let server = bound.serve_feed(&feed).map_err(ServeError::from)?;
    tell(args, &server, open_to_all);
    let mut clock = Clock { speed: args.page.speed, last: None };
    let mut told = 0;
    while !stop.load(Ordering::Relaxed) {
        let moment = reader.next();
        for damage in &reader.damage()[told..] {
            terminal::say(&[styled(Style::Warn, &format!("warning: {damage}"))]);
        }
        told = reader.damage().len();
        let Some(moment) = moment else { break };
        clock.wait(moment.snapshot.time, stop);
        feed.push(moment);
    }
    let end = match args.run.duration {
        Some(time) => Instant::now().checked_add(time),
        None => None,
    };
    if !stop.load(Ordering::Relaxed) {
        terminal::say(&[plain("this was the last moment; it stays until Ctrl-C")]);
    }
    while !stop.load(Ordering::Relaxed) && end.is_none_or(|end| Instant::now() < end) {
        std::thread::sleep(LOOK);
    }
    drop(server);
    Ok(told == 0)
}

/// When the next moment is due.
struct Clock {
    speed: f64,
    last: Option<(SystemTime, Instant)>,
}

impl Clock {
    fn wait(&mut self, next: SystemTime, stop: &AtomicBool) {
        let due = match self.last {
            Some((last, shown)) => {
                let pause = next.duration_since(last).unwrap_or_default().min(LONGEST_PAUSE);
                shown + pause.div_f64(self.speed)
            }
            None => Instant::now(),
        };
        while !stop.load(Ordering::Relaxed) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LOOK));
        }
        // What is late is not made up for: a slow machine would never catch up.
        self.last = Some((next, due.max(Instant::now() - LOOK)));
    }
}
