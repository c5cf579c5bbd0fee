//! `ringscope replay`: what `run` shows while it runs, of a recording.

pub mod args;
mod clock;
pub mod error;
pub mod help;
mod show;

use ringscope::recording::Reader;

use self::args::ReplayArgs;
use self::clock::Clock;
use self::error::ReplayError;
use self::show::Show;
use crate::cli::error::CliError;
use crate::cli::term::{signals, terminal};
use crate::cli::workload::input::shown;

/// Whether the recording was whole.
pub fn replay(args: &ReplayArgs) -> Result<bool, CliError> {
    let failed = |source| ReplayError::Unreadable { path: shown(&args.file), source };
    let mut reader = Reader::open(&args.file).map_err(failed)?;
    let stop = signals::stop_on_signals()?;
    let mut clock = Clock::new(args.speed());
    let (mut begin, mut show, mut moments) = (None, Show::new(args.json), 0u64);
    for moment in reader.by_ref() {
        moments += 1;
        let begin = *begin.get_or_insert(moment.snapshot.time);
        let at = moment.snapshot.time.duration_since(begin).unwrap_or_default();
        if args.until.is_some_and(|until| at > until) {
            break;
        }
        if args.from.is_some_and(|from| at < from) {
            show.skip(&moment);
            continue;
        }
        if !clock.wait(at, stop) {
            break;
        }
        show.moment(&moment, at)?;
    }
    show.end()?;
    let damage = reader.damage();
    damage.iter().for_each(|damage| terminal::say_error(&damage.to_string()));
    if moments == 0 && damage.is_empty() {
        return Err(ReplayError::Empty { path: shown(&args.file) }.into());
    }
    Ok(damage.is_empty())
}
